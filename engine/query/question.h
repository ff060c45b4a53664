// Question: what is asked beyond plain aggregates, checked, and what has to be read for it.
//
//   form                        read besides the range itself
//   change(f, day|week|month)   the windows from so long before the range on
//   moving_avg(f, k)            the k-1 windows before the range
//   peak(f, unit), peak_time    the range in windows of that unit
//   before(f), growth(f), ...   the period to compare with, or the range in the state to compare with
#pragma once

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
/// It may need windows before the range.
bool LooksBack(const Aggregate& a);

/// Start of the window that held the local time of `window` so long ago.
TimeUs WindowAgo(const Windower& windower, TimeUs window, Ago ago);

/// Start of the first window before the range that is needed; nothing if none is.
std::optional<TimeUs> FirstWindowBefore(const QuerySpec& spec, const Windower& windower);

/// The aggregate that something is derived from.
Aggregate WithoutDerived(Aggregate a);

}  // namespace quipu
