#include "sketch/truth.h"

#include <gtest/gtest.h>

#include <limits>

#include "sketch/shape.h"

namespace quipu::sketches {
namespace {

TEST(Truth, NearestRank) {
  const Truth truth({40, 10, 30, 20});
  EXPECT_EQ(truth.Quantile(0), 10);
  EXPECT_EQ(truth.Quantile(0.5), 20);
  EXPECT_EQ(truth.Quantile(0.51), 30);
  EXPECT_EQ(truth.Quantile(1), 40);
}

TEST(Truth, RelativeError) {
  const Truth truth({0, 100});
  EXPECT_EQ(truth.RelativeError(1, 100), 0);
  EXPECT_EQ(truth.RelativeError(1, 99), 0.01);
  EXPECT_EQ(truth.RelativeError(0.5, 0), 0);
  EXPECT_EQ(truth.RelativeError(0.5, 1), std::numeric_limits<double>::infinity());
}

TEST(Truth, RankError) {
  const Truth truth({10, 20, 20, 20, 50});
  // Rank 3 of 5 is a 20, and so are ranks 2 and 4.
  EXPECT_EQ(truth.RankError(0.6, 20), 0);
  EXPECT_EQ(truth.RankError(0.8, 20), 0);
  EXPECT_EQ(truth.RankError(0.4, 20), 0);
  EXPECT_EQ(truth.RankError(1, 20), 0.2);
  EXPECT_EQ(truth.RankError(0.2, 50), 0.8);
  EXPECT_EQ(truth.RankError(0.6, 10), 0.4);
  // 30 does not occur: it would be between ranks 4 and 5.
  EXPECT_EQ(truth.RankError(1, 30), 0.1);
  EXPECT_EQ(truth.RankError(0.8, 30), 0.1);
}

TEST(Shape, TheSameForTheSameSeedAndInEveryOrder) {
  const std::vector<Shape> shapes = MakeShapes(2000, 7);
  ASSERT_EQ(shapes.size(), 5u);
  EXPECT_EQ(shapes[4].mantissas, MakeShapes(2000, 7)[4].mantissas);
  EXPECT_NE(shapes[4].mantissas, MakeShapes(2000, 8)[4].mantissas);
  for (const Shape& shape : shapes) {
    const auto ascending = InOrder(shape.mantissas, Order::kAscending);
    auto descending = InOrder(shape.mantissas, Order::kDescending);
    EXPECT_NE(shape.mantissas, ascending);
    EXPECT_GE(ascending.front(), 0);
    std::reverse(descending.begin(), descending.end());
    EXPECT_EQ(descending, ascending);
  }
}

}  // namespace
}  // namespace quipu::sketches
