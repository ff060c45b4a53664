#include "segment/pending_values.h"

#include <gtest/gtest.h>

#include <random>

#include "base/test_seed.h"
#include "sketch/measure_stats.h"

namespace quipu {
namespace {

/// What each hour of a day holds, counted value by value.
struct Truth {
  std::array<MeasureStats, kHoursPerDay> stats;
  std::array<QuantileSketch, kHoursPerDay> sketches;
  QuantileSketch day;

  void Add(std::uint32_t hour, std::int64_t v, int scale) {
    stats[hour].Add(v, scale);
    sketches[hour].Add(v, scale);
    day.Add(v, scale);
  }
};

/// Pending values with what has been counted of them.
class Filled {
 public:
  explicit Filled(std::uint64_t seed) : random_(seed) {}

  void AddSome() {
    const int scale = static_cast<int>(random_() % 8 == 0 ? random_() % 19 : 6);
    const int kind = static_cast<int>(random_() % 5);
    std::vector<std::int64_t> values;
    std::vector<PendingValues::Run> runs;
    for (std::uint64_t n = 1 + random_() % 5; n > 0; --n) {
      const auto hour = static_cast<std::uint32_t>(random_() % kHoursPerDay);
      const auto count =
          static_cast<std::uint32_t>(1 + random_() % (random_() % 9 == 0 ? 900 : 40));
      runs.push_back({hour, count});
      for (std::uint32_t i = 0; i < count; ++i) {
        values.push_back(ValueOf(kind));
        truth_.Add(hour, values.back(), scale);
      }
    }
    const std::uint64_t before = pending_.bytes();
    if (!pending_.Add(values, scale, runs)) {
      Count();
      ASSERT_TRUE(pending_.Add(values, scale, runs));
    }
    ASSERT_GT(pending_.bytes(), before);
    ASSERT_FALSE(pending_.empty());
  }

  void Count() {
    PendingValues::StatsByHour counted;
    int scale = 0;
    if (!pending_.Count(&counted, &scale)) return;
    for (std::uint32_t hour = 0; hour < kHoursPerDay; ++hour) {
      const ValueStats& v = counted[hour];
      if (v.count > 0) stats_[hour].AddMany(v.count, v.sum, v.low, v.high, scale);
    }
    ASSERT_FALSE(pending_.Count(&counted, &scale)) << "twice";
  }

  void ExpectStats() {
    for (std::uint32_t hour = 0; hour < kHoursPerDay; ++hour)
      ASSERT_EQ(stats_[hour], truth_.stats[hour]) << "hour " << hour;
  }
  PendingValues& pending() { return pending_; }
  const Truth& truth() const { return truth_; }

 private:
  // A kind is: one value for all, counts, any of 32 bits, just beyond 32 bits or below 0, the ends of 64 bits.
  std::int64_t ValueOf(int kind) {
    constexpr std::int64_t kEnds[] = {INT64_MIN, INT64_MAX, -1, 0, 1};
    switch (kind) {
      case 0:
        return 1'000'000;
      case 1:
        return static_cast<std::int64_t>(random_() % 50);
      case 2:
        return static_cast<std::int64_t>(random_() >> 32);
      case 3:
        return static_cast<std::int64_t>(random_() % 1000) +
               (random_() % 2 == 0 ? std::int64_t{UINT32_MAX} : -500);
      default:
        return random_() % 2 == 0 ? kEnds[random_() % 5] : static_cast<std::int64_t>(random_());
    }
  }

  std::mt19937_64 random_;
  PendingValues pending_;
  std::array<MeasureStats, kHoursPerDay> stats_;
  Truth truth_;
};

TEST(PendingValues, HoldWhatWasAdded) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  for (std::uint64_t round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    Filled day(seed + round);
    ValueBin whole;
    std::array<ValueBin, kHoursPerDay> hours;
    const bool by_hour = round % 2 == 0;
    for (std::uint64_t i = 0; i < 1 + round; ++i) {
      ASSERT_NO_FATAL_FAILURE(day.AddSome());
      // In between, too: what is emptied out is added to what was before.
      if (i % 20 != 19 && i != round) continue;
      ASSERT_NO_FATAL_FAILURE(day.Count());
      if (by_hour) {
        day.pending().EmptyByHour([&](std::uint32_t hour) { return &hours[hour]; });
      } else {
        day.pending().EmptyInto(&whole);
      }
      ASSERT_TRUE(day.pending().empty());
      ASSERT_EQ(day.pending().bytes(), 0u);
    }
    ASSERT_NO_FATAL_FAILURE(day.ExpectStats());
    if (!by_hour) {
      ASSERT_TRUE(whole.Settled() == day.truth().day);
    }
    for (std::uint32_t hour = 0; by_hour && hour < kHoursPerDay; ++hour)
      ASSERT_TRUE(hours[hour].Settled() == day.truth().sketches[hour]) << "hour " << hour;
  }
}

TEST(PendingValues, EqualOnesTakeNoRoomAndSmallOnesHalfOfIt) {
  const auto bytes_of = [](std::int64_t from, std::int64_t step) {
    PendingValues pending;
    std::vector<std::int64_t> values;
    for (std::int64_t i = 0; i < 100'000; ++i) values.push_back(from + i * step);
    const PendingValues::Run run{5, 100'000};
    EXPECT_TRUE(pending.Add(values, 0, {&run, 1}));
    return pending.bytes();
  };
  EXPECT_LT(bytes_of(7, 0), 1'000u);
  EXPECT_LT(bytes_of(7, 1), 401'000u);
  EXPECT_LT(bytes_of(INT64_MIN, 1), 801'000u);
}

}  // namespace
}  // namespace quipu
