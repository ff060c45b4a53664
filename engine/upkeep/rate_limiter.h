// RateLimiter: a token bucket that may run into debt. Work of unknown size is done first and paid for afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "base/clock.h"
#include "quipu/status.h"
#include "store/store.h"

namespace quipu {

/// Safe from several threads: they share the bucket, and its debt.
class RateLimiter {
 public:
  /// 0 bytes a second = no limit. The bucket holds what a second gives and starts full.
  RateLimiter(Clock* clock, std::uint64_t bytes_per_second);
  void Spend(std::uint64_t bytes);
  /// How long to wait before more is spent; 0 = go on.
  [[nodiscard]] std::int64_t WaitUs();

 private:
  void Refill();  // under mutex_
  Clock* const clock_;
  const double bytes_per_us_;
  std::mutex mutex_;  // guards what follows
  double tokens_;
  std::int64_t filled_us_;
};

/// Spends what upkeep has written and waits until the bucket is out of debt (`limiter` null = no wait). `go_on` is asked at least once and every
/// 20 ms of the wait: seals and Close must not wait with it. Returns its error, or the store's if writes fail meanwhile.
Status PayFor(const Store& store, RateLimiter* limiter, std::uint64_t bytes,
              const std::function<Status()>& go_on);

}  // namespace quipu
