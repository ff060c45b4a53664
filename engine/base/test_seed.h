// For randomised tests: a fresh seed per run, or the one in the environment variable QUIPU_SEED to run a failure again.
//   const std::uint64_t seed = TestSeed();
//   SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
#pragma once

#include <cstdint>
#include <cstdlib>

#include "base/clock.h"

namespace quipu {

inline std::uint64_t TestSeed() {
  const char* given = std::getenv("QUIPU_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : Random::SystemSeed();
}

}  // namespace quipu
