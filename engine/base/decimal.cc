#include "quipu/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::array<Int128, 39> MakePowers() {
  std::array<Int128, 39> powers{};
  Int128 p = 1;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    powers[i] = p;
    if (i + 1 < powers.size()) p *= 10;
  }
  return powers;
}
constexpr std::array<Int128, 39> kPower10 = MakePowers();

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Quotes a caller's text for a message, cut to a bound.
std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 64;
  std::string out = "'";
  out += text.substr(0, kShown);
  out += text.size() > kShown ? "...'" : "'";
  return out;
}

Status Malformed(std::string_view text) {
  return Status::InvalidArgument(
      "not a decimal number, expected [+-]digits[.digits][e[+-]digits]: " + Quoted(text));
}

/// The parts of a number's text, by the grammar in decimal.h.
struct Parts {
  bool negative = false;
  std::string_view integer;
  std::string_view fraction;
  std::int64_t exponent = 0;  // saturates; far beyond any scale either way
};

std::string_view TakeDigits(std::string_view* rest) {
  std::size_t n = 0;
  while (n < rest->size() && IsDigit((*rest)[n])) ++n;
  std::string_view digits = rest->substr(0, n);
  rest->remove_prefix(n);
  return digits;
}

bool TakeSign(std::string_view* rest) {
  if (rest->empty() || (rest->front() != '+' && rest->front() != '-')) return false;
  const bool negative = rest->front() == '-';
  rest->remove_prefix(1);
  return negative;
}

bool Split(std::string_view text, Parts* parts) {
  std::string_view rest = text;
  parts->negative = TakeSign(&rest);
  parts->integer = TakeDigits(&rest);
  if (parts->integer.empty()) return false;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    parts->fraction = TakeDigits(&rest);
    if (parts->fraction.empty()) return false;
  }
  if (!rest.empty() && (rest.front() == 'e' || rest.front() == 'E')) {
    rest.remove_prefix(1);
    const bool negative = TakeSign(&rest);
    const std::string_view digits = TakeDigits(&rest);
    if (digits.empty()) return false;
    // Larger than the length of any text in memory, so that no run of zeros can bring it back into range by saturation.
    constexpr std::int64_t kExponentMax = std::int64_t{1} << 56;
    for (char c : digits) {
      if (parts->exponent < kExponentMax) parts->exponent = parts->exponent * 10 + (c - '0');
    }
    if (negative) parts->exponent = -parts->exponent;
  }
  return rest.empty();
}

/// Whole part and fraction in units of 10^-18, both with the sign of the value.
struct Pieces {
  Int128 whole;
  Int128 fraction;
};

Pieces PiecesOf(const Decimal& d) {
  const Int128 unit = kPower10[static_cast<std::size_t>(d.scale())];
  const Int128 whole = d.mantissa() / unit;
  return {whole, (d.mantissa() - whole * unit) *
                     kPower10[static_cast<std::size_t>(Decimal::kScaleMax - d.scale())]};
}

Status SumTooLarge() { return Status::OutOfRange("a sum of decimals does not fit in 128 bits"); }

/// The value whole + fraction x 10^-18, |fraction| < 2 x 10^18, if its lowest terms fit.
Result<Decimal> Compose(Int128 whole, Int128 fraction) {
  const Int128 unit = kPower10[Decimal::kScaleMax];
  Int128 carry = fraction / unit;
  fraction -= carry * unit;
  if (__builtin_add_overflow(whole, carry, &whole)) return SumTooLarge();
  if (whole > 0 && fraction < 0) {
    --whole;
    fraction += unit;
  } else if (whole < 0 && fraction > 0) {
    ++whole;
    fraction -= unit;
  }
  int scale = fraction == 0 ? 0 : Decimal::kScaleMax;
  while (fraction != 0 && fraction % 10 == 0) {
    fraction /= 10;
    --scale;
  }
  // Both parts have one sign, so a partial result that does not fit means that the sum does not fit.
  Int128 mantissa = 0;
  if (__builtin_mul_overflow(whole, kPower10[static_cast<std::size_t>(scale)], &mantissa) ||
      __builtin_add_overflow(mantissa, fraction, &mantissa)) {
    return SumTooLarge();
  }
  return Decimal(mantissa, scale);
}

