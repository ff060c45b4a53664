// Run sums: the sum of a measure over each run (customer, service) of a segment's directory.
//
// A bill of all customers, or a ranking of them, over whole months needs one sum for each run and nothing else. Most runs are too short to pay
// for a cell on disk (segment/summary.h), so these sums are computed from the rows when they are first asked for and kept in the page cache,
// 12 bytes a run: as segments never change, they cannot become stale, and they go when others are wanted more.
//
// Worked example: a month of 3.3 million rows in 59,000 runs: 0.7 MB a measure. The first ranking reads 3.3 million values, the second 59,000 sums.
#pragma once

#include <cstdint>
#include <span>

#include "query/groups.h"
#include "segment/segment.h"

namespace quipu {

/// Segments of more runs, or with hardly more rows than runs, are better read row by row.
inline constexpr std::size_t kRunSumsMax = 1u << 20;
inline constexpr std::uint64_t kRunSumsRowsMin = 4;  ///< A run, on average.

class RunSums {
 public:
  /// kOutOfRange: a sum does not fit 64 bits, so there are none.
  static Result<RunSums> Load(const SegmentReader& segment, ColumnId measure);
  /// By the run's number in the directory.
  [[nodiscard]] std::uint32_t count(std::size_t run) const { return counts_[run]; }
  [[nodiscard]] std::int64_t sum(std::size_t run) const { return sums_[run]; }
  [[nodiscard]] int scale() const { return scale_; }

 private:
  PagePtr page_;  // holds what is pointed at
  int scale_ = 0;
  const std::int64_t* sums_ = nullptr;
  const std::uint32_t* counts_ = nullptr;
};

/// Adds the wanted ones of a segment's runs to `groups` in this window; `sums` by measure of the query.
Status AddRunSums(const BoundQuery& query, std::span<const Run> runs, std::span<const RunSums> sums,
                  std::uint32_t window, Groups* groups);

}  // namespace quipu
