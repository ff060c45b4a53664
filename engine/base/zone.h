// A time zone as a table of stretches of constant offset over years 0001..9999, read once from the system's tzdata through
// Howard Hinnant's date library (and only here). Everything local is asked of this table: no exception, lock or allocation later.
//
// Limit: the date library reads the explicit transitions of a TZif file, which end in 2037; the last offset holds after them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/status.h"
#include "quipu/time.h"

namespace quipu {

class Zone {
 public:
  /// One stretch [begin, end) in which local time = UTC + offset.
  struct Stretch {
    TimeUs begin = kTimeMin;
    TimeUs end = kTimeMax;
    TimeUs offset_us = 0;
  };

  /// The zone of an IANA name; lives as long as the process. kInvalidArgument for an unknown name.
  static Result<const Zone*> Find(std::string_view name);

  /// The stretch that holds t; times outside years 0001..9999 count to the first or last.
  [[nodiscard]] const Stretch& At(TimeUs t) const;
  /// The first instant at which the local clock shows `local` or later: the first of two for an ambiguous local time, the
  /// instant of the change for a skipped one. Never decreases with `local`; within [kTimeMin, kTimeMax].
  [[nodiscard]] TimeUs FirstInstantOf(TimeUs local) const;

 private:
  static Result<std::unique_ptr<Zone>> Load(const std::string& name);
  void Append(const Stretch& stretch);

  std::vector<Stretch> stretches_;
  std::vector<TimeUs> local_end_max_;  // per stretch: the latest local time reached up to its end
};

}  // namespace quipu
