// CompactRequest: one call of Database::Compact. Months know nothing of each other, so several are merged at once.
//
//   worker 1   Jan: pick, merge, install   ---   Mar: pick, merge, install   ---   nothing left
//   worker 2   Feb: pick, merge, install   ---   nothing left
//
// Invariants:
//   (1) A month has one merge at a time: all its segments are barred from the picking of others until it is installed.
//   (2) The workers share what one merge may use: Options::upkeep_bytes_max of rows in hand, and the rate limit.
//   (3) The first error stops every worker at its next step; what was installed before stays.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "quipu/database.h"
#include "store/store.h"
#include "upkeep/compaction.h"
#include "upkeep/rate_limiter.h"

namespace quipu {

class CompactRequest {
 public:
  /// The workers share `limiter`; `progress` is called by one at a time.
  CompactRequest(Store* store, RateLimiter* limiter, const Progress& progress);
  /// Merges until every month is as compact as it can be. The caller sees to it that nobody else merges.
  Status Run();

 private:
  void Work();
  std::optional<CompactionJob> Take();
  Status Merge(const CompactionJob& job);
  /// `rows` of this month's merge are written. False: stop.
  bool Tell(MonthIndex month, std::uint64_t rows);
  void End(MonthIndex month, const Status& status);

  Store* store_;
  RateLimiter* limiter_;
  const Progress& progress_;
  std::size_t workers_ = 1;

  std::mutex mutex_;                               // guards everything below
  std::map<MonthIndex, std::uint64_t> under_way_;  // rows written so far
  std::uint64_t rows_done_ = 0;
  Status status_;
};

}  // namespace quipu
