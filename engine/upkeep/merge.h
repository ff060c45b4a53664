// Merging: carries out a CompactionJob. Segments of one month become one run of segments, split by customer.
//
//   inputs' directories --runs in (customer, service) order--> whole runs, or runs merged by time --> SegmentWriters --> Store::Install
//
// The directories say which rows belong together, so only runs that several inputs have are compared row by row, and then by
// galloping: a stretch of one input that lies before the others' next row is taken at once. An input has rows in memory only between its first
// and last customer; files of one run come one after another.
//
// Files of the result: a customer of `Options::own_file_bytes_min` gets files of its own; the others share files of
// `segment_bytes_target`, cut between customers. All of them are installed by one write, with conservation checked: before it nothing has
// changed, after it the inputs are gone. Until then their ids are marked in the manifest, so that what a crash leaves behind is removed.
//
// Memory: `Options::upkeep_bytes_max` for rows in hand, and what two SegmentWriters need (segment_writer.cc). It runs beside ingest,
// sealing and queries; the inputs stay readable until the last view with them is gone.
#pragma once

#include <cstdint>
#include <functional>

#include "store/store.h"
#include "upkeep/compaction.h"
#include "upkeep/rate_limiter.h"

namespace quipu {

/// Called with rows written so far in this merge, also while it waits for the rate limit; false = stop (kCancelled, nothing changed).
using MergeProgress = std::function<bool(std::uint64_t rows)>;

struct MergeReport {
  std::uint64_t rows = 0;
  std::uint64_t files = 0;              ///< Of the result.
  std::uint64_t bytes_written = 0;      ///< Size of these files.
  std::uint64_t bytes_in_hand_max = 0;  ///< Rows in memory at the worst moment.
};

/// Merges the job's inputs. `limiter` may be null. `bytes_in_hand_max` 0 = Options::upkeep_bytes_max. Several at once must be of
/// different months.
Status RunCompaction(Store* store, const CompactionJob& job, const MergeProgress& progress,
                     RateLimiter* limiter, MergeReport* report = nullptr,
                     std::uint64_t bytes_in_hand_max = 0);

/// The facts of a view's segments, for PickCompaction; with `holds_customer` answered by the view's directories.
std::optional<CompactionJob> PickCompactionOf(const ViewPtr& view, const Options& options,
                                              CompactionOrder order);

}  // namespace quipu
