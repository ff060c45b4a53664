#include "query/chunk.h"

#include <gtest/gtest.h>

#include "base/test_seed.h"

namespace quipu {
namespace {

TEST(RangeOfTest, AgreesWithComparingDecimals) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const Decimal number(static_cast<std::int64_t>(random.Below(2001)) - 1000,
                         static_cast<int>(random.Below(5)));
    const auto scale = static_cast<int>(random.Below(7));
    const auto mantissa = static_cast<std::int64_t>(random.Below(200'001)) - 100'000;
    const Decimal value(mantissa, scale);
    const auto agrees = [&](FilterOp op, bool holds) {
      const MantissaRange range = RangeOf(op, number, scale);
      EXPECT_EQ(mantissa >= range.low && mantissa <= range.high, holds)
          << value.ToString() << " op " << static_cast<int>(op) << " " << number.ToString();
    };
    agrees(FilterOp::kLess, value < number);
    agrees(FilterOp::kLessEqual, value <= number);
    agrees(FilterOp::kGreater, value > number);
    agrees(FilterOp::kGreaterEqual, value >= number);
    agrees(FilterOp::kEqual, value == number);
  }
}

TEST(RangeOfTest, NumbersBeyondAllMantissas) {
  const Decimal huge = *Decimal::Parse("99999999999999999999");  // at scale 18 it needs 128 bits
  const MantissaRange above = RangeOf(FilterOp::kGreater, huge, 18);
  EXPECT_TRUE(above.low > Int128{1} << 100);
  const MantissaRange below = RangeOf(FilterOp::kLess, huge, 18);
  EXPECT_TRUE(below.low < 0 && below.high > Int128{1} << 100);
  const Decimal sum(-(Int128{1} << 126), 0);
  EXPECT_TRUE(RangeOf(FilterOp::kLess, sum, 18).high < -(Int128{1} << 120));
  EXPECT_TRUE(RangeOf(FilterOp::kGreater, sum, 18).low < -(Int128{1} << 120));
}

TEST(SelectionTest, AListHasTheRowsOfItsSpans) {
  Selection selection;
  selection.spans = {{3, 5, 1, 1}, {8, 9, 2, 1}};
  selection.List();
  EXPECT_EQ(selection.rows, (std::vector<std::uint32_t>{3, 4, 8}));
  ASSERT_EQ(selection.spans.size(), 2u);
  EXPECT_EQ(selection.spans[1].begin, 2u);
  EXPECT_EQ(selection.spans[1].end, 3u);
  EXPECT_EQ(selection.spans[1].customer, 2u);
}

}  // namespace
}  // namespace quipu
