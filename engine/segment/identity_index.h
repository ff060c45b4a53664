// The identity index of a segment: is this event here, and in which row? Sorted (hash, row) pairs in chunks of 1,024, and a filter in front.
//
// `hash` is the high half of the identity hash. A hit is only *suspected*: the caller compares the stored id, so no event is
// ever dropped for a hash collision.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace quipu {

struct IdentityEntry {
  std::uint64_t hash = 0;
  std::uint32_t row = 0;
  friend auto operator<=>(const IdentityEntry&, const IdentityEntry&) = default;
};

inline constexpr std::size_t kIdentityChunkEntries = 1024;

/// One chunk of sorted entries (1..1,024): hash differences and rows.
void EncodeIdentityChunk(std::span<const IdentityEntry> entries, std::string* out);
Result<std::vector<IdentityEntry>> DecodeIdentityChunk(Bytes in, std::size_t entries);

/// Split block Bloom filter (Putze, Sanders, Singler 2007, in the form of Apache Parquet: 32-byte blocks, 8 words, one bit each): about
/// 10.7 bits a key, about 1 % false positives, one cache line a probe.
class IdentityFilter {
 public:
  IdentityFilter() = default;
  explicit IdentityFilter(std::uint64_t keys);
  void Add(std::uint64_t hash);
  [[nodiscard]] bool MayContain(std::uint64_t hash) const;
  [[nodiscard]] std::size_t bytes() const { return words_.size() * 4; }
  void EncodeTo(std::string* out) const;
  static Result<IdentityFilter> Decode(Bytes in);

 private:
  std::vector<std::uint32_t> words_;  // 8 per block
};

}  // namespace quipu
