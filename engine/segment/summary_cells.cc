#include "segment/summary_cells.h"

#include <algorithm>

namespace quipu {
namespace {

// An entry's statistics, the sketch object and what the allocator adds, about.
constexpr std::uint64_t kEntryCounts = 192;
constexpr std::uint64_t kValueCounts = 16;
constexpr std::uint64_t kBucketCounts = 8;
// A sketch of 1,024 values takes 16 KiB and mostly shrinks with the next one. To never shrink, it counts for half of it from the middle on.
constexpr std::uint64_t kExactCountsMax = kQuantileExactMax * kValueCounts / 2;

// Mantissas are summed as integers at the column's scale and brought to scale 18 once: 2^32 of them at 64 bits fit 128.
MeasureStats NarrowStats(const DecimalColumn& column, std::size_t first, std::size_t last) {
  MeasureStats stats;
  Int128 sum = 0;
  std::int64_t min = 0, max = 0;
  for (std::size_t i = first; i < last; ++i) {
    if (!column.IsPresent(i)) continue;
    const std::int64_t v = column.narrow[i];
    sum += v;
    min = stats.count == 0 ? v : std::min(min, v);
    max = stats.count == 0 ? v : std::max(max, v);
    ++stats.count;
  }
  if (stats.count == 0) return stats;
  stats.sum.Add(sum, column.scale);
  stats.min = AtSumScale(min, column.scale);
  stats.max = AtSumScale(max, column.scale);
  return stats;
}

}  // namespace

MeasureStats StatsOf(const DecimalColumn& column, std::size_t first, std::size_t last) {
  if (!column.is_wide()) return NarrowStats(column, first, last);
  MeasureStats stats;
  for (std::size_t i = first; i < last; ++i) {
    if (column.IsPresent(i)) stats.Add(column.wide[i], column.scale);
  }
  return stats;
}

void AddToSketch(const DecimalColumn& column, std::size_t first, std::size_t last,
                 QuantileSketch* sketch) {
  for (std::size_t i = first; i < last; ++i) {
    if (column.IsPresent(i)) sketch->Add(column.Mantissa(i), column.scale);
  }
}

std::uint64_t CountedBytes(const MeasureStats& stats) {
  if (stats.count == 0) return 0;
  if (stats.count <= kQuantileExactMax)
    return kEntryCounts + std::min(stats.count * kValueCounts, kExactCountsMax);
  const auto buckets = static_cast<std::uint64_t>(QuantileSketch::BucketOf(stats.max) -
                                                  QuantileSketch::BucketOf(stats.min) + 1);
  return kEntryCounts + std::max(kExactCountsMax, buckets * kBucketCounts);
}

void OpenCell::Merge(const OpenCell& o) {
  rows += o.rows;
  if (measures.size() < o.measures.size()) measures.resize(o.measures.size());
  for (std::size_t place = 0; place < o.measures.size(); ++place) {
    const MeasureCell& from = o.measures[place];
    measures[place].stats.Merge(from.stats);
    if (from.sketch != nullptr) measures[place].Sketch().Merge(*from.sketch);
  }
}

std::size_t ServiceCells::PlaceOf(std::size_t slot) {
  const auto [place, is_new] = places.emplace(slot, slots.size());
  if (is_new) slots.push_back(slot);
  return place->second;
}

}  // namespace quipu
