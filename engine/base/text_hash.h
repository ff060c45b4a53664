// The hash of tables in memory that hold strings of callers: XXH3 with a seed of its own in every process, so that nobody can prepare
// names that all collide. Never stored and never compared across processes.
#pragma once

#include <cstdint>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"

namespace quipu {

/// The seed of this process. Keep a copy where strings are hashed: asking costs a guard.
inline std::uint64_t TextHashSeed() {
  static const std::uint64_t seed = Random::SystemSeed();
  return seed;
}

inline std::uint32_t TextHash(std::string_view text, std::uint64_t seed) {
  return static_cast<std::uint32_t>(XXH3_64bits_withSeed(text.data(), text.size(), seed));
}

}  // namespace quipu
