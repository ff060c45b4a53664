// Scan: raw rows of segments and hot batches as chunks.
#pragma once

#include <functional>
#include <span>

#include "query/chunk.h"
#include "query/plan.h"
#include "store/view.h"

namespace quipu {

/// Receives each chunk with the rows that lie in the asked pieces.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// `first_row` is the chunk's place in its segment or hot batch.
  virtual Status OnRows(const Chunk& chunk, std::uint32_t first_row,
                        std::vector<std::uint32_t>* selected) = 0;
  /// Dictionaries passed so far may be gone.
  virtual void OnNewDictionaries() = 0;
};

/// Reads the raw pieces of a plan, each vector once. Adds the rows visited to `rows`.
Status ScanSegment(const BoundQuery& query, const SegmentReader& segment, const SegmentPlan& plan,
                   RowSink* sink, std::uint64_t* rows);

/// Reads a hot batch: rows of the asked customers, services and time.
Status ScanHotBatch(const BoundQuery& query, const HotBatch& batch, RowSink* sink,
                    std::uint64_t* rows);

}  // namespace quipu
