// Plan: how one segment answers. Every asked (customer, service, instant) of the segment is covered exactly once: by a summary cell, by raw
// rows of a run within an interval, or by the knowledge that there are none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "query/bind.h"
#include "query/dimension_plan.h"
#include "query/run_slices.h"
#include "segment/segment.h"

namespace quipu {

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

/// Why raw rows are read although cells are allowed.
struct RawReasons {
  bool edges = false;      ///< The range or a window begins or ends inside an hour.
  bool few_rows = false;   ///< Too few rows for a cell: reading them is as cheap.
  bool no_sketch = false;  ///< Cells without quantiles or distinct counts of what is asked.
  bool no_set = false;     ///< By dimension: no set of the segment serves, for a service at least.
  bool hidden = false;     ///< Cells of all customers count a customer that is being erased.
};

struct SegmentPlan {
  std::vector<CellUse> cells;
  std::vector<DimensionCellUse> dimension_cells;  ///< By dimension; then `cells` is empty.
  std::uint64_t hour_cells = 0, day_cells = 0, month_cells = 0;  ///< Of `cells`.
  RawReasons reasons;
  /// Sums by run (run_sums.h) answer alone, in this window; then nothing else is planned.
  std::optional<std::uint32_t> run_sums_window;
  std::vector<RawPiece> raw;  ///< Ascending by row.
  std::vector<Interval> intervals;
  /// In place of `raw`, where every run of the segment is asked for within intervals[0]: of the segment's directory, or the part of each that is
  /// asked for (`slices`).
  std::span<const Run> all_runs;
  std::optional<RunSlices> slices;  ///< Holds all_runs, if they are slices.

  /// Memory.
  [[nodiscard]] std::uint64_t bytes() const {
    return raw.capacity() * sizeof(RawPiece) + intervals.capacity() * sizeof(Interval) +
           cells.capacity() * sizeof(CellUse) +
           dimension_cells.capacity() * sizeof(DimensionCellUse);
  }
  [[nodiscard]] std::size_t raw_pieces() const { return raw.size() + all_runs.size(); }
  [[nodiscard]] RawPiece raw_piece(std::size_t i) const {
    return all_runs.empty() ? raw[i] : RawPiece{all_runs[i], 0, 1};
  }
  [[nodiscard]] const Run& raw_run(std::size_t i) const {
    return all_runs.empty() ? raw[i].run : all_runs[i];
  }
};

/// kOutOfRange: rows are needed that have expired (SegmentSpec::summaries_only).
/// `run_sums`: whether they may be planned with.
Result<SegmentPlan> PlanSegment(const BoundQuery& query, const SegmentReader& segment,
                                bool run_sums = false);

}  // namespace quipu
