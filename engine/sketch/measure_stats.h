// MeasureStats: what a summary cell knows of one measure, and the one function that fills it. Cells at seal time, cells at
// verification and raw rows at query time all go through here, which is why they agree. Groups of a question keep it in two parts, since few questions
// want smallest and largest values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "sketch/exact_sum.h"
#include "sketch/quantile_sketch.h"

namespace quipu {

/// How many values, and their sum: all that most questions want.
struct CountedSum {
  std::uint64_t count = 0;
  ExactSum sum;

  void AddSum(std::uint64_t n, Int128 mantissa_sum, int scale) {
    sum.Add(mantissa_sum, scale);
    count += n;
  }
  /// The same with the scale's factor (ExactSum::AddScaled).
  void AddScaledSum(std::uint64_t n, std::int64_t mantissa_sum, std::int64_t factor) {
    sum.AddScaled(mantissa_sum, factor);
    count += n;
  }
  void Merge(const CountedSum& o) {
    sum.Add(o.sum);
    count += o.count;
  }
  friend bool operator==(const CountedSum&, const CountedSum&) = default;
};

/// The smallest and the largest of some values, at scale 18; of none, min is above max.
struct Extremes {
  Int128 min = static_cast<Int128>(~Uint128{0} >> 1);
  Int128 max = -min - 1;

  void Widen(Int128 low, Int128 high) {
    min = std::min(min, low);
    max = std::max(max, high);
  }
  void Merge(const Extremes& o) { Widen(o.min, o.max); }
};

struct MeasureStats {
  std::uint64_t count = 0;  ///< Rows where the measure is present.
  ExactSum sum;
  Int128 min = 0, max = 0;  ///< At scale 18; meaningless while count is 0.

  void Add(Int128 mantissa, int scale) {
    const Int128 v = AtSumScale(mantissa, scale);
    sum.AddRaw(v);
    Widen(v, v);
    ++count;
  }
  /// Adds `n` > 0 values at once: their exact sum, smallest and largest mantissa, all at `scale`.
  void AddMany(std::uint64_t n, Int128 mantissa_sum, Int128 low, Int128 high, int scale) {
    sum.Add(mantissa_sum, scale);
    Widen(AtSumScale(low, scale), AtSumScale(high, scale));
    count += n;
  }
  void Merge(const MeasureStats& o) {
    if (o.count == 0) return;
    sum.Add(o.sum);
    Widen(o.min, o.max);
    count += o.count;
  }
  friend bool operator==(const MeasureStats&, const MeasureStats&) = default;

 private:
  void Widen(Int128 low, Int128 high) {
    if (count == 0 || low < min) min = low;
    if (count == 0 || high > max) max = high;
  }
};

}  // namespace quipu
