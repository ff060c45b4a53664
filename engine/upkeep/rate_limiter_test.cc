#include "upkeep/rate_limiter.h"

#include <gtest/gtest.h>

namespace quipu {
namespace {

TEST(RateLimiter, WithoutALimitNothingWaits) {
  ManualClock clock(0);
  RateLimiter limiter(&clock, 0);
  limiter.Spend(1ull << 60);
  EXPECT_EQ(limiter.WaitUs(), 0);
}

TEST(RateLimiter, TheBucketHoldsASecond) {
  ManualClock clock(0);
  RateLimiter limiter(&clock, 1000);
  clock.Advance(3600 * kSecondUs);  // idling saves nothing up
  limiter.Spend(1000);
  EXPECT_EQ(limiter.WaitUs(), 0);
  limiter.Spend(500);
  EXPECT_EQ(limiter.WaitUs(), kSecondUs / 2);
  clock.Advance(kSecondUs / 4);
  EXPECT_EQ(limiter.WaitUs(), kSecondUs / 4);
  clock.Advance(kSecondUs / 4);
  EXPECT_EQ(limiter.WaitUs(), 0);
}

}  // namespace
}  // namespace quipu
