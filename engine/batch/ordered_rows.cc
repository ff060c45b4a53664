#include "batch/ordered_rows.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

/// The columns that decide about the order, of rows that mostly follow each other in their batches.
RowBatch KeysOf(std::span<const RowBatch* const> batches, std::span<const RowRef> refs) {
  RowBatch keys;
  keys.customers.resize(refs.size());
  keys.services.resize(refs.size());
  keys.times.resize(refs.size());
  for (std::size_t first = 0, last = 0; first < refs.size(); first = last) {
    const RowRef& begin = refs[first];
    for (last = first + 1; last < refs.size() && refs[last].batch == begin.batch &&
                           refs[last].row == begin.row + (last - first);)
      ++last;
    const RowBatch& from = *batches[begin.batch];
    std::copy_n(from.customers.data() + begin.row, last - first, keys.customers.data() + first);
    std::copy_n(from.services.data() + begin.row, last - first, keys.services.data() + first);
    std::copy_n(from.times.data() + begin.row, last - first, keys.times.data() + first);
  }
  return keys;
}

}  // namespace

OrderedRows::OrderedRows(std::span<const RowBatch* const> batches, std::span<const RowRef> refs) {
  std::vector<RowRef> ordered;
  RowBatch keys;  // of all pieces
  for (std::size_t first = 0; first < refs.size(); first += kPieceRows) {
    const auto piece = refs.subspan(first, std::min<std::size_t>(kPieceRows, refs.size() - first));
    ordered.clear();
    for (const std::uint32_t i : SegmentOrder(KeysOf(batches, piece))) ordered.push_back(piece[i]);
    const RowBatch& rows = pieces_.emplace_back(Gather(batches, ordered));
    keys.customers.insert(keys.customers.end(), rows.customers.begin(), rows.customers.end());
    keys.services.insert(keys.services.end(), rows.services.begin(), rows.services.end());
    keys.times.insert(keys.times.end(), rows.times.begin(), rows.times.end());
  }
  // Rows that are equal in all three stay in the order of the pieces, which is that of their arrival.
  order_ = SegmentOrder(keys);
}

RowBatch OrderedRows::Take(std::size_t count) {
  QUIPU_CHECK(count <= left());
  next_ += count;
  if (pieces_.size() == 1 && count == order_.size()) return std::move(pieces_[0]);
  std::vector<const RowBatch*> pieces;
  for (const RowBatch& piece : pieces_) pieces.push_back(&piece);
  std::vector<RowRef> refs;
  refs.reserve(count);
  for (const std::uint32_t row : std::span(order_).subspan(next_ - count, count))
    refs.push_back({static_cast<std::uint32_t>(row / kPieceRows), row % kPieceRows});
  return Gather(pieces, refs);
}

}  // namespace quipu
