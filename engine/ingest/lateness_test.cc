#include "ingest/lateness.h"

#include <gtest/gtest.h>

#include <array>

#include "base/test_seed.h"

namespace quipu {
namespace {

constexpr TimeUs kNow = 1'773'144'000 * kSecondUs;  // 2026-03-10T12:00:00Z
constexpr ServiceOrdinal kApi = 0;
constexpr ServiceOrdinal kBatch = 1;

SegmentMeta DetachedOf(MonthIndex month) {
  SegmentMeta meta;
  meta.spec.month = month;
  return meta;
}

/// The outcome of one new event.
Outcome OutcomeOf(const ForgottenIds& forgotten, TimeUs time, ServiceOrdinal service,
                  int facts = kTimeGiven, TimeUs late_before = kTimeMin) {
  RowBatch rows;
  rows.times = {time};
  rows.services = {service};
  rows.customers = {0};
  std::vector<Outcome> outcomes = {Outcome::kAccepted};
  MarkTooLate(forgotten, late_before, rows, {static_cast<std::uint8_t>(facts)}, &outcomes);
  return outcomes[0];
}

TEST(LatenessTest, TheWorkedExample) {
  const MonthIndex january = MonthOf(kNow) - 2;
  const ForgottenIds forgotten({{january, {kApi}}}, {});
  const TimeUs time = MonthStart(january) + 4 * kDayUs;
  EXPECT_EQ(OutcomeOf(forgotten, time, kApi), Outcome::kTooLate);
  EXPECT_EQ(OutcomeOf(forgotten, time, kBatch), Outcome::kAccepted);
  EXPECT_EQ(OutcomeOf(forgotten, time, kApi, kTimeGiven | kStamped), Outcome::kAccepted);
  EXPECT_EQ(OutcomeOf(forgotten, time, kApi, kTimeGiven | kIdGenerated), Outcome::kAccepted);
}

TEST(LatenessTest, AMonthEndsWhereTheNextBegins) {
  const MonthIndex january = MonthOf(kNow) - 2;
  const ForgottenIds forgotten({{january, {kApi, 700}}}, {DetachedOf(january - 3)});
  EXPECT_EQ(OutcomeOf(forgotten, MonthStart(january) - 1, kApi), Outcome::kAccepted);
  EXPECT_EQ(OutcomeOf(forgotten, MonthStart(january), kApi), Outcome::kTooLate);
  EXPECT_EQ(OutcomeOf(forgotten, MonthStart(january + 1) - 1, 700), Outcome::kTooLate);
  EXPECT_EQ(OutcomeOf(forgotten, MonthStart(january + 1) - 1, 701), Outcome::kAccepted);
  EXPECT_EQ(OutcomeOf(forgotten, MonthStart(january + 1), kApi), Outcome::kAccepted);
  // Whose services nobody can read.
  EXPECT_EQ(OutcomeOf(forgotten, MonthStart(january - 3), 9), Outcome::kTooLate);
  EXPECT_EQ(OutcomeOf(forgotten, MonthStart(january - 2), 9), Outcome::kAccepted);
  EXPECT_EQ(OutcomeOf(forgotten, kTimeMin, 9), Outcome::kAccepted);
}

TEST(LatenessTest, ABoundByAgeAsksForAStampAlone) {
  const TimeUs bound = LateBefore(kNow, kDayUs);
  EXPECT_EQ(bound, kNow - kDayUs);
  EXPECT_EQ(LateBefore(kNow, -1), kTimeMin);
  EXPECT_EQ(LateBefore(kNow, INT64_MAX), kTimeMin);
  const ForgottenIds none;
  EXPECT_EQ(OutcomeOf(none, bound - 1, kApi, kTimeGiven, bound), Outcome::kTooLate);
  EXPECT_EQ(OutcomeOf(none, bound, kApi, kTimeGiven, bound), Outcome::kAccepted);
  EXPECT_EQ(OutcomeOf(none, bound - 1, kApi, kTimeGiven | kIdGenerated, bound), Outcome::kTooLate);
  EXPECT_EQ(OutcomeOf(none, bound - 1, kApi, kTimeGiven | kStamped, bound), Outcome::kAccepted);
}

TEST(LatenessTest, WhatIsSettledStays) {
  const ForgottenIds forgotten({{MonthOf(kNow), {kApi}}}, {});
  RowBatch rows;
  rows.times = {kNow, kNow, kNow};
  rows.services = {kApi, kApi, kApi};
  std::vector<Outcome> outcomes = {Outcome::kDuplicate, Outcome::kConflict, Outcome::kAccepted};
  MarkTooLate(forgotten, kTimeMin, rows, {kTimeGiven, kTimeGiven, kTimeGiven}, &outcomes);
  EXPECT_EQ(outcomes,
            (std::vector<Outcome>{Outcome::kDuplicate, Outcome::kConflict, Outcome::kTooLate}));
}

/// Against a search through the lists.
TEST(LatenessTest, RandomMonths) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 100; ++round) {
    ForgottenMonths months;
    std::vector<SegmentMeta> detached;
    for (std::uint64_t n = random.Below(8); n > 0; --n)
      months[static_cast<MonthIndex>(random.Below(24)) - 12].insert(
          static_cast<ServiceOrdinal>(random.Below(5)));
    for (std::uint64_t n = random.Below(3); n > 0; --n)
      detached.push_back(DetachedOf(static_cast<MonthIndex>(random.Below(24)) - 12));
    const ForgottenIds forgotten(months, detached);
    EXPECT_EQ(forgotten.recorded(), months);
    for (int i = 0; i < 100; ++i) {
      const TimeUs time = static_cast<TimeUs>(random.Below(800 * kDayUs)) - 400 * kDayUs;
      const auto service = static_cast<ServiceOrdinal>(random.Below(6));
      const auto month = months.find(MonthOf(time));
      bool expected = month != months.end() && month->second.contains(service);
      for (const SegmentMeta& meta : detached)
        expected = expected || meta.spec.month == MonthOf(time);
      ASSERT_EQ(forgotten.Covers(time, service), expected);
      ASSERT_EQ(OutcomeOf(forgotten, time, service) == Outcome::kTooLate, expected);
    }
  }
}

}  // namespace
}  // namespace quipu
