// MergeInput: one segment on its way through a merge: a position in its directory, and blocks of its rows while they are needed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "store/view.h"

namespace quipu {

/// Counts what a merge holds of its inputs and outputs.
struct BytesInHand {
  std::uint64_t now = 0, most = 0;
  void Add(std::uint64_t bytes) { most = std::max(most, now += bytes); }
};

class MergeInput {
 public:
  static Result<MergeInput> Open(SegmentPtr segment);

  [[nodiscard]] bool done() const { return run_ == runs_.size(); }
  [[nodiscard]] const Run& run() const { return runs_[run_]; }
  /// (customer, service) of the current run, as a number that sorts like it.
  [[nodiscard]] std::uint64_t key() const {
    return std::uint64_t{run().customer} << 32 | run().service;
  }
  [[nodiscard]] std::uint32_t row() const { return row_; }
  [[nodiscard]] std::uint32_t rows_left_of_run() const {
    return run().first_row + run().rows - row_;
  }
  /// Rows of the current run's customer, from here on.
  [[nodiscard]] std::uint64_t rows_of_customer() const;
  [[nodiscard]] double bytes_per_row() const { return bytes_per_row_; }

  /// Sees to it that `row()` is in the block. A new block has at most `rows_max` rows, and never rows of two row groups. It is counted
  /// in `in_hand`, which must outlive it.
  Status Load(std::uint32_t rows_max, BytesInHand* in_hand);
  [[nodiscard]] bool is_loaded() const {
    return block_ != nullptr && row_ - first_ < block_->size();
  }
  [[nodiscard]] const std::shared_ptr<const RowBatch>& block() const { return block_; }
  /// Time of `row()`, which must be in the block.
  [[nodiscard]] TimeUs time() const { return block_->times[at()]; }
  /// Position of `row()` in the block, and how many rows of the current run are there.
  [[nodiscard]] std::uint32_t at() const { return row_ - first_; }
  [[nodiscard]] std::uint32_t rows_at_hand() const {
    return std::min(rows_left_of_run(), static_cast<std::uint32_t>(block_->size()) - at());
  }
  /// Moves on, at most to the end of the run; the end of the run is the start of the next.
  void Skip(std::uint32_t rows);

  [[nodiscard]] const SegmentPtr& segment() const { return segment_; }

  /// Where the output has the block among those it still needs; the output's own.
  struct Mark {
    std::uint64_t flush = ~std::uint64_t{0};
    std::uint32_t slot = 0;
    const RowBatch* block = nullptr;
  };
  Mark& mark() { return mark_; }

 private:
  SegmentPtr segment_;
  std::span<const Run> runs_;
  std::size_t run_ = 0;
  std::uint32_t row_ = 0;
  std::shared_ptr<const RowBatch> block_;
  std::uint32_t first_ = 0;  // row of the segment that the block starts with
  double bytes_per_row_ = 0;
  Mark mark_;
};

}  // namespace quipu
