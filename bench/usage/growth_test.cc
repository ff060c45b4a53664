#include "usage/growth.h"

#include <gtest/gtest.h>

namespace quipu::usage {
namespace {

TEST(DaysOfHistory, TheRateADayStays) {
  EXPECT_EQ(*DaysOfHistory(1'000'000, 1'000'000), 36u);
  EXPECT_EQ(*DaysOfHistory(10'000'000, 1'000'000), 360u);
  EXPECT_EQ(*DaysOfHistory(100'000'000, 1'000'000), 3600u);
}

TEST(DaysOfHistory, RefusesWhatTheWorkloadCannotGive) {
  EXPECT_EQ(DaysOfHistory(1000, 0).error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(DaysOfHistory(1001, 1000).error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(DaysOfHistory(102'000, 1000).error().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quipu::usage
