#include "store/erasure.h"

#include <algorithm>

namespace quipu {
namespace {

void Widen(const TimeBounds& more, std::optional<TimeBounds>* bounds) {
  if (!*bounds) {
    *bounds = more;
    return;
  }
  (*bounds)->min = std::min((*bounds)->min, more.min);
  (*bounds)->max = std::max((*bounds)->max, more.max);
}

/// Times of rows [first, last) of a segment. Vectors that lie inside are known by their zone maps; only ragged ones are read.
Status WidenByRows(const SegmentReader& segment, std::uint32_t first, std::uint32_t last,
                   std::optional<TimeBounds>* bounds) {
  std::vector<TimeUs> times;
  for (std::uint32_t row = first; row < last;) {
    const std::uint32_t v = row / kVectorRows;
    const std::uint32_t begin = v * kVectorRows;
    const std::uint32_t end = begin + segment.VectorRowCount(v);
    if (row == begin && end <= last) {
      QUIPU_TRY_ASSIGN(const TimeBounds zone, segment.TimeBoundsOf(v));
      Widen(zone, bounds);
    } else {
      QUIPU_TRY(segment.ReadTimes(v, &times));
      for (std::uint32_t i = row; i < std::min(end, last); ++i)
        Widen({times[i - begin], times[i - begin]}, bounds);
    }
    row = std::min(end, last);
  }
  return {};
}

}  // namespace

bool IsErased(std::span<const CustomerOrdinal> erased, CustomerOrdinal customer) {
  return !erased.empty() && std::binary_search(erased.begin(), erased.end(), customer);
}

Result<bool> HoldsAny(const SegmentReader& segment, std::span<const CustomerOrdinal> customers) {
  if (customers.empty()) return false;
  QUIPU_TRY_ASSIGN(const Directory* directory, segment.directory());
  return std::any_of(customers.begin(), customers.end(),
                     [&](CustomerOrdinal c) { return !directory->Find(c).empty(); });
}

bool HoldsAny(const RowBatch& rows, std::span<const CustomerOrdinal> customers) {
  if (customers.empty()) return false;
  return std::any_of(rows.customers.begin(), rows.customers.end(),
                     [&](CustomerOrdinal c) { return IsErased(customers, c); });
}

Result<std::uint64_t> ErasedRows(const View& view) {
  std::uint64_t rows = ErasedHotRows(view);
  for (const SegmentPtr& segment : view.segments) {
    QUIPU_TRY_ASSIGN(const std::uint64_t more, ErasedRows(*segment, view.erased));
    rows += more;
  }
  return rows;
}

Result<std::uint64_t> ErasedRows(const SegmentReader& segment,
                                 std::span<const CustomerOrdinal> erased) {
  std::uint64_t rows = 0;
  if (erased.empty()) return rows;
  QUIPU_TRY_ASSIGN(const Directory* directory, segment.directory());
  for (const CustomerOrdinal customer : erased) {
    for (const Run& run : directory->Find(customer)) rows += run.rows;
  }
  return rows;
}

std::uint64_t ErasedHotRows(const View& view) {
  std::uint64_t rows = 0;
  if (view.erased.empty()) return rows;
  for (const HotBatchPtr& batch : view.hot) {
    for (const CustomerOrdinal c : batch->rows.customers) rows += IsErased(view.erased, c) ? 1 : 0;
  }
  return rows;
}

Result<std::optional<TimeBounds>> VisibleBounds(const SegmentReader& segment,
                                                std::span<const CustomerOrdinal> erased) {
  const TimeBounds whole{segment.meta().time_min, segment.meta().time_max};
  QUIPU_TRY_ASSIGN(const bool hides, HoldsAny(segment, erased));
  if (!hides) return std::optional<TimeBounds>(whole);
  QUIPU_TRY_ASSIGN(const Directory* directory, segment.directory());
  std::optional<TimeBounds> bounds;
  if (segment.meta().spec.summaries_only) {
    // The times went with the rows; what is left after the erasure keeps these bounds, too.
    for (const Run& run : directory->runs()) {
      if (!IsErased(erased, run.customer)) bounds = whole;
    }
    return bounds;
  }
  std::uint32_t first = 0;  // of a stretch of rows that are seen
  for (const CustomerOrdinal customer : erased) {
    const std::span<const Run> runs = directory->Find(customer);
    if (runs.empty()) continue;
    QUIPU_TRY(WidenByRows(segment, first, runs.front().first_row, &bounds));
    first = runs.back().first_row + runs.back().rows;
  }
  QUIPU_TRY(WidenByRows(segment, first, segment.rows(), &bounds));
  return bounds;
}

std::optional<TimeBounds> VisibleBounds(const HotBatch& batch,
                                        std::span<const CustomerOrdinal> erased) {
  if (batch.rows.empty()) return std::nullopt;
  if (!HoldsAny(batch.rows, erased)) return TimeBounds{batch.time_min, batch.time_max};
  std::optional<TimeBounds> bounds;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    if (!IsErased(erased, batch.rows.customers[i]))
      Widen({batch.rows.times[i], batch.rows.times[i]}, &bounds);
  }
  return bounds;
}

}  // namespace quipu
