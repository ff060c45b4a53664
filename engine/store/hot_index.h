// HotIndex: the rows of a hot batch by customer, service and time, which is the order of segments. Rows stand in order of arrival, so that without it a question
// about one customer would look at every unsealed row, and then find its own one by one in places far apart.
//
//     rows of the batch    0 bolt/api 9:01   1 acme/api 9:02   2 acme/api 9:00   3 bolt/api 9:03
//     places               0 = row 2         1 = row 1         2 = row 0         3 = row 3
//     runs                 acme/api from place 0, bolt/api from place 2
//
// Small batches are looked through instead, and a few rows are read where they are (query/scan.cc).
//
// Made when a question first asks for it, and each column when it is first wanted: a store that nobody asks pays nothing. It takes
// 12 bytes a row and as much as the wanted columns, and goes with the batch. The batch itself stays as it came: commits are cut and sealed by their rows.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "batch/row_batch.h"
#include "segment/lazy.h"

namespace quipu {

class HotIndex {
 public:
  /// Places from `first` up to the next run's.
  struct Run {
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    std::uint32_t first = 0;
  };
  /// `batch` must outlive it.
  explicit HotIndex(const RowBatch& batch);
  HotIndex(const HotIndex&) = delete;
  HotIndex& operator=(const HotIndex&) = delete;

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  /// Runs of one customer, by service; none if it has no row. Behind the last one there is always another, where it ends.
  [[nodiscard]] std::span<const Run> RunsOf(CustomerOrdinal customer) const;

  // By place; ascending in time in each run.
  [[nodiscard]] const std::vector<std::uint32_t>& rows() const { return rows_; }
  [[nodiscard]] const std::vector<TimeUs>& times() const { return times_; }
  /// Columns of the batch, by their number in RowBatch::measures and ::dimensions. Of a dimension the codes: its dictionary is the batch's.
  [[nodiscard]] const DecimalColumn& Measure(std::size_t column) const;
  [[nodiscard]] const std::vector<std::uint32_t>& Codes(std::size_t column) const;

 private:
  const RowBatch& batch_;
  std::vector<std::uint32_t> rows_;
  std::vector<TimeUs> times_;
  std::vector<Run> runs_;  // one more at the end, with first = size()
  std::unique_ptr<Lazy<DecimalColumn>[]> measures_;
  std::unique_ptr<Lazy<std::vector<std::uint32_t>>[]> codes_;
};

}  // namespace quipu
