#include "segment/row_group_encoder.h"

#include <algorithm>

#include "base/check.h"
#include "quipu/event.h"
#include "segment/dimension_page.h"
#include "segment/id_page.h"
#include "segment/measure_page.h"
#include "segment/string_page.h"
#include "segment/time_page.h"

namespace quipu {
namespace {

bool IsUsed(const DecimalColumn& column) {
  return column.present.empty() ||
         std::find(column.present.begin(), column.present.end(), 1) != column.present.end();
}

bool IsUsed(const CodedColumn& column) {
  return std::any_of(column.codes.begin(), column.codes.end(),
                     [](std::uint32_t code) { return code != 0; });
}

bool IsEverywhere(const DecimalColumn* column) {
  return column != nullptr &&
         std::find(column->present.begin(), column->present.end(), 0) == column->present.end();
}

}  // namespace

Result<RowGroupFooter> EncodeRowGroup(const RowBatch& rows, bool with_ids, const PageSink& sink) {
  QUIPU_CHECK(!rows.empty() && rows.size() <= kRowGroupRows);
  if (!IsEverywhere(rows.FindMeasure(kQuantityColumn))) {
    return Status::Internal("segment writer: a row without quantity");
  }
  RowGroupFooter group;
  group.rows = static_cast<std::uint32_t>(rows.size());
  const auto [min, max] = std::minmax_element(rows.times.begin(), rows.times.end());
  group.time_min = *min;
  group.time_max = *max;
  group.totals = TotalsOf(rows);
  group.totals.identities = {};

  std::string payload;
  EncodeTimePage(rows.times, &payload);
  QUIPU_TRY_ASSIGN(group.times, sink(PageKind::kTimes, 0, payload));
  for (const DecimalColumn& column : rows.measures) {
    if (!IsUsed(column)) continue;
    payload.clear();
    const bool may_derive = column.id == kCostColumn;
    EncodeMeasurePage(column, may_derive ? rows.FindMeasure(kQuantityColumn) : nullptr, rows.size(),
                      &payload);
    QUIPU_TRY_ASSIGN(const PageRef ref, sink(PageKind::kMeasure, column.id, payload));
    group.measure_ids.push_back(column.id);
    group.measures.push_back(ref);
  }
  for (const CodedColumn& column : rows.dimensions) {
    if (!IsUsed(column)) continue;
    const SortedColumn sorted = SortDictionary(column);
    payload.clear();
    EncodeCodesPage(sorted.codes, &payload);
    QUIPU_TRY_ASSIGN(const PageRef codes, sink(PageKind::kDimension, column.id, payload));
    payload.clear();
    const Status encoded = EncodeStringPage(
        sorted.strings,
        {.count_max = rows.size(), .string_bytes_max = kDimensionBytesMax, .sorted = true},
        &payload);
    if (!encoded.ok())
      return encoded.WithContext("segment writer: dictionary of dimension " +
                                 std::to_string(column.id));
    QUIPU_TRY_ASSIGN(const PageRef dictionary, sink(PageKind::kDictionary, column.id, payload));
    group.dimension_ids.push_back(column.id);
    group.codes.push_back(codes);
    group.dictionaries.push_back(dictionary);
  }
  if (with_ids && NeedsIdPage(rows)) {
    payload.clear();
    QUIPU_TRY(EncodeIdPage(rows, &payload));
    QUIPU_TRY_ASSIGN(group.ids, sink(PageKind::kIds, 0, payload));
  }
  return group;
}

}  // namespace quipu
