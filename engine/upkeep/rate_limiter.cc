#include "upkeep/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace quipu {
namespace {

constexpr std::int64_t kWaitStepUs = 20'000;

}  // namespace

RateLimiter::RateLimiter(Clock* clock, std::uint64_t bytes_per_second)
    : clock_(clock),
      bytes_per_us_(static_cast<double>(bytes_per_second) / kSecondUs),
      tokens_(static_cast<double>(bytes_per_second)),
      filled_us_(clock->MonotonicUs()) {}

void RateLimiter::Refill() {
  const std::int64_t now = clock_->MonotonicUs();
  tokens_ = std::min(tokens_ + bytes_per_us_ * static_cast<double>(now - filled_us_),
                     bytes_per_us_ * kSecondUs);
  filled_us_ = now;
}

void RateLimiter::Spend(std::uint64_t bytes) {
  if (bytes_per_us_ == 0) return;
  const std::lock_guard lock(mutex_);
  Refill();
  tokens_ -= static_cast<double>(bytes);
}

std::int64_t RateLimiter::WaitUs() {
  if (bytes_per_us_ == 0) return 0;
  const std::lock_guard lock(mutex_);
  Refill();
  if (tokens_ >= 0) return 0;
  return static_cast<std::int64_t>(std::ceil(-tokens_ / bytes_per_us_));
}

Status PayFor(const Store& store, RateLimiter* limiter, std::uint64_t bytes,
              const std::function<Status()>& go_on) {
  if (limiter != nullptr) {
    limiter->Spend(bytes);
    while (const std::int64_t wait_us = limiter->WaitUs()) {
      QUIPU_TRY(store.write_error());
      QUIPU_TRY(go_on());
      const ViewPtr seen = store.view();
      store.WaitForChange(seen.get(), std::min(wait_us, kWaitStepUs));
    }
  }
  return go_on();
}

}  // namespace quipu
