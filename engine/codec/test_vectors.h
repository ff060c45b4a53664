// Values for the tests of this folder: a seed that can be set from outside, and integer vectors of
// every shape that columns have.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "base/clock.h"

namespace quipu {

/// QUIPU_SEED from the environment, or a new one; tests print it.
inline std::uint64_t TestSeed() {
  const char* set = std::getenv("QUIPU_SEED");
  return set != nullptr ? std::strtoull(set, nullptr, 0) : Random::SystemSeed();
}

inline std::uint64_t RandomBits(Random& random, int width) {
  return width == 0 ? 0 : random.Next() >> (64 - width);
}

inline constexpr int kShapes = 10;

/// n values of shape 0..kShapes - 1.
inline std::vector<std::int64_t> MakeShape(int shape, std::size_t n, Random& random) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min(),
                         kMax = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> v(n);
  const int width = static_cast<int>(random.Below(65));
  const auto base =
      static_cast<std::int64_t>(RandomBits(random, static_cast<int>(random.Below(65))));
  const std::uint64_t few = 1 + random.Below(300);
  std::vector<std::int64_t> pool(few);
  for (std::int64_t& p : pool) p = static_cast<std::int64_t>(RandomBits(random, width));
  std::int64_t last = base;
  for (std::size_t i = 0; i < n; ++i) {
    switch (shape) {
      case 0:
        v[i] = base;
        break;
      case 1:
        v[i] = random.Below(2) == 0 ? kMin : kMax;
        break;
      case 2:
        v[i] = static_cast<std::int64_t>(RandomBits(random, width));
        break;
      case 3:
        v[i] =
            static_cast<std::int64_t>(static_cast<std::uint64_t>(base) + RandomBits(random, width));
        break;
      case 4:
        v[i] = pool[random.Below(few)];
        break;
      case 5:
        v[i] = last =
            random.Below(20) == 0 ? static_cast<std::int64_t>(RandomBits(random, width)) : last;
        break;
      case 6:
        v[i] = 1'700'000'000'000'000 + static_cast<std::int64_t>(random.Below(86'400'000'000));
        break;
      case 7:
        v[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(base) + i * 12345);
        break;
      case 8:
        v[i] = random.Below(50) == 0 ? kMax - static_cast<std::int64_t>(i)
                                     : static_cast<std::int64_t>(i);
        break;
      default:
        v[i] = static_cast<std::int64_t>(i % 2 == 0 ? 0 : few);
        break;
    }
  }
  if (shape == 6) std::sort(v.begin(), v.end());
  return v;
}

}  // namespace quipu
