// Batches that were sent and not yet acknowledged, and what the others were answered. Outlives the store, which calls back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "quipu/event.h"

namespace quipu::usage {

class InFlight {
 public:
  /// A client that wants throughput does not wait for each batch; it bounds what it may have to send again.
  explicit InFlight(std::size_t batches_max) : batches_max_(batches_max) {}

  /// Waits for room for one more.
  void Begin();
  void End(const Result<IngestReply>& reply, double milliseconds);
  /// The first error, when all are answered.
  Status Wait();

  // After Wait.
  std::vector<double>* acknowledged_ms() { return &acknowledged_ms_; }
  [[nodiscard]] std::uint64_t duplicates() const { return duplicates_; }
  [[nodiscard]] std::uint64_t accepted() const { return accepted_; }

 private:
  const std::size_t batches_max_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::size_t count_ = 0;
  std::vector<double> acknowledged_ms_;
  std::uint64_t duplicates_ = 0, accepted_ = 0;
  Status status_;
};

}  // namespace quipu::usage
