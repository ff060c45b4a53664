#include "codec/int_codec.h"

#include <gtest/gtest.h>

#include <set>

#include "codec/int_vector.h"
#include "codec/test_vectors.h"

namespace quipu {
namespace {

using Values = std::vector<std::int64_t>;
constexpr IntEncoding kAll[] = {IntEncoding::kConstant, IntEncoding::kRunLength,
                                IntEncoding::kFrameOfReference, IntEncoding::kDictionary,
                                IntEncoding::kDelta};
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min(),
                       kMax = std::numeric_limits<std::int64_t>::max();

// Decodes from an exact heap copy with a marker behind it that must stay.
void ExpectDecodes(std::string_view block, const Values& values) {
  std::vector<std::uint8_t> exact(block.begin(), block.end());
  Bytes alone = exact;
  Values back(values.size(), 77);
  const Status decoded = DecodeInts(&alone, back);
  ASSERT_TRUE(decoded.ok()) << decoded.ToString();
  EXPECT_TRUE(alone.empty());
  EXPECT_EQ(back, values);
  exact.push_back(0xee);
  Bytes more = exact;
  ASSERT_TRUE(DecodeInts(&more, back).ok());
  EXPECT_EQ(more.size(), 1u);
}

bool MustHold(IntEncoding e, const Values& v) {
  const std::set<std::int64_t> distinct(v.begin(), v.end());
  if (e == IntEncoding::kConstant) return distinct.size() == 1;
  if (e == IntEncoding::kDictionary) return distinct.size() <= kDictionaryEntriesMax;
  return true;
}

void ExpectAllEncodingsAgree(const Values& values) {
  std::size_t smallest = kNoSize;
  IntEncoding expected = IntEncoding::kConstant;
  for (const IntEncoding e : kAll) {
    SCOPED_TRACE(IntEncodingName(e));
    std::string block = "x";
    const bool held = EncodeIntsAs(e, values, &block);
    ASSERT_EQ(held, MustHold(e, values));
    const std::size_t measured = MeasureInts(e, values);
    if (!held) {
      EXPECT_EQ(block, "x");
      EXPECT_EQ(measured, kNoSize);
      continue;
    }
    ASSERT_EQ(block.size() - 1, measured);
    ASSERT_NO_FATAL_FAILURE(ExpectDecodes(std::string_view(block).substr(1), values));
    if (measured < smallest) {
      smallest = measured;
      expected = e;
    }
  }
  std::string block;
  const IntEncoding chosen = EncodeInts(values, &block);
  EXPECT_EQ(IntEncodingName(chosen), IntEncodingName(expected));
  EXPECT_EQ(block.size(), smallest);
  EXPECT_EQ(static_cast<std::uint8_t>(block[0]), static_cast<std::uint8_t>(chosen));
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(block, values));
}

TEST(IntCodecTest, EveryEncodingHoldsEveryShapeAndTheSmallestIsChosen) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int shape = 0; shape < kShapes; ++shape) {
    for (int round = 0; round < 60; ++round) {
      const std::size_t lengths[] = {1,  2,    3,    64,
                                     65, 1023, 1024, 1 + random.Below(kVectorValuesMax)};
      const std::size_t n = lengths[random.Below(8)];
      SCOPED_TRACE("shape " + std::to_string(shape) + " round " + std::to_string(round) + " n " +
                   std::to_string(n));
      ASSERT_NO_FATAL_FAILURE(ExpectAllEncodingsAgree(MakeShape(shape, n, random)));
    }
  }
}

TEST(IntCodecTest, Extremes) {
  for (const Values& v :
       {Values{kMin}, Values{kMax}, Values{kMin, kMax}, Values{kMax, kMin},
        Values{kMin, kMax, kMin}, Values{0, kMin, -1, kMax, 1}, Values{kMin, kMin + 1, kMin + 2},
        Values{kMax - 1, kMax}, Values{-1, 0}, Values{0}, Values{-1}}) {
    SCOPED_TRACE(testing::PrintToString(v));
    ExpectAllEncodingsAgree(v);
  }
}

TEST(IntCodecTest, DictionaryEndsAt256Entries) {
  for (const std::size_t distinct : {255u, 256u, 257u}) {
    Values v(1024);
    for (std::size_t i = 0; i < v.size(); ++i)
      v[i] = static_cast<std::int64_t>(i % distinct * 1'000'003);
    EXPECT_EQ(MeasureInts(IntEncoding::kDictionary, v) != kNoSize, distinct <= 256);
    ExpectAllEncodingsAgree(v);
  }
}

