#include "base/calendar.h"

#include <date/tz.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/test_seed.h"
#include "base/zone.h"

namespace quipu {
namespace {

TimeUs At(std::string_view text) { return ParseTime(text)->time_us; }

Windower Make(WindowUnit unit, const std::string& zone) {
  Result<Windower> w = Windower::Make({unit, zone});
  EXPECT_TRUE(w.has_value()) << w.error().ToString();
  return *w;
}

std::string Bounds(const Windower& w, std::string_view t) {
  return FormatTime(w.StartOf(At(t))) + " " + FormatTime(w.EndOf(At(t)));
}

TEST(Calendar, Months) {
  EXPECT_EQ(MonthOf(0), 0);
  EXPECT_EQ(MonthOf(-1), -1);
  EXPECT_EQ(MonthOf(-kDayUs), -1);
  EXPECT_LT(MonthOf(std::numeric_limits<TimeUs>::min()), MonthOf(kTimeMin));
  EXPECT_GT(MonthOf(std::numeric_limits<TimeUs>::max()), MonthOf(kTimeMax));
  EXPECT_EQ(MonthText(MonthOf(At("2026-03-31T23:59:59.999999Z"))), "2026-03");
  EXPECT_EQ(MonthText(-1), "1969-12");
  EXPECT_EQ(MonthText(MonthOf(kTimeMin)), "0001-01");
  EXPECT_EQ(MonthText(MonthOf(kTimeMax - 1)), "9999-12");
  for (MonthIndex m = MonthOf(kTimeMin); m <= MonthOf(kTimeMax - 1); ++m) {
    ASSERT_EQ(MonthOf(MonthStart(m)), m);
    ASSERT_EQ(MonthOf(MonthStart(m + 1) - 1), m);
  }
}

TEST(Windower, UnknownZone) {
  const Result<Windower> w = Windower::Make({WindowUnit::kDay, "Europe/Atlantis"});
  EXPECT_EQ(w.error().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(w.error().message().find("Europe/Atlantis"), std::string::npos);
}

TEST(Windower, ShortAndLongDays) {
  const Windower berlin = Make(WindowUnit::kDay, "Europe/Berlin");
  EXPECT_EQ(Bounds(berlin, "2026-03-29T12:00:00Z"), "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z");
  EXPECT_EQ(Bounds(berlin, "2026-10-25T12:00:00Z"), "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z");
  const Windower new_york = Make(WindowUnit::kDay, "America/New_York");
  EXPECT_EQ(Bounds(new_york, "2026-03-08T12:00:00Z"), "2026-03-08T05:00:00Z 2026-03-09T04:00:00Z");
  EXPECT_EQ(Bounds(new_york, "2026-11-01T12:00:00Z"), "2026-11-01T04:00:00Z 2026-11-02T05:00:00Z");
}

TEST(Windower, RepeatedHourIsTwoWindows) {
  const Windower w = Make(WindowUnit::kHour, "Europe/Berlin");
  EXPECT_EQ(Bounds(w, "2026-10-25T00:30:00Z"), "2026-10-25T00:00:00Z 2026-10-25T01:00:00Z");
  EXPECT_EQ(Bounds(w, "2026-10-25T01:30:00Z"), "2026-10-25T01:00:00Z 2026-10-25T02:00:00Z");
  EXPECT_EQ(w.Starts(At("2026-10-24T22:00Z"), At("2026-10-25T23:00Z"), 100)->size(), 25u);
  EXPECT_EQ(w.Starts(At("2026-03-28T23:00Z"), At("2026-03-29T22:00Z"), 100)->size(), 23u);
}

TEST(Windower, OffsetsThatAreNoWholeHours) {
  const Windower hour = Make(WindowUnit::kHour, "Asia/Kathmandu");
  EXPECT_EQ(Bounds(hour, "2026-03-01T00:00:00Z"), "2026-02-28T23:15:00Z 2026-03-01T00:15:00Z");
  const Windower month = Make(WindowUnit::kMonth, "Asia/Kathmandu");
  EXPECT_EQ(Bounds(month, "2026-02-28T18:15:00Z"), "2026-02-28T18:15:00Z 2026-03-31T18:15:00Z");
  // Lord Howe goes back by half an hour, from 02:00 to 01:30: the hour of 01 comes as 60 and again as 30 minutes.
  const Windower lord_howe = Make(WindowUnit::kHour, "Australia/Lord_Howe");
  EXPECT_EQ(Bounds(lord_howe, "2026-04-04T14:59:00Z"), "2026-04-04T14:00:00Z 2026-04-04T15:00:00Z");
  EXPECT_EQ(Bounds(lord_howe, "2026-04-04T15:01:00Z"), "2026-04-04T15:00:00Z 2026-04-04T15:30:00Z");
}

TEST(Windower, ChangesAtMidnight) {
  const Windower w = Make(WindowUnit::kDay, "America/Sao_Paulo");
  // 2017-10-15 began at 01:00; 2018-02-17 had its last hour twice.
  EXPECT_EQ(Bounds(w, "2017-10-15T12:00:00Z"), "2017-10-15T03:00:00Z 2017-10-16T02:00:00Z");
  EXPECT_EQ(Bounds(w, "2018-02-17T12:00:00Z"), "2018-02-17T02:00:00Z 2018-02-18T03:00:00Z");
  // Apia had no 2011-12-30 at all.
  const Windower apia = Make(WindowUnit::kDay, "Pacific/Apia");
  EXPECT_EQ(Bounds(apia, "2011-12-30T09:59:59Z"), "2011-12-29T10:00:00Z 2011-12-30T10:00:00Z");
  EXPECT_EQ(Bounds(apia, "2011-12-30T10:00:00Z"), "2011-12-30T10:00:00Z 2011-12-31T10:00:00Z");
  // St. John's went back at 00:01: the minute before belongs to the new day, and so does the evening that comes again.
  const Windower st_johns = Make(WindowUnit::kDay, "America/St_Johns");
  EXPECT_EQ(Bounds(st_johns, "2006-10-29T02:45:00Z"), "2006-10-29T02:30:00Z 2006-10-30T03:30:00Z");
}

TEST(Windower, WeeksMonthsNone) {
  const Windower week = Make(WindowUnit::kWeek, "UTC");
  EXPECT_EQ(Bounds(week, "2026-03-01T12:00:00Z"), "2026-02-23T00:00:00Z 2026-03-02T00:00:00Z");
  EXPECT_EQ(Bounds(week, "1969-12-30T12:00:00Z"), "1969-12-29T00:00:00Z 1970-01-05T00:00:00Z");
  const Windower month = Make(WindowUnit::kMonth, "Europe/Berlin");
  EXPECT_EQ(Bounds(month, "2026-03-31T12:00:00Z"), "2026-02-28T23:00:00Z 2026-03-31T22:00:00Z");
  const Windower none = Make(WindowUnit::kNone, "UTC");
  EXPECT_EQ(none.StartOf(0), kTimeMin);
  EXPECT_EQ(none.EndOf(0), kTimeMax);
  EXPECT_EQ(*none.Starts(0, 1, 1), std::vector<TimeUs>{kTimeMin});
}

TEST(Windower, Starts) {
  const Windower day = Make(WindowUnit::kDay, "UTC");
  EXPECT_TRUE(day.Starts(5, 5, 10)->empty());
  EXPECT_EQ(*day.Starts(kDayUs + 5, 3 * kDayUs, 10), (std::vector<TimeUs>{kDayUs, 2 * kDayUs}));
  EXPECT_EQ(day.Starts(kDayUs + 5, 3 * kDayUs + 1, 10)->size(), 3u);
  EXPECT_EQ(day.Starts(0, 11 * kDayUs, 10).error().code(), StatusCode::kExhausted);
  EXPECT_EQ(day.Starts(kTimeMax - 1, kTimeMax, 10)->size(), 1u);
}

constexpr const char* kZones[] = {"UTC",
                                  "Europe/Berlin",
                                  "America/New_York",
                                  "Asia/Kathmandu",
                                  "America/Sao_Paulo",
                                  "Pacific/Apia",
                                  "America/St_Johns",
                                  "Australia/Lord_Howe",
                                  "Africa/Casablanca",
                                  "Asia/Tehran",
                                  "America/Juneau",
                                  "Asia/Manila"};

TEST(Windower, WindowsTileTheLine) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const char* zone : kZones) {
    const Zone* table = *Zone::Find(zone);
    for (int u = 1; u <= 5; ++u) {
      const Windower w = Make(static_cast<WindowUnit>(u), zone);
      for (int i = 0; i < 2'000; ++i) {
        TimeUs t = -6'000'000'000 * kSecondUs +
                   static_cast<TimeUs>(random.Below(10'000'000'000u * kSecondUs));
        if (i % 2 == 0) {  // around a change of offset
          t = table->At(t).begin + static_cast<TimeUs>(random.Below(2 * kDayUs)) - kDayUs;
        }
        if (i % 100 == 0) t = kTimeMin + static_cast<TimeUs>(random.Below(kTimeMax - kTimeMin));
        const TimeUs start = w.StartOf(t), end = w.EndOf(t);
        if (t < kTimeMin || t >= kTimeMax) continue;
        ASSERT_LE(start, t) << zone << u << FormatTime(t);
        ASSERT_GT(end, t) << zone << u << FormatTime(t);
        ASSERT_EQ(w.StartOf(start), start) << zone << u << FormatTime(t);
        ASSERT_EQ(w.EndOf(start), end) << zone << u << FormatTime(t);
        if (end < kTimeMax) {
          ASSERT_EQ(w.StartOf(end), end) << zone << u << FormatTime(t);
        }
        if (start > kTimeMin) {
          ASSERT_EQ(w.EndOf(start - 1), start) << zone << u << FormatTime(t);
        }
      }
    }
  }
  for (const char* zone : kZones) {
    for (int u = 0; u <= 5; ++u) {
      const Windower w = Make(static_cast<WindowUnit>(u), zone);
      EXPECT_EQ(w.StartOf(kTimeMin), kTimeMin) << zone << u;
      EXPECT_EQ(w.EndOf(kTimeMax - 1), kTimeMax) << zone << u;
    }
  }
}

/// Whether the wall clock of `tz` shows another window just before t than at t, asked of the date library alone.
bool IsBoundary(const date::time_zone* tz, WindowUnit unit, date::sys_seconds t) {
  using std::chrono::hours;
  using std::chrono::minutes;
  const auto after = tz->get_info(t), before = tz->get_info(t - std::chrono::seconds(1));
  const auto local_after = t + after.offset,
             local_before = t - std::chrono::seconds(1) + before.offset;
  switch (unit) {
    case WindowUnit::kMinute:
    case WindowUnit::kHour: {
      if (after.offset != before.offset) return true;
      const auto size =
          unit == WindowUnit::kMinute ? std::chrono::seconds(60) : std::chrono::seconds(3600);
      return (local_after.time_since_epoch() % size).count() == 0;
    }
    default:
      break;
  }
  const auto day_after = date::floor<date::days>(local_after);
  const auto day_before = date::floor<date::days>(local_before);
  if (day_after == day_before) return false;
  const date::year_month_day a(day_after), b(day_before);
  if (unit == WindowUnit::kMonth) return a.year() != b.year() || a.month() != b.month();
  if (unit == WindowUnit::kDay) return true;
  auto monday = [](date::sys_days d) { return d - (date::weekday(d) - date::Monday); };
  return monday(day_after) != monday(day_before);
}

TEST(Windower, AgreesWithTheDateLibraryMinuteByMinute) {
  // Zones and years without a change that sets the clock back over midnight, where wall-clock dates are not in order.
  const std::pair<const char*, const char*> kYears[] = {{"Europe/Berlin", "2026-01-01"},
                                                        {"America/New_York", "2026-01-01"},
                                                        {"Asia/Kathmandu", "1985-07-01"},
                                                        {"Australia/Lord_Howe", "2026-01-01"},
                                                        {"Pacific/Apia", "2011-06-01"}};
  for (const auto& [zone, first] : kYears) {
    const date::time_zone* tz = date::locate_zone(zone);
    for (WindowUnit unit :
         {WindowUnit::kHour, WindowUnit::kDay, WindowUnit::kWeek, WindowUnit::kMonth}) {
      const Windower w = Make(unit, zone);
      const TimeUs begin = At(first), end = begin + 366 * kDayUs;
      std::vector<TimeUs> want;
      for (TimeUs t = begin + 15 * kMinuteUs; t < end; t += 15 * kMinuteUs) {
        if (IsBoundary(tz, unit, date::sys_seconds(std::chrono::seconds(t / kSecondUs)))) {
          want.push_back(t);
        }
      }
      const Result<std::vector<TimeUs>> starts = w.Starts(begin, end, 10'000);
      ASSERT_TRUE(starts.has_value());
      ASSERT_FALSE(want.empty());
      EXPECT_EQ(std::vector<TimeUs>(starts->begin() + 1, starts->end()), want) << zone;
    }
  }
}

TEST(Zone, LocalTimesAgreeWithTheDateLibrary) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const char* zone : {"Europe/Berlin", "America/New_York", "America/Sao_Paulo",
                           "Australia/Lord_Howe", "Asia/Kathmandu"}) {
    const date::time_zone* tz = date::locate_zone(zone);
    const Zone* table = *Zone::Find(zone);
    for (int i = 0; i < 5'000; ++i) {
      const TimeUs s = -2'000'000'000 + static_cast<TimeUs>(random.Below(4'000'000'000u));
      const date::local_seconds local{std::chrono::seconds(s)};
      const auto want = tz->to_sys(local, date::choose::earliest);
      ASSERT_EQ(table->FirstInstantOf(s * kSecondUs), want.time_since_epoch().count() * kSecondUs)
          << zone << " " << s;
    }
  }
}

}  // namespace
}  // namespace quipu