/// Writes digits of v so that they end at `end`; returns the first.
char* WriteDigits(Uint128 v, char* end) {
  constexpr std::uint64_t kChunk = 1'000'000'000'000'000'000;
  while (v >= kChunk) {
    auto low = static_cast<std::uint64_t>(v % kChunk);
    v /= kChunk;
    for (int i = 0; i < 18; ++i, low /= 10) *--end = static_cast<char>('0' + low % 10);
  }
  auto rest = static_cast<std::uint64_t>(v);
  do {
    *--end = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  return end;
}

/// The common short forms; false = take the general way.
bool ParseShort(std::string_view text, Decimal* out) {
  constexpr std::ptrdiff_t kBytesMax = 18;  // so many digits fit in 64 bits
  if (text.empty()) return false;
  const char* p = text.data();
  const char* const end = p + text.size();
  const bool negative = *p == '-';
  if (negative) ++p;
  if (end - p > kBytesMax) return false;
  const char* const first = p;
  std::int64_t mantissa = 0;
  while (p != end && IsDigit(*p)) mantissa = mantissa * 10 + (*p++ - '0');
  if (p == first) return false;
  int scale = 0;
  if (p != end) {
    if (*p++ != '.' || p == end) return false;
    for (; p != end; ++p, ++scale) {
      if (!IsDigit(*p)) return false;
      mantissa = mantissa * 10 + (*p - '0');
    }
    while (scale > 0 && mantissa % 10 == 0) {
      mantissa /= 10;
      --scale;
    }
  }
  *out = Decimal(negative ? -mantissa : mantissa, scale);
  return true;
}

/// Division by 10^n where it leaves no rest, without dividing: 5^n has an inverse modulo 2^bits; a number times that inverse, rotated right by n, is its quotient if it is a
/// multiple of 10^n, and larger than any quotient if it is none (Granlund and Montgomery, Division by Invariant Integers using Multiplication, 1994, section 9). One comparison,
/// which mostly goes as for the number before: numbers of one column have zeros in common, and few have more.
template <class Uint>
struct ByPowerOf10 {
  int digits;
  Uint inverse, quotient_max;
};
template <class Uint>
constexpr ByPowerOf10<Uint> MakeByPowerOf10(int digits) {
  Uint power = 1;
  for (int i = 0; i < digits; ++i) power *= 5;
  Uint inverse = power;  // right in three bits; each step doubles them
  for (int bits = 3; bits < static_cast<int>(8 * sizeof(Uint)); bits *= 2)
    inverse *= 2 - power * inverse;
  return {digits, inverse, (~Uint{0} / power) >> digits};
}
template <class Uint>
constexpr std::array<ByPowerOf10<Uint>, 4> kByPowerOf10 = {
    MakeByPowerOf10<Uint>(8), MakeByPowerOf10<Uint>(4), MakeByPowerOf10<Uint>(2),
    MakeByPowerOf10<Uint>(1)};

/// Drops zeros at the end, several at a time, while the magnitude is above `enough`.
template <class Uint>
void DropZeros(Uint enough, Uint* magnitude, std::int32_t* scale) {
  for (const ByPowerOf10<Uint>& by : kByPowerOf10<Uint>) {
    while (*scale >= by.digits && *magnitude > enough) {
      const Uint product = *magnitude * by.inverse;
      const Uint quotient =
          product >> by.digits | product << (8 * static_cast<int>(sizeof(Uint)) - by.digits);
      if (quotient > by.quotient_max) break;
      *magnitude = quotient;
      *scale -= by.digits;
    }
  }
}

}  // namespace

Decimal::Decimal(Int128 mantissa, int scale) noexcept : mantissa_(mantissa), scale_(scale) {
  QUIPU_CHECK(scale >= 0 && scale <= kScaleMax);
  if (mantissa_ == 0) {
    scale_ = 0;
    return;
  }
  const bool is_negative = mantissa_ < 0;
  Uint128 magnitude = static_cast<Uint128>(mantissa_);
  if (is_negative) magnitude = 0 - magnitude;
  constexpr std::uint64_t kNarrow = ~std::uint64_t{0};
  DropZeros<Uint128>(kNarrow, &magnitude, &scale_);
  if (magnitude <= kNarrow) {  // mostly from the beginning
    auto narrow = static_cast<std::uint64_t>(magnitude);
    DropZeros<std::uint64_t>(0, &narrow, &scale_);
    magnitude = narrow;
  }
  mantissa_ = static_cast<Int128>(is_negative ? 0 - magnitude : magnitude);
}

