// A commit as bytes: one columnar FlatBuffers blob (formats/commit.fbs), what the write-ahead log carries and the hot tier is rebuilt from.
#pragma once

#include <string>
#include <string_view>

#include "batch/row_batch.h"
#include "quipu/status.h"
#include "segment/names.h"

namespace quipu {

/// A larger commit is refused before anything is written: FlatBuffers' offsets end at 2 GiB.
inline constexpr std::uint64_t kCommitBytesMax = 1ull << 30;

/// kExhausted above kCommitBytesMax.
Result<std::string> EncodeCommit(std::uint64_t seq, const RowBatch& rows);

struct DecodedCommit {
  std::uint64_t seq = 0;
  RowBatch rows;
};
/// Untrusted bytes: an XXH3 over the blob and the FlatBuffers verifier come first, then every length and code; kCorruption.
/// `names` gives customer names, which identities are checked against.
Result<DecodedCommit> DecodeCommit(std::string_view blob, const Names& names);

}  // namespace quipu
