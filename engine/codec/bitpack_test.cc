#include "codec/bitpack.h"

#include <gtest/gtest.h>

#include <vector>

#include "codec/test_vectors.h"

namespace quipu {
namespace {

// The definition: where bit b of value i of n lies.
std::size_t BitPlace(std::size_t i, std::size_t b, std::size_t n, int width) {
  if (n <= 992) return i * static_cast<std::size_t>(width) + b;
  const std::size_t in_lane = i / 16 * static_cast<std::size_t>(width) + b;
  return (in_lane / 64 * 16 + i % 16) * 64 + in_lane % 64;
}

// One bit at a time.
std::string PackSlowly(const std::vector<std::uint64_t>& values, int width) {
  const std::size_t padded = values.size() <= 992 ? values.size() : 1024;
  std::string out((padded * static_cast<std::size_t>(width) + 7) / 8, '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (int b = 0; b < width; ++b) {
      const std::size_t at = BitPlace(i, static_cast<std::size_t>(b), values.size(), width);
      if (values[i] >> b & 1) out[at / 8] = static_cast<char>(out[at / 8] | 1 << at % 8);
    }
  }
  return out;
}
std::vector<std::uint64_t> UnpackSlowly(std::string_view in, std::size_t n, int width) {
  std::vector<std::uint64_t> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (int b = 0; b < width; ++b) {
      const std::size_t at = BitPlace(i, static_cast<std::size_t>(b), n, width);
      out[i] |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(in[at / 8]) >> at % 8 & 1)
                << b;
    }
  }
  return out;
}

constexpr std::size_t kLengths[] = {0,   1,   2,   3,   7,   8,   9,   31,  63,   64,   65,
                                    100, 127, 128, 129, 191, 333, 992, 993, 1000, 1023, 1024};

TEST(BitpackTest, EqualsTheBitByBitLoopForEveryWidthAndLength) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int width = 0; width <= 64; ++width) {
    for (const std::size_t n : kLengths) {
      std::vector<std::uint64_t> values(n);
      for (std::uint64_t& v : values) v = RandomBits(random, width);
      std::string packed = "head";
      PackBits(values, width, &packed);
      const std::string expected = PackSlowly(values, width);
      ASSERT_EQ(packed, "head" + expected) << "width " << width << " n " << n;
      // An exact heap copy, so that a sanitizer sees any read beyond it.
      const std::vector<std::uint8_t> exact(expected.begin(), expected.end());
      std::vector<std::uint64_t> back(n, 99);
      UnpackBits(exact, width, back);
      ASSERT_EQ(back, values) << "width " << width << " n " << n;
      EXPECT_TRUE(PaddingIsZero(exact, n, width));
    }
  }
}

TEST(BitpackTest, UnpacksAnyBytesAsTheLoopDoes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int width = 0; width <= 64; ++width) {
    for (const std::size_t n : kLengths) {
      std::string bytes(PackedBytes(n, width), '\0');
      for (char& c : bytes) c = static_cast<char>(random.Next());
      std::vector<std::uint64_t> back(n);
      const std::uint64_t base = random.Next();
      UnpackBits(AsBytes(bytes), width, back, base);
      std::vector<std::uint64_t> expected = UnpackSlowly(bytes, n, width);
      for (std::uint64_t& v : expected) v += base;
      ASSERT_EQ(back, expected) << "width " << width << " n " << n;
    }
  }
}

TEST(BitpackTest, BaseIsSubtractedModulo64Bits) {
  const std::vector<std::uint64_t> values = {~std::uint64_t{0}, 0, 1, 2};
  std::string packed;
  PackBits(values, 2, &packed, ~std::uint64_t{0});
  EXPECT_EQ(packed, std::string(1, static_cast<char>(0b11'10'01'00)));
  std::vector<std::uint64_t> back(4);
  UnpackBits(AsBytes(packed), 2, back, ~std::uint64_t{0});
  EXPECT_EQ(back, values);
}

TEST(BitpackTest, SeesEverySetPaddingBit) {
  for (int width = 0; width <= 64; ++width) {
    for (const std::size_t n : {1, 3, 5, 7, 13}) {
      const std::size_t bits = n * static_cast<std::size_t>(width);
      std::vector<std::uint8_t> packed(PackedBytes(n, width), 0);
      for (std::size_t b = 0; b < 8 * packed.size(); ++b) {
        packed[b / 8] = static_cast<std::uint8_t>(1 << b % 8);
        EXPECT_EQ(PaddingIsZero(packed, n, width), b < bits) << width << " " << n << " " << b;
        packed[b / 8] = 0;
      }
    }
  }
}

TEST(BitpackTest, BitsFor) {
  EXPECT_EQ(BitsFor(0), 0);
  for (int b = 0; b < 64; ++b) {
    EXPECT_EQ(BitsFor(std::uint64_t{1} << b), b + 1);
    EXPECT_EQ(BitsFor((std::uint64_t{1} << b) - 1), b);
  }
}

}  // namespace
}  // namespace quipu
