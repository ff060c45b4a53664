// How long each of many answers took, and when each was due.
//
// Coordinated omission: one who asks, waits for the answer and asks again does not ask while an answer is late, and so hardly notices it. Here
// every call has a time at which it is due, whatever became of the calls before it (Schedule), and its latency counts from that time on.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace quipu::usage {

/// Call k is due at start + k / per_second. Without drift: the times do not add up errors.
class Schedule {
 public:
  using Clock = std::chrono::steady_clock;
  Schedule(Clock::time_point start, double per_second) : start_(start), per_second_(per_second) {}
  [[nodiscard]] Clock::time_point DueAt(std::uint64_t call) const {
    return start_ + std::chrono::nanoseconds(
                        static_cast<std::int64_t>(static_cast<double>(call) * 1e9 / per_second_));
  }
  /// Sleeps until then; not at all if it is past.
  Clock::time_point WaitFor(std::uint64_t call) const;

 private:
  Clock::time_point start_;
  double per_second_;
};

double MillisecondsSince(Schedule::Clock::time_point start);

class Latencies {
 public:
  void Add(double milliseconds) { milliseconds_.push_back(milliseconds); }
  /// Nearest rank of q in (0, 1]; 0 if there are none.
  [[nodiscard]] double Quantile(double q) const;
  [[nodiscard]] std::size_t count() const { return milliseconds_.size(); }
  /// "p50", "p99", "p999", "max".
  struct Named {
    const char* name;
    double milliseconds;
  };
  [[nodiscard]] std::vector<Named> Summary() const;

 private:
  std::vector<double> milliseconds_;
};

}  // namespace quipu::usage
