// GatherPlan: the rows of a gather by source batch, so that each column is copied batch by batch in a loop that knows its source:
// one scale, one table of codes, one answer to "present everywhere?".
//
//   refs  (b0,5) (b1,2) (b0,6) (b1,3)      parts  b0: rows 5 6 -> places 0 2      b1: rows 2 3 -> places 1 3
//
// Where neighbouring references mostly are neighbours in their batch, too (a merge of long runs), rows are kept as stretches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "batch/row_batch.h"

namespace quipu {

class GatherPlan {
 public:
  struct Part {
    std::uint32_t batch = 0;
    std::size_t first = 0, last = 0;  ///< Of the rows or stretches of the plan.
  };

  /// References are checked against the batches.
  GatherPlan(std::span<const RowBatch* const> batches, std::span<const RowRef> refs);

  /// Batches of which at least one row is gathered, ascending.
  [[nodiscard]] std::span<const Part> parts() const { return parts_; }
  [[nodiscard]] std::size_t rows() const { return row_count_; }

  /// Calls op(row, place) for each row of a part: row `row` of its batch goes to place `place`.
  template <class Op>
  void ForEachRow(const Part& part, Op op) const {
    if (stretches_.empty()) {
      const std::uint32_t* const rows = rows_.data();
      const std::uint32_t* const places = places_.data();
      for (std::size_t i = part.first; i < part.last; ++i) op(rows[i], places[i]);
      return;
    }
    for (std::size_t s = part.first; s < part.last; ++s) {
      const Stretch stretch = stretches_[s];
      for (std::uint32_t i = 0; i < stretch.count; ++i) op(stretch.row + i, stretch.place + i);
    }
  }

 private:
  struct Stretch {
    std::uint32_t row = 0, place = 0, count = 0;
  };
  void PlanRows(std::span<const RowRef> refs, std::vector<std::size_t> starts);
  void PlanStretches(std::span<const RowRef> refs, std::vector<std::size_t> starts);

  std::size_t row_count_ = 0;
  std::vector<Part> parts_;
  std::vector<std::uint32_t> rows_, places_;
  std::vector<Stretch> stretches_;
};

}  // namespace quipu
