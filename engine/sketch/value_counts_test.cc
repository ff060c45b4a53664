// Exact quantiles of many values, counted or kept, against a sorted list.
#include "sketch/value_counts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/test_seed.h"
#include "sketch/exact_sum.h"
#include "sketch/quantile_sketch.h"

namespace quipu {
namespace {

TEST(ValueCountsTest, CountsWhatIsNear) {
  ValueCounts counts;
  std::vector<Int128> values;
  for (int i = 0; i < 100; ++i) values.push_back(AtSumScale(100 + i % 10, 1));
  EXPECT_FALSE(counts.Start(values, AtSumScale(0, 0), AtSumScale(1'000'000, 0), 1));
  EXPECT_FALSE(
      counts.Start(values, AtSumScale(100, 1), AtSumScale(109, 1), 0));  // 10.1 is no multiple of 1
  ASSERT_TRUE(counts.Start(values, AtSumScale(100, 1), AtSumScale(109, 1), 1));
  EXPECT_TRUE(counts.AtRank(1) == AtSumScale(100, 1));
  EXPECT_TRUE(counts.AtRank(11) == AtSumScale(101, 1));
  EXPECT_TRUE(counts.AtRank(100) == AtSumScale(109, 1));
  EXPECT_FALSE(counts.AddRepeated(AtSumScale(1005, 2), 1));
  EXPECT_FALSE(counts.AddRepeated(AtSumScale(std::int64_t{1} << 40, 0), 1));
  EXPECT_TRUE(counts.AddRepeated(AtSumScale(-7, 0), 3));
  EXPECT_TRUE(counts.AtRank(3) == AtSumScale(-7, 0));
  EXPECT_TRUE(counts.AtRank(4) == AtSumScale(100, 1));
}

TEST(ValueCountsTest, ExactQuantilesAgreeWithASortedList) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 12; ++round) {
    QuantileSketch sketch(true), other(true);
    std::vector<Int128> values;
    const std::uint64_t range = round % 3 == 0 ? 50 : round % 3 == 1 ? 40'000 : 3'000'000'000;
    for (int part = 0; part < 60; ++part) {
      // Now and then something far off or with more digits, late.
      const bool odd = round % 4 == 1 && part == 45;
      const int scale = odd ? 9 : static_cast<int>(random.Below(3));
      std::vector<std::int64_t> some;
      for (std::uint64_t i = 0, n = 1 + random.Below(600); i < n; ++i) {
        some.push_back(static_cast<std::int64_t>(random.Below(range)) -
                       static_cast<std::int64_t>(range / 3));
        values.push_back(AtSumScale(some.back(), scale));
      }
      QuantileSketch& to = random.Below(2) == 0 ? sketch : other;
      if (random.Below(5) == 0) {
        for (const std::int64_t v : some) to.Add(v, scale);
      } else {
        to.AddMany(some, scale);
      }
    }
    sketch.Merge(other);
    std::sort(values.begin(), values.end());
    ASSERT_EQ(sketch.count(), values.size());
    for (const std::uint32_t ppm :
         {1u, 10'000u, 333'333u, 500'000u, 950'000u, 999'999u, 1'000'000u}) {
      const std::uint64_t rank =
          std::max<std::uint64_t>(1, (values.size() * std::uint64_t{ppm} + 999'999) / 1'000'000);
      ASSERT_EQ(sketch.Quantile(ppm), Decimal(values[rank - 1], kSumScale)) << round << " " << ppm;
    }
    // The stored form is that of the multiset, however it was kept.
    QuantileSketch usual;
    for (const Int128 v : values) usual.Add(v, kSumScale);
    std::string a, b;
    sketch.EncodeTo(&a);
    usual.EncodeTo(&b);
    ASSERT_EQ(a, b);
  }
}

}  // namespace
}  // namespace quipu
