#include "store/disk_space.h"

#include <limits>

namespace quipu {
namespace {

/// a - b, not below 0.
std::uint64_t Less(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

std::string Mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

std::uint64_t DiskSpace::FreeBytesIn(const std::string& folder) const {
  const auto free_bytes = vfs_->FreeBytes(folder);
  return free_bytes ? *free_bytes : std::numeric_limits<std::uint64_t>::max();
}

std::uint64_t DiskSpace::Sample() {
  free_bytes_ = FreeBytesIn(folder_);
  sampled_us_ = clock_->MonotonicUs();
  admitted_bytes_ = 0;
  sampled_ = true;
  return free_bytes_;
}

bool DiskSpace::IsStale() const {
  return !sampled_ || admitted_bytes_ >= kDiskSampleBytes ||
         clock_->MonotonicUs() - sampled_us_ >= kDiskSampleUs;
}

Status DiskSpace::Admit(std::uint64_t bytes, std::uint64_t unsealed_bytes) {
  if (reserve_bytes_ == 0) return {};
  if (IsStale()) {
    const std::lock_guard lock(mutex_);
    if (IsStale()) Sample();
  }
  const std::uint64_t incoming = 2 * (admitted_bytes_.fetch_add(bytes) + bytes);
  if (Less(Less(free_bytes_, incoming), unsealed_bytes) >= reserve_bytes_) return {};
  admitted_bytes_ -= bytes;
  return Status::Exhausted(
      "the disk is almost full: " + Mebibytes(free_bytes_) + " free at " + folder_ + ", of which " +
      Mebibytes(unsealed_bytes) + " are needed to seal what is stored and " +
      Mebibytes(reserve_bytes_) +
      " are kept for upkeep (disk_reserve_bytes); nothing of the batch was stored, make room and "
      "send it again");
}

Status DiskSpace::CheckRoomFor(std::uint64_t bytes, std::uint64_t unsealed_bytes,
                               const char* what) {
  if (reserve_bytes_ == 0) return {};
  {
    const std::lock_guard lock(mutex_);
    Sample();  // Ingest, too, is to know what upkeep has seen
  }
  return CheckRoomIn(folder_, bytes, unsealed_bytes, what);
}

Status DiskSpace::CheckRoomIn(const std::string& folder, std::uint64_t bytes,
                              std::uint64_t unsealed_bytes, const char* what) const {
  if (reserve_bytes_ == 0) return {};
  const std::uint64_t free_bytes = FreeBytesIn(folder);
  if (Less(free_bytes, unsealed_bytes) >= bytes) return {};
  return Status::Exhausted("no room on disk for " + std::string(what) + ": it may need " +
                           Mebibytes(bytes) + ", and " + Mebibytes(free_bytes) + " are free at " +
                           folder + ", of which " + Mebibytes(unsealed_bytes) +
                           " are needed to seal what is stored");
}

}  // namespace quipu
