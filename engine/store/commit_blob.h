// A commit as bytes: columns in the integer encodings of engine/codec (formats/store.md), what the write-ahead log carries and the hot tier is
// rebuilt from. Raw columns took three times the bytes, and the log's checksum costs more per byte than the packing.
#pragma once

#include <string>
#include <string_view>

#include "batch/row_batch.h"
#include "quipu/status.h"
#include "segment/names.h"

namespace quipu {

/// Bounds of a commit; a larger one is refused before anything is written.
inline constexpr std::uint64_t kCommitRowsMax = 1u << 17;
inline constexpr std::uint64_t kCommitBytesMax = 1ull << 30;

/// kExhausted above the bounds.
Result<std::string> EncodeCommit(std::uint64_t seq, const RowBatch& rows);

struct DecodedCommit {
  std::uint64_t seq = 0;
  RowBatch rows;
};
/// Untrusted bytes: an XXH3 over the blob comes first, then every length, code and number; kCorruption.
/// `names` gives customer names, which identities are checked against.
Result<DecodedCommit> DecodeCommit(std::string_view blob, const Names& names);

}  // namespace quipu
