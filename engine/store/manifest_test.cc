#include "store/manifest.h"

#include <gtest/gtest.h>

#include "store/store_testing.h"

namespace quipu {
namespace {

SegmentMeta SomeSegment() {
  SegmentMeta meta;
  meta.spec = {{11, 12}, 7, 674, 3, 9};
  meta.file_name = SegmentFileName(7, 674);
  meta.file_bytes = 4096;
  meta.footer_checksum = 0xABCDEF;
  meta.time_min = -5;
  meta.time_max = 6;
  meta.customers = 2;
  Catalogue catalogue;
  meta.totals = TotalsOf(RowMaker(&catalogue, "e", 1).Make(30));
  return meta;
}

ProducerState SomeProducer() {
  ProducerState state;
  state.epoch = 3;
  state.last_sequence = 12;
  for (std::uint64_t i = 8; i <= 12; ++i)
    state.replies.push_back({i, 100 + i, ~i, {0, 1, 2, 0}, {{3, "generated"}, {0, ""}}});
  return state;
}

TEST(Manifest, RecordsComeBack) {
  StoreRecord store;
  store.store_id = {1, 2};
  store.created_us = -3;
  const auto store_back = DecodeStoreRecord(EncodeStoreRecord(store));
  ASSERT_TRUE(store_back);
  EXPECT_EQ(store_back->store_id, store.store_id);
  EXPECT_EQ(store_back->created_us, -3);

  const SegmentMeta meta = SomeSegment();
  const auto back = DecodeSegment(MakeSegmentKey(7), EncodeSegment(meta), {11, 12});
  ASSERT_TRUE(back) << back.error().ToString();
  EXPECT_EQ(EncodeSegment(*back), EncodeSegment(meta));
  EXPECT_EQ(back->spec.store_id, meta.spec.store_id);
  EXPECT_TRUE(back->totals == meta.totals);

  const auto last = DecodeLastCommit(EncodeLastCommit({42, meta.totals, {7, 8, 9}, 10}));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->written, (WriteCounters{7, 8, 9}));
  EXPECT_EQ(last->seq, 42u);
  EXPECT_EQ(last->producers_written, 10u);
  EXPECT_TRUE(last->totals == meta.totals);

  const auto producer = DecodeProducer("p", EncodeProducer("p", SomeProducer()));
  ASSERT_TRUE(producer) << producer.error().ToString();
  EXPECT_EQ(producer->epoch, 3u);
  ASSERT_EQ(producer->replies.size(), 5u);
  EXPECT_EQ(producer->replies[4].seq, 112u);
  EXPECT_EQ(producer->replies[4].outcomes, (std::vector<std::uint8_t>{0, 1, 2, 0}));
  EXPECT_EQ(producer->replies[4].generated_ids[0].second, "generated");
  EXPECT_EQ(*ParseBlobKey(MakeBlobKey(0x0102030405060708)), 0x0102030405060708u);
  EXPECT_EQ(MakeBlobKey(1), std::string("\0\0\0\0\0\0\0\1", 8)) << "big endian, part of the format";
}

TEST(Manifest, ANewerStoreIsUnsupported) {
  StoreRecord store;
  store.format_version = kStoreFormatVersion + 1;
  EXPECT_EQ(DecodeStoreRecord(EncodeStoreRecord(store)).error().code(), StatusCode::kUnsupported);
}

TEST(Manifest, ARecordUnderAnotherKeyIsCorruption) {
  EXPECT_EQ(DecodeProducer("q", EncodeProducer("p", SomeProducer())).error().code(),
            StatusCode::kCorruption);
  EXPECT_EQ(DecodeSegment(MakeSegmentKey(8), EncodeSegment(SomeSegment()), {}).error().code(),
            StatusCode::kCorruption);
  EXPECT_EQ(DecodeCounter(kSealedKey, EncodeCounter(kNextSegmentKey, 5)).error().code(),
            StatusCode::kCorruption);
}

/// `decode` must refuse every damaged form of `value`, and take any forged one (checksum made right) without a crash.
template <class Decode>
void Attack(std::string_view key, const std::string& value, Decode decode, Random* random) {
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(decode(damaged).code(), StatusCode::kCorruption) << "bit " << bit;
  }
  for (std::size_t size = 0; size < value.size(); ++size)
    ASSERT_FALSE(decode(value.substr(0, size)).ok());
  for (int round = 0; round < 3000; ++round) {
    std::string payload = value.substr(8);
    for (std::uint64_t n = 1 + random->Below(3); n > 0; --n) {
      payload[random->Below(payload.size())] =
          static_cast<char>(random->Below(2) == 0 ? 0xFF : random->Below(256));
    }
    if (random->Below(4) == 0) payload.resize(random->Below(payload.size() + 1));
    std::string forged;
    ByteWriter(&forged).U64(Hash64(payload, Hash64(key)));
    static_cast<void>(decode(forged + payload));
  }
}

TEST(Manifest, DamagedRecordsAreCorruptionAndForgedOnesHarmless) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  const std::string key = MakeSegmentKey(7);
  Attack(
      kStoreRecordKey, EncodeStoreRecord({}),
      [](const std::string& v) { return DecodeStoreRecord(v).error(); }, &random);
  Attack(
      kLastCommitKey, EncodeLastCommit({42, SomeSegment().totals, {}, 0}),
      [](const std::string& v) { return DecodeLastCommit(v).error(); }, &random);
  Attack(
      key, EncodeSegment(SomeSegment()),
      [&](const std::string& v) { return DecodeSegment(key, v, {}).error(); }, &random);
  Attack(
      "p", EncodeProducer("p", SomeProducer()),
      [](const std::string& v) { return DecodeProducer("p", v).error(); }, &random);
}

}  // namespace
}  // namespace quipu
