// Question: what is asked beyond plain aggregates, checked, and what has to be read for it.
//
//   form                        read besides the range itself
//   change(f, day|week|month)   the windows of the range so long before
//   moving_avg(f, k)            the k-1 windows before the range
//   peak(f, unit), peak_time    the range in windows of that unit
//   before(f), growth(f), ...   the period to compare with, or the range in the state to compare with
#pragma once

#include <map>
#include <optional>

#include "base/calendar.h"
#include "quipu/query.h"
#include "quipu/status.h"

namespace quipu {

/// True if the aggregates are plain and no row of others is asked for: such a question is answered without a detour.
bool IsPlain(const QuerySpec& spec);

/// kInvalidArgument, naming the aggregate, for what makes no sense.
Status CheckQuestion(const QuerySpec& spec);

bool IsPeak(Derived d);        ///< kPeak, kPeakTime
bool IsComparison(Derived d);  ///< kBefore, kGrowth, kGrowthPercent
bool IsChange(Derived d);      ///< kChange, kChangePercent
/// How far back the windows are that it may need besides those of the range (kWindow: right before it); nothing if it needs none.
std::optional<Ago> LooksBack(const Aggregate& a);

/// Start of the window that held the local time of `window` so long ago.
TimeUs WindowAgo(const Windower& windower, TimeUs window, Ago ago);

/// Windows before the range: those that begin in [from, to).
struct StretchBefore {
  TimeUs from = 0, to = 0;
};
/// What has to be read before the range, by how far back it is. A month ago is not read through to get there.
std::map<Ago, StretchBefore> StretchesBefore(const QuerySpec& spec, const Windower& windower);

/// The aggregate that something is derived from.
Aggregate WithoutDerived(Aggregate a);

}  // namespace quipu
