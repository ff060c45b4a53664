// Summaries: the top cords of the quipu. A *cell* knows, for one scope (a customer, or all customers), one service and one hour, day
// or month (UTC), how many rows there are and, per measure, count, exact sum, min and max; some cells also carry a quantile sketch
// per measure, and cells of all customers a distinct-customer sketch.
//
// A cell must pay for itself (see docs/decisions): per segment,
//   (1) all customers: every non-empty hour, day and month has a cell, so *absent means zero rows*;
//       days and months carry sketches, hours carry quantile sketches from kSketchRowsMin rows on and no distinct sketch;
//   (2) one customer: a cell exists from kCellRowsMin rows on (*absent means: look at the raw rows*), with quantile
//       sketches from kSketchRowsMin rows on, never a distinct sketch;
//   (3) where the cells are all that is left (SegmentSpec::summaries_only): as (1) and (2), but every day and month of one customer has
//       a cell, so *absent means zero rows* there, too; and a service may have no hours of all customers at all (none of them is known).
// A writer may leave out sketches, and cells of rule (2), where a bound is reached (memory of the builder, size of the page); readers ask
// Has...() and fall back to raw rows. formats/summaries.md has every byte.
//
// Worked example: customer 7 has 5,000 `api` rows on 1 March, 4,980 of them between 10:00 and 11:00 and 20 later. Its segment has for it a month, a
// day and an hour cell (10:00), all with sketches; of the 20 rows it has no hour.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/calendar.h"
#include "batch/row_batch.h"
#include "segment/names.h"
#include "sketch/distinct_sketch.h"
#include "sketch/measure_stats.h"

namespace quipu {

inline constexpr CustomerOrdinal kAllCustomers = 0xFFFFFFFF;
/// Of a segment that is written now; a footer says which it was written by.
inline constexpr std::uint32_t kCellRowsMin = 64;
inline constexpr std::uint32_t kSketchRowsMin = 4096;
inline constexpr std::uint64_t kSummaryBuilderBytesMax = 192ull << 20;
inline constexpr std::uint64_t kSummaryPendingBytesMax = 64ull << 20;

/// Bounds of one segment's summaries. Reader and writer agree on them. A sketch, or a cell of one customer, that would exceed them is
/// left out, which is always allowed; cells of all customers that exceed them end the writing of the segment (kExhausted).
inline constexpr std::uint64_t kSummaryCellsMax = 1ull << 26;
inline constexpr std::uint64_t kSummaryEntriesMax = 1ull << 26;  ///< (Cell, measure) pairs.
inline constexpr std::uint64_t kSummarySketchBytesMax = 200ull << 20;

/// What a builder may fill; other than the defaults only in tests and measurements.
struct SummaryBounds {
  /// Memory of the values of all customers that become quantile sketches, as counted by CountedBytes (about; up to twice that is held).
  /// They are kept by hour; by day if their hours count for more than `hour_bytes`; by month if their days count for more than
  /// `day_bytes`; not at all if their months count for more than `month_bytes`. What is finer than what is kept has statistics, but no
  /// quantiles. The decision depends on the rows alone.
  std::uint64_t hour_bytes = kSummaryBuilderBytesMax;
  std::uint64_t day_bytes = kSummaryBuilderBytesMax;
  std::uint64_t month_bytes = kSummaryBuilderBytesMax;
  /// Memory of the values that wait for being sorted into these. Decides about speed only, never about what is in the cells.
  std::uint64_t pending_bytes = kSummaryPendingBytesMax;
  std::uint64_t cells = kSummaryCellsMax;
  std::uint64_t entries = kSummaryEntriesMax;
  /// The thresholds of rules (1) and (2), for whoever measures others (bench/summaries).
  std::uint32_t cell_rows_min = kCellRowsMin;
  std::uint32_t sketch_rows_min = kSketchRowsMin;
  /// Rule (3): a cell of one customer's day or month is never left out; too many of them are kExhausted.
  bool every_customer_day = false;
};

/// Stored: never renumber.
enum class CellLevel : std::uint8_t { kHour = 0, kDay = 1, kMonth = 2 };

/// Fills cells from rows that arrive in segment order.
class SummaryBuilder {
 public:
  /// `names` must outlive the builder.
  SummaryBuilder(MonthIndex month, const Names* names, const SummaryBounds& bounds = {});
  ~SummaryBuilder();
  /// kExhausted: more cells of all customers than the bounds allow; so will Finish say.
  Status Add(const RowBatch& rows);
  /// The payload of the summary page: a function of the rows, however they were split into batches. kExhausted as Add. The builder is
  /// empty afterwards.
  Result<std::string> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The cells of one segment, decoded; immutable, safe from several threads.
class SummaryTable {
 public:
  struct Range {
    std::uint32_t first = 0, last = 0;  ///< Cells [first, last), ascending by start.
  };
  struct GroupKey {
    CustomerOrdinal customer;
    ServiceOrdinal service;
    CellLevel level;
    friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
  };
  static Result<std::shared_ptr<const SummaryTable>> Decode(Bytes payload, MonthIndex month);

