// The disk of a simulated store: files and key-value store in memory, with one counter over the operations of both. At a chosen operation
// the power fails, or the operation does. `real` puts the same store into a folder with RocksDB: there a power cut is only a killed process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/vfs_testing.h"
#include "store/store.h"
#include "tests/shell.h"

namespace quipu {

/// Which promises of a drive are broken; a simulation that does not notice is worth nothing.
struct DiskLies {
  bool no_file_sync = false;
  bool no_folder_sync = false;
  bool no_log_sync = false;  ///< Synced Writes of the key-value store are not.
  [[nodiscard]] bool any() const { return no_file_sync || no_folder_sync || no_log_sync; }
};

/// One fault: the n-th operation fails.
struct DiskFault {
  std::uint64_t n = 0;  ///< 1 = the first; 0 = none
  FaultVfs::Fault kind = FaultVfs::Fault::kError;
  bool persistent = false;  ///< And so does every later one.
  bool reads = false;       ///< Reads count and fail, too.
  bool applied = false;     ///< A failed Write of the key-value store has happened all the same.
};

struct PowerCutPlan {
  std::uint64_t n = 0;  ///< Before the n-th operation from now.
  int survive_percent = 0;
  std::uint64_t chance = 0;
};

class SimDisk {
 public:
  SimDisk(bool real, const DiskLies& lies);
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  /// For one opening of the store; what the one before gave is no longer used by then.
  StoreEnvironment Environment(std::uint64_t seed);
  [[nodiscard]] std::string store_path() const;
  ManualClock& clock() { return clock_; }

  void PlanCut(const PowerCutPlan& plan);
  void CutNow(const PowerCutPlan& plan);
  void PlanFault(const DiskFault& fault);
  /// The planned cut or fault has come.
  [[nodiscard]] bool fired() const { return faults_.fired(); }
  [[nodiscard]] bool is_cut() const { return is_cut_; }
  /// Nothing fails from now on. After a cut: the power is back.
  void Heal();
  /// Operations since the last plan.
  [[nodiscard]] std::uint64_t operations() const { return faults_.calls(); }

  /// What a crash left in quarantine/ stands in the way of an erasure until somebody removes it.
  void EmptyQuarantine();

 private:
  void CutPower(const PowerCutPlan& plan);

  bool real_;
  bool is_cut_ = false;
  DiskLies lies_;
  std::optional<ScratchFolder> folder_;  // of a real one
  ManualClock clock_;
  MemoryVfs memory_;
  MemoryKvDisk kv_;
  FaultVfs faults_;
  std::function<void()> write_under_way_;  // of the key-value store
  std::unique_ptr<OrderCheckingVfs> order_;
};

}  // namespace quipu
