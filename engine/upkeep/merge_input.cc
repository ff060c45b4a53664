#include "upkeep/merge_input.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {

Result<MergeInput> MergeInput::Open(SegmentPtr segment) {
  MergeInput input;
  QUIPU_TRY_ASSIGN(const Directory* const directory, segment->directory());
  const SegmentMeta& meta = segment->meta();
  input.runs_ = directory->runs();
  input.bytes_per_row_ =
      static_cast<double>(meta.file_bytes) / static_cast<double>(meta.totals.rows);
  input.segment_ = std::move(segment);
  return input;
}

std::uint64_t MergeInput::rows_of_customer() const {
  std::uint64_t rows = rows_left_of_run();
  for (std::size_t i = run_ + 1; i < runs_.size() && runs_[i].customer == run().customer; ++i)
    rows += runs_[i].rows;
  return rows;
}

Status MergeInput::Load(std::uint32_t rows_max, BytesInHand* in_hand) {
  if (is_loaded()) return {};
  first_ = row_;
  const std::uint32_t group_end = (row_ / kRowGroupRows + 1) * kRowGroupRows;
  const std::uint32_t end = std::min(group_end, segment_->rows());
  // Whole vectors: none is decoded twice.
  const std::uint32_t vectors_end = (row_ / kVectorRows + rows_max / kVectorRows) * kVectorRows;
  const std::uint32_t count = std::min(end, std::max(vectors_end, row_ + 1)) - row_;
  block_.reset();  // before the next one is there
  QUIPU_TRY_ASSIGN(RowBatch rows, segment_->ReadRows(row_, count, RowParts::kWithoutKeys));
  const std::uint64_t bytes = rows.bytes();
  in_hand->Add(bytes);
  block_ = std::shared_ptr<const RowBatch>(new RowBatch(std::move(rows)),
                                           [in_hand, bytes](const RowBatch* block) {
                                             in_hand->now -= bytes;
                                             delete block;
                                           });
  return {};
}

void MergeInput::Skip(std::uint32_t rows) {
  QUIPU_CHECK(rows <= rows_left_of_run());
  row_ += rows;
  if (rows_left_of_run() != 0) return;
  if (++run_ == runs_.size()) block_.reset();
}

}  // namespace quipu
