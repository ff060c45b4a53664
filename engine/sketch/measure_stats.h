// MeasureStats: what a summary cell knows of one measure, and the one function that fills it. Cells at seal time, cells at
// verification and raw rows at query time all go through here, which is why they agree.
#pragma once

#include <cstdint>
#include <memory>

#include "sketch/exact_sum.h"
#include "sketch/quantile_sketch.h"

namespace quipu {

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
  /// The same for who will not ask for min and max, which are left as they are.
  void AddSum(std::uint64_t n, Int128 mantissa_sum, int scale) {
    sum.Add(mantissa_sum, scale);
    count += n;
  }
  /// ... with the scale's factor (ExactSum::AddScaled).
  void AddScaledSum(std::uint64_t n, std::int64_t mantissa_sum, std::int64_t factor) {
    sum.AddScaled(mantissa_sum, factor);
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
