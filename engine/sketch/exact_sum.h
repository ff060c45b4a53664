// ExactSum: a sum of decimals that cannot depend on the order of its terms.
//
// Every stored value has magnitude below 10^20, so at scale 18 its mantissa is below 10^38 and fits 128 bits. The sum is kept at
// scale 18 in 192 bits (two's complement: `low` 128, `high` 64), which holds 2^64 such values: intermediate overflow is
// impossible, hence "overflow is an error, never a wrap" is decided once, at the edge, by the final value alone, and is
// itself independent of order, threads, layout and compaction.
//
//   worked example: 0.5 + 0.25 = (5 x 10^17) + (25 x 10^16) = 75 x 10^16 at scale 18 -> Decimal(75, 2)
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "quipu/decimal.h"

namespace quipu {

inline constexpr int kSumScale = 18;

namespace internal {
constexpr std::array<Uint128, 39> MakePowersOf10() {
  std::array<Uint128, 39> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}
inline constexpr std::array<Uint128, 39> kPowersOf10 = MakePowersOf10();
}  // namespace internal

/// 10^n for n in 0..38.
inline Uint128 PowerOf10(int n) {
  QUIPU_DCHECK(n >= 0 && n <= 38);
  return internal::kPowersOf10[static_cast<std::size_t>(n)];
}
/// 10^n for n in 0..18.
inline std::int64_t PowerOf10I64(int n) {
  QUIPU_DCHECK(n >= 0 && n <= 18);
  return static_cast<std::int64_t>(internal::kPowersOf10[static_cast<std::size_t>(n)]);
}

class ExactSum {
 public:
  constexpr ExactSum() = default;
  /// Adds mantissa x 10^-scale, scale 0..18. Any int128 mantissa is allowed (so partial vector sums may be added).
  void Add(Int128 mantissa, int scale);
  void Add(const Decimal& d) { Add(d.mantissa(), d.scale()); }
  /// The hot path: one int64 mantissa whose scale's factor (10^(18 - scale)) the caller has looked up once per vector.
  void AddScaled(std::int64_t mantissa, std::int64_t factor) {
    AddRaw(static_cast<Int128>(mantissa) * factor);
  }
  /// Adds a value that is already at scale 18.
  void AddRaw(Int128 at_scale_18) {
    const auto v = static_cast<Uint128>(at_scale_18);
    const Uint128 sum = low() + v;
    set_low(sum);
    high_ += static_cast<std::uint64_t>(at_scale_18 < 0 ? -1 : 0) +
             static_cast<std::uint64_t>(sum < v ? 1 : 0);
  }
  void Add(const ExactSum& o) {
    const Uint128 sum = low() + o.low();
    high_ += o.high_ + static_cast<std::uint64_t>(sum < o.low() ? 1 : 0);
    set_low(sum);
  }
  void Subtract(const ExactSum& o);
  [[nodiscard]] bool is_zero() const { return (low_[0] | low_[1] | high_) == 0; }
  [[nodiscard]] bool is_negative() const { return static_cast<std::int64_t>(high_) < 0; }

  /// The value at scale 18, where that fits (nearly always); else false.
  bool AtScale18(Int128* value) const {
    *value = static_cast<Int128>(low());
    return high_ == static_cast<std::uint64_t>(*value >> 127);
  }
  /// The value in lowest terms; kOutOfRange ("sum exceeds 128 bits") if its mantissa does not fit.
  [[nodiscard]] Result<Decimal> ToDecimal() const;
  /// sum / count, rounded half to even at scale 18; count > 0. kOutOfRange if it does not fit.
  [[nodiscard]] Result<Decimal> DividedBy(std::uint64_t count) const;

  /// The three 64-bit words, lowest first; the format of every stored sum.
  [[nodiscard]] std::uint64_t word(int i) const { return i == 2 ? high_ : low_[i]; }
  static ExactSum FromWords(std::uint64_t w0, std::uint64_t w1, std::uint64_t w2);

  friend bool operator==(const ExactSum&, const ExactSum&) = default;

 private:
  [[nodiscard]] Uint128 low() const { return static_cast<Uint128>(low_[1]) << 64 | low_[0]; }
  void set_low(Uint128 v) {
    low_[0] = static_cast<std::uint64_t>(v);
    low_[1] = static_cast<std::uint64_t>(v >> 64);
  }

  // Not one number of 128 bits, which would be aligned to 16 bytes: accumulators of groups lie side by side, and 8 bytes in each are memory.
  std::uint64_t low_[2] = {0, 0};
  std::uint64_t high_ = 0;
};

/// A decimal as its mantissa at scale 18: how min, max and quantiles compare values. The value must be storable.
inline Int128 AtSumScale(Int128 mantissa, int scale) {
  return mantissa * static_cast<Int128>(PowerOf10(kSumScale - scale));
}
inline Int128 AtSumScale(const Decimal& d) { return AtSumScale(d.mantissa(), d.scale()); }

}  // namespace quipu
