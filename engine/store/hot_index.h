// HotIndex: the rows of a hot batch by customer, service and time, which is the order of segments. Rows stand in order of arrival, so that without it a question
// about one customer would look at every unsealed row, and then find its own one by one in places far apart.
//
//     rows of the batch    0 bolt/api 9:01   1 acme/api 9:02   2 acme/api 9:00   3 bolt/api 9:03
//     places               0 = row 2         1 = row 1         2 = row 0         3 = row 3
//     runs                 acme/api from place 0 (9:00 to 9:02), bolt/api from place 2 (9:01 to 9:03)
//
// Where a whole run is wanted, its sum of a measure is kept, so that questions ask as little of a large customer as of a small one (query/hot_runs.h);
// for percentiles the codes of its values are (sketch/value_codes.h).
// Where to find a customer says a hash table: a question asks dozens of batches whose memory other threads have just written, and a search among
// thousands of runs would miss the cache at each step. Small batches are looked through instead, and a few rows are read where they are (query/scan.cc).
//
// Made when a question first asks for it, and each column and its sums when they are first wanted: a store that nobody asks pays nothing. While questions
// come, the indexes of later batches are made by who commits them (PrepareIndexes, store/hot_tier.h), so that no question waits for them. An index takes
// 4 bytes a row, 32 a run, 8 to 16 a customer and as much as what is wanted (times and columns as in the batch, sums 16 bytes a run, codes 2 bytes a row and
// 48 a run), and goes with the batch. The batch itself stays as it came: commits are cut and sealed by their rows.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "batch/row_batch.h"
#include "segment/lazy.h"
#include "sketch/quantile_sketch.h"

namespace quipu {

class HotIndex {
 public:
  /// Places from `first` up to the next run's.
  struct Run {
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    std::uint32_t first = 0;
    TimeUs min = 0, max = 0;  ///< Times, inclusive.
  };
  /// Of the present values of a measure in a run.
  struct Sum {
    std::int64_t sum = 0;  ///< At RunSums::scale.
    std::uint32_t count = 0;
  };
  struct RunSums {
    int scale = 0;
    std::vector<Sum> sums;  ///< By the number of the run; none if some do not fit 64 bits.
  };
  /// What percentiles need of a measure.
  struct RunCodes {
    std::vector<QuantileSketch::Code> codes;     ///< By place.
    std::vector<QuantileSketch::Bounds> bounds;  ///< By the number of the run.
  };
  static constexpr std::size_t kNoColumn = ~std::size_t{0};
  /// `batch` must outlive it.
  explicit HotIndex(const RowBatch& batch);
  HotIndex(const HotIndex&) = delete;
  HotIndex& operator=(const HotIndex&) = delete;

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  /// Runs of one customer, by service; none if it has no row. Behind the last one there is always another, where it ends.
  [[nodiscard]] std::span<const Run> RunsOf(CustomerOrdinal customer) const;
  // Fetched ahead, each by what the one before has fetched: the index; where the customer is in its table; its first run.
  void Prefetch() const {
    __builtin_prefetch(&runs_);
    __builtin_prefetch(&measure_ids_);
  }
  void PrefetchPlaceOf(CustomerOrdinal customer) const {
    __builtin_prefetch(table_.data() + PlaceOf(customer));
  }
  void PrefetchRunsOf(CustomerOrdinal customer) const {
    if (const std::uint32_t run = table_[PlaceOf(customer)]; run != 0)
      __builtin_prefetch(&runs_[run - 1]);
  }
  /// The number of a run of RunsOf.
  [[nodiscard]] std::size_t NumberOf(const Run& run) const {
    return static_cast<std::size_t>(&run - runs_.data());
  }

  // By place; ascending in time in each run.
  [[nodiscard]] const std::vector<std::uint32_t>& rows() const { return rows_; }
  [[nodiscard]] const std::vector<TimeUs>& times() const;
  /// The number in RowBatch::measures; kNoColumn if the batch has no such measure.
  [[nodiscard]] std::size_t FindMeasure(ColumnId id) const;
  /// Columns of the batch, by their number in RowBatch::measures and ::dimensions. Of a dimension the codes: its dictionary is the batch's.
  [[nodiscard]] const DecimalColumn& Measure(std::size_t column) const;
  [[nodiscard]] const std::vector<std::uint32_t>& Codes(std::size_t column) const;
  /// Of a measure.
  [[nodiscard]] const RunSums& Sums(std::size_t column) const;
  [[nodiscard]] const RunCodes& CodesOfRuns(std::size_t column) const;
  [[nodiscard]] bool has_sums(std::size_t column) const { return sums_[column].peek() != nullptr; }

  /// A question has come to it.
  void NoteAsked() const {
    if (!was_asked()) was_asked_.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] bool was_asked() const { return was_asked_.load(std::memory_order_relaxed); }
  /// Makes what the other one, of another batch, has of measures.
  void PrepareLike(const HotIndex& other) const;

 private:
  [[nodiscard]] std::size_t PlaceOf(CustomerOrdinal customer) const {
    return static_cast<std::size_t>(customer * 0x9E3779B97F4A7C15u >> table_shift_);
  }
  void MakeRuns();
  void MakeTable();
  [[nodiscard]] RunSums SumUp(const DecimalColumn& column) const;
  [[nodiscard]] RunCodes CodeRuns(const DecimalColumn& arranged) const;

  // What every question reads first, side by side.
  std::vector<Run> runs_;  // one more at the end, with first = size()
  // 1 + the number of a customer's first run, at the place of its hash or after it; 0 = empty. At most half full.
  std::vector<std::uint32_t> table_;
  int table_shift_ = 0;
  mutable std::atomic<bool> was_asked_{false};
  std::vector<ColumnId> measure_ids_;  // side by side, too, unlike in the batch
  std::unique_ptr<Lazy<RunSums>[]> sums_;
  std::unique_ptr<Lazy<RunCodes>[]> run_codes_;
  const RowBatch& batch_;
  std::vector<std::uint32_t> rows_;
  mutable Lazy<std::vector<TimeUs>> times_;
  std::unique_ptr<Lazy<DecimalColumn>[]> measures_;
  std::unique_ptr<Lazy<std::vector<std::uint32_t>>[]> codes_;
};

}  // namespace quipu
