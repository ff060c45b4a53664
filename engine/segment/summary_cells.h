// Summary cells in the making: what SummaryBuilder keeps of one service until its cells are written.
//
// A store may have hundreds of measures of which each service uses a few. So a service numbers the measures that it has seen by
// itself: a *place* is such a number, and the cells of a service are vectors by place, as long as the service's own measures are many.
//
//   store's slots:  0 quantity  1 cost  2 tokens  3 megabytes  4 pixels ...      (columns of all batches, in order of arrival)
//   service `llm`:  place 0 = slot 0, place 1 = slot 2                            a cell has 2 entries, not 5
//
// What a cell *counts* for against a memory bound is a function of the multiset of its values and never shrinks as values come:
// see CountedBytes. A total of such counts passes a bound at some point if and only if it is above it at the end, hence decisions
// that hang on it do not depend on how the rows were split into batches, nor on when they were noticed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch/row_batch.h"
#include "segment/pending_values.h"
#include "segment/value_bin.h"
#include "sketch/distinct_sketch.h"
#include "sketch/measure_stats.h"

namespace quipu {

/// One measure of a cell; count 0 = not there.
struct MeasureCell {
  MeasureStats stats;
  ValueBin values;  ///< Empty where a cell cannot get quantiles.
};

/// What these values count for: 0 if there are none. At least half of what statistics and bin hold, without spare capacity.
[[nodiscard]] std::uint64_t CountedBytes(const MeasureStats& stats);

/// A cell in the making, of one service.
struct OpenCell {
  std::uint64_t rows = 0;
  std::vector<MeasureCell> measures;  ///< By place.

  MeasureCell& At(std::size_t place) {
    if (place >= measures.size()) measures.resize(place + 1);
    return measures[place];
  }
  /// Adds the other's rows, statistics and values; the other has no values afterwards.
  void Absorb(OpenCell* o);
};

/// A finished cell that waits for the others of its group.
struct ClosedCell {
  struct Measure {
    std::size_t slot = 0;
    MeasureStats stats;
    std::string sketch;
  };
  std::uint32_t unit = 0;
  std::uint64_t rows = 0;
  std::uint8_t flags = 0;
  std::vector<Measure> measures;
  std::string distinct;
};
using ClosedCells = std::vector<ClosedCell>;

/// One measure of one service on one day over all customers.
class DayMeasure {
 public:
  /// Statistics of an hour of the day; made if need be, when `is_new` says so. Good until the next call.
  MeasureStats& Hour(std::uint32_t hour, bool* is_new);
  /// Null if the measure is absent in that hour.
  [[nodiscard]] const MeasureStats* Find(std::uint32_t hour) const {
    return at_[hour] == 0 ? nullptr : &stats_[at_[hour] - 1];
  }
  /// The values of an hour that has statistics. Good until another hour gets some.
  ValueBin& Bin(std::uint32_t hour);
  /// Whether any hour may hold values of its own.
  [[nodiscard]] bool has_bins() const { return !bins_.empty(); }
  void DropBins() { bins_.clear(); }

  PendingValues pending;  ///< Values that are in no bin yet.

 private:
  std::array<std::uint8_t, kHoursPerDay> at_{};  // 1 + index into stats_ and bins_; 0 = absent
  std::vector<MeasureStats> stats_;
  std::vector<ValueBin> bins_;  // empty, or at least one for each that was asked for
};

/// One service over all customers.
struct ServiceCells {
  struct Day {
    DistinctSketch customers;
    std::vector<DayMeasure> measures;  ///< By place.
    OpenCell kept;  ///< Only if values are kept by day: those of the day and their statistics.

    DayMeasure& At(std::size_t place) {
      if (place >= measures.size()) measures.resize(place + 1);
      return measures[place];
    }
  };
  std::size_t PlaceOf(std::size_t slot);
  Day& DayOf(std::uint32_t hour_of_month) {
    std::unique_ptr<Day>& day = days[hour_of_month / kHoursPerDay];
    if (day == nullptr) day = std::make_unique<Day>();
    return *day;
  }

  std::vector<std::size_t> slots;  ///< By place.
  std::unordered_map<std::size_t, std::size_t> places;
  std::vector<std::uint64_t> hour_rows;  ///< By hour of the month.
  std::vector<std::unique_ptr<Day>> days;
  OpenCell kept;  ///< Only if values are kept by month.
};

/// Statistics of rows [first, last) of a column.
MeasureStats StatsOf(const DecimalColumn& column, std::size_t first, std::size_t last);
/// Adds the values of these rows.
void AddToBin(const DecimalColumn& column, std::size_t first, std::size_t last, ValueBin* bin);

}  // namespace quipu
