#include "base/clock.h"

#include <gtest/gtest.h>

#include <set>

#include "base/check.h"
#include "base/test_seed.h"

namespace quipu {
namespace {

TEST(Clock, SystemRuns) {
  const TimeUs a = Clock::System()->NowUs();
  EXPECT_GT(a, ParseTime("2024-01-01")->time_us);
  const std::int64_t m = Clock::System()->MonotonicUs();
  EXPECT_GE(Clock::System()->MonotonicUs(), m);
}

TEST(Clock, ManualMovesOnlyWhenTold) {
  ManualClock clock(100);
  const std::int64_t m = clock.MonotonicUs();
  clock.Advance(5);
  EXPECT_EQ(clock.NowUs(), 105);
  clock.SetWall(1);
  EXPECT_EQ(clock.NowUs(), 1);
  EXPECT_EQ(clock.MonotonicUs(), m + 5);
}

TEST(Random, SameSeedSameNumbers) {
  Random a(0), b(0), c(1);
  // SplitMix64(0) gives e220a8397b1dcdaf, 6e789e6aa1b965f4, ...: the first output is rotl(s1 * 5, 7) * 9.
  const std::uint64_t s1 = 0x6e789e6aa1b965f4u * 5;
  EXPECT_EQ(a.Next(), ((s1 << 7) | (s1 >> 57)) * 9);
  b.Next();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next(), b.Next());
  EXPECT_NE(a.Next(), c.Next());
}

TEST(Random, BelowIsUniform) {
  Random random(7);
  int counts[6] = {};
  for (int i = 0; i < 60'000; ++i) ++counts[random.Below(6)];
  for (int n : counts) EXPECT_NEAR(n, 10'000, 500);
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_LT(random.Uniform(), 1.0);
    EXPECT_GE(random.Uniform(), 0.0);
    EXPECT_EQ(random.Below(1), 0u);
    EXPECT_LT(random.Below(~std::uint64_t{0}), ~std::uint64_t{0});
  }
  EXPECT_NE(Random::SystemSeed(), Random::SystemSeed());
}

TEST(Uuid, TextAndVersion7) {
  EXPECT_EQ(UuidText(0x0123456789abcdefu, 0xfedcba9876543210u),
            "01234567-89ab-cdef-fedc-ba9876543210");
  Random random(TestSeed());
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = MakeUuidV7(1'645'557'742'000'000 + i * 1000, random);
    ASSERT_EQ(id.size(), 36u);
    ASSERT_EQ(id[14], '7');
    ASSERT_NE(std::string("89ab").find(id[19]), std::string::npos);
    if (!seen.empty()) {
      ASSERT_GT(id, *seen.rbegin());  // ordered by time
    }
    seen.insert(id);
  }
  EXPECT_EQ(seen.begin()->substr(0, 13), "017f22e2-79b0");  // the example of RFC 9562, appendix A.6
}

TEST(Status, Texts) {
  EXPECT_EQ(Status().ToString(), "ok");
  const Status s = Status::NotFound("x").WithContext("segment 12");
  EXPECT_EQ(s.ToString(), "not found: segment 12: x");
  Status copy = s;
  copy = Status(copy);
  EXPECT_EQ(copy.code(), StatusCode::kNotFound);
  EXPECT_EQ(s.message(), copy.message());
  EXPECT_TRUE(Status(StatusCode::kOk, "ignored").ok());
  EXPECT_TRUE(Status().WithContext("y").ok());
}

TEST(Check, SaysWhereAndDies) {
  QUIPU_CHECK(1 + 1 == 2);
  EXPECT_DEATH(QUIPU_CHECK(1 + 1 == 3), "clock_test.cc:.*1 \\+ 1 == 3");
}

}  // namespace
}  // namespace quipu