Result<Decimal> Decimal::Parse(std::string_view text) {
  if (Decimal value; ParseShort(text, &value)) return value;
  Parts parts;
  if (!Split(text, &parts)) return Malformed(text);

  // digits x 10^exponent with digits free of zeros at both ends.
  const auto integer_size = static_cast<std::int64_t>(parts.integer.size());
  const auto total = integer_size + static_cast<std::int64_t>(parts.fraction.size());
  auto digit = [&](std::int64_t i) {
    return i < integer_size ? parts.integer[static_cast<std::size_t>(i)]
                            : parts.fraction[static_cast<std::size_t>(i - integer_size)];
  };
  std::int64_t first = 0, last = total;
  while (first < last && digit(first) == '0') ++first;
  while (first < last && digit(last - 1) == '0') --last;
  if (first == last) return Decimal();
  const std::int64_t exponent = parts.exponent + integer_size - last;
  if (last - first + exponent > kIntegerDigitsMax) {
    return Status::OutOfRange("the number must be below 10^20 in magnitude: " + Quoted(text));
  }
  if (exponent < -kScaleMax) {
    return Status::OutOfRange("the number has more than 18 fractional digits: " + Quoted(text));
  }
  Int128 mantissa = 0;  // at most 38 digits by the two bounds above
  for (std::int64_t i = first; i < last; ++i) mantissa = mantissa * 10 + (digit(i) - '0');
  if (exponent > 0) mantissa *= kPower10[static_cast<std::size_t>(exponent)];
  return Decimal(parts.negative ? -mantissa : mantissa,
                 exponent < 0 ? static_cast<int>(-exponent) : 0);
}

std::string Decimal::ToString() const {
  std::array<char, 64> buffer;
  const bool negative = mantissa_ < 0;
  Uint128 magnitude = static_cast<Uint128>(mantissa_);
  if (negative) magnitude = 0 - magnitude;
  char* const end = buffer.data() + buffer.size();
  char* p = WriteDigits(magnitude, end);
  while (end - p <= scale_) *--p = '0';
  std::string out;
  out.reserve(static_cast<std::size_t>(end - p) + 2);
  if (negative) out += '-';
  out.append(p, end - scale_);
  if (scale_ > 0) {
    out += '.';
    out.append(end - scale_, end);
  }
  return out;
}

double Decimal::ToDouble() const noexcept {
  const std::string text = ToString();
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool Decimal::IsStorable() const noexcept {
  const Int128 bound = kPower10[static_cast<std::size_t>(kIntegerDigitsMax + scale_)];
  return mantissa_ < bound && mantissa_ > -bound;
}

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) noexcept {
  if (a.scale() == b.scale()) return a.mantissa() <=> b.mantissa();
  const Pieces x = PiecesOf(a), y = PiecesOf(b);
  if (x.whole != y.whole) return x.whole <=> y.whole;
  return x.fraction <=> y.fraction;
}

Result<Decimal> Decimal::Add(const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale_, b.scale_);
  Int128 scaled_a = 0, scaled_b = 0, sum = 0;
  if (!__builtin_mul_overflow(a.mantissa_, kPower10[static_cast<std::size_t>(scale - a.scale_)],
                              &scaled_a) &&
      !__builtin_mul_overflow(b.mantissa_, kPower10[static_cast<std::size_t>(scale - b.scale_)],
                              &scaled_b) &&
      !__builtin_add_overflow(scaled_a, scaled_b, &sum)) {
    return Decimal(sum, scale);
  }
  // An intermediate value does not fit; the sum still may.
  const Pieces x = PiecesOf(a), y = PiecesOf(b);
  Int128 whole = 0;
  if (__builtin_add_overflow(x.whole, y.whole, &whole)) return SumTooLarge();
  return Compose(whole, x.fraction + y.fraction);
}

Result<Decimal> Decimal::Subtract(const Decimal& a, const Decimal& b) {
  const Pieces x = PiecesOf(a), y = PiecesOf(b);
  Int128 whole = 0;
  if (__builtin_sub_overflow(x.whole, y.whole, &whole)) return SumTooLarge();
  return Compose(whole, x.fraction - y.fraction);
}

}  // namespace quipu
