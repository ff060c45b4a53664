#include "usage/latency.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace quipu::usage {

Schedule::Clock::time_point Schedule::WaitFor(std::uint64_t call) const {
  const Clock::time_point due = DueAt(call);
  std::this_thread::sleep_until(due);
  return due;
}

double MillisecondsSince(Schedule::Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Schedule::Clock::now() - start).count();
}

double Latencies::Quantile(double q) const {
  if (milliseconds_.empty()) return 0;
  std::vector<double> sorted = milliseconds_;
  const auto n = static_cast<double>(sorted.size());
  // A little less than q n: 0.99 x 100 must not become rank 100 because 0.99 is no binary fraction.
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(q * n - 1e-9));
  const auto at = sorted.begin() + std::max<std::ptrdiff_t>(rank, 1) - 1;
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

std::vector<Latencies::Named> Latencies::Summary() const {
  return {{"p50", Quantile(0.5)},
          {"p99", Quantile(0.99)},
          {"p999", Quantile(0.999)},
          {"max", Quantile(1)}};
}

}  // namespace quipu::usage