  [[nodiscard]] Range Find(CustomerOrdinal customer, ServiceOrdinal service, CellLevel level) const;
  [[nodiscard]] const std::vector<std::pair<GroupKey, Range>>& groups() const { return groups_; }
  /// Measures that occur in any cell, ascending.
  [[nodiscard]] std::vector<ColumnId> measures() const;
  [[nodiscard]] std::size_t cells() const { return starts_.size(); }
  [[nodiscard]] TimeUs start(std::uint32_t cell) const { return starts_[cell]; }
  [[nodiscard]] TimeUs end(std::uint32_t cell) const;
  [[nodiscard]] std::uint64_t rows(std::uint32_t cell) const { return rows_[cell]; }
  /// The cell's statistics of a measure; count 0 if it has none.
  [[nodiscard]] const MeasureStats& Measure(std::uint32_t cell, ColumnId measure) const;
  /// True if quantiles of the measure can be taken from this cell (also when the measure is absent in all its rows).
  [[nodiscard]] bool HasQuantiles(std::uint32_t cell, ColumnId measure) const;
  Status MergeQuantiles(std::uint32_t cell, ColumnId measure, QuantileSketch* into) const;
  [[nodiscard]] bool HasDistinctCustomers(std::uint32_t cell) const;
  /// Merges the sketch over the XXH3-64 hashes of the customer *names*.
  Status MergeDistinctCustomers(std::uint32_t cell, DistinctSketch* into) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct SketchRef {  // bytes of sketches_; bytes = 0: none
    std::uint32_t offset = 0, bytes = 0;
  };
  struct MeasureColumn {  // one measure's statistics, over the cells where it is present
    ColumnId id = 0;
    std::vector<std::uint32_t> cells;  // ascending
    std::vector<MeasureStats> stats;
    std::vector<SketchRef> sketches;
  };
  struct Decoder;
  struct Entry {
    const MeasureColumn* column = nullptr;  // null: the measure is absent in all rows of the cell
    std::size_t index = 0;
  };
  [[nodiscard]] Entry FindEntry(std::uint32_t cell, ColumnId measure) const;

  std::vector<std::pair<GroupKey, Range>> groups_;  // sorted
  std::vector<TimeUs> starts_;
  std::vector<std::uint64_t> rows_;
  std::vector<std::uint8_t> flags_;  // as stored
  std::vector<CellLevel> levels_;
  std::vector<MeasureColumn> measures_;        // by id
  std::vector<std::uint32_t> distinct_cells_;  // ascending
  std::vector<SketchRef> distinct_sketches_;
  std::string sketches_;
  MonthIndex month_ = 0;
};

}  // namespace quipu