TEST(IntCodecTest, EachEncodingIsTheSmallestSomewhere) {
  Random random(7);
  Values runs, dense, few, times;
  for (std::int64_t i = 0; i < 1024; ++i) {
    runs.push_back(i / 200 * 1'000'000);
    dense.push_back(static_cast<std::int64_t>(random.Below(1000)));
    few.push_back(static_cast<std::int64_t>(random.Below(4) * 1'000'000'000));
    times.push_back(1'700'000'000'000'000 + i * 1'000'000 +
                    static_cast<std::int64_t>(random.Below(1000)));
  }
  std::string out;
  EXPECT_EQ(EncodeInts(Values(1024, 5), &out), IntEncoding::kConstant);
  EXPECT_EQ(EncodeInts(runs, &out), IntEncoding::kRunLength);
  EXPECT_EQ(EncodeInts(dense, &out), IntEncoding::kFrameOfReference);
  EXPECT_EQ(EncodeInts(few, &out), IntEncoding::kDictionary);
  EXPECT_EQ(EncodeInts(times, &out), IntEncoding::kDelta);
}

TEST(IntCodecTest, ListsOfAnyLength) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const std::size_t n : {0, 1, 1023, 1024, 1025, 2048, 5000}) {
    Values v;
    for (std::size_t i = 0; i < n; ++i) v.push_back(static_cast<std::int64_t>(random.Below(1 + i)));
    std::string out;
    EncodeIntList(v, &out);
    Bytes in = AsBytes(out);
    Values back(n);
    ASSERT_TRUE(DecodeIntList(&in, back).ok());
    EXPECT_TRUE(in.empty());
    EXPECT_EQ(back, v);
    if (n != 0) {
      in = AsBytes(out).first(out.size() - 1);
      EXPECT_EQ(DecodeIntList(&in, back).code(), StatusCode::kCorruption);
    }
  }
}

struct BadBlock {
  const char* what;
  std::vector<std::uint8_t> bytes;
  std::size_t n;
};

TEST(IntCodecTest, RefusesImpossibleBlocks) {
  const BadBlock bad[] = {
      {"nothing", {}, 1},
      {"unknown encoding", {5, 0}, 1},
      {"constant cut", {0, 0x80}, 1},
      {"runs stop early", {1, 2, 3}, 4},
      {"runs go on too long", {1, 2, 5}, 4},
      {"empty run", {1, 2, 0, 2, 4}, 4},
      {"equal runs", {1, 2, 2, 0, 2}, 4},
      {"huge run", {1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 4},
      {"width 65", {2, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1},
      {"residuals cut", {2, 0, 8, 1, 2, 3}, 4},
      {"residual padding", {2, 0, 1, 0x10}, 4},
      {"dictionary does not ascend", {3, 1, 0, 0, 0x05}, 4},
      {"dictionary wraps",
       {3, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x05},
       4},
      {"dictionary passes INT64_MAX",
       {3, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x05},
       4},
      {"code beyond the dictionary", {3, 2, 0, 1, 1, 0b11'00'01'10}, 4},
      {"code padding", {3, 1, 0, 1, 0xf5}, 4},
      {"codes cut", {3, 1, 0, 1}, 4},
      {"delta cut", {4, 0}, 4},
      {"delta width", {4, 0, 0, 66, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 2},
      {"delta padding", {4, 0, 0, 1, 0x08}, 4},
  };
  for (const BadBlock& b : bad) {
    SCOPED_TRACE(b.what);
    Bytes in = b.bytes;
    Values out(b.n);
    EXPECT_EQ(DecodeInts(&in, out).code(), StatusCode::kCorruption);
    EXPECT_EQ(in.size(), b.bytes.size());
  }
}

TEST(IntCodecTest, DamagedBlocksNeverReadOutOfBounds) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t n = 1 + random.Below(round % 8 == 0 ? kVectorValuesMax : 70);
    std::string block;
    const Values v = MakeShape(round % kShapes, n, random);
    if (!EncodeIntsAs(kAll[random.Below(5)], v, &block)) continue;
    std::vector<std::uint8_t> damaged(block.begin(), block.end());
    for (std::uint64_t hits = 1 + random.Below(3); hits > 0; --hits) {
      const std::size_t near =
          std::min<std::size_t>(damaged.size(), random.Below(2) == 0 ? 8 : damaged.size());
      damaged[random.Below(near)] = static_cast<std::uint8_t>(random.Next());
    }
    if (random.Below(3) == 0) damaged.resize(random.Below(damaged.size() + 1));
    damaged.shrink_to_fit();
    Bytes in = damaged;
    Values out(random.Below(4) == 0 ? 1 + random.Below(kVectorValuesMax) : n);
    const Status s = DecodeInts(&in, out);
    if (!s.ok()) {
      ASSERT_EQ(s.code(), StatusCode::kCorruption);
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace quipu
