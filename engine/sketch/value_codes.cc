#include "sketch/value_codes.h"

#include <algorithm>

#include "sketch/exact_sum.h"

namespace quipu {
namespace {

struct Range {
  std::int64_t low = 0, high = 0;
};

Range RangeOf(std::span<const std::int64_t> values) {
  Range range{values[0], values[0]};
  for (const std::int64_t v : values) {
    range.low = std::min(range.low, v);
    range.high = std::max(range.high, v);
  }
  return range;
}

QuantileSketch::Bounds BoundsOfWide(const DecimalSpan& values) {
  QuantileSketch::Bounds bounds;
  for (std::size_t i = 0; i < values.size; ++i) {
    if (values.present != nullptr && values.present[i] == 0) continue;
    QuantileSketch one;
    one.Add(values.wide[i], values.scale);
    bounds.Merge(one.bounds());
  }
  return bounds;
}

}  // namespace

void CodeValues(const DecimalSpan& values, QuantileSketch::Code* codes) {
  if (values.size == 0) return;
  if (values.narrow != nullptr) {
    // Absent ones, too, whatever stands there.
    const std::span<const std::int64_t> all(values.narrow, values.size);
    const Range range = RangeOf(all);
    QuantileSketch::FindCodes(all, range.low, range.high, values.scale, codes);
  } else {
    for (std::size_t i = 0; i < values.size; ++i)
      codes[i] = QuantileSketch::CodeOf(
          QuantileSketch::BucketOf(AtSumScale(values.wide[i], values.scale)));  // 0 where absent
  }
  if (values.present == nullptr) return;
  for (std::size_t i = 0; i < values.size; ++i) {
    if (values.present[i] == 0) codes[i] = QuantileSketch::kNoCode;
  }
}

QuantileSketch::Bounds BoundsOf(const DecimalSpan& values, std::vector<std::int64_t>* room) {
  if (values.narrow == nullptr) return BoundsOfWide(values);
  std::span<const std::int64_t> present(values.narrow, values.size);
  if (values.present != nullptr) {
    room->clear();
    for (std::size_t i = 0; i < values.size; ++i) {
      if (values.present[i] != 0) room->push_back(values.narrow[i]);
    }
    present = *room;
  }
  if (present.empty()) return {};
  const Range range = RangeOf(present);
  return QuantileSketch::BoundsOf(present, range.low, range.high, values.scale);
}

}  // namespace quipu
