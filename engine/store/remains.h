// Remains: what can be read of a store's key-value part that may be damaged. For repair and for the verification of a store that does not open.
//
// Store::Recover stops at the first row that is wrong, since it must not go on. Here every row is taken that its checksum allows; what cannot be
// read is a problem in the list, with its place, and is left out. A scan that meets a damaged block ends there: what lies behind it is then looked up key by key,
// as far as the keys can be guessed (names, commits, segments and archives are numbered; a name is not sealed, but stands in RocksDB's own checksum).
//
// Nothing is changed on disk.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quipu/database.h"
#include "store/manifest.h"

namespace quipu {

using Problems = std::vector<VerifyProblem>;

struct Remains {
  std::optional<StoreRecord> record;
  std::optional<LastCommit> last;
  std::optional<std::uint64_t> sealed, next_segment;
  std::array<std::map<std::uint32_t, std::string>, kNameKinds> names;  ///< By ordinal.
  std::map<std::uint64_t, SegmentMeta> segments;  ///< By id; the store id is not filled in.
  std::map<std::uint32_t, ArchiveFolder> archives;
  std::vector<ErasureRecord> erasures;
  ForgottenMonths forgotten;
  std::vector<FreezeRecord> freezes;
  std::map<std::string, std::string>
      settings;  ///< Rows of the policy and of customer classes, as stored.
  std::map<std::string, std::string> producers;  ///< As stored.
  std::uint64_t producers_written = 0;           ///< As their space says: see kProducersWrittenKey.
  std::map<std::uint64_t, std::string> blobs;    ///< By seq; not decoded yet.
};

/// Whether rows of producers are missing that the last commit counts.
inline bool LacksProducers(const Remains& remains) {
  return remains.last && remains.producers_written != remains.last->producers_written;
}

/// `segment_ids`: of the files that are there; their records are looked for even where a scan fails.
/// kUnsupported: a newer format, whose rows may mean anything.
Result<Remains> ReadRemains(const KvStore& kv, const std::vector<std::uint64_t>& segment_ids,
                            Problems* problems);

}  // namespace quipu
