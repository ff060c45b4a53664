// Database: the layers wired together, and the only place that knows all of them.
//
//     Ingest  -> ingest/Committer -> store/Store (durable, visible)
//     Query   -> query/RunQuery   on store->view()
//     upkeep  <- one background thread: seals when the hot tier is large or old, merges when segments have gathered
//
// A follower has neither a committer nor upkeep, but a thread that catches up with the writer. Whoever asks takes a Snapshot, and Answer asks
// again if the writer removed a file in the middle of the question.
//
// Threads: callers, the two threads that commit (inside Committer), the upkeep thread (here). `seal_mutex_` keeps a request and the background from
// sealing the same rows, `merge_mutex_` from merging the same segments. Sealing never waits for a merge, which may take minutes while writers
// wait for room: a request's merge leaves the upkeep thread free to seal, and the upkeep thread seals between the steps of its own merge.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <thread>

#include "base/check.h"
#include "ingest/committer.h"
#include "query/resources.h"
#include "quipu/database.h"
#include "store/store.h"
#include "upkeep/erase.h"
#include "upkeep/rate_limiter.h"
#include "upkeep/retention.h"

namespace quipu {

/// A read has changed nothing but caches, which bear it: without memory there is no answer (docs/decisions/0022). The engine throws nothing
/// itself, but the standard library's containers do.
template <class Read>
auto Reading(const Read& read) -> decltype(read()) {
  try {
    return read();
  } catch (const std::bad_alloc&) {
    return Status::Exhausted("out of memory");  // short: needs but one small allocation
  }
}

class Database::Impl {
 public:
  Impl(std::unique_ptr<Store> store, std::uint64_t random_seed);
  /// Of a follower.
  Impl(std::unique_ptr<Store> store, const FollowerOptions& options);
  ~Impl();

  /// kCancelled once Close has begun.
  [[nodiscard]] Status CheckOpen() const;
  /// Likewise; kUnsupported in a follower.
  [[nodiscard]] Status CheckWritable() const;
  /// What a question is answered from.
  struct Snapshot {
    ViewPtr view;
    std::optional<std::int64_t> staleness_us;  // in a follower
  };
  /// In a follower: one that is fresh enough, or with `anew` one of now.
  [[nodiscard]] Result<Snapshot> TakeSnapshot(bool anew) const;
  /// ask(snapshot), which returns a Result.
  template <class Ask>
  [[nodiscard]] auto Answer(const Ask& ask) const -> decltype(ask(Snapshot())) {
    return Reading([&]() -> decltype(ask(Snapshot())) {
      for (int tries = 0;; ++tries) {
        QUIPU_TRY_ASSIGN(const Snapshot snapshot, TakeSnapshot(/*anew=*/tries > 0));
        if (!store_->is_follower()) return ask(snapshot);
        const std::uint64_t lost_reads = store_->lost_reads();
        auto answer = ask(snapshot);
        // The writer has removed a file of this view that was closed here for want of descriptors. The next view does without it.
        if (answer || store_->lost_reads() == lost_reads || tries == kLostReadTriesMax)
          return answer;
      }
    });
  }
  Result<std::uint64_t> CatchUp() const;
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] const Store& store() const { return *store_; }
  [[nodiscard]] Committer& committer() { return *committer_; }
  /// Threads and memory that queries share; queries do not change the store.
  [[nodiscard]] QueryResources& query_resources() { return query_resources_; }

  Status Seal();
  Status Compact(const Progress& progress);
  Result<ErasureInfo> Erase(std::string_view customer);
  Status FinishErasures(const Progress& progress);
  [[nodiscard]] std::vector<ErasureInfo> Erasures() const;
  Result<RetentionReport> Retain(const Progress& progress);
  Result<RetentionReport> Archive(const ArchiveRequest& request, const Progress& progress);
  Status DetachArchive(const std::string& folder);
  Status AttachArchive(const std::string& folder);
  Status SetCustomerClass(const std::string& customer, const std::string& customer_class);
  Result<FreezeInfo> Freeze(const std::string& name);
  [[nodiscard]] Result<std::vector<FreezeInfo>> Freezes(const View& view) const;
  [[nodiscard]] Result<std::vector<ArchiveInfo>> Archives(const View& view) const;
  Status BuildSummaries(const Progress& progress);
  [[nodiscard]] Result<std::vector<PartitionInfo>> Partitions(const View& view,
                                                              bool by_customer) const;
  [[nodiscard]] Result<StoreInfo> Info(const View& view) const;
  /// A change like any other: without memory the process ends.
  Status Close() noexcept;

 private:
  static constexpr int kLostReadTriesMax = 20;
  void RunUpkeep();
  void RunCatchUp();
  /// One step of background work; true if there may be more.
  bool UpkeepStep();
  /// When to try again what has failed.
  struct Retry {
    std::int64_t again_us = 0;
    std::int64_t pause_us = 0;  // 0 = the last one went well
  };
  bool CheckStep(const char* what, const Status& status, Retry* retry);
  bool SealIfDue();
  bool EraseIfDue();
  bool MergeIfDue();
  bool RetainIfDue();
  bool BuildIfDue();
  [[nodiscard]] bool ShouldSeal(const View& view) const;

  std::unique_ptr<Store> store_;
  std::unique_ptr<Committer> committer_;  // null in a follower
  FollowerOptions follower_;              // of a follower
  QueryResources query_resources_;
  ErasureJob erasure_;      // by merge_mutex_
  std::mutex merge_mutex_;  // held while merging or erasing; before seal_mutex_
  std::mutex seal_mutex_;   // held while sealing
  std::atomic<bool> closing_{false};
  RateLimiter merge_rate_;
  // The upkeep thread's own.
  Retry seal_retry_, erase_retry_, merge_retry_;
  Retry retain_retry_;
  Retry build_retry_;
  std::set<std::uint64_t> unbuildable_;  // segments whose summaries failed for good
  std::int64_t retained_us_ = 0;         // by Clock::MonotonicUs; 0 = not yet
  RetentionRhythm rhythm_;
  std::set<std::uint64_t> unmergeable_;  // segments of merges that failed for good
  std::thread upkeep_;                   // in a follower: catches up
  std::mutex pause_mutex_;
  std::condition_variable closing_changed_;  // of a follower
};

/// Opens with surroundings of the caller's choice; for tests and simulation.
Result<Database> OpenDatabaseIn(const std::string& path, const Options& options,
                                const StoreEnvironment& environment);
Result<Database> OpenFollowerIn(const std::string& path, const FollowerOptions& options,
                                const StoreEnvironment& environment);

}  // namespace quipu
