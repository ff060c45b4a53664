// Database: the layers wired together, and the only place that knows all of them.
//
//     Ingest  -> ingest/Committer -> store/Store (durable, visible)
//     Query   -> query/RunQuery   on store->view()
//     upkeep  <- one background thread: seals when the hot tier is large or old, merges when segments have gathered
//
// Threads: callers, the two threads that commit (inside Committer), the upkeep thread (here). `seal_mutex_` keeps a request and the background from
// sealing the same rows, `merge_mutex_` from merging the same segments. Sealing never waits for a merge, which may take minutes while writers
// wait for room: a request's merge leaves the upkeep thread free to seal, and the upkeep thread seals between the steps of its own merge.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "ingest/committer.h"
#include "query/resources.h"
#include "quipu/database.h"
#include "store/store.h"
#include "upkeep/erase.h"
#include "upkeep/rate_limiter.h"
#include "upkeep/retention.h"

namespace quipu {

class Database::Impl {
 public:
  Impl(std::unique_ptr<Store> store, std::uint64_t random_seed);
  ~Impl();

  /// kCancelled once Close has begun.
  [[nodiscard]] Status CheckOpen() const;
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
  [[nodiscard]] Result<std::vector<ArchiveInfo>> Archives() const;
  [[nodiscard]] Result<std::vector<PartitionInfo>> Partitions(bool by_customer) const;
  [[nodiscard]] Result<StoreInfo> Info() const;
  [[nodiscard]] std::vector<ColumnStorage> StorageByColumn() const;
  Status Close();

 private:
  void RunUpkeep();
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
  /// kExhausted if what these segments become might not fit on the disk.
  Status CheckMergeFits(const std::vector<std::uint64_t>& ids);
  bool MergeIfDue();
  bool RetainIfDue();
  [[nodiscard]] bool ShouldSeal(const View& view) const;

  std::unique_ptr<Store> store_;
  std::unique_ptr<Committer> committer_;
  QueryResources query_resources_;
  ErasureJob erasure_;      // by merge_mutex_
  std::mutex merge_mutex_;  // held while merging or erasing; before seal_mutex_
  std::mutex seal_mutex_;   // held while sealing
  std::atomic<bool> closing_{false};
  RateLimiter merge_rate_;  // by merge_mutex_
  // The upkeep thread's own.
  Retry seal_retry_, erase_retry_, merge_retry_;
  Retry retain_retry_;
  std::int64_t retained_us_ = 0;  // by Clock::MonotonicUs; 0 = not yet
  RetentionRhythm rhythm_;
  std::set<std::uint64_t> unmergeable_;  // segments of merges that failed for good
  std::thread upkeep_;
};

/// Opens with surroundings of the caller's choice; for tests and simulation.
Result<Database> OpenDatabaseIn(const std::string& path, const Options& options,
                                const StoreEnvironment& environment);

}  // namespace quipu
