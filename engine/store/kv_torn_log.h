// A log of RocksDB as a power cut leaves it: is what is wrong with it only the record that was being written?
//
// ext4 may make the new length of a file durable before the bytes (another file's fsync commits the journal meanwhile). Then the last record has its
// header, its whole length, and zeros in a block of it:
//
//     | record | record | header, some bytes, 0 0 0 0 0 0 0 |
//                       ^ whole records end here            ^ end of the file
//
// RocksDB's recovery mode takes the wrong checksum for damage and refuses to open; found by crash_power_test. Nobody was told that
// this record is durable, so the log may end before it. A flipped bit is told from a torn record by what follows: behind a flipped bit whole
// records follow, behind a torn one none. (If the flipped bit is in the very last record, the watermark knows better: watermark.h.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/vfs.h"
#include "quipu/status.h"

namespace quipu {

/// True if one log in `folder` has something behind its whole records, no whole record begins there, and no newer log holds anything. All
/// other logs must be whole. Reads every log into memory, one at a time; kCorruption for one beyond 1 GiB.
Result<bool> IsOnlyTailTorn(Vfs* vfs, const std::string& folder);

/// The list of files that CURRENT names, if its last change was being written.
struct TornManifest {
  std::string path;
  std::uint64_t whole_bytes = 0;  ///< The list is to end here.
};
Result<std::optional<TornManifest>> FindTornManifest(Vfs* vfs, const std::string& folder);

}  // namespace quipu
