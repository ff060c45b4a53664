#include "query/question.h"

#include <algorithm>

#include "base/check.h"
#include "query/value.h"

namespace quipu {
namespace {

Status Refuse(const Aggregate& a, const std::string& why) {
  return Status::InvalidArgument("'" + a.name + "' " + why);
}

bool HasWindows(const QuerySpec& spec) { return spec.window.unit != WindowUnit::kNone; }
bool HasRange(const QuerySpec& spec) { return spec.from && spec.to; }

Status CheckDerivedForm(const QuerySpec& spec, const Aggregate& a) {
  const WindowUnit unit = spec.window.unit;
  switch (a.derived) {
    case Derived::kNone:
      return {};
    case Derived::kChange:
    case Derived::kChangePercent:
      if (!HasWindows(spec)) return Refuse(a, "compares windows; choose a window, e.g. day");
      if (a.ago == Ago::kDay && unit > WindowUnit::kDay)
        return Refuse(a, "compares with a day ago; choose a window of a day or less");
      if (a.ago == Ago::kWeek && unit > WindowUnit::kWeek)
        return Refuse(a, "compares with a week ago; choose a window of a week or less");
      return {};
    case Derived::kRate:
      if (!IsAdditive(a) || IsTimeWeighted(a.function) || IsConcurrency(a.function))
        return Refuse(a, "is not per second; count, count(m) and sum(m) have a rate");
      if (!HasWindows(spec) && !HasRange(spec))
        return Refuse(a, "needs to know how long; choose a window, or give from and to");
      return {};
    case Derived::kCumulative:
      if (!HasWindows(spec)) return Refuse(a, "adds up windows; choose a window, e.g. day");
      if (!IsAdditive(a)) return Refuse(a, "cannot be added up over windows; counts and sums can");
      return {};
    case Derived::kShare:
      if (!IsAdditive(a)) return Refuse(a, "has no total to be a share of; counts and sums have");
      return {};
    case Derived::kMovingAverage:
      if (!HasWindows(spec)) return Refuse(a, "averages windows; choose a window, e.g. day");
      if (a.windows < 2 || a.windows > kMovingWindowsMax)
        return Refuse(a, "averages 2 to " + std::to_string(kMovingWindowsMax) + " windows");
      return {};
    case Derived::kPeak:
    case Derived::kPeakTime:
      if (a.peak_unit < WindowUnit::kMinute || a.peak_unit > WindowUnit::kDay)
        return Refuse(a, "needs to know of what: minute, hour or day");
      if (HasWindows(spec) && a.peak_unit >= unit)
        return Refuse(a, "needs a window that is longer than what it looks for the highest of");
      return {};
    case Derived::kBefore:
    case Derived::kGrowth:
    case Derived::kGrowthPercent:
      if ((!spec.compare_from || !spec.compare_to) && spec.compare_as_of.IsNow())
        return Refuse(a, "compares two periods, or two states; say which to compare with");
      if (HasWindows(spec) && spec.compare_from)
        return Refuse(a, "compares two periods as a whole; leave the window out");
      return {};
  }
  return {};
}

Status CheckFunction(const QuerySpec& spec, const Aggregate& a) {
  if (!IsTimeWeighted(a.function) && !IsConcurrency(a.function)) return {};
  if (a.column.empty()) return Refuse(a, "needs a measure");
  if (IsTimeWeighted(a.function) && !spec.to)
    return Refuse(a, "needs an end: a level holds until its next event, so say to when");
  if (IsConcurrency(a.function) && a.unit_us <= 0)
    return Refuse(a, "needs the unit of the duration");
  const bool divides =
      a.function == Function::kTimeWeightedAvg || a.function == Function::kAvgConcurrency;
  if (divides && !HasWindows(spec) && !HasRange(spec))
    return Refuse(a, "needs to know how long; choose a window, or give from and to");
  return {};
}

Status CheckOthers(const QuerySpec& spec) {
  if (!spec.others) return {};
  if (spec.limit == 0)
    return Status::InvalidArgument("all others are those that a limit cuts; give a limit");
  if (spec.group_by.empty())
    return Status::InvalidArgument("all others are groups; say what to group by");
  if (HasWindows(spec))
    return Status::InvalidArgument("all others of a ranking have no windows; leave the window out");
  return {};
}

/// The windows that some window of the range had so long ago. They do not follow each other as those of the range do: the 29th to 31st may all have the
/// 28th a month ago, and an hour that the clock shows twice has one hour a day ago. So a little is added at both ends.
StretchBefore RangeAgo(const QuerySpec& spec, const Windower& windower, TimeUs first, Ago ago) {
  const TimeUs margin = ago == Ago::kMonth ? kDayUs + kHourUs : kHourUs;
  StretchBefore stretch{WindowAgo(windower, first, ago), first};
  if (stretch.from > kTimeMin + margin) stretch.from = windower.StartOf(stretch.from - margin);
  if (spec.to && *spec.to > *spec.from) {
    const TimeUs last = WindowAgo(windower, windower.StartOf(*spec.to - 1), ago);
    stretch.to = std::min(first, windower.EndOf(last + margin));
  }
  return stretch;
}

}  // namespace

bool IsPlain(const QuerySpec& spec) {
  return !spec.others && !spec.compare_from && !spec.compare_to && spec.compare_as_of.IsNow() &&
         std::all_of(spec.select.begin(), spec.select.end(), [](const Aggregate& a) {
           return a.derived == Derived::kNone && !IsTimeWeighted(a.function) &&
                  !IsConcurrency(a.function);
         });
}

Status CheckQuestion(const QuerySpec& spec) {
  if (spec.select.empty())
    return Status::InvalidArgument("nothing selected; name at least one aggregate, e.g. count");
  for (const Aggregate& a : spec.select) {
    QUIPU_TRY(CheckDerivedForm(spec, a));
    QUIPU_TRY(CheckFunction(spec, a));
  }
  if (spec.compare_from.has_value() != spec.compare_to.has_value())
    return Status::InvalidArgument("the period to compare with needs both of its ends");
  if (spec.compare_from && *spec.compare_from > *spec.compare_to) {
    return Status::InvalidArgument("the period to compare with begins (" +
                                   FormatTime(*spec.compare_from) + ") after its end (" +
                                   FormatTime(*spec.compare_to) + ")");
  }
  return CheckOthers(spec);
}

bool IsPeak(Derived d) { return d == Derived::kPeak || d == Derived::kPeakTime; }
bool IsComparison(Derived d) {
  return d == Derived::kBefore || d == Derived::kGrowth || d == Derived::kGrowthPercent;
}
bool IsChange(Derived d) { return d == Derived::kChange || d == Derived::kChangePercent; }
std::optional<Ago> LooksBack(const Aggregate& a) {
  if (a.derived == Derived::kMovingAverage) return Ago::kWindow;
  if (IsChange(a.derived) && a.ago != Ago::kWindow) return a.ago;
  return std::nullopt;
}

TimeUs WindowAgo(const Windower& windower, TimeUs window, Ago ago) {
  switch (ago) {
    case Ago::kWindow:
      return windower.StartOf(window - 1);
    case Ago::kDay:
      return windower.StartOf(windower.DaysBefore(window, 1));
    case Ago::kWeek:
      return windower.StartOf(windower.DaysBefore(window, 7));
    case Ago::kMonth:
      return windower.StartOf(windower.MonthBefore(window));
  }
  return window;
}

std::map<Ago, StretchBefore> StretchesBefore(const QuerySpec& spec, const Windower& windower) {
  std::map<Ago, StretchBefore> stretches;
  if (!spec.from) return stretches;  // everything is in the range
  const TimeUs first = windower.StartOf(*spec.from);
  for (const Aggregate& a : spec.select) {
    const std::optional<Ago> ago = LooksBack(a);
    if (!ago) continue;
    StretchBefore stretch{first, first};
    if (*ago == Ago::kWindow) {
      for (std::uint32_t k = 1; k < a.windows && stretch.from > kTimeMin; ++k)
        stretch.from = windower.StartOf(stretch.from - 1);
    } else {
      stretch = RangeAgo(spec, windower, first, *ago);
    }
    if (stretch.from >= stretch.to) continue;
    const auto [it, is_new] = stretches.emplace(*ago, stretch);
    if (!is_new) it->second.from = std::min(it->second.from, stretch.from);
  }
  return stretches;
}

Aggregate WithoutDerived(Aggregate a) {
  a.derived = Derived::kNone;
  return a;
}

}  // namespace quipu
