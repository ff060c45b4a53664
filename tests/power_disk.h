// A disk whose power can be cut: an ext4 file system in a file, mounted through a loop device, and shut down in the middle of its work by
// EXT4_IOC_SHUTDOWN. What the kernel had not written by then is gone: pages that no fsync asked for, and whatever the journal had not committed.
//
// The mount is seen by this process and its children only (a mount namespace of its own), so it goes away with them whatever happens. What
// this cannot do is tear a sector or change the order in which blocks reach the disk; the simulation does that (base/vfs_testing.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "quipu/status.h"

namespace quipu {

class PowerDisk {
 public:
  /// Makes a disk of so many bytes (sparse) in a folder of its own below `folder`. An error where that is not possible: without root, loop
  /// devices or mkfs.ext4.
  static Result<std::unique_ptr<PowerDisk>> Make(const std::string& folder, std::uint64_t bytes);
  /// Unmounts and removes it.
  ~PowerDisk();
  PowerDisk(const PowerDisk&) = delete;
  PowerDisk& operator=(const PowerDisk&) = delete;

  /// Where it is mounted.
  [[nodiscard]] const std::string& path() const { return mounted_; }
  /// The image and the mount point stay for whoever wants to look; only the mount goes.
  void Keep() { is_kept_ = true; }

  /// From now on nothing reaches the disk.
  Status CutPower();
  /// Mounts it again, which replays the journal. Nobody may have a file of it open.
  Status Restart();

 private:
  explicit PowerDisk(std::string folder);
  Status Format(std::uint64_t bytes) const;
  Status AttachLoop();
  Status Mount() const;

  std::string folder_, image_, mounted_, loop_;
  int loop_fd_ = -1;
  bool is_kept_ = false;
};

}  // namespace quipu
