#include "sketch/exact_sum.h"

namespace quipu {
namespace {

// A magnitude below 2^192, lowest word first.
struct Magnitude {
  std::uint64_t words[3] = {0, 0, 0};

  // Divides in place and returns the remainder.
  std::uint64_t DivideBy(std::uint64_t divisor) {
    Uint128 rest = 0;
    for (int i = 2; i >= 0; --i) {
      const Uint128 part = (rest << 64) | words[i];
      words[i] = static_cast<std::uint64_t>(part / divisor);
      rest = part % divisor;
    }
    return static_cast<std::uint64_t>(rest);
  }
  void Increment() {
    for (std::uint64_t& word : words) {
      if (++word != 0) return;
    }
  }
  [[nodiscard]] Uint128 low() const { return (static_cast<Uint128>(words[1]) << 64) | words[0]; }
};

Magnitude MagnitudeOf(const ExactSum& sum) {
  ExactSum positive = sum;
  if (sum.is_negative()) {
    positive = ExactSum();
    positive.Subtract(sum);
  }
  return {{positive.word(0), positive.word(1), positive.word(2)}};
}

// Lowest terms first: a sum of 3 x 10^24 does not fit at scale 18 but is small once its zeros are gone.
Result<Decimal> MakeDecimal(Magnitude m, bool negative) {
  constexpr Uint128 kMax = (static_cast<Uint128>(1) << 127) - 1;
  int scale = kSumScale;
  while (scale > 0 && (m.words[2] != 0 || m.low() > kMax)) {
    Magnitude tenth = m;
    if (tenth.DivideBy(10) != 0) break;
    m = tenth;
    --scale;
  }
  if (m.words[2] != 0 || m.low() > kMax + (negative ? 1 : 0)) {
    return Status::OutOfRange(
        "sum exceeds 128 bits: the exact total has too many digits for a decimal; "
        "ask for a shorter time range or fewer groups");
  }
  const Uint128 bits = negative ? Uint128{0} - m.low() : m.low();
  return Decimal(static_cast<Int128>(bits), scale);
}

}  // namespace

void ExactSum::Add(Int128 mantissa, int scale) {
  QUIPU_DCHECK(scale >= 0 && scale <= kSumScale);
  const auto factor = static_cast<std::uint64_t>(PowerOf10I64(kSumScale - scale));
  const bool negative = mantissa < 0;
  const auto bits = static_cast<Uint128>(mantissa);
  const Uint128 magnitude = negative ? Uint128{0} - bits : bits;
  // 128 x 64 -> 192 bits in two halves; the product is below 2^127 x 10^18 < 2^187.
  const Uint128 lower = static_cast<Uint128>(static_cast<std::uint64_t>(magnitude)) * factor;
  const Uint128 upper = (magnitude >> 64) * factor;
  ExactSum term;
  term.set_low(lower + (upper << 64));
  term.high_ = static_cast<std::uint64_t>(upper >> 64) + (term.low() < lower ? 1U : 0U);
  if (negative) {
    Subtract(term);
  } else {
    Add(term);
  }
}

void ExactSum::Subtract(const ExactSum& o) {
  const std::uint64_t borrow = low() < o.low() ? 1 : 0;
  high_ -= o.high_ + borrow;
  set_low(low() - o.low());
}

Result<Decimal> ExactSum::ToDecimal() const {
  if (Int128 value = 0; AtScale18(&value)) return Decimal(value, kSumScale);
  return MakeDecimal(MagnitudeOf(*this), is_negative());
}

Result<Decimal> ExactSum::DividedBy(std::uint64_t count) const {
  QUIPU_CHECK(count > 0);
  Magnitude quotient = MagnitudeOf(*this);
  const std::uint64_t rest = quotient.DivideBy(count);
  // rest against count / 2 without overflow: rest > count - rest.
  const std::uint64_t missing = count - rest;
  const bool odd = (quotient.words[0] & 1) != 0;
  if (rest > missing || (rest == missing && odd)) quotient.Increment();
  return MakeDecimal(quotient, is_negative());
}

ExactSum ExactSum::FromWords(std::uint64_t w0, std::uint64_t w1, std::uint64_t w2) {
  ExactSum sum;
  sum.low_[0] = w0;
  sum.low_[1] = w1;
  sum.high_ = w2;
  return sum;
}

}  // namespace quipu
