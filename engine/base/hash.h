// XXH3 (xxHash 0.8), the one hash family in Quipu: checksums, identities, filters, hash tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace quipu {

/// 128-bit value with a total order; used for identity hashes and UUIDs.
struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend constexpr auto operator<=>(const Hash128&, const Hash128&) = default;
};

std::uint64_t Hash64(Bytes bytes, std::uint64_t seed = 0);
inline std::uint64_t Hash64(std::string_view s, std::uint64_t seed = 0) {
  return Hash64(AsBytes(s), seed);
}
Hash128 HashTo128(Bytes bytes, std::uint64_t seed = 0);

/// The identity of an event: XXH3-128 of varint length + bytes of customer, then source, then id. Part of the format: it
/// orders rows of equal time, keys the identity index, and sums to the conservation total.
Hash128 IdentityHash(std::string_view customer, std::string_view source, std::string_view id);

/// Order-independent total of identity hashes: the sum of the 128-bit values modulo 2^128.
struct IdentityTotal {
  Uint128 sum = 0;
  void Add(const Hash128& h) { sum += (static_cast<Uint128>(h.high) << 64) | h.low; }
  void Add(const IdentityTotal& t) { sum += t.sum; }
  void Subtract(const IdentityTotal& t) { sum -= t.sum; }
  friend bool operator==(const IdentityTotal&, const IdentityTotal&) = default;
};

}  // namespace quipu
