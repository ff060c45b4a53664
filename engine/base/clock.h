// Time and chance as seams: nothing in the engine asks the operating system for either directly.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "quipu/time.h"

namespace quipu {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock; may step in either direction.
  virtual TimeUs NowUs() = 0;
  /// Never goes back; for waits and rates only.
  virtual std::int64_t MonotonicUs() = 0;
  static Clock* System();
};

/// A clock that moves only when told to.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(TimeUs now) : now_us_(now) {}
  TimeUs NowUs() override { return now_us_.load(); }
  std::int64_t MonotonicUs() override { return monotonic_us_.load(); }
  void Advance(std::int64_t us) {
    now_us_ += us;
    monotonic_us_ += us;
  }
  void SetWall(TimeUs now) { now_us_ = now; }

 private:
  std::atomic<TimeUs> now_us_;
  std::atomic<std::int64_t> monotonic_us_{1'000'000};
};

/// xoshiro256** seeded by SplitMix64 (Blackman & Vigna, 2018): the same seed gives the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  /// A seed from the operating system; print it wherever a test uses it.
  static std::uint64_t SystemSeed();
  std::uint64_t Next();
  /// Uniform in [0, bound); bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double Uniform();

 private:
  std::array<std::uint64_t, 4> state_;
};

/// 16 bytes as canonical lower-case UUID text.
std::string UuidText(std::uint64_t high, std::uint64_t low);
/// UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits.
std::string MakeUuidV7(TimeUs now, Random& random);

}  // namespace quipu
