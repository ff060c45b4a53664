#include "base/calendar.h"

#include <algorithm>

#include "base/check.h"
#include "base/civil.h"
#include "base/zone.h"

namespace quipu {
namespace {

MonthIndex MonthOfDay(std::int64_t days) {
  const CivilDate date = CivilFromDays(days);
  return static_cast<MonthIndex>((date.year - 1970) * 12 + static_cast<int>(date.month) - 1);
}

std::int64_t FirstDayOf(MonthIndex m) {
  const std::int64_t year = 1970 + FloorTo(m, 12) / 12;
  return DaysFromCivil(year, static_cast<unsigned>(m - FloorTo(m, 12)) + 1, 1);
}

/// The local civil time at which the `steps`-th day, week or month after the one that holds `local` begins.
TimeUs PeriodStart(WindowUnit unit, TimeUs local, int steps) {
  const std::int64_t day = FloorTo(local, kDayUs) / kDayUs;
  switch (unit) {
    case WindowUnit::kWeek:  // day 0 was a Thursday; Mondays are 7n - 3
      return (FloorTo(day + 3, 7) - 3 + 7 * steps) * kDayUs;
    case WindowUnit::kMonth:
      return FirstDayOf(MonthOfDay(day) + steps) * kDayUs;
    default:
      return (day + steps) * kDayUs;
  }
}

struct Bounds {
  TimeUs start;
  TimeUs end;
};

/// Hours and minutes: the wall clock's, cut again where the offset changes, so that a repeated hour is two windows.
Bounds ClockWindow(const Zone& zone, TimeUs unit_us, TimeUs t) {
  const Zone::Stretch& s = zone.At(t);
  const TimeUs start = FloorTo(t + s.offset_us, unit_us) - s.offset_us;
  return {std::max(start, s.begin), std::min(start + unit_us, s.end)};
}

/// Days, weeks and months begin at the first instant of their first local date. Where the clock goes back over midnight the
/// evening that comes again stays with the new day: windows never interleave.
Bounds DateWindow(const Zone& zone, WindowUnit unit, TimeUs t) {
  const TimeUs local = t + zone.At(t).offset_us;
  Bounds bounds{zone.FirstInstantOf(PeriodStart(unit, local, 0)), 0};
  for (int step = 1;; ++step) {
    bounds.end = zone.FirstInstantOf(PeriodStart(unit, local, step));
    if (bounds.end > t || bounds.end >= kTimeMax) return bounds;
    bounds.start = bounds.end;
  }
}

Bounds WindowOf(const Zone& zone, WindowUnit unit, TimeUs t) {
  switch (unit) {
    case WindowUnit::kNone:
      return {kTimeMin, kTimeMax};
    case WindowUnit::kMinute:
      return ClockWindow(zone, kMinuteUs, t);
    case WindowUnit::kHour:
      return ClockWindow(zone, kHourUs, t);
    default:
      return DateWindow(zone, unit, t);
  }
}

TimeUs Clamped(TimeUs t) { return std::clamp(t, kTimeMin, kTimeMax - 1); }

}  // namespace

MonthIndex MonthOf(TimeUs t) { return MonthOfDay(t / kDayUs - (t % kDayUs < 0 ? 1 : 0)); }

TimeUs MonthStart(MonthIndex m) { return FirstDayOf(m) * kDayUs; }

std::string MonthText(MonthIndex m) {
  std::string text = FormatTime(MonthStart(m));
  text.resize(text.rfind('-'));
  return text;
}

Result<Windower> Windower::Make(const Window& window) {
  Windower windower;
  windower.unit_ = window.unit;
  windower.zone_ = window.zone;
  QUIPU_TRY_ASSIGN(windower.tz_, Zone::Find(window.zone));
  return windower;
}

TimeUs Windower::StartOf(TimeUs t) const { return WindowOf(*tz_, unit_, Clamped(t)).start; }

TimeUs Windower::EndOf(TimeUs t) const { return WindowOf(*tz_, unit_, Clamped(t)).end; }

TimeUs Windower::DaysBefore(TimeUs t, int days) const {
  t = Clamped(t);
  return tz_->FirstInstantOf(t + tz_->At(t).offset_us - days * kDayUs);
}

TimeUs Windower::MonthBefore(TimeUs t) const {
  t = Clamped(t);
  const TimeUs local = t + tz_->At(t).offset_us;
  const std::int64_t day = FloorTo(local, kDayUs) / kDayUs;
  const MonthIndex month = MonthOfDay(day);
  const std::int64_t same = FirstDayOf(month - 1) + (day - FirstDayOf(month));
  const std::int64_t last = FirstDayOf(month) - 1;
  return tz_->FirstInstantOf(std::min(same, last) * kDayUs + (local - day * kDayUs));
}

Result<std::vector<TimeUs>> Windower::Starts(TimeUs from, TimeUs to, std::size_t max) const {
  std::vector<TimeUs> starts;
  if (from >= to) return starts;
  to = std::min(to, kTimeMax);
  for (Bounds w = WindowOf(*tz_, unit_, Clamped(from)); w.start < to;
       w = WindowOf(*tz_, unit_, w.end)) {
    if (starts.size() >= max) {
      return Status::Exhausted("the time range holds more than " + std::to_string(max) +
                               " windows; ask for a shorter range or a longer window");
    }
    starts.push_back(w.start);
    // While the offset stays, the next hours and minutes lie one behind the other.
    const TimeUs unit_us = unit_ == WindowUnit::kHour     ? kHourUs
                           : unit_ == WindowUnit::kMinute ? kMinuteUs
                                                          : 0;
    if (w.end - w.start == unit_us) {
      const TimeUs same_until = std::min(to, tz_->At(w.start).end - unit_us + 1);
      for (; w.end < same_until && starts.size() < max; w = {w.end, w.end + unit_us})
        starts.push_back(w.end);
    }
    if (w.end >= to) break;
  }
  return starts;
}

}  // namespace quipu
