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
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch/row_batch.h"
#include "sketch/distinct_sketch.h"
#include "sketch/measure_stats.h"

namespace quipu {

/// Values on their way into a quantile sketch. They wait as they came, 8 bytes each, until they are more than kQuantileExactMax: a
/// cell that needs no sketch never makes one, and one that does takes them in stretches that stay in the cache.
class ValueBin {
 public:
  void Add(std::span<const std::int64_t> mantissas, int scale);
  void Add(Int128 mantissa, int scale) { Sketch().Add(mantissa, scale); }
  /// Adds the values of another bin, which is empty afterwards.
  void Absorb(ValueBin* other);
  /// The sketch of all values so far.
  const QuantileSketch& Settled();
  /// Memory beside the bin itself, without spare capacity.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  QuantileSketch& Sketch() {
    if (sketch_ == nullptr) sketch_ = std::make_unique<QuantileSketch>();
    return *sketch_;
  }
  void Settle();

  int scale_ = 0;
  std::vector<std::int64_t> waiting_;  // at scale_; at most kQuantileExactMax
  std::unique_ptr<QuantileSketch> sketch_;
};

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

/// One service over all customers.
struct ServiceCells {
  struct Day {
    DistinctSketch customers;
    OpenCell kept;  ///< Only if values are kept by day: those of the day and their statistics.
  };
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
  std::vector<std::unique_ptr<Day>> days;
  OpenCell kept;  ///< Only if values are kept by month.
};

/// The values of scattered rows of a narrow column side by side, and what there is to know of them.
class GatheredValues {
 public:
  /// Values present in rows base + `rows`.
  void Gather(const DecimalColumn& column, std::size_t base, std::span<const std::uint32_t> rows);
  [[nodiscard]] std::span<const std::int64_t> mantissas() const {
    return std::span(buffer_).first(count_);
  }
  /// Their statistics; there must be some.
  [[nodiscard]] MeasureStats Stats(int scale) const;

 private:
  std::vector<std::int64_t> buffer_;
  std::size_t count_ = 0;
};

/// Statistics of rows [first, last) of a column.
MeasureStats StatsOf(const DecimalColumn& column, std::size_t first, std::size_t last);
/// Adds the values of these rows.
void AddToBin(const DecimalColumn& column, std::size_t first, std::size_t last, ValueBin* bin);

}  // namespace quipu
