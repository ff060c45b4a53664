#include "quipu/decimal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/test_seed.h"

namespace quipu {
namespace {

std::string Canonical(std::string_view text) {
  const Result<Decimal> d = Decimal::Parse(text);
  return d ? d->ToString() : std::string(StatusCodeName(d.error().code()));
}

TEST(Decimal, ParsesAndPrints) {
  const std::pair<const char*, const char*> kCases[] = {
      {"0", "0"},
      {"-0", "0"},
      {"-0.000", "0"},
      {"+7", "7"},
      {"007.5000", "7.5"},
      {"1250", "1250"},
      {"-12.50", "-12.5"},
      {"0.000000000000000001", "0.000000000000000001"},
      {"0.0000000000000000010000", "0.000000000000000001"},
      {"0.0000000000000000001", "out of range"},
      {"99999999999999999999", "99999999999999999999"},
      {"99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"},
      {"-99999999999999999999.999999999999999999", "-99999999999999999999.999999999999999999"},
      {"100000000000000000000", "out of range"},
      {"000000000000000000000000000000000000001", "1"},
      {"1e-5", "0.00001"},
      {"1E+3", "1000"},
      {"12.5e1", "125"},
      {"1.5e-17", "0.000000000000000015"},
      {"1.5e-18", "out of range"},
      {"1e19", "10000000000000000000"},
      {"1e20", "out of range"},
      {"0.001e22", "10000000000000000000"},
      {"1000000000000000000000e-5", "10000000000000000"},
      {"0e999999999999999999999999999", "0"},
      {"1e999999999999999999999999999", "out of range"},
      {"1e-999999999999999999999999999", "out of range"},
      {"123456789012345678", "123456789012345678"},
      {"1234567890123456789", "1234567890123456789"},
      {"-12345678901234567.5", "-12345678901234567.5"},
  };
  for (const auto& [text, want] : kCases) EXPECT_EQ(Canonical(text), want) << text;
}

TEST(Decimal, RefusesWhatIsNoNumber) {
  for (const char* text : {"",      "+",
                           "-",     ".",
                           ".5",    "5.",
                           "1.e3",  "e3",
                           "1e",    "1e+",
                           " 1",    "1 ",
                           "1,5",   "NaN",
                           "inf",   "0x10",
                           "--1",   "+-1",
                           "1.2.3", "1e5.0",
                           "1_000", "12345678901234567890.",
                           "٣"}) {
    EXPECT_EQ(Canonical(text), "invalid argument") << text;
  }
}

TEST(Decimal, ConstructorNormalises) {
  EXPECT_EQ(Decimal(1250, 2), Decimal(125, 1));
  EXPECT_EQ(Decimal(0, 18), Decimal());
  EXPECT_EQ(Decimal(-1000, 3), Decimal(-1));
  EXPECT_EQ(Decimal(1200, 0).scale(), 0);
  EXPECT_DEATH(Decimal(1, 19), "QUIPU_CHECK");
  EXPECT_DEATH(Decimal(1, -1), "QUIPU_CHECK");
}

TEST(Decimal, StorableIsBelowTenToTheTwenty) {
  EXPECT_TRUE(Decimal::Parse("99999999999999999999.999999999999999999")->IsStorable());
  const Int128 ten19 = Int128{10'000'000'000} * 1'000'000'000;
  EXPECT_TRUE(Decimal(ten19 * 10 - 1, 0).IsStorable());
  EXPECT_FALSE(Decimal(ten19 * 10, 0).IsStorable());
  EXPECT_FALSE(Decimal(-ten19 * 10, 0).IsStorable());
}

constexpr Int128 kInt128Max = static_cast<Int128>(~Uint128{0} >> 1);
constexpr Int128 kInt128Min = -kInt128Max - 1;

TEST(Decimal, SumsAtTheEdgeOf128Bits) {
  const Decimal top(kInt128Max, 0), bottom(kInt128Min, 0);
  EXPECT_EQ(Decimal::Add(top, 1).error().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Decimal::Add(top, Decimal(1, 1)).error().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(*Decimal::Add(top, bottom), Decimal(-1));
  EXPECT_EQ(Decimal::Subtract(Decimal(), bottom).error().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(*Decimal::Subtract(Decimal(-1), top), bottom);
  EXPECT_EQ(bottom.ToString(), "-170141183460469231731687303715884105728");
  // Mantissas that overflow when added, but whose sum has no digit after the point. 2^127 - 1 ends in 7.
  const Decimal sum = *Decimal::Add(Decimal(kInt128Max, 1), Decimal(kInt128Max - 4, 1));
  EXPECT_EQ(sum, Decimal(kInt128Max / 10 + (kInt128Max - 4) / 10 + 1, 0));
  EXPECT_LT(bottom, top);
  EXPECT_LT(Decimal(kInt128Max, 18), Decimal(kInt128Max, 17));
}

/// Decimals as digits to the left and right of a point: the slow truth.
struct Plain {
  bool negative;
  std::string digits;  // value x 10^18, at least one digit
};

Plain ToPlain(const Decimal& d) {
  std::string text = d.ToString();
  const bool negative = text[0] == '-';
  if (negative) text.erase(0, 1);
  const std::size_t point = text.find('.');
  std::size_t fraction = 0;
  if (point != std::string::npos) {
    fraction = text.size() - point - 1;
    text.erase(point, 1);
  }
  text.append(18 - fraction, '0');
  text.insert(0, 64 - text.size(), '0');
  return {negative, text};
}

std::string AddDigits(const std::string& a, const std::string& b, int sign) {
  std::string out(a.size(), '0');
  int carry = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    int v = (a[i] - '0') + sign * (b[i] - '0') + carry;
    carry = v > 9 ? 1 : v < 0 ? -1 : 0;
    out[i] = static_cast<char>('0' + v - 10 * carry);
  }
  return out;
}

Plain AddPlain(const Plain& a, const Plain& b) {
  if (a.negative == b.negative) return {a.negative, AddDigits(a.digits, b.digits, 1)};
  if (a.digits >= b.digits) return {a.negative, AddDigits(a.digits, b.digits, -1)};
  return {b.negative, AddDigits(b.digits, a.digits, -1)};
}

std::string PlainText(const Plain& p) {
  std::string whole = p.digits.substr(0, p.digits.size() - 18);
  std::string fraction = p.digits.substr(p.digits.size() - 18);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  const bool zero = whole == "0" && fraction.empty();
  if (!fraction.empty()) whole.append(1, '.').append(fraction);
  if (p.negative && !zero) whole.insert(whole.begin(), '-');
  return whole;
}

bool FitsIn128(const Plain& p) {
  std::string digits = p.digits;
  for (int scale = 18; scale > 0 && digits.back() == '0'; --scale) digits.pop_back();
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  const std::string limit = p.negative ? "170141183460469231731687303715884105728"
                                       : "170141183460469231731687303715884105727";
  return digits.size() < limit.size() || (digits.size() == limit.size() && digits <= limit);
}

Decimal RandomDecimal(Random& random) {
  const auto bits = static_cast<int>(random.Below(128));
  Uint128 raw = (static_cast<Uint128>(random.Next()) << 64) | random.Next();
  raw = bits == 0 ? 0 : raw >> (128 - bits);
  for (std::uint64_t zeros = random.Below(4) == 0 ? random.Below(20) : 0; zeros > 0; --zeros) {
    if (raw < (~Uint128{0} >> 1) / 10) raw *= 10;
  }
  const auto value = static_cast<Int128>(raw);
  return Decimal(random.Below(2) == 0 ? -value : value, static_cast<int>(random.Below(19)));
}

TEST(Decimal, AgreesWithDigitByDigitArithmetic) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  int overflows = 0;
  for (int i = 0; i < 50'000; ++i) {
    const Decimal a = RandomDecimal(random), b = RandomDecimal(random);
    const Plain x = ToPlain(a), y = ToPlain(b);
    const Plain minus_y{!y.negative, y.digits};
    for (bool add : {true, false}) {
      const Plain want = AddPlain(x, add ? y : minus_y);
      const Result<Decimal> got = add ? Decimal::Add(a, b) : Decimal::Subtract(a, b);
      if (FitsIn128(want)) {
        ASSERT_TRUE(got.has_value()) << a.ToString() << " +- " << b.ToString();
        ASSERT_EQ(got->ToString(), PlainText(want)) << a.ToString() << " +- " << b.ToString();
      } else {
        ++overflows;
        ASSERT_EQ(got.error().code(), StatusCode::kOutOfRange) << PlainText(want);
      }
    }
    const Plain difference = AddPlain(x, minus_y);
    const bool equal = PlainText(difference) == "0";
    ASSERT_EQ(a == b, equal);
    ASSERT_EQ((a <=> b) == 0, equal);
    if (!equal) {
      ASSERT_EQ(a < b, difference.negative) << a.ToString() << " " << b.ToString();
    }
    if (a.IsStorable()) {
      const Result<Decimal> again = Decimal::Parse(a.ToString());
      ASSERT_TRUE(again.has_value());
      ASSERT_EQ(*again, a);
    } else {
      ASSERT_EQ(Decimal::Parse(a.ToString()).error().code(), StatusCode::kOutOfRange);
    }
  }
  EXPECT_GT(overflows, 0);
}

TEST(Decimal, DropsZerosAsDivisionDoes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  constexpr auto kSmallest = static_cast<Int128>(Uint128{1} << 127);
  std::vector<Int128> mantissas = {kSmallest, kSmallest + 8, -(kSmallest + 1), kSmallest / 10 * 10};
  for (int i = 0; i < 50'000; ++i) {
    // Many factors of two, of five, or of both.
    Uint128 m =
        ((static_cast<Uint128>(random.Next()) << 64) | random.Next()) >> (1 + random.Below(127));
    const std::uint64_t factor = std::array{1u, 2u, 5u, 10u}[random.Below(4)];
    for (std::uint64_t n = random.Below(30); n > 0 && m < (~Uint128{0} >> 1) / 10; --n) m *= factor;
    const auto mantissa = static_cast<Int128>(m);
    mantissas.push_back(random.Below(2) == 0 ? mantissa : -mantissa);
  }
  for (const Int128 given : mantissas) {
    const int scale = static_cast<int>(random.Below(Decimal::kScaleMax + 1));
    Int128 mantissa = given;
    int left = scale;
    for (; left > 0 && mantissa % 10 == 0; --left) mantissa /= 10;
    const Decimal d(given, scale);
    ASSERT_TRUE(d.mantissa() == mantissa && d.scale() == (mantissa == 0 ? 0 : left))
        << d.ToString() << ", scale " << d.scale() << " in place of " << left;
  }
}

TEST(Decimal, ExponentsOnlyMoveThePoint) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const Decimal want = RandomDecimal(random);
    if (!want.IsStorable()) continue;
    // The mantissa's digits, shifted by an exponent that undoes the scale and a point put anywhere.
    const Decimal digits_only(want.mantissa(), 0);
    std::string text = digits_only.ToString();
    const bool negative = text[0] == '-';
    if (negative) text.erase(0, 1);
    const std::size_t point = 1 + random.Below(text.size());
    auto exponent = static_cast<std::int64_t>(text.size() - point) - want.scale();
    if (point < text.size()) text.insert(point, 1, '.');
    if (negative) text.insert(text.begin(), '-');
    text.append(1, 'e').append(std::to_string(exponent));
    const Result<Decimal> got = Decimal::Parse(text);
    ASSERT_TRUE(got.has_value()) << text;
    ASSERT_EQ(*got, want) << text;
  }
}

TEST(Decimal, ToDouble) {
  EXPECT_EQ(Decimal(1, 1).ToDouble(), 0.1);
  EXPECT_EQ(Decimal::Parse("-12345.678")->ToDouble(), -12345.678);
  EXPECT_EQ(Decimal().ToDouble(), 0.0);
}

}  // namespace
}  // namespace quipu
