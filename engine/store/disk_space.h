// Disk space: is there room for more events? Asked for each batch, answered from a sample.
//
// A disk that fills up must be noticed before a write fails: after a failed write to the key-value store nobody knows what happened and the
// store stops until it is reopened. So Ingest refuses new events while there is still room to seal and merge what is there, and takes
// them again when there is more.
//
//     free space as sampled
//     - what was let in since the sample, twice (the log now, a table of the key-value store perhaps)
//     - what unsealed rows need as segments (at most their size in memory)
//     >= Options::disk_reserve_bytes        else kExhausted
//
// The system is asked at most every 100 ms, and after each 16 MiB that were let in: not for each batch.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/vfs.h"

namespace quipu {

inline constexpr std::int64_t kDiskSampleUs = 100'000;
inline constexpr std::uint64_t kDiskSampleBytes = 16u << 20;

/// Safe from several threads.
class DiskSpace {
 public:
  /// `reserve_bytes` = 0: everything is let in.
  DiskSpace(Vfs* vfs, Clock* clock, std::string folder, std::uint64_t reserve_bytes)
      : vfs_(vfs), clock_(clock), folder_(std::move(folder)), reserve_bytes_(reserve_bytes) {}

  /// May `bytes` of events come in, with `unsealed_bytes` in memory? kExhausted if not.
  Status Admit(std::uint64_t bytes, std::uint64_t unsealed_bytes);
  /// Is there room for a file of `bytes` beside the segments of unsealed rows? The reserve may be used for it. kExhausted if not. Asks the system.
  Status CheckRoomFor(std::uint64_t bytes, std::uint64_t unsealed_bytes, const char* what);
  /// Likewise in another folder, which may be on the same disk.
  Status CheckRoomIn(const std::string& folder, std::uint64_t bytes, std::uint64_t unsealed_bytes,
                     const char* what) const;

 private:
  /// Unknown counts as endless: a file system that cannot tell must not stop anybody.
  [[nodiscard]] std::uint64_t FreeBytesIn(const std::string& folder) const;
  std::uint64_t Sample();
  [[nodiscard]] bool IsStale() const;

  Vfs* vfs_;
  Clock* clock_;
  const std::string folder_;
  const std::uint64_t reserve_bytes_;
  std::mutex mutex_;  // of who samples
  // Of the last sample. A caller that sees parts of two of them is off by one batch or by a moment.
  std::atomic<bool> sampled_{false};
  std::atomic<std::int64_t> sampled_us_{0};
  std::atomic<std::uint64_t> free_bytes_{0};
  std::atomic<std::uint64_t> admitted_bytes_{0};  // since the sample
};

}  // namespace quipu
