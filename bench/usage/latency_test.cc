#include "usage/latency.h"

#include <gtest/gtest.h>

namespace quipu::usage {
namespace {

TEST(Schedule, CallsAreDueWithoutDrift) {
  const Schedule::Clock::time_point start{};
  const Schedule schedule(start, 3);
  EXPECT_EQ(schedule.DueAt(0), start);
  EXPECT_EQ(schedule.DueAt(1) - start, std::chrono::nanoseconds(333'333'333));
  EXPECT_EQ(schedule.DueAt(3'000'000) - start, std::chrono::seconds(1'000'000));
}

TEST(Schedule, WhatIsPastIsNotWaitedFor) {
  const auto start = Schedule::Clock::now() - std::chrono::hours(1);
  const Schedule schedule(start, 1);
  EXPECT_EQ(schedule.WaitFor(5), start + std::chrono::seconds(5));
  EXPECT_GE(MillisecondsSince(start), 3'600'000.0);
}

TEST(Latencies, QuantilesAreNearestRank) {
  Latencies latencies;
  EXPECT_EQ(latencies.Quantile(0.99), 0);
  for (int i = 100; i >= 1; --i) latencies.Add(i);
  EXPECT_EQ(latencies.Quantile(0.5), 50);
  EXPECT_EQ(latencies.Quantile(0.99), 99);
  EXPECT_EQ(latencies.Quantile(0.991), 100);
  EXPECT_EQ(latencies.Quantile(1), 100);
  EXPECT_EQ(latencies.Quantile(1e-9), 1);
  latencies.Add(1000);
  EXPECT_EQ(latencies.Quantile(1), 1000);
  EXPECT_EQ(latencies.Quantile(0.99), 100);
}

}  // namespace
}  // namespace quipu::usage
