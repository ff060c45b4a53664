// Run sketches: quantile sketches of a run (customer, service) whose days have too few rows for sketches on disk (segment/summary.h).
//
// A customer of 5,000 rows a day has them in runs of a few hundred to some thousand rows a day and service, below what a histogram on disk must replace. So
// percentiles of thirty days decoded 143,000 of its rows, each time. But dashboards ask about the same customers again: the bucket of each value is found
// when a run is first asked for, and kept in the page cache: as codes in the rows' order (sketch/value_codes.h), which are counted each time, or, of many rows, as
// running counts by day (sketch_sums.h). Segments never change, so neither do these; they go when other pages are wanted more.
//
// A segment that lies in the asked range as a whole, as the youngest ones mostly do, has its runs wanted as a whole. Of others days are wanted, and it is kept
// how many of the run's rows lie before each.
//
//     acme/api      | 1 | 2 | 3 |  ...  | 31 |     rows of the run, by day: 412, 398, 405, ...
//     rows before   0   412 810 1215             days 2 to 3: rows 412 to 1,214 of the run,
//     codes         12,767, with bounds by day   codes 412 to 1,214 and the bounds of two days
//     or counts     32 rows of buckets           counts before day 4 less those before day 2
//
// What comes out is the sketch that the rows give, bit for bit. Few values are an exact sketch, which buckets cannot give: then the rows are read.
#pragma once

#include <span>

#include "query/bind.h"
#include "query/groups.h"
#include "query/plan.h"
#include "segment/segment.h"

namespace quipu {

/// Runs of fewer rows are read as fast.
inline constexpr std::uint32_t kRunSketchRowsMin = 1'024;
/// Of runs of fewer rows nothing is kept by day: the days' bounds would be much against them.
inline constexpr std::uint32_t kRunDaysRowsMin = 2'048;
/// From so many on running counts are kept, below it codes.
inline constexpr std::uint32_t kRunCountsRowsMin = 16'384;
/// Larger ones have sketches on disk for most of their days; making these would hold a question up.
inline constexpr std::uint32_t kRunSketchRowsMax = 262'144;
/// Of fewer days of a segment that has others, the rows are read.
inline constexpr std::uint32_t kRunSketchDaysMin = 8;

/// Whether a question wants nothing of rows but how many there are and quantiles.
bool WantsRunSketches(const BoundQuery& query);

/// Adds the rows of `run` (number `number` of the segment's directory) that lie in the intervals to `groups`. False, and nothing is added, where rows must be read: an
/// interval is neither the whole segment nor made of whole days (UTC), or lies in several windows, there are few days, or too few values together with those of the group.
Result<bool> AddRunSketches(const BoundQuery& query, const SegmentReader& segment, const Run& run,
                            std::size_t number, std::span<const Interval> intervals,
                            Groups* groups);

}  // namespace quipu
