#include "usage/in_flight.h"

namespace quipu::usage {

void InFlight::Begin() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return count_ < batches_max_; });
  ++count_;
}

void InFlight::End(const Result<IngestReply>& reply, double milliseconds) {
  const std::lock_guard lock(mutex_);
  --count_;
  acknowledged_ms_.push_back(milliseconds);
  if (reply) {
    duplicates_ += reply->Count(Outcome::kDuplicate);
    accepted_ += reply->Count(Outcome::kAccepted);
  } else if (status_.ok()) {
    status_ = reply.error();
  }
  room_.notify_one();
}

Status InFlight::Wait() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return count_ == 0; });
  return status_;
}

}  // namespace quipu::usage
