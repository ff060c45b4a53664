// The cells of a segment on their way into the file: what SummaryBuilder fills and formats/summaries.md lays out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "segment/summary.h"
#include "segment/wide_words.h"

namespace quipu {

/// Bits of a cell's flags, as stored.
inline constexpr std::uint8_t kCellHasQuantiles = 1;
inline constexpr std::uint8_t kCellHasDistinct = 2;

/// How the sketches at the end of the payload are stored.
inline constexpr std::uint8_t kSketchesPlain = 0;
inline constexpr std::uint8_t kSketchesZstd = 1;

struct SummaryColumns {
  struct Group {
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    CellLevel level = CellLevel::kHour;
    std::uint32_t cells = 0;
  };
  /// One measure over the cells where it is present.
  struct Measure {
    ColumnId id = 0;
    std::vector<std::uint32_t> cells;  ///< Ascending.
    std::vector<MeasureStats> stats;
    std::vector<std::uint32_t>
        sketch_bytes;  ///< Of those cells that have quantiles, one after another in `sketches`.
    std::string sketches;
  };

  std::vector<Group> groups;         ///< Ascending by (customer, service, level).
  std::vector<std::uint32_t> units;  ///< Per cell: hours, days or months since the month began.
  std::vector<std::uint64_t> rows;
  std::vector<std::uint8_t> flags;
  std::vector<Measure> measures;  ///< In any order.
  std::vector<std::uint32_t> distinct_bytes;
  std::string distinct_sketches;

  [[nodiscard]] std::string Encode();  ///< Sorts `measures`.
};

}  // namespace quipu
