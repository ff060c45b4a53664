// Three Vfs for tests: MemoryVfs forgets what was not synced, FaultVfs fails on command, OrderCheckingVfs aborts on a write-order
// mistake. They stack: OrderCheckingVfs(FaultVfs(MemoryVfs)).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/vfs.h"

namespace quipu {

/// A file system in memory that keeps, per file and per folder entry, what is durable apart from what is not.
class MemoryVfs final : public Vfs {
 public:
  MemoryVfs();
  ~MemoryVfs() override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status MakeFolder(const std::string& path) override;
  Status SyncFolder(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder) override;
  Result<std::uint64_t> FreeBytes(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

  /// A power cut: unsynced bytes survive by chance per 512-byte sector (`survive_percent` of them; a lost one inside the kept
  /// length reads as zeros), unsynced folder entries likewise, each by itself. Between 0 and 100 percent a lost sector may be torn (its first
  /// bytes arrived), and the length may have arrived without the bytes: then the file ends in zeros or in what was on the medium before.
  /// Open handles keep working on the lost state and change nothing any more.
  void PowerCut(Random& random, int survive_percent);
  /// From now on a drive that lies: syncs of files, or of folders, say OK and do nothing. For tests that must fail then.
  void IgnoreSyncs(bool files, bool folders);
  /// Damages stored bytes, for corruption tests.
  Status FlipBit(const std::string& path, std::uint64_t byte, int bit);
  Status Truncate(const std::string& path, std::uint64_t size);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Fails chosen calls of the Vfs below.
class FaultVfs final : public Vfs {
 public:
  enum class Fault : std::uint8_t {
    kError,
    kNoSpace,
    kTornWrite /* half of an Append arrives, then an error */
  };
  explicit FaultVfs(Vfs* below) : below_(below) {}
  /// The n-th call from now (1 = the next) fails; with `persistent` every later one too. Reads count only if `reads`.
  void FailNth(std::uint64_t n, Fault fault, bool persistent = false, bool reads = false);
  void Heal();
  /// Called when the first fault fires, before it is returned: the place to cut the power.
  void OnFire(std::function<void()> fired) { on_fire_ = std::move(fired); }
  /// From now on so much can be written; what is more fails for want of space (nothing of it arrives). Unlinking gives nothing back.
  void SetFreeBytes(std::uint64_t bytes);
  void SetEndless();
  [[nodiscard]] std::uint64_t calls() const {
    return calls_.load();
  }  ///< Counted since FailNth or construction.
  [[nodiscard]] bool fired() const { return fired_.load(); }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status MakeFolder(const std::string& path) override;
  Status SyncFolder(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder) override;
  Result<std::uint64_t> FreeBytes(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  void OnPublish(const std::vector<std::string>& paths) override { below_->OnPublish(paths); }
  void OnRetire(const std::vector<std::string>& paths) override { below_->OnRetire(paths); }

  /// Used by its files: the fault for this call, if any (kNone = -1).
  int NextFault(bool read);
  /// Used by its files: takes space; false = there is not as much.
  bool Take(std::uint64_t bytes);

 private:
  static constexpr std::int64_t kEndless = -1;
  Vfs* below_;
  std::atomic<std::int64_t> free_bytes_{kEndless};
  std::atomic<std::uint64_t> calls_{0}, fail_at_{0};
  std::atomic<bool> persistent_{false}, reads_{false}, fired_{false};
  std::atomic<Fault> fault_{Fault::kError};
  std::function<void()> on_fire_;
};

/// Watches the order of writes and aborts (QUIPU_CHECK) when a rule at the top of vfs.h is broken.
class OrderCheckingVfs final : public Vfs {
 public:
  explicit OrderCheckingVfs(Vfs* below);
  ~OrderCheckingVfs() override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status MakeFolder(const std::string& path) override;
  Status SyncFolder(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder) override;
  Result<std::uint64_t> FreeBytes(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  void OnPublish(const std::vector<std::string>& paths) override;
  void OnRetire(const std::vector<std::string>& paths) override;

 private:
  struct State;
  Vfs* below_;
  std::shared_ptr<State> state_;
};

}  // namespace quipu
