// Questions by dimension over all customers, answered from cells by dimension (segment/dimension_cells.h).
//
//     filter status = 404, group by endpoint        a set (endpoint, status) of the segment serves; so would (endpoint, region, status)
//
// Per service of a segment one set is chosen; the asked range is covered by months, days and hours of its cells, and what they cannot cover (ragged
// ends, a level without the sketches that are asked for) by intervals of raw rows. Absent cells mean zero rows, so the levels decide alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "query/bind.h"
#include "query/groups.h"
#include "segment/segment.h"

namespace quipu {

/// Half open.
struct Interval {
  TimeUs from = 0, to = 0;
};

/// Cells of one level that start within [from, to), of all combinations that pass the filters.
struct DimensionCellUse {
  std::uint32_t set = 0;  ///< Place in SegmentReader::dimension_sets().
  ServiceOrdinal service = 0;
  CellLevel level = CellLevel::kDay;
  std::uint32_t window = 0;
  TimeUs from = 0, to = 0;
};

/// How one service of a segment answers.
struct DimensionPlan {
  std::vector<DimensionCellUse> cells;    ///< Ascending by time within a level.
  std::vector<Interval> raw;              ///< Ascending and apart.
  bool has_set = false;                   ///< Else all is raw.
  bool edges = false, no_sketch = false;  ///< Why there is something raw.
};

/// [from, to) lies within the segment's times.
Result<DimensionPlan> PlanByDimension(const BoundQuery& query, const SegmentReader& segment,
                                      ServiceOrdinal service, TimeUs from, TimeUs to);

/// What was added from cells.
struct DimensionCellCount {
  std::uint64_t hours = 0, days = 0, months = 0;
  [[nodiscard]] std::uint64_t all() const { return hours + days + months; }
};
/// Adds the cells of a segment's plan to the groups.
Status AddByDimension(const BoundQuery& query, const SegmentReader& segment,
                      const std::vector<DimensionCellUse>& uses, Groups* groups,
                      QueryControl* control, DimensionCellCount* count);

/// "(endpoint, status)", for an explanation.
std::string SetName(const SegmentReader& segment, std::uint32_t set, const Catalogue& catalogue);

}  // namespace quipu
