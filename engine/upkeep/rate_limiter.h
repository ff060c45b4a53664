// RateLimiter: a token bucket that may run into debt. Work of unknown size is done first and paid for afterwards.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace quipu {

/// Not safe from several threads.
class RateLimiter {
 public:
  /// 0 bytes a second = no limit. The bucket holds what a second gives and starts full.
  RateLimiter(Clock* clock, std::uint64_t bytes_per_second);
  void Spend(std::uint64_t bytes);
  /// How long to wait before more is spent; 0 = go on.
  [[nodiscard]] std::int64_t WaitUs();

 private:
  void Refill();
  Clock* clock_;
  double bytes_per_us_;
  double tokens_;
  std::int64_t filled_us_;
};

}  // namespace quipu
