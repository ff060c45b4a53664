// DimensionSet: which cells by dimension a segment shall have: of one service or of each, for every combination of values of one to three
// dimensions. It is what was declared (store/summary_sets.h), with names as numbers.
//
//     {api, {endpoint, status}, {quantity, cost}}     one cell for (/v1/chat, 200) and each day, with a count and two measures
//
// A segment keeps cells only where they pay: see `rows_min`. What it decided is in its footer, so nobody has to guess whether cells that are not
// there were left out or not built yet.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "batch/row_batch.h"

namespace quipu {

/// DimensionSet::service: every service, each by itself.
inline constexpr ServiceOrdinal kEveryService = 0xFFFFFFFF;
/// Dimensions of one set.
inline constexpr std::size_t kSetDimensionsMax = 3;
/// Sets of a store, and of a segment.
inline constexpr std::size_t kDimensionSetsMax = 16;
/// The defaults of docs/decisions/0028.
inline constexpr std::uint32_t kSetRowsMin = 16;
inline constexpr std::uint32_t kSetSketchRowsMin = 4096;

struct DimensionSet {
  ServiceOrdinal service = kEveryService;
  std::vector<ColumnId> dimensions;  ///< Ascending.
  bool all_measures = false;         ///< Whatever measures there are; a footer lists them.
  std::vector<ColumnId> measures;    ///< Ascending.
  /// Cells of a service are kept if on average at least so many of its rows stand behind each number: a cell's count is one number, each of
  /// its measures is two. Decided for days with months, and for hours by themselves.
  std::uint32_t rows_min = kSetRowsMin;
  /// Days, and months, of a service have quantile sketches if on average so many values stand behind each.
  std::uint32_t sketch_rows_min = kSetSketchRowsMin;
  friend bool operator==(const DimensionSet&, const DimensionSet&) = default;
};

/// What of the declared sets concerns a segment with these columns and services (each list ascending): dimensions and measures that no row has are
/// left out of a set, sets without a dimension or a service that is there go, and so do repeats.
std::vector<DimensionSet> SetsThatConcern(std::span<const DimensionSet> declared,
                                          std::span<const ServiceOrdinal> services,
                                          std::span<const ColumnId> dimensions,
                                          std::span<const ColumnId> measures);
/// The same of one set; without dimensions: it does not concern the segment.
DimensionSet RestrictedTo(const DimensionSet& set, std::span<const ServiceOrdinal> services,
                          std::span<const ColumnId> dimensions, std::span<const ColumnId> measures);

}  // namespace quipu
