// Which bucket of a quantile sketch's histogram a value is in (quantile_sketch.h has the rule), and the buckets of many values at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

#include "quipu/decimal.h"
#include "sketch/exact_sum.h"

namespace quipu::value_buckets {

inline constexpr int kOctaveBits = 7;  // 128 buckets per octave

inline Uint128 MagnitudeOf(Int128 v) {
  return v < 0 ? Uint128{0} - static_cast<Uint128>(v) : static_cast<Uint128>(v);
}

// v > 0
inline int FloorLog2(Uint128 v) {
  const auto high = static_cast<std::uint64_t>(v >> 64);
  return high != 0 ? 127 - __builtin_clzll(high)
                   : 63 - __builtin_clzll(static_cast<std::uint64_t>(v));
}

inline std::int32_t IndexOf(Uint128 magnitude) {
  if (magnitude < (Uint128{1} << kOctaveBits)) return static_cast<std::int32_t>(magnitude);
  const int shift = FloorLog2(magnitude) - kOctaveBits;
  return (shift << kOctaveBits) + static_cast<std::int32_t>(magnitude >> shift);
}

inline std::int32_t BucketOf(Int128 at_scale_18) {
  const std::int32_t index = IndexOf(MagnitudeOf(at_scale_18));
  return at_scale_18 < 0 ? -index : index;
}

inline std::uint64_t MagnitudeOf64(std::int64_t v) {
  return v < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v);
}

// BucketOf(mantissa x factor) for factors of at least 2^7: the product of the two, both shifted to the top of their words, has its
// eight leading bits in its upper word.
class NarrowBuckets {
 public:
  static constexpr std::uint64_t kFactorMin = std::uint64_t{1} << kOctaveBits;
  explicit NarrowBuckets(std::uint64_t factor)
      : factor_(factor << __builtin_clzll(factor)), zeros_(__builtin_clzll(factor)) {}
  std::int32_t operator()(std::int64_t mantissa) const {
    if (mantissa == 0) return 0;
    const std::uint64_t magnitude = MagnitudeOf64(mantissa);
    const int zeros = __builtin_clzll(magnitude);
    const auto high =
        static_cast<std::uint64_t>((static_cast<Uint128>(magnitude << zeros) * factor_) >> 64);
    const auto top = static_cast<int>(high >> 63);
    constexpr int kShiftMax = 126 - kOctaveBits;
    const std::int32_t index = ((kShiftMax - zeros - zeros_ + top) << kOctaveBits) +
                               static_cast<std::int32_t>(high >> (63 - kOctaveBits - 1 + top));
    return mantissa < 0 ? -index : index;
  }

 private:
  std::uint64_t factor_;
  int zeros_;
};

// The same for many mantissas below 2^52 and factors 10^4..10^18: both are doubles without loss, and the exponent and the seven leading bits of
// their product's mantissa are the bucket, unless rounding crossed the edge of a bucket. Rounding is monotonous, so what
// crosses an edge lands on it; no product is on an edge itself (5^4 divides it, but no m x 2^s with m < 256), so what is seen on
// one is rounded and counted in integers. The loop is plain arithmetic, of which compilers make wide registers on any machine: a small integer
// becomes a double by setting the exponent of 2^52 above it and taking that away.
class DoubleBuckets {
 public:
  static constexpr std::int64_t kMantissaMax = (std::int64_t{1} << 52) - 1;
  static constexpr int kPowerMin = 4;
  explicit DoubleBuckets(std::uint64_t factor)
      : factor_(static_cast<double>(factor)), exact_(factor) {}
  template <class Mantissa>
  void Find(std::span<const Mantissa> mantissas, std::int32_t* buckets) const {
    constexpr int kShift = 52 - kOctaveBits;
    constexpr std::uint64_t kBelow = (std::uint64_t{1} << kShift) - 1;
    constexpr std::int32_t kBias = (1023 + kOctaveBits - 1) << kOctaveBits;
    const double factor = factor_;
    const std::size_t n = mantissas.size();
    const Mantissa* const in = mantissas.data();
    std::uint64_t edges = 0;  // the highest bit is set if some product is on an edge
    for (std::size_t i = 0; i < n; ++i) {
      const auto lifted = std::bit_cast<double>(static_cast<std::uint64_t>(in[i]) | k2To52);
      const auto bits = std::bit_cast<std::uint64_t>((lifted - 0x1p52) * factor);
      edges |= (bits & kBelow) - 1;
      buckets[i] = static_cast<std::int32_t>(bits >> kShift) - kBias;
    }
    if (edges >> 63 == 0) return;
    for (std::size_t i = 0; i < n; ++i) buckets[i] = exact_(static_cast<std::int64_t>(in[i]));
  }

 private:
  static constexpr std::uint64_t k2To52 = std::bit_cast<std::uint64_t>(0x1p52);
  double factor_;
  NarrowBuckets exact_;
};

/// visit(at, buckets) for the values, in order, some at a time: the buckets of mantissas[at] and those behind it. The numbers of some buckets come first, then what is
/// done with them: neither waits for the other. `low`, `high`: of the mantissas.
template <class Mantissa, class Visit>
void ForEachPart(std::span<const Mantissa> mantissas, std::int64_t low, std::int64_t high,
                 int scale, Visit visit) {
  constexpr std::size_t kPart = 256;
  std::int32_t buckets[kPart];
  const auto in_parts = [&](auto find) {
    for (std::size_t at = 0; at < mantissas.size(); at += kPart) {
      const auto some = mantissas.subspan(at, std::min(kPart, mantissas.size() - at));
      find(some);
      visit(at, std::span<const std::int32_t>(buckets, some.size()));
    }
  };
  const auto factor = static_cast<std::uint64_t>(PowerOf10I64(kSumScale - scale));
  if (low >= 0 && high <= DoubleBuckets::kMantissaMax &&
      kSumScale - scale >= DoubleBuckets::kPowerMin) {
    const DoubleBuckets bucket_of(factor);
    in_parts([&](std::span<const Mantissa> some) { bucket_of.Find(some, buckets); });
  } else if (factor >= NarrowBuckets::kFactorMin) {
    const NarrowBuckets bucket_of(factor);
    in_parts([&](std::span<const Mantissa> some) {
      for (std::size_t i = 0; i < some.size(); ++i)
        buckets[i] = bucket_of(static_cast<std::int64_t>(some[i]));
    });
  } else {
    in_parts([&](std::span<const Mantissa> some) {
      for (std::size_t i = 0; i < some.size(); ++i)
        buckets[i] = BucketOf(static_cast<Int128>(some[i]) * static_cast<Int128>(factor));
    });
  }
}

}  // namespace quipu::value_buckets
