// Bringing a mantissa to a larger scale. Stored magnitudes are below 10^20, so at any scale up to 18 they fit 128 bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "quipu/decimal.h"

namespace quipu {

/// 10^n for n in 0..18.
inline std::int64_t ScaleFactor(int n) {
  static constexpr auto kFactors = [] {
    std::array<std::int64_t, Decimal::kScaleMax + 1> factors{};
    factors[0] = 1;
    for (std::size_t i = 1; i < factors.size(); ++i) factors[i] = factors[i - 1] * 10;
    return factors;
  }();
  QUIPU_DCHECK(n >= 0 && n <= Decimal::kScaleMax);
  return kFactors[static_cast<std::size_t>(n)];
}

/// mantissa x 10^more_digits; a value that is not storable is the caller's bug.
inline Int128 AlignMantissa(Int128 mantissa, int more_digits) {
  Int128 aligned = 0;
  QUIPU_CHECK(
      !__builtin_mul_overflow(mantissa, static_cast<Int128>(ScaleFactor(more_digits)), &aligned));
  return aligned;
}

inline bool FitsInt64(Int128 v) { return v == static_cast<std::int64_t>(v); }

}  // namespace quipu
