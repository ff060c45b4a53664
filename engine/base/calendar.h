// The calendar: UTC months (the partition key), and windows in any IANA zone (Howard Hinnant's date library with the system's tzdata).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/query.h"
#include "quipu/status.h"
#include "quipu/time.h"

namespace quipu {

class Zone;

/// Months since January 1970, UTC; negative before it.
using MonthIndex = std::int32_t;

MonthIndex MonthOf(TimeUs t);  ///< Of any number: times in damaged files come here, too.
TimeUs MonthStart(MonthIndex m);
std::string MonthText(MonthIndex m);  ///< "2026-03"

/// Floor of t to a multiple of `unit_us`, also for negative t.
constexpr TimeUs FloorTo(TimeUs t, TimeUs unit_us) {
  TimeUs r = t % unit_us;
  return t - (r < 0 ? r + unit_us : r);
}

/// Cuts a time range into windows. Immutable and safe to share between threads. The windows tile the range: EndOf(t) is the
/// StartOf of the next one. Where an offset changes inside an hour, the hour is cut there; a local hour that comes twice is two
/// windows; a day starts at the first instant of its local date and may be 23, 24 or 25 hours long.
class Windower {
 public:
  /// kInvalidArgument for an unknown zone.
  static Result<Windower> Make(const Window& window);
  /// Start of the window that holds t (for WindowUnit::kNone: kTimeMin).
  [[nodiscard]] TimeUs StartOf(TimeUs t) const;
  /// End (exclusive) of the window that holds t (for kNone: kTimeMax).
  [[nodiscard]] TimeUs EndOf(TimeUs t) const;
  /// Starts of all windows that touch [from, to), ascending, the first one's start may lie before `from`. kExhausted above `max`.
  [[nodiscard]] Result<std::vector<TimeUs>> Starts(TimeUs from, TimeUs to, std::size_t max) const;
  /// The instant at which the local clock showed the same so many days, or one month, earlier: the last day of a shorter month stands for those it
  /// lacks; the first of two for a local time that came twice, the instant of the change for one that was skipped.
  [[nodiscard]] TimeUs DaysBefore(TimeUs t, int days) const;
  [[nodiscard]] TimeUs MonthBefore(TimeUs t) const;
  [[nodiscard]] WindowUnit unit() const { return unit_; }
  [[nodiscard]] const std::string& zone() const { return zone_; }

 private:
  Windower() = default;  // Make sets the zone
  WindowUnit unit_ = WindowUnit::kNone;
  std::string zone_ = "UTC";
  const Zone* tz_ = nullptr;  // lives as long as the process
};

}  // namespace quipu
