// Plan: how one segment answers. Every asked (customer, service, instant) of the segment is covered exactly once: by a summary cell, by raw
// rows of a run within an interval, or by the knowledge that there are none.
#pragma once

#include <cstdint>
#include <vector>

#include "query/bind.h"
#include "segment/segment.h"

namespace quipu {

/// Half open.
struct Interval {
  TimeUs from = 0, to = 0;
};

/// Rows of one run, where their time lies in one of some intervals.
struct RawPiece {
  Run run;
  std::uint32_t first_interval = 0,
                intervals = 0;  ///< In SegmentPlan::intervals; ascending and apart.
};

struct CellUse {
  CustomerOrdinal customer = kAllCustomers;
  ServiceOrdinal service = 0;
  std::uint32_t cell = 0;
  std::uint32_t window = 0;
};

struct SegmentPlan {
  std::vector<CellUse> cells;
  std::vector<RawPiece> raw;  ///< Ascending by row.
  std::vector<Interval> intervals;
};

/// kOutOfRange: rows are needed that have expired (SegmentSpec::summaries_only).
Result<SegmentPlan> PlanSegment(const BoundQuery& query, const SegmentReader& segment);

}  // namespace quipu
