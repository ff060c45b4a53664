#include "base/hash.h"

#include <array>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace quipu {
namespace {

std::uint8_t* WriteText(std::string_view text, std::uint8_t* p) {
  std::size_t n = text.size();
  while (n >= 0x80) {
    *p++ = static_cast<std::uint8_t>(n | 0x80);
    n >>= 7;
  }
  *p++ = static_cast<std::uint8_t>(n);
  if (!text.empty()) std::memcpy(p, text.data(), text.size());
  return p + text.size();
}

}  // namespace

std::uint64_t Hash64(Bytes bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 HashTo128(Bytes bytes, std::uint64_t seed) {
  const XXH128_hash_t h = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {h.high64, h.low64};
}

Hash128 IdentityHash(std::string_view customer, std::string_view source, std::string_view id) {
  // Valid identities (three names of at most 256 bytes) fit on the stack; the engine hashes one per event.
  constexpr std::size_t kLengthBytesMax = 10;
  const std::size_t bound = customer.size() + source.size() + id.size() + 3 * kLengthBytesMax;
  std::array<std::uint8_t, 1024> small;
  std::string large;
  std::uint8_t* const begin =
      bound <= small.size() ? small.data()
                            : (large.resize(bound), reinterpret_cast<std::uint8_t*>(large.data()));
  std::uint8_t* p = WriteText(customer, begin);
  p = WriteText(source, p);
  p = WriteText(id, p);
  return HashTo128({begin, static_cast<std::size_t>(p - begin)});
}

}  // namespace quipu
