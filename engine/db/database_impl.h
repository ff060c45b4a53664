// Database: the layers wired together, and the only place that knows all of them.
//
//     Ingest  -> ingest/Committer -> store/Store (durable, visible)
//     Query   -> query/RunQuery   on store->view()
//     upkeep  <- one background thread: seals when the hot tier is large or old, merges when segments have gathered
//
// Threads: callers, the committer thread (inside Committer), the upkeep thread (here). Sealing and merging hold `upkeep_mutex_`, so that a
// request and the background never seal the same rows.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "ingest/committer.h"
#include "quipu/database.h"
#include "store/store.h"

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

  Status Seal();
  Status Compact(const Progress& progress);
  [[nodiscard]] Result<std::vector<PartitionInfo>> Partitions(bool by_customer) const;
  [[nodiscard]] Result<StoreInfo> Info() const;
  Status Close();

 private:
  void RunUpkeep();
  /// One step of background work; true if there may be more.
  bool UpkeepStep();
  [[nodiscard]] bool ShouldSeal(const View& view) const;

  std::unique_ptr<Store> store_;
  std::unique_ptr<Committer> committer_;
  std::mutex upkeep_mutex_;  // held while sealing or merging
  std::atomic<bool> closing_{false};
  std::atomic<bool> upkeep_failed_{false};  // logged once; requests report the error themselves
  std::thread upkeep_;
};

/// Opens with surroundings of the caller's choice; for tests and simulation.
Result<Database> OpenDatabaseIn(const std::string& path, const Options& options, const StoreEnvironment& environment);

}  // namespace quipu
