#include "import/pipeline.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace quipu::import {

struct Pipeline::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t batches = 0;
  std::size_t bytes = 0;
  Status failure;
  std::vector<AnsweredBatch> answers;

  void Answer(std::size_t batch_bytes, std::vector<std::uint64_t> lines,
              Result<IngestReply> reply) {
    const std::lock_guard lock(mutex);
    --batches;
    bytes -= batch_bytes;
    if (reply) {
      answers.push_back({std::move(lines), *std::move(reply)});
    } else if (failure.ok()) {
      failure = reply.error();
    }
    changed.notify_all();
  }
};

Pipeline::Pipeline(IngestFunction ingest)
    : ingest_(std::move(ingest)), shared_(std::make_shared<Shared>()) {}

Pipeline::~Pipeline() { static_cast<void>(Drain()); }

Status Pipeline::Submit(EventBatch batch, std::vector<std::uint64_t> lines) {
  const std::size_t bytes = batch.bytes();
  {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] {
      const bool room = shared_->batches < kBatchesMax && shared_->bytes + bytes <= kBytesMax;
      return !shared_->failure.ok() || room || shared_->batches == 0;
    });
    if (!shared_->failure.ok()) return shared_->failure;
    ++shared_->batches;
    shared_->bytes += bytes;
  }
  // std::function must be copyable, so the lines travel behind a pointer.
  auto kept = std::make_shared<std::vector<std::uint64_t>>(std::move(lines));
  Status status =
      ingest_(std::move(batch), [shared = shared_, bytes, kept](Result<IngestReply> reply) {
        shared->Answer(bytes, std::move(*kept), std::move(reply));
      });
  if (!status.ok()) shared_->Answer(bytes, {}, status);
  return status;
}

Status Pipeline::Drain() {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, [&] { return shared_->batches == 0; });
  return shared_->failure;
}

std::vector<AnsweredBatch> Pipeline::TakeAnswers() {
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->answers, {});
}

}  // namespace quipu::import
