// Rewriting a month: its rows are read once, in order, and each goes where its customer and service send it.
//
//   segments --k-way merge--> rows --fate of (customer, service)--+--> kKeep       segments like before, without the others
//                                                                 +--> kArchive    large files in the archive folder, pages wrapped in zstd
//                                                                 +--> kSummarise  summaries only; the rows are gone, their totals are not
//                                                                 +--> kDelete     counted, then gone
//
// Crash-safe by order: every new file is complete, synced, read back and verified (checksums, rows, totals, summaries) before the one
// write that makes the store switch; the old files go after it, with their last reader. A crash leaves either the old month and orphans
// that the next open moves aside, or the new month.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "store/store.h"
#include "upkeep/rate_limiter.h"

namespace quipu {

enum class Fate : std::uint8_t { kKeep, kArchive, kSummarise, kDelete };
using FateOf = std::function<Fate(CustomerOrdinal, ServiceOrdinal)>;

/// Rows written or dropped so far in this step; false = stop (kCancelled, nothing changed).
using RewriteProgress = std::function<bool(std::uint64_t rows)>;

inline constexpr std::size_t kRewriteInputsMax = 64;  ///< Bounds the memory of one rewrite.
/// zstd level of archived pages. 12 is where the reference workload stops shrinking noticeably.
inline constexpr int kArchiveWrapLevel = 12;

struct RewriteJob {
  /// Of one month and epoch (store/freeze.h), with rows; 1..kRewriteInputsMax.
  std::vector<SegmentPtr> inputs;
  FateOf fate_of;
  std::uint32_t keep_in = 0;  ///< Number of the archive folder for rows that stay; 0 = segments/.
  std::uint32_t archive_to = 0;    ///< Likewise for kArchive.
  bool drop_archived_ids = false;  ///< Ids of kArchive go: nobody will compare them any more.
  bool is_erasure = false;         ///< kDelete is an erased customer's: its ids need not be missed.
  RateLimiter* limiter = nullptr;  ///< What is written is paid for there.
};

struct RewriteResult {
  Totals archived, summarised, deleted;
  std::uint64_t archived_bytes = 0;  ///< Of the files written for `archived`.
};

/// One caller at a time, which also keeps merges away from the inputs. kConflict: inputs are gone. kExhausted: a disk has no room for what
/// would be written there; nothing was.
Result<RewriteResult> RewriteMonth(Store* store, const RewriteJob& job,
                                   const RewriteProgress& progress);

/// Folds segments of one month and epoch that have summaries only into one, without the runs that leave (none may stay: then they just go).
/// What left is in the result's `deleted`.
Result<RewriteResult> RewriteSummaries(Store* store, const std::vector<SegmentPtr>& inputs,
                                       const FateOf& fate_of, bool is_erasure = false);

/// Installs; on a failure that changed nothing the added files are removed.
Status InstallOrRemove(Store* store, const SegmentEdit& edit);

}  // namespace quipu
