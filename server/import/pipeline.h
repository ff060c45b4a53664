// Batches under way: several are handed to the store before the first one is answered, so that parsing goes on while the disk
// syncs and one sync covers many batches. Bounded in batches and bytes. One thread submits; answers come from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "quipu/event.h"
#include "quipu/status.h"

namespace quipu::import {

using IngestDone = std::function<void(Result<IngestReply>)>;
/// `Database::IngestAsync`, or a stand-in for it in tests.
using IngestFunction = std::function<Status(EventBatch, IngestDone)>;

/// An answered batch: the line of each event beside the store's reply.
struct AnsweredBatch {
  std::vector<std::uint64_t> lines;
  IngestReply reply;
};

class Pipeline {
 public:
  static constexpr std::size_t kBatchesMax = 32;
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20;

  explicit Pipeline(IngestFunction ingest);
  ~Pipeline();  ///< Waits for what is under way.
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Waits for room, then hands the batch over. The first failure of any batch is returned from here on.
  Status Submit(EventBatch batch, std::vector<std::uint64_t> lines);
  /// Waits until everything is answered.
  Status Drain();
  /// Answers since the last call.
  std::vector<AnsweredBatch> TakeAnswers();

 private:
  struct Shared;  // outlives this object while an answer is on its way
  IngestFunction ingest_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace quipu::import
