// DimensionCellBuilder: fills the cells of one DimensionSet from the rows of a segment.
//
//     row -> codes of its values -> group (combination, service) -> cell (group, hour)
//
// A batch's rows are first given their cells, then sorted by cell, then each measure is read by itself in runs of one cell. Sketches are kept by
// (group, day). All of it is addition in commutative monoids, and what is too much is decided by counts that never shrink (cells, values that are
// kept), so what comes out is a function of the rows, however they were split into batches; Verify makes the same again.
//
//   too many hours  -> days only               too many values -> sketches by month only -> no sketches
//   too many days   -> the set is left out
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch/dictionary_index.h"
#include "segment/dimension_cells.h"
#include "segment/key_index.h"
#include "segment/value_bin.h"

namespace quipu {

class DimensionCellBuilder {
 public:
  DimensionCellBuilder(MonthIndex month, DimensionSet set);
  void Add(const RowBatch& rows);
  /// The lists (ascending) are what the segment has; see RestrictedTo. Without dimensions in the result there is nothing to store. kExhausted: the
  /// values do not fit a page. The builder is of no use afterwards.
  Result<FinishedDimensionCells> Finish(std::span<const ServiceOrdinal> services,
                                        std::span<const ColumnId> dimensions,
                                        std::span<const ColumnId> measures);
  [[nodiscard]] const DimensionSet& set() const { return set_; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr int kUnitBits = 10;  // an hour of a month is below 744
  static constexpr std::uint64_t kUnitMask = (1u << kUnitBits) - 1;
  static constexpr int kCodeBits = 16;
  static constexpr std::uint32_t kCodeMax = (1u << kCodeBits) - 1;
  struct Values {  // of one dimension
    StringList texts;
    DictionaryIndex index;
  };
  /// One measure over all cells, and over all sketches.
  struct Measure {
    ColumnId id = 0;
    std::vector<MeasureStats> stats;    // by cell
    std::vector<ValueBin> bins;         // by sketch
    std::vector<std::uint32_t> counts;  // of values in the bin, at most kQuantileExactMax
  };
  struct Run {  // rows order_[begin, end)
    std::uint32_t cell = 0, begin = 0, end = 0;
  };
  class Finisher;

  void FindCells(const RowBatch& rows);
  [[nodiscard]] std::uint32_t ServicePlace(ServiceOrdinal service);
  void SortByCell();
  void AddMeasure(const DecimalColumn& column);
  void AddRun(const DecimalColumn& column, const Run& run, Measure* measure);
  void KeepValues(std::uint32_t cell, std::span<const std::int64_t> values, int scale,
                  Measure* measure);
  [[nodiscard]] std::uint32_t SketchOf(std::uint32_t cell);
  void CountValues(std::uint32_t sketch, std::uint64_t n, Measure* measure);
  Measure& MeasureOf(ColumnId id);
  void CheckBounds();
  void FoldHours();
  void FoldSketches();
  void GiveUp();

  const MonthIndex month_;
  const TimeUs month_start_;
  DimensionSet set_;
  bool given_up_ = false;
  bool by_hour_ = true;  // cells are of hours, else of days
  enum class Sketches { kByDay, kByMonth, kNone } sketches_ = Sketches::kByDay;
  std::vector<Values> values_;               // by dimension of the set
  std::vector<ServiceOrdinal> services_;     // by place
  std::vector<std::uint64_t> service_rows_;  // by place
  std::unordered_map<ServiceOrdinal, std::uint32_t> service_places_;
  KeyIndex groups_;                  // codes of the values and place of the service, 16 bits each
  KeyIndex cells_;                   // group << kUnitBits | hour or day of the month
  KeyIndex sketch_index_;            // group << kUnitBits | day, or 0 for the month
  std::vector<std::uint64_t> rows_;  // by cell
  std::vector<Measure> measures_;
  std::uint64_t kept_values_ = 0;

  // Of the batch in work.
  std::vector<std::uint32_t> cell_of_row_;
  std::vector<std::uint32_t> order_;
  std::vector<Run> runs_;
  std::vector<std::uint32_t> place_of_cell_;  // by cell, 1 + place in runs_; 0 elsewhere
  std::vector<std::int64_t> gathered_;
};

}  // namespace quipu
