// The watermark: how far the store had come, written down beside the KvStore and not in it.
//
// RocksDB recovers a prefix of its log. If the log was cut (a truncated or lost file), the prefix is shorter and looks sound: acknowledged commits
// would be gone without a word. The watermark is the witness: after each durable commit its number is appended to a small file of its own, and
// an open that finds fewer commits than that refuses to go on.
//
//     WATERMARK-0000000007     one file per open (or per 65,536 records), the older ones are removed once a newer one is durable
//     record, 16 bytes:        u64 seq | u64 XXH3-64 of the 8 bytes before, seeded with XXH3-64 of (store id, file number)
//
// Invariants:
//   (1) A record is written only after its commit is durable: the watermark never promises too much.
//   (2) It is synced once a second and at Close, not at each commit: an old one makes the check weaker, never wrong. A torn or damaged record is
//       skipped; the highest sound one counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/hash.h"
#include "base/vfs.h"

namespace quipu {

inline constexpr std::string_view kWatermarkPrefix = "WATERMARK-";
inline constexpr std::uint32_t kWatermarkRecordsMax = 65'536;
inline constexpr std::int64_t kWatermarkSyncUs = 1'000'000;

class Watermark {
 public:
  /// The highest commit number that the files in `folder` witness, 0 without any.
  static Result<std::uint64_t> Read(Vfs& vfs, const std::string& folder, const Hash128& store_id);
  /// Starts a new file that witnesses `seq` and removes the older ones. `vfs` and `clock` must outlive it.
  static Result<std::unique_ptr<Watermark>> Start(Vfs* vfs, Clock* clock, const std::string& folder,
                                                  const Hash128& store_id, std::uint64_t seq);

  /// Commit `seq` is durable. After an error the watermark is of no use any more (the check at the next open is weaker).
  Status Advance(std::uint64_t seq);
  /// Makes the last record durable.
  Status Close();

 private:
  Watermark(Vfs* vfs, Clock* clock, std::string folder, const Hash128& store_id);
  Status StartFile(std::uint64_t number, std::uint64_t seq);
  Status Append(std::uint64_t seq);
  Status RemoveOlder(std::uint64_t number);

  Vfs* vfs_;
  Clock* clock_;
  std::string folder_;
  Hash128 store_id_;
  std::unique_ptr<WritableFile> file_;
  std::uint64_t number_ = 0;
  std::uint32_t records_ = 0;
  std::int64_t synced_us_ = 0;
};

}  // namespace quipu
