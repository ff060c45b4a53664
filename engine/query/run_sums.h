// Run sums: the sum of a measure over each run (customer, service) of a segment's directory.
//
// A bill of all customers, or a ranking of them, over whole months needs one sum for each run and nothing else. Most runs are too short to pay
// for a cell on disk (segment/summary.h), so these sums are computed from the rows when they are first asked for and kept in the page cache,
// 12 bytes a run: as segments never change, they cannot become stale, and they go when others are wanted more. A ranking of customers by all of their
// services takes these sums added up by customer, kept likewise.
//
// Worked example: a month of 3.3 million rows in 59,000 runs: 0.7 MB a measure. The first ranking reads 3.3 million values, the second 59,000 sums, or 10,000
// of customers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "query/groups.h"
#include "segment/segment.h"

namespace quipu {

/// Segments of more runs, or with hardly more rows than runs, are better read row by row.
inline constexpr std::size_t kRunSumsMax = 1u << 20;
inline constexpr std::uint64_t kRunSumsRowsMin = 4;  ///< A run, on average.

/// Of one measure.
class RunSums {
 public:
  /// By the number of the run, or of the customer, in RunTotals::runs.
  [[nodiscard]] std::uint32_t count(std::size_t run) const { return counts_[run]; }
  [[nodiscard]] std::int64_t sum(std::size_t run) const { return sums_[run]; }
  [[nodiscard]] int scale() const { return scale_; }

 private:
  friend struct RunTotals;
  /// kOutOfRange: a sum does not fit 64 bits, so there are none.
  static Result<RunSums> View(PagePtr page, std::size_t runs);

  PagePtr page_;  // holds what is pointed at
  int scale_ = 0;
  const std::int64_t* sums_ = nullptr;
  const std::uint32_t* counts_ = nullptr;
};

/// What a question takes from a segment.
struct RunTotals {
  /// Of the directory; or one for each customer, of all its services (`service` means nothing then).
  std::span<const Run> runs;
  std::vector<RunSums> sums;  ///< By measure.
  PagePtr page;               ///< Holds `runs`, if they are customers.

  /// kOutOfRange: a sum does not fit 64 bits.
  static Result<RunTotals> Load(const SegmentReader& segment, std::span<const MeasureNeed> measures,
                                bool by_customer);
};

/// Whether what is asked of a segment are totals of its customers.
bool WantsCustomerTotals(const BoundQuery& query);

/// Adds the wanted ones to `groups` in this window.
Status AddRunTotals(const BoundQuery& query, const RunTotals& totals, std::uint32_t window,
                    Groups* groups);

}  // namespace quipu
