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

void ValueBin::Add(std::span<const std::int64_t> mantissas, int scale) {
  if (scale != scale_) Settle();
  scale_ = scale;
  // An exact sketch takes twice the memory of waiting values: it ends as soon as it may. Beside a histogram fewer values wait.
  const bool is_histogram = sketch_ != nullptr && !sketch_->exact();
  const std::uint64_t in_sketch = sketch_ != nullptr && !is_histogram ? sketch_->count() : 0;
  const std::uint64_t values_max = is_histogram ? kQuantileExactMax / 2 : kQuantileExactMax;
  if (in_sketch + waiting_.size() + mantissas.size() > values_max) {
    Settle();
    Sketch().AddMany(mantissas, scale);
  } else {
    waiting_.insert(waiting_.end(), mantissas.begin(), mantissas.end());
  }
}

void ValueBin::Settle() {
  if (waiting_.empty()) return;
  Sketch().AddMany(waiting_, scale_);
  waiting_.clear();
}

void ValueBin::Absorb(ValueBin* other) {
  Add(other->waiting_, other->scale_);
  if (other->sketch_ != nullptr) Sketch().Merge(*other->sketch_);
  *other = ValueBin();
}

std::uint64_t ValueBin::bytes() const {
  const std::uint64_t waiting = waiting_.size() * sizeof(std::int64_t);
  return sketch_ == nullptr ? waiting : waiting + QuantileSketch(*sketch_).bytes();
}

const QuantileSketch& ValueBin::Settled() {
  Settle();
  return Sketch();
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

void GatheredValues::Gather(const DecimalColumn& column, std::size_t base,
                            std::span<const std::uint32_t> rows) {
  if (buffer_.size() < rows.size()) buffer_.resize(rows.size());
  const std::int64_t* const from = column.narrow.data() + base;
  std::int64_t* to = buffer_.data();
  if (column.present.empty()) {
    for (const std::uint32_t row : rows) *to++ = from[row];
  } else {
    const std::uint8_t* const present = column.present.data() + base;
    for (const std::uint32_t row : rows) {
      *to = from[row];
      to += present[row];
    }
  }
  count_ = static_cast<std::size_t>(to - buffer_.data());
}

MeasureStats GatheredValues::Stats(int scale) const {
  Int128 sum = 0;
  std::int64_t low = INT64_MAX, high = INT64_MIN;
  for (const std::int64_t mantissa : mantissas()) {
    sum += mantissa;
    low = std::min(low, mantissa);
    high = std::max(high, mantissa);
  }
  MeasureStats stats;
  stats.AddMany(count_, sum, low, high, scale);
  return stats;
}

std::size_t ServiceCells::PlaceOf(std::size_t slot) {
  const auto [place, is_new] = places.emplace(slot, slots.size());
  if (is_new) slots.push_back(slot);
  return place->second;
}

}  // namespace quipu
