// A group commit in the making: the batches that will share one write and one fsync.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "quipu/event.h"
#include "store/store.h"

namespace quipu {

using IngestDone = std::function<void(Result<IngestReply>)>;

/// One call of Ingest.
struct IngestRequest {
  EventBatch owned;  ///< Used if `batch` is null.
  const EventBatch* batch = nullptr;
  IngestDone done;
  std::size_t bytes = 0;
  std::size_t event_count = 0;
  [[nodiscard]] const EventBatch& events() const { return batch != nullptr ? *batch : owned; }
};

/// One request's part in a group.
struct GroupMember {
  Status status;  ///< Of a refused batch.
  IngestReply reply;
  std::size_t first_row = 0;  ///< Of its rows in the group.
  std::size_t rows = 0;
  /// Index in the batch of each of its rows; empty if all events are rows.
  std::vector<std::uint32_t> positions;
  bool settled = false;  ///< Refused or replayed: has no rows.
  /// An earlier request of this group with the same stamp: same reply.
  std::optional<std::size_t> repeats;
  void Refuse(Status why) {
    status = std::move(why);
    settled = true;
  }
  [[nodiscard]] std::size_t PositionOf(std::size_t row) const {
    return positions.empty() ? row : positions[row];
  }
};

struct CommitGroup {
  std::vector<IngestRequest> requests;
  std::size_t bytes = 0;             ///< Of the requests.
  std::vector<GroupMember> members;  ///< Of each request.
  Status status;                     ///< If not OK nothing of the group is stored.
  /// Nothing is to be written if there is none: all events are repeats.
  std::optional<PreparedCommit> commit;
};

}  // namespace quipu
