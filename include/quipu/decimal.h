// quipu/decimal.h
//
// Exact decimal numbers: usage is billed, so no quantity or cost ever passes through a double.
//
//   auto price = quipu::Decimal::Parse("0.0001");        // mantissa 1, scale 4
//   quipu::Decimal(1250, 2).ToString();                  // "12.5": always in lowest terms
//
// A Decimal is mantissa x 10^-scale with scale 0..18. It is kept normalised (no trailing zero digit after the
// point, zero has scale 0), so equal values have equal fields. An *input* value has magnitude below 10^20
// (`IsStorable`); sums may grow to the whole 128-bit mantissa.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "quipu/status.h"

namespace quipu {

/// 128-bit signed integer, as GCC and Clang provide it on 64-bit targets.
__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

class Decimal {
 public:
  static constexpr int kScaleMax = 18;
  static constexpr int kIntegerDigitsMax = 20;  ///< Input magnitude is below 10^20.

  constexpr Decimal() noexcept = default;  ///< Zero.
  /// A whole number.
  constexpr Decimal(std::int64_t whole) noexcept
      : mantissa_(whole) {}  // NOLINT(google-explicit-constructor)
  /// mantissa x 10^-scale, normalised. `scale` must be 0..18 (checked).
  Decimal(Int128 mantissa, int scale) noexcept;

  /// Parses `[+-]digits[.digits][(e|E)[+-]digits]`. kInvalidArgument for anything else (empty, NaN, spaces, a bare
  /// point); kOutOfRange if the value needs more than 18 fractional digits or is not below 10^20. Never rounds.
  static Result<Decimal> Parse(std::string_view text);

  /// Plain digits without an exponent: "-0.000001", "12.5", "0".
  [[nodiscard]] std::string ToString() const;
  /// Nearest double, for plots and ratios only; never used by the engine.
  [[nodiscard]] double ToDouble() const noexcept;

  [[nodiscard]] constexpr Int128 mantissa() const noexcept { return mantissa_; }
  [[nodiscard]] constexpr int scale() const noexcept { return scale_; }
  [[nodiscard]] constexpr bool is_zero() const noexcept { return mantissa_ == 0; }
  /// True if the value may be stored as a quantity, cost or measure: magnitude below 10^20.
  [[nodiscard]] bool IsStorable() const noexcept;

  friend constexpr bool operator==(const Decimal&, const Decimal&) noexcept = default;
  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) noexcept;

  /// Exact arithmetic; kOutOfRange when the exact answer does not fit.
  static Result<Decimal> Add(const Decimal& a, const Decimal& b);
  static Result<Decimal> Subtract(const Decimal& a, const Decimal& b);

 private:
  Int128 mantissa_ = 0;
  std::int32_t scale_ = 0;
};

}  // namespace quipu
