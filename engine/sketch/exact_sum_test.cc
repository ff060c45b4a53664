#include "sketch/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"

namespace quipu {
namespace {

std::uint64_t Seed() {
  const char* text = std::getenv("QUIPU_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : Random::SystemSeed();
}

Int128 RandomMantissa(Random& random) {
  const auto bits = (static_cast<Uint128>(random.Next()) << 64) | random.Next();
  return static_cast<Int128>(bits) >> random.Below(127);
}

// The simpler truth: signed decimal digits, schoolbook column addition, digit 0 = 10^-18.
class DigitSum {
 public:
  void Add(Int128 mantissa, int scale) {
    const bool negative = mantissa < 0;
    auto magnitude =
        negative ? Uint128{0} - static_cast<Uint128>(mantissa) : static_cast<Uint128>(mantissa);
    for (auto i = static_cast<std::size_t>(18 - scale); magnitude != 0; ++i, magnitude /= 10) {
      const auto digit = static_cast<std::int64_t>(magnitude % 10);
      columns_[i] += negative ? -digit : digit;
    }
  }
  // Digits of the magnitude without leading zeros, after a '-' if negative, at scale 18.
  std::string Text() const {
    std::vector<std::int64_t> c = columns_;
    bool negative = false;
    if (Carry(c) < 0) {
      negative = true;
      c = columns_;
      for (auto& column : c) column = -column;
      Carry(c);
    }
    std::string digits;
    for (const auto column : c) digits.insert(digits.begin(), static_cast<char>('0' + column));
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
    return (negative ? "-" : "") + digits;
  }

 private:
  static std::int64_t Carry(std::vector<std::int64_t>& c) {
    std::int64_t carry = 0;
    for (auto& column : c) {
      column += carry;
      carry = column / 10;
      column %= 10;
      if (column < 0) {
        column += 10;
        --carry;
      }
    }
    return carry;
  }
  std::vector<std::int64_t> columns_ = std::vector<std::int64_t>(70, 0);
};

// The 192-bit words as text, by repeated division of a bit string.
std::string TextOf(ExactSum sum) {
  const bool negative = sum.is_negative();
  if (negative) {
    ExactSum positive;
    positive.Subtract(sum);
    sum = positive;
  }
  std::string digits = "0";
  for (int bit = 191; bit >= 0; --bit) {
    int carry = static_cast<int>((sum.word(bit / 64) >> (bit % 64)) & 1);
    for (auto d = digits.rbegin(); d != digits.rend(); ++d) {
      const int twice = (*d - '0') * 2 + carry;
      *d = static_cast<char>('0' + twice % 10);
      carry = twice / 10;
    }
    if (carry != 0) digits.insert(digits.begin(), '1');
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  return (negative ? "-" : "") + digits;
}

TEST(ExactSum, AgreesWithDigitColumnsInAnyOrder) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::pair<Int128, int>> terms(1 + random.Below(40));
    DigitSum truth;
    for (auto& [mantissa, scale] : terms) {
      mantissa = RandomMantissa(random);
      scale = static_cast<int>(random.Below(19));
      truth.Add(mantissa, scale);
    }
    ExactSum forward, backward, first_half, second_half;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      forward.Add(terms[i].first, terms[i].second);
      (i % 2 == 0 ? first_half : second_half).Add(terms[i].first, terms[i].second);
    }
    for (auto t = terms.rbegin(); t != terms.rend(); ++t) backward.Add(t->first, t->second);
    ASSERT_EQ(TextOf(forward), truth.Text());
    EXPECT_EQ(forward, backward);
    second_half.Add(first_half);
    EXPECT_EQ(forward, second_half);
    second_half.Subtract(forward);
    EXPECT_TRUE(second_half.is_zero());
    EXPECT_EQ(ExactSum::FromWords(forward.word(0), forward.word(1), forward.word(2)), forward);
  }
}

TEST(ExactSum, ScaledAndRawAddsAgreeWithAdd) {
  Random random(7);
  ExactSum a, b, c;
  for (int i = 0; i < 1000; ++i) {
    const auto mantissa = static_cast<std::int64_t>(random.Next());
    const int scale = static_cast<int>(random.Below(19));
    a.Add(mantissa, scale);
    b.AddScaled(mantissa, PowerOf10I64(18 - scale));
    if (scale == 18)
      c.AddRaw(mantissa);
    else
      c.Add(Decimal(mantissa, scale));
  }
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, c);
}

TEST(ExactSum, WorkedExample) {
  ExactSum sum;
  sum.Add(5, 1);
  sum.Add(25, 2);
  EXPECT_EQ(*sum.ToDecimal(), Decimal(75, 2));
}

TEST(ExactSum, NormalisesBeforeItDecidesThatASumDoesNotFit) {
  const auto max = static_cast<Int128>((static_cast<Uint128>(1) << 127) - 1);
  ExactSum sum;
  sum.Add(max, 0);
  ASSERT_TRUE(sum.ToDecimal());
  EXPECT_EQ(sum.ToDecimal()->mantissa(), max);
  ExactSum lowest;
  lowest.Add(-max - 1, 0);
  ASSERT_TRUE(lowest.ToDecimal());
  EXPECT_EQ(lowest.ToDecimal()->mantissa(), -max - 1);
  lowest.Add(-1, 0);
  EXPECT_EQ(lowest.ToDecimal().error().code(), StatusCode::kOutOfRange);
  sum.Add(1, 0);
  EXPECT_EQ(sum.ToDecimal().error().code(), StatusCode::kOutOfRange);
  sum.Add(-1, 18);  // back below 2^127, but now with 18 digits after the point
  EXPECT_EQ(sum.ToDecimal().error().code(), StatusCode::kOutOfRange);
  sum.Add(-max, 0);
  EXPECT_EQ(*sum.ToDecimal(), Decimal(PowerOf10I64(18) - 1, 18));
}

TEST(ExactSum, DividesHalfToEvenAtScale18) {
  const auto divided = [](Int128 mantissa, int scale, std::uint64_t count) {
    ExactSum sum;
    sum.Add(mantissa, scale);
    return *sum.DividedBy(count);
  };
  EXPECT_EQ(divided(10, 0, 4), Decimal(25, 1));
  EXPECT_EQ(divided(1, 0, 3), Decimal(333'333'333'333'333'333, 18));
  EXPECT_EQ(divided(2, 0, 3), Decimal(666'666'666'666'666'667, 18));
  EXPECT_EQ(divided(1, 18, 2), Decimal(0, 0));
  EXPECT_EQ(divided(3, 18, 2), Decimal(2, 18));
  EXPECT_EQ(divided(-3, 18, 2), Decimal(-2, 18));
  EXPECT_EQ(divided(5, 18, 2), Decimal(2, 18));
  EXPECT_EQ(divided(-5, 18, 10), Decimal(0, 0));
  EXPECT_EQ(divided(-6, 18, 10), Decimal(-1, 18));
  EXPECT_EQ(divided(1, 0, ~std::uint64_t{0}), Decimal(0, 0));
}

TEST(ExactSum, AverageOfManyExtremesFitsAlthoughTheirSumDoesNot) {
  const auto extreme = static_cast<Int128>(PowerOf10(38) - 1);
  ExactSum sum;
  for (int i = 0; i < 1001; ++i) sum.Add(extreme, 18);
  EXPECT_FALSE(sum.ToDecimal());
  EXPECT_EQ(*sum.DividedBy(1001), Decimal(extreme, 18));
}

}  // namespace
}  // namespace quipu
