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

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch/row_batch.h"
#include "sketch/distinct_sketch.h"
#include "sketch/measure_stats.h"

namespace quipu {

/// One measure of a cell; count 0 = not there. The sketch is made when first asked for.
struct MeasureCell {
  MeasureStats stats;
  std::unique_ptr<QuantileSketch> sketch;
  QuantileSketch& Sketch() {
    if (sketch == nullptr) sketch = std::make_unique<QuantileSketch>();
    return *sketch;
  }
};

/// What these values count for: 0 if there are none. At least half of what statistics and sketch hold, without spare capacity.
[[nodiscard]] std::uint64_t CountedBytes(const MeasureStats& stats);

/// A cell in the making, of one service.
struct OpenCell {
  std::uint64_t rows = 0;
  std::vector<MeasureCell> measures;  ///< By place.

  MeasureCell& At(std::size_t place) {
    if (place >= measures.size()) measures.resize(place + 1);
    return measures[place];
  }
  void Merge(const OpenCell& o);
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

/// One service over all customers.
struct ServiceCells {
  struct Day {
    DistinctSketch customers;
    OpenCell folded;  ///< Only sketches, and only once the hours have none.
  };
  /// Values of one measure that wait for their hour's cell: kPendingValues for each hour. Rows of small customers jump from hour to
  /// hour; touching a sketch for each of them would miss the cache each time.
  struct Pending {
    int scale = 0;
    std::vector<std::uint8_t> counts;
    std::vector<std::int64_t> values;
  };
  static constexpr std::size_t kPendingValues = 32;

  std::size_t PlaceOf(std::size_t slot);
  OpenCell& Hour(std::uint32_t hour) {
    if (hours[hour] == nullptr) hours[hour] = std::make_unique<OpenCell>();
    return *hours[hour];
  }

  std::vector<std::size_t> slots;  ///< By place.
  std::unordered_map<std::size_t, std::size_t> places;
  std::vector<std::uint64_t> hour_rows;
  std::vector<std::unique_ptr<OpenCell>>
      hours;  ///< By hour of the month; their `rows` are set at the end.
  std::vector<std::unique_ptr<Pending>>
      pending;  ///< By place; null: values go straight to the cell.
  std::vector<std::unique_ptr<Day>> days;
};

/// Statistics of rows [first, last) of a column.
MeasureStats StatsOf(const DecimalColumn& column, std::size_t first, std::size_t last);
void AddToSketch(const DecimalColumn& column, std::size_t first, std::size_t last,
                 QuantileSketch* sketch);

}  // namespace quipu
