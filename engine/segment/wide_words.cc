#include "segment/wide_words.h"

#include "base/check.h"

namespace quipu {
namespace {

bool IsNegative(const WideWords& v) { return (v[2] >> 63) != 0; }
std::uint64_t SignOf(std::uint64_t word) { return (word >> 63) != 0 ? ~std::uint64_t{0} : 0; }

WideWords Negated(const WideWords& v) {
  WideWords out{};
  Uint128 carry = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    carry += ~v[i];
    out[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  return out;
}

WideWords Magnitude(const WideWords& v) { return IsNegative(v) ? Negated(v) : v; }

// Schoolbook, highest word first: the rest is below 10^18, so rest x 2^64 + word fits 128 bits.
WideWords Divide(const WideWords& magnitude, std::uint64_t divisor, std::uint64_t* rest) {
  WideWords out{};
  Uint128 r = 0;
  for (std::size_t i = 3; i-- > 0;) {
    r = (r << 64) | magnitude[i];
    out[i] = static_cast<std::uint64_t>(r / divisor);
    r %= divisor;
  }
  *rest = static_cast<std::uint64_t>(r);
  return out;
}

}  // namespace

WideWords ToWords(const ExactSum& sum) { return {sum.word(0), sum.word(1), sum.word(2)}; }

WideWords ToWords(Int128 v) {
  const auto high = static_cast<std::uint64_t>(static_cast<Uint128>(v) >> 64);
  return {static_cast<std::uint64_t>(v), high, SignOf(high)};
}

bool IsMultipleOfPower(const WideWords& v, int n) {
  std::uint64_t rest = 0;
  Divide(Magnitude(v), static_cast<std::uint64_t>(PowerOf10I64(n)), &rest);
  return rest == 0;
}

WideWords DividedByPower(const WideWords& v, int n) {
  std::uint64_t rest = 0;
  const WideWords quotient =
      Divide(Magnitude(v), static_cast<std::uint64_t>(PowerOf10I64(n)), &rest);
  QUIPU_CHECK(rest == 0);
  return IsNegative(v) ? Negated(quotient) : quotient;
}

bool MultiplyByPower(const WideWords& v, int n, WideWords* out) {
  const auto factor = static_cast<std::uint64_t>(PowerOf10I64(n));
  WideWords product = Magnitude(v);
  Uint128 carry = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    carry += static_cast<Uint128>(product[i]) * factor;
    product[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  if (carry != 0 || IsNegative(product)) return false;
  *out = IsNegative(v) ? Negated(product) : product;
  return true;
}

int WordsNeeded(const WideWords& v) {
  if (v[2] != SignOf(v[1])) return 3;
  return v[1] != SignOf(v[0]) ? 2 : 1;
}

bool ToInt128(const WideWords& v, Int128* out) {
  *out = static_cast<Int128>((static_cast<Uint128>(v[1]) << 64) | v[0]);
  return v[2] == SignOf(v[1]);
}

}  // namespace quipu
