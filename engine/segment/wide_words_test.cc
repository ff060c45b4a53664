#include "segment/wide_words.h"

#include <gtest/gtest.h>

namespace quipu {
namespace {

TEST(WideWords, DivideAndMultiplyAreInverse) {
  for (const Int128 base :
       {Int128{0}, Int128{1}, Int128{-1}, Int128{987654321}, Int128{-987654321} * 1'000'000'000}) {
    for (int n = 0; n <= 18; ++n) {
      const WideWords v = ToWords(base * PowerOf10I64(n));
      ASSERT_TRUE(IsMultipleOfPower(v, n));
      const WideWords quotient = DividedByPower(v, n);
      EXPECT_EQ(quotient, ToWords(base));
      WideWords back{};
      ASSERT_TRUE(MultiplyByPower(quotient, n, &back));
      EXPECT_EQ(back, v);
    }
  }
  EXPECT_FALSE(IsMultipleOfPower(ToWords(Int128{-1050}), 2));
}

TEST(WideWords, UsesAllOfASum) {
  ExactSum sum;
  for (int i = 0; i < 1000; ++i) sum.AddRaw(-static_cast<Int128>(PowerOf10(38) - 1));
  const WideWords words = ToWords(sum);
  EXPECT_EQ(WordsNeeded(words), 3);
  EXPECT_EQ(ExactSum::FromWords(words[0], words[1], words[2]), sum);
  Int128 narrow = 0;
  EXPECT_FALSE(ToInt128(words, &narrow));
}

TEST(WideWords, MultiplicationNoticesOverflow) {
  WideWords out{};
  EXPECT_TRUE(MultiplyByPower({0, 0, 1}, 18, &out));
  EXPECT_FALSE(MultiplyByPower({0, 0, std::uint64_t{1} << 62}, 1, &out));
  EXPECT_FALSE(MultiplyByPower({0, 0, std::uint64_t{3} << 62}, 1, &out));
}

TEST(WideWords, CountsWords) {
  EXPECT_EQ(WordsNeeded(ToWords(Int128{INT64_MAX})), 1);
  EXPECT_EQ(WordsNeeded(ToWords(Int128{INT64_MIN})), 1);
  EXPECT_EQ(WordsNeeded(ToWords(Int128{INT64_MAX} + 1)), 2);
  EXPECT_EQ(WordsNeeded(ToWords(Int128{INT64_MIN} - 1)), 2);
}

}  // namespace
}  // namespace quipu
