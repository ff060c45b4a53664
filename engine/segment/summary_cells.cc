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
  ValueStats values;
  const auto add = [&](std::int64_t v) {
    values.sum += v;
    values.low = std::min(values.low, v);
    values.high = std::max(values.high, v);
  };
  if (column.present.empty()) {
    for (const std::int64_t v : std::span(column.narrow).subspan(first, last - first)) add(v);
    values.count = last - first;
  } else {
    for (std::size_t i = first; i < last; ++i) {
      if (!column.IsPresent(i)) continue;
      add(column.narrow[i]);
      ++values.count;
    }
  }
  MeasureStats stats;
  if (values.count > 0)
    stats.AddMany(values.count, values.sum, values.low, values.high, column.scale);
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

void AddToBin(const DecimalColumn& column, std::size_t first, std::size_t last, ValueBin* bin) {
  if (column.is_wide()) {
    for (std::size_t i = first; i < last; ++i) {
      if (column.IsPresent(i)) bin->Add(column.wide[i], column.scale);
    }
    return;
  }
  const std::span<const std::int64_t> mantissas(column.narrow);
  while (first < last) {
    if (!column.IsPresent(first)) {
      ++first;
      continue;
    }
    std::size_t end = column.present.empty() ? last : first + 1;
    while (end < last && column.IsPresent(end)) ++end;
    bin->Add(mantissas.subspan(first, end - first), column.scale);
    first = end;
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

void OpenCell::Absorb(OpenCell* o) {
  rows += o->rows;
  if (measures.size() < o->measures.size()) measures.resize(o->measures.size());
  for (std::size_t place = 0; place < o->measures.size(); ++place) {
    measures[place].stats.Merge(o->measures[place].stats);
    measures[place].values.Absorb(&o->measures[place].values);
  }
}

MeasureStats& DayMeasure::Hour(std::uint32_t hour, bool* is_new) {
  *is_new = at_[hour] == 0;
  if (*is_new) {
    stats_.emplace_back();
    at_[hour] = static_cast<std::uint8_t>(stats_.size());
  }
  return stats_[at_[hour] - 1];
}

ValueBin& DayMeasure::Bin(std::uint32_t hour) {
  if (bins_.size() < stats_.size()) bins_.resize(stats_.size());
  return bins_[at_[hour] - 1];
}

std::size_t ServiceCells::PlaceOf(std::size_t slot) {
  const auto [place, is_new] = places.emplace(slot, slots.size());
  if (is_new) slots.push_back(slot);
  return place->second;
}

}  // namespace quipu
