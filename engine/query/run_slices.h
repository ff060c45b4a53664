// Run slices: the rows of each run (customer, service) of a segment that lie in one range of whole hours.
//
// A week out of a month, of all customers: every run begins before the week and ends after it, so a scan must find two places in each of 59,000
// runs, and to find them must decode the times of nearly every vector. Those places depend on the range alone, and a range that was asked for once is
// asked for again (the same week by another dimension, a dashboard's next look). So they are found once, kept in the page cache, 16 bytes a
// run that has rows there, and then rows are read as if the week were a segment of its own: no time is decoded. As segments never change, they cannot
// become stale, and they go when others are wanted more.
//
//     runs          | acme api          | acme storage | zeta api        |       rows 0 .. 2,999, times ascending within each run
//     9 to 15 March        |=====|           |==|                |=|             slices: (acme, api, 400, 210) (acme, storage, 1207, 90) ...
#pragma once

#include <optional>
#include <span>

#include "query/dimension_plan.h"
#include "segment/segment.h"

namespace quipu {

class RunSlices {
 public:
  /// `range` must have an instant of the segment's times in it. Nothing where the range's ends inside the segment's month are not whole hours, or the segment has more runs than kRunSlicesMax.
  static Result<std::optional<RunSlices>> Load(const SegmentReader& segment, const Interval& range);
  /// Those that are not empty, ascending by row.
  [[nodiscard]] std::span<const Run> runs() const { return runs_; }

 private:
  PagePtr page_;  // holds what is pointed at
  std::span<const Run> runs_;
};

inline constexpr std::size_t kRunSlicesMax = 1u << 20;  ///< 16 MiB.

}  // namespace quipu
