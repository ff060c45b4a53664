#include "codec/int_codec.h"

#include <gtest/gtest.h>

#include <set>

#include "codec/int_vector.h"
#include "codec/test_vectors.h"

namespace quipu {
namespace {

using Values = std::vector<std::int64_t>;
constexpr IntEncoding kAll[] = {IntEncoding::kConstant,  IntEncoding::kConstantDelta,
                                IntEncoding::kRunLength, IntEncoding::kFrameOfReference,
                                IntEncoding::kPatched,   IntEncoding::kDictionary,
                                IntEncoding::kDelta,     IntEncoding::kPatchedDelta};
static_assert(std::size(kAll) == kIntEncodings);
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
  if (e == IntEncoding::kConstantDelta) {
    std::set<std::uint64_t> differences;
    for (std::size_t i = 1; i < v.size(); ++i) differences.insert(Difference(v[i], v[i - 1]));
    return differences.size() <= 1;
  }
  if (e == IntEncoding::kPatchedDelta) return v.size() >= 2;
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
  Values runs, dense, few, times, steps, outliers, customers;
  for (std::int64_t i = 0; i < 1024; ++i) {
    runs.push_back(i / 200 + (i < 200 ? 0 : 100'000'000'000'000'000));
    dense.push_back(static_cast<std::int64_t>(random.Below(1000)));
    few.push_back(static_cast<std::int64_t>(random.Below(4) * 1'000'000'000));
    times.push_back(1'700'000'000'000'000 + i * 1'000'000 +
                    static_cast<std::int64_t>(random.Below(1000)));
    steps.push_back(5 - 7 * i);
    outliers.push_back(i % 100 == 7 ? i * 1'000'000'000 - 300'000'000'000
                                    : static_cast<std::int64_t>(random.Below(1000)));
    customers.push_back(times.back() - (i / 200 % 2 + 2 * (i / 400 % 2)) * 900'000'000'000);
  }
  std::string out;
  EXPECT_EQ(EncodeInts(Values(1024, 5), &out), IntEncoding::kConstant);
  EXPECT_EQ(EncodeInts(runs, &out), IntEncoding::kRunLength);
  EXPECT_EQ(EncodeInts(dense, &out), IntEncoding::kFrameOfReference);
  EXPECT_EQ(EncodeInts(few, &out), IntEncoding::kDictionary);
  EXPECT_EQ(EncodeInts(times, &out), IntEncoding::kDelta);
  EXPECT_EQ(EncodeInts(steps, &out), IntEncoding::kConstantDelta);
  EXPECT_EQ(EncodeInts(outliers, &out), IntEncoding::kPatched);
  EXPECT_EQ(EncodeInts(customers, &out), IntEncoding::kPatchedDelta);
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
      {"unknown encoding", {8, 0}, 1},
      {"constant cut", {0, 0x80}, 1},
      {"runs stop early", {2, 2, 3}, 4},
      {"runs go on too long", {2, 2, 5}, 4},
      {"empty run", {2, 2, 0, 2, 4}, 4},
      {"equal runs", {2, 2, 2, 0, 2}, 4},
      {"huge run", {2, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 4},
      {"width 65", {3, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1},
      {"residuals cut", {3, 0, 8, 1, 2, 3}, 4},
      {"residual padding", {3, 0, 1, 0x10}, 4},
      {"dictionary does not ascend", {5, 1, 0, 0, 0x05}, 4},
      {"dictionary wraps",
       {5, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x05},
       4},
      {"dictionary passes INT64_MAX",
       {5, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x05},
       4},
      {"code beyond the dictionary", {5, 2, 0, 1, 1, 0b11'00'01'10}, 4},
      {"code padding", {5, 1, 0, 1, 0xf5}, 4},
      {"codes cut", {5, 1, 0, 1}, 4},
      {"delta cut", {6, 0}, 4},
      {"delta width", {6, 0, 0, 66, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 2},
      {"delta padding", {6, 0, 0, 1, 0x08}, 4},
      {"constant delta cut", {1, 2}, 4},
      // base 0, width 2, high width 4, exceptions, low parts, positions of 2 bits, high parts
      {"patched width 64", {4, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1},
      {"patched high width 65", {4, 0, 2, 65, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 4},
      {"more exceptions than values", {4, 0, 2, 4, 5, 0, 0, 0, 0, 0, 0, 0}, 4},
      {"huge number of exceptions",
       {4, 0, 2, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0},
       4},
      {"position beyond the block", {4, 0, 2, 4, 1, 0, 3, 1}, 3},
      {"positions do not ascend", {4, 0, 2, 4, 2, 0, 0b0110, 0x11}, 4},
      {"positions repeat", {4, 0, 2, 4, 2, 0, 0b0101, 0x11}, 4},
      {"position padding", {4, 0, 2, 4, 1, 0, 0x11, 1}, 4},
      {"high part padding", {4, 0, 2, 4, 1, 0, 1, 0x11}, 4},
      {"high parts cut", {4, 0, 2, 4, 1, 0, 1}, 4},
      {"patched delta of one value", {7, 0, 0, 0, 0, 0}, 1},
      {"patched delta position beyond", {7, 0, 0, 2, 4, 1, 0, 3, 1}, 4},
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
    if (!EncodeIntsAs(kAll[random.Below(kIntEncodings)], v, &block)) continue;
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
