#include "base/clock.h"

#include <sys/random.h>
#include <time.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/check.h"

namespace quipu {
namespace {

std::int64_t ReadClock(clockid_t id) {
  timespec now{};
  QUIPU_CHECK(clock_gettime(id, &now) == 0);
  return static_cast<std::int64_t>(now.tv_sec) * kSecondUs + now.tv_nsec / 1000;
}

class SystemClock final : public Clock {
 public:
  TimeUs NowUs() override { return ReadClock(CLOCK_REALTIME); }
  std::int64_t MonotonicUs() override { return ReadClock(CLOCK_MONOTONIC); }
};

constexpr std::uint64_t RotateLeft(std::uint64_t v, int n) { return (v << n) | (v >> (64 - n)); }

}  // namespace

Clock* Clock::System() {
  static SystemClock clock;
  return &clock;
}

Random::Random(std::uint64_t seed) : state_{} {
  for (std::uint64_t& word : state_) {  // SplitMix64
    seed += 0x9E3779B97F4A7C15u;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Random::SystemSeed() {
  std::uint64_t seed = 0;
  ssize_t n = 0;
  do {
    n = getrandom(&seed, sizeof seed, 0);
  } while (n < 0 && errno == EINTR);
  QUIPU_CHECK(n == static_cast<ssize_t>(sizeof seed));
  return seed;
}

std::uint64_t Random::Next() {
  const std::uint64_t result = RotateLeft(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = RotateLeft(state_[3], 45);
  return result;
}

std::uint64_t Random::Below(std::uint64_t bound) {
  QUIPU_CHECK(bound > 0);
  // Lemire's multiply-and-shift; the rejected low part makes it exactly uniform.
  Uint128 product = static_cast<Uint128>(Next()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Uint128>(Next()) * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Random::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

std::string UuidText(std::uint64_t high, std::uint64_t low) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) out += '-';
    const std::uint64_t half = nibble < 16 ? high : low;
    out += kHex[(half >> (60 - 4 * (nibble % 16))) & 15];
  }
  return out;
}

std::string MakeUuidV7(TimeUs now, Random& random) {
  const std::uint64_t ms = now < 0 ? 0 : static_cast<std::uint64_t>(now / 1000);
  const std::uint64_t high = (ms << 16) | 0x7000u | (random.Next() & 0x0FFF);
  const std::uint64_t low = (std::uint64_t{2} << 62) | (random.Next() >> 2);
  return UuidText(high, low);
}

}  // namespace quipu
