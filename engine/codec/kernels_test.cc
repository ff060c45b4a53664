// Every kernel of every table that this processor runs, against the plainest loop.
#include "codec/kernels.h"

#include <gtest/gtest.h>

#include <vector>

#include "codec/bitpack.h"
#include "codec/test_vectors.h"

namespace quipu {
namespace {

using Words = std::vector<std::uint64_t>;

// Random values of a width: any, all largest, all zero, or the largest among zeros.
Words WordsOf(int width, int shape, Random& random) {
  Words values(kInterleavedValues);
  for (std::uint64_t& v : values) {
    const std::uint64_t largest = width == 0 ? 0 : ~std::uint64_t{0} >> (64 - width);
    v = shape == 0              ? RandomBits(random, width)
        : shape == 1            ? largest
        : shape == 2            ? 0
        : random.Below(30) == 0 ? largest
                                : 0;
  }
  return values;
}

std::vector<std::uint8_t> PackSlowly(const Words& values, int width) {
  std::vector<std::uint8_t> out(128 * static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (int b = 0; b < width; ++b) {
      const std::size_t in_lane =
          i / 16 * static_cast<std::size_t>(width) + static_cast<std::size_t>(b);
      const std::size_t at = (in_lane / 64 * 16 + i % 16) * 64 + in_lane % 64;
      if (values[i] >> b & 1) out[at / 8] = static_cast<std::uint8_t>(out[at / 8] | 1 << at % 8);
    }
  }
  return out;
}

TEST(KernelsTest, PackUnpackAndSumOfEveryWidth) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int width = 0; width <= 64; ++width) {
    for (int shape = 0; shape < 4; ++shape) {
      const Words values = WordsOf(width, shape, random);
      const std::vector<std::uint8_t> packed = PackSlowly(values, width);
      const std::uint64_t base = random.Next();
      Words moved = values;
      Uint128 sum = 0;
      for (std::uint64_t& v : moved) {
        sum += v;
        v += base;
      }
      for (const KernelTable* table : SupportedKernels()) {
        SCOPED_TRACE(std::string(table->name) + " width " + std::to_string(width));
        std::vector<std::uint8_t> bytes(packed.size());
        table->pack[width](moved.data(), base, bytes.data());
        ASSERT_EQ(bytes, packed);
        Words back(kInterleavedValues);
        table->unpack[width](packed.data(), base, back.data());
        ASSERT_EQ(back, moved);
        const WideSum total = table->sum[width](packed.data());
        ASSERT_EQ(total.low, static_cast<std::uint64_t>(sum));
        ASSERT_EQ(total.high, static_cast<std::uint64_t>(sum >> 64));
      }
    }
  }
}

TEST(KernelsTest, StatisticsOfEveryLength) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (std::size_t n = 2; n <= 1024; n += n < 70 ? 1 : 53) {
    const std::vector<std::int64_t> v =
        MakeShape(static_cast<int>(random.Below(kShapes)), n, random);
    IntStatistics e{v[0],
                    v[0],
                    static_cast<std::uint64_t>(v[0]),
                    std::numeric_limits<std::int64_t>::max(),
                    std::numeric_limits<std::int64_t>::min(),
                    ~std::uint64_t{0},
                    0};
    for (std::size_t i = 1; i < n; ++i) {
      const auto delta = static_cast<std::uint64_t>(v[i]) - static_cast<std::uint64_t>(v[i - 1]);
      e.min = std::min(e.min, v[i]);
      e.max = std::max(e.max, v[i]);
      e.low = std::min(e.low, static_cast<std::uint64_t>(v[i]));
      e.delta_min = std::min(e.delta_min, static_cast<std::int64_t>(delta));
      e.delta_max = std::max(e.delta_max, static_cast<std::int64_t>(delta));
      e.delta_low = std::min(e.delta_low, delta);
      e.changes += delta != 0 ? 1u : 0u;
    }
    for (const KernelTable* table : SupportedKernels()) {
      SCOPED_TRACE(std::string(table->name) + " n " + std::to_string(n));
      IntStatistics s;
      table->measure(v.data(), n, &s);
      EXPECT_TRUE(s.min == e.min && s.max == e.max && s.low == e.low);
      EXPECT_TRUE(s.delta_min == e.delta_min && s.delta_max == e.delta_max);
      EXPECT_TRUE(s.delta_low == e.delta_low && s.changes == e.changes);
    }
  }
}

