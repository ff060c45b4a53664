#include "batch/ordered_rows.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

/// The columns that decide about the order.
RowBatch KeysOf(std::span<const RowBatch* const> batches, std::span<const RowRef> refs) {
  RowBatch keys;
  keys.customers.resize(refs.size());
  keys.services.resize(refs.size());
  keys.times.resize(refs.size());
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const RowBatch& from = *batches[refs[i].batch];
    keys.customers[i] = from.customers[refs[i].row];
    keys.services[i] = from.services[refs[i].row];
    keys.times[i] = from.times[refs[i].row];
  }
  return keys;
}

std::vector<RowRef> InOrder(std::span<const RowBatch* const> batches,
                            std::span<const RowRef> refs) {
  const std::vector<std::uint32_t> order = SegmentOrder(KeysOf(batches, refs));
  std::vector<RowRef> ordered(refs.size());
  for (std::size_t i = 0; i < refs.size(); ++i) ordered[i] = refs[order[i]];
  return ordered;
}

}  // namespace

OrderedRows::OrderedRows(std::span<const RowBatch* const> batches, std::span<const RowRef> refs) {
  std::vector<RowRef> in_pieces;
  in_pieces.reserve(refs.size());
  for (std::size_t first = 0; first < refs.size(); first += kPieceRows) {
    const auto piece = refs.subspan(first, std::min(kPieceRows, refs.size() - first));
    const auto number = static_cast<std::uint32_t>(pieces_.size());
    pieces_.push_back(Gather(batches, InOrder(batches, piece)));
    for (std::uint32_t row = 0; row < piece.size(); ++row) in_pieces.push_back({number, row});
  }
  std::vector<const RowBatch*> pieces;
  for (const RowBatch& piece : pieces_) pieces.push_back(&piece);
  // Rows that are equal in all three stay in the order of the pieces, which is that of their arrival.
  order_ = pieces_.size() == 1 ? std::move(in_pieces) : InOrder(pieces, in_pieces);
}

RowBatch OrderedRows::Take(std::size_t count) {
  QUIPU_CHECK(count <= left());
  next_ += count;
  if (pieces_.size() == 1 && count == order_.size()) return std::move(pieces_[0]);
  std::vector<const RowBatch*> pieces;
  for (const RowBatch& piece : pieces_) pieces.push_back(&piece);
  return Gather(pieces, std::span(order_).subspan(next_ - count, count));
}

}  // namespace quipu
