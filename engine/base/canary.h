// Canaries: known mistakes that the tests must notice. A laboratory that has never been seen to fail proves nothing, so a build of its own
// (preset `canary`, option QUIPU_CANARIES) has them built in; there the environment variable QUIPU_CANARY names the ones that are alive, separated by
// commas. tests/canaries.cmake says which test catches which.
//
// In every other build IsCanary is the constant `false`, so that its branches are not in the program: no switch, no string, no cost.
#pragma once

#include <cstdint>

namespace quipu {

enum class Canary : std::uint8_t {
  kFolderNotSynced,  ///< "folder-not-synced": a segment's new name is not made durable.
  kRowsDropped,      ///< "rows-dropped": a merge leaves rows out,
  kTotalsUnchecked,  ///< "totals-unchecked": ... and nobody counts.
  kClaimedFirst,     ///< "claimed-first": a producer's sequence is durable before its events are.
  kProgressApart,    ///< "progress-apart": how far sealing has come is a second write.
  kDefaultWalRecovery,  ///< "default-wal-recovery": RocksDB's own choice, which cuts its log at a damaged record.
  kWatermarkUnchecked,  ///< "watermark-unchecked": ... and nobody asks how far the commits had come.
};

#ifdef QUIPU_CANARIES
bool IsCanary(Canary canary);
#else
constexpr bool IsCanary(Canary /*canary*/) { return false; }
#endif

}  // namespace quipu