TEST(KernelsTest, SumsDifferencesAndWidthsOfEveryLength) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (std::size_t n = 1; n <= 1023; n += n < 70 ? 1 : 53) {
    Words v(n + 1);
    for (std::uint64_t& word : v) word = RandomBits(random, static_cast<int>(random.Below(65)));
    const std::uint64_t base = RandomBits(random, static_cast<int>(random.Below(65)));
    const int wide = static_cast<int>(random.Below(64)),
              narrow = static_cast<int>(random.Below(64));
    Words sums(n), differences(n), low(n), positions;
    std::vector<std::uint8_t> widths(1024);
    std::uint64_t sum = base, beyond[2] = {0, 0};
    for (std::size_t i = 0; i < n; ++i) {
      sums[i] = sum += v[i];
      differences[i] = v[i + 1] - v[i];
      const std::uint64_t residual = v[i] - base;
      widths[i] = static_cast<std::uint8_t>(BitsFor(residual));
      beyond[0] += residual >> wide != 0 ? 1u : 0u;
      beyond[1] += residual >> narrow != 0 ? 1u : 0u;
      low[i] = residual & ((std::uint64_t{1} << wide) - 1);
      if (residual >> wide != 0) positions.push_back(i);
    }
    for (const KernelTable* table : SupportedKernels()) {
      SCOPED_TRACE(std::string(table->name) + " n " + std::to_string(n));
      Words out(n), found(n);
      table->prefix_sum(v.data(), n, base, out.data());
      EXPECT_EQ(out, sums);
      table->differences(v.data(), n, out.data());
      EXPECT_EQ(out, differences);
      std::uint64_t counts[2];
      table->exceed(v.data(), n, base, wide, narrow, counts);
      EXPECT_TRUE(counts[0] == beyond[0] && counts[1] == beyond[1]);
      std::vector<std::uint8_t> some(1024, 99);
      table->find_widths(v.data(), n, base, some.data());
      EXPECT_EQ(some, widths);
      EXPECT_EQ(table->count_above(widths.data(), wide), beyond[0]);
      found.resize(table->split(v.data(), n, base, wide, out.data(), found.data()));
      EXPECT_EQ(out, low);
      EXPECT_EQ(found, positions);
    }
  }
}

TEST(KernelsTest, NarrowKeepsLowerHalvesAndFindsTheLargest) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (std::size_t n = 0; n <= kInterleavedValues; n += n < 40 ? 1 : 123) {
    std::vector<std::uint64_t> v(n);
    const std::uint64_t bits = 1 + random.Below(64);
    for (std::uint64_t& value : v) value = random.Next() >> (64 - bits);
    if (n > 0) v[random.Below(n)] = ~std::uint64_t{0} >> random.Below(64);
    std::uint64_t largest = 0;
    std::vector<std::uint32_t> halves;
    for (const std::uint64_t value : v) {
      largest = std::max(largest, value);
      halves.push_back(static_cast<std::uint32_t>(value));
    }
    for (const KernelTable* table : SupportedKernels()) {
      SCOPED_TRACE(table->name);
      std::vector<std::uint32_t> out(n);
      EXPECT_EQ(table->narrow(v.data(), n, out.data()), largest);
      EXPECT_EQ(out, halves);
    }
  }
}

TEST(KernelsTest, RangeIsTheSmallestAndTheLargest) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (std::size_t n = 1; n <= kInterleavedValues; n += n < 40 ? 1 : 123) {
    std::vector<std::int64_t> v(n);
    const std::uint64_t bits = random.Below(64);
    for (std::int64_t& value : v) value = static_cast<std::int64_t>(random.Next()) >> bits;
    if (n > 1) v[random.Below(n)] = INT64_MAX - static_cast<std::int64_t>(random.Below(2));
    v[random.Below(n)] = INT64_MIN + static_cast<std::int64_t>(random.Below(2));
    const auto [min, max] = std::minmax_element(v.begin(), v.end());
    for (const KernelTable* table : SupportedKernels()) {
      SCOPED_TRACE(table->name);
      const IntRange range = table->range(v.data(), n);
      EXPECT_EQ(range.min, *min);
      EXPECT_EQ(range.max, *max);
    }
  }
}

TEST(KernelsTest, TheBestTableIsTheLastSupported) {
  ASSERT_FALSE(SupportedKernels().empty());
  EXPECT_EQ(&Kernels(), SupportedKernels().back());
}

}  // namespace
}  // namespace quipu
