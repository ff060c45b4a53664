// Sketch sums: running counts of the buckets of quantile sketches, cell after cell.
//
// Percentiles over thirty days merge thirty sketches of a thousand buckets each. But a histogram's counts can be subtracted as well as added:
// with row c holding, for each bucket, how many values the first c cells of a group have in it, the cells [a, b) have row b - row a, however many they are.
//
//     cell         0     1     2        rows      0   1   2   3
//     bucket 70    5     0     2                  0   5   5   7      cells [1, 3): 7 - 5 = 2
//     bucket 71    1     4     0                  0   1   5   5                    5 - 1 = 4
//
// Counts can be subtracted; smallest, largest and scale cannot: those are kept for each cell and merged. What comes out is the sketch that merging gives, bit for
// bit, as soon as it counts more values than an exact sketch keeps (sketch/quantile_sketch.h); below that the sketches are merged one by one.
//
// The rows are computed from the cells when a group is first asked for and kept in the page cache: they cannot become stale, and go when other pages are
// wanted more.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "segment/segment.h"

namespace quipu {

/// Where fewer than one in so many cells of a group are wanted, they are merged one by one. (A group of one cell gains, too: its counts are added, not
/// decoded first.)
inline constexpr std::uint32_t kSketchSumsShare = 4;
/// Groups whose rows would be larger have none.
inline constexpr std::uint64_t kSketchSumsBytesMax = 4ull << 20;

class SketchSums {
 public:
  /// Of the measure in the cells `group`, which are of one scope, service and level. Nothing if they would be too large.
  static Result<std::optional<SketchSums>> Load(const SegmentReader& segment,
                                                const SummaryTable& table,
                                                SummaryTable::Range group, ColumnId measure);

  /// What is kept of the values with these codes, in cells of which before[c] says how many codes lie before cell c, and one more at the end how many there are;
  /// `bounds` by cell. Empty if they are, or if it would be too large.
  static std::string Encode(std::span<const QuantileSketch::Bounds> bounds,
                            std::span<const std::uint32_t> before,
                            std::span<const QuantileSketch::Code> codes);
  /// Of what Encode has made of so many, the first of which is number `first`. Nothing if it is empty.
  static std::optional<SketchSums> View(PagePtr page, std::uint32_t first, std::uint32_t cells);

  [[nodiscard]] QuantileSketch::Bounds BoundsOf(std::uint32_t first, std::uint32_t last) const;
  /// Adds the cells [first, last) of the group to `into`; false, and nothing is added, if it cannot take them (QuantileSketch::CanTake): they must be merged
  /// one by one.
  bool MergeInto(std::uint32_t first, std::uint32_t last, QuantileSketch* into) const;

 private:
  PagePtr page_;  // holds what is pointed at
  std::uint32_t group_first_ = 0;
  std::int32_t first_bucket_ = 0;
  std::uint32_t buckets_ = 0;
  const QuantileSketch::Bounds* bounds_ = nullptr;  // by cell
  const std::uint32_t* rows_ = nullptr;
};

}  // namespace quipu
