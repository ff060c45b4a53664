// Scan: raw rows of segments and hot batches as chunks.
#pragma once

#include <cstdint>
#include <span>

#include "query/chunk.h"
#include "query/plan.h"
#include "store/view.h"

namespace quipu {

/// What a scan has touched.
struct ScanStats {
  std::uint64_t rows = 0;             ///< Rows in the asked pieces.
  std::uint64_t vectors = 0;          ///< Vectors with such rows.
  std::uint64_t vectors_decoded = 0;  ///< Columns of vectors (times among them) that were decoded.
  std::uint64_t bytes = 0;            ///< Of the pages that were looked into.
  void Add(const ScanStats& o) {
    rows += o.rows;
    vectors += o.vectors;
    vectors_decoded += o.vectors_decoded;
    bytes += o.bytes;
  }
};

/// Receives each chunk with the rows that lie in the asked pieces; at least one.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual Status OnRows(Chunk* chunk, Selection* selection) = 0;
  /// Whether it asks where rows stand (Chunk::place). If not, rows of a hot batch may come in the order of its index.
  [[nodiscard]] virtual bool wants_places() const { return true; }
};

/// Reads the raw pieces of a plan in vectors [first_vector, last_vector), each vector once.
Status ScanSegment(const BoundQuery& query, const SegmentReader& segment, const SegmentPlan& plan,
                   std::uint32_t first_vector, std::uint32_t last_vector, RowSink* sink,
                   ScanStats* stats);

/// Reads hot[b]: rows of the asked customers, services and time.
Status ScanHotBatch(const BoundQuery& query, std::span<const HotBatchPtr> hot, std::size_t b,
                    RowSink* sink, ScanStats* stats);

}  // namespace quipu
