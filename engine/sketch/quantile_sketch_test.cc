#include "sketch/quantile_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "sketch/exact_sum.h"

namespace quipu {
namespace {

std::uint64_t Seed() {
  const char* text = std::getenv("QUIPU_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : Random::SystemSeed();
}

constexpr std::uint32_t kPpms[] = {0,       1,       1'000,   10'000,  250'000,  500'000,
                                   900'000, 950'000, 990'000, 999'999, 1'000'000};

std::string Encoded(const QuantileSketch& sketch) {
  std::string out;
  sketch.EncodeTo(&out);
  return out;
}

Result<QuantileSketch> Decoded(const std::string& bytes) {
  ByteReader reader(AsBytes(bytes));
  return QuantileSketch::Decode(reader);
}

// Log-uniform magnitudes, both signs, zeros, any scale.
Decimal RandomValue(Random& random, int signs) {
  if (random.Below(50) == 0) return Decimal();
  const int scale = static_cast<int>(random.Below(19));
  const auto bits = (static_cast<Uint128>(random.Next()) << 64) | random.Next();
  Uint128 magnitude = bits >> random.Below(128);
  magnitude %= PowerOf10(20 + scale);
  const bool negative = signs < 0 || (signs == 0 && random.Below(2) == 0);
  return Decimal(negative ? -static_cast<Int128>(magnitude) : static_cast<Int128>(magnitude),
                 scale);
}

QuantileSketch SketchOf(const std::vector<Decimal>& values) {
  QuantileSketch sketch;
  for (const Decimal& d : values) sketch.Add(d.mantissa(), d.scale());
  return sketch;
}

// Nearest rank on the sorted values, at scale 18.
Int128 Truth(const std::vector<Int128>& sorted, std::uint32_t ppm) {
  const std::uint64_t ceiling = (sorted.size() * ppm + 999'999) / 1'000'000;
  return sorted[std::max<std::uint64_t>(ceiling, 1) - 1];
}

std::vector<Int128> SortedAtScale18(const std::vector<Decimal>& values) {
  std::vector<Int128> sorted;
  for (const Decimal& d : values) sorted.push_back(AtSumScale(d));
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

TEST(QuantileSketch, BucketsTileTheNumberLine) {
  const auto max = static_cast<Int128>(PowerOf10(38) - 1);
  const std::int32_t last = QuantileSketch::BucketOf(max);
  EXPECT_EQ(QuantileSketch::BucketOf(-max), -last);
  Int128 next = 0;
  for (std::int32_t b = 0; b <= last; ++b) {
    const auto [low, high] = QuantileSketch::BucketBounds(b);
    ASSERT_TRUE(low == next) << b;
    ASSERT_EQ(QuantileSketch::BucketOf(low), b);
    ASSERT_EQ(QuantileSketch::BucketOf(high), b);
    ASSERT_EQ(QuantileSketch::BucketOf(-low), -b);
    ASSERT_TRUE(QuantileSketch::BucketBounds(-b) == (std::pair{-high, -low}));
    ASSERT_TRUE(high - low <= low / 128);
    if (b == last) {
      EXPECT_TRUE(high >= max);
    } else {
      next = high + 1;
    }
  }
}

TEST(QuantileSketch, UpTo1024ValuesItIsNearestRank) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const std::size_t n : {std::size_t{1}, std::size_t{2}, std::size_t{99}, std::size_t{1024}}) {
    std::vector<Decimal> values(n);
    for (Decimal& d : values) d = RandomValue(random, 0);
    const QuantileSketch sketch = SketchOf(values);
    ASSERT_TRUE(sketch.exact());
    const auto sorted = SortedAtScale18(values);
    for (const std::uint32_t ppm : kPpms)
      EXPECT_EQ(sketch.Quantile(ppm), Decimal(Truth(sorted, ppm), 18));
  }
}

TEST(QuantileSketch, HistogramStaysWithinItsError) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const int signs : {1, -1, 0}) {
    std::vector<Decimal> values(1025 + random.Below(5000));
    for (Decimal& d : values) d = RandomValue(random, signs);
    const QuantileSketch sketch = SketchOf(values);
    ASSERT_FALSE(sketch.exact());
    const auto sorted = SortedAtScale18(values);
    for (std::uint32_t ppm = 0; ppm <= 1'000'000; ppm += 997) {
      const auto truth = static_cast<double>(Truth(sorted, ppm));
      const auto answer = static_cast<double>(AtSumScale(sketch.Quantile(ppm)));
      ASSERT_LE(std::abs(answer - truth), std::abs(truth) * kQuantileRelativeError) << ppm;
    }
    EXPECT_TRUE(AtSumScale(sketch.Quantile(0)) >= sorted.front());
    EXPECT_TRUE(AtSumScale(sketch.Quantile(1'000'000)) <= sorted.back());
  }
}

TEST(QuantileSketch, SmallNumbersComeBackExactlyFromTheHistogram) {
  for (const int scale : {0, 2, 18}) {
    QuantileSketch sketch;
    std::vector<Int128> sorted;
    for (int i = -1024; i < 1024; ++i) {
      const Int128 v = i / 8;
      sketch.Add(v, scale);
      sorted.push_back(AtSumScale(v, scale));
    }
    ASSERT_FALSE(sketch.exact());
    for (const std::uint32_t ppm : kPpms)
      EXPECT_EQ(sketch.Quantile(ppm), Decimal(Truth(sorted, ppm), 18)) << scale;
  }
}

TEST(QuantileSketch, WholeNumbersAnswerInWholesOrHalves) {
  QuantileSketch sketch;
  for (std::int64_t i = 0; i < 100'000; ++i) sketch.Add(i * 37 % 50'000, 0);
  for (std::uint32_t ppm = 1000; ppm < 1'000'000; ppm += 7919) {
    const Decimal d = sketch.Quantile(ppm);
    EXPECT_TRUE(d.scale() == 0 || (d.scale() == 1 && d.mantissa() % 10 == 5)) << d.ToString();
  }
}

TEST(QuantileSketch, ExtremesFit) {
  const auto extreme = static_cast<Int128>(PowerOf10(38) - 1);
  for (const int copies : {1, 600}) {
    QuantileSketch sketch;
    for (int i = 0; i < copies; ++i) {
      sketch.Add(extreme, 18);
      sketch.Add(-extreme, 18);
    }
    EXPECT_EQ(sketch.exact(), copies == 1);
    EXPECT_TRUE(AtSumScale(sketch.Quantile(0)) >= -extreme);
    EXPECT_TRUE(AtSumScale(sketch.Quantile(1'000'000)) <= extreme);
    const auto again = Decoded(Encoded(sketch));
    ASSERT_TRUE(again) << again.error().ToString();
    EXPECT_EQ(*again, sketch);
  }
}

TEST(QuantileSketch, AnyPartitionAndOrderGivesTheSameBytes) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const std::size_t n :
       {std::size_t{1000}, std::size_t{1024}, std::size_t{1025}, std::size_t{6000}}) {
    std::vector<Decimal> values(n);
    for (Decimal& d : values) d = RandomValue(random, 0);
    const std::string whole = Encoded(SketchOf(values));
    for (int round = 0; round < 6; ++round) {
      for (std::size_t i = n; i > 1; --i) std::swap(values[i - 1], values[random.Below(i)]);
      std::vector<QuantileSketch> parts(1 + random.Below(8));
      for (const Decimal& d : values)
        parts[random.Below(parts.size())].Add(d.mantissa(), d.scale());
      while (parts.size() > 1) {  // a random tree, merging in memory or from bytes
        std::swap(parts.back(), parts[random.Below(parts.size())]);
        const QuantileSketch last = std::move(parts.back());
        parts.pop_back();
        QuantileSketch& into = parts[random.Below(parts.size())];
        if (random.Below(2) == 0) {
          into.Merge(last);
        } else {
          const std::string bytes = Encoded(last);
          ByteReader reader(AsBytes(bytes));
          ASSERT_TRUE(into.MergeEncoded(reader).ok());
          EXPECT_EQ(reader.remaining(), 0U);
        }
      }
      ASSERT_EQ(Encoded(parts[0]), whole);
      const auto again = Decoded(whole);
      ASSERT_TRUE(again) << again.error().ToString();
      EXPECT_EQ(*again, parts[0]);
      for (const std::uint32_t ppm : kPpms) EXPECT_EQ(again->Quantile(ppm), parts[0].Quantile(ppm));
    }
  }
}

TEST(QuantileSketch, AddManyIsAddOneByOne) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    QuantileSketch many, single;
    for (std::uint64_t part = random.Below(6) + 1; part > 0; --part) {
      const int scale = static_cast<int>(random.Below(19));
      const std::int64_t zeros = PowerOf10I64(static_cast<int>(random.Below(8)));
      std::vector<std::int64_t> mantissas(random.Below(1200));
      for (std::int64_t& m : mantissas) {
        m = static_cast<std::int64_t>(random.Next() >> random.Below(64));
        if (random.Below(2) == 0) m = m / zeros * zeros;
        if (random.Below(100) == 0) m = random.Below(2) == 0 ? INT64_MIN : INT64_MAX;
      }
      many.AddMany(mantissas, scale);
      for (const std::int64_t m : mantissas) single.Add(m, scale);
      ASSERT_EQ(many.count(), single.count());
      ASSERT_EQ(many.exact(), single.exact());
    }
    ASSERT_EQ(Encoded(many), Encoded(single)) << "round " << round;
    QuantileSketch merged;
    merged.Merge(many);
    merged.Merge(single);
    single.Merge(many);
    ASSERT_EQ(Encoded(merged), Encoded(single)) << "round " << round;
  }
}

// The fast ways through doubles and 32 bits, at the edges of every bucket, against one value at a time.
TEST(QuantileSketch, ManyAtTheEdgesOfBucketsAreWhatTheyAreOneByOne) {
  for (int scale = 0; scale <= kSumScale; ++scale) {
    const auto factor = static_cast<Int128>(PowerOf10(kSumScale - scale));
    std::vector<std::int64_t> narrow, middle;
    std::vector<std::uint32_t> narrow32;
    const std::int32_t last = QuantileSketch::BucketOf((Int128{1} << 54) * factor);
    for (std::int32_t b = 0; b < last; ++b) {
      const auto at = static_cast<std::int64_t>(QuantileSketch::BucketBounds(b).first / factor);
      for (std::int64_t v = std::max<std::int64_t>(at - 1, 0); v <= at + 2; ++v) {
        if (v <= std::int64_t{1} << 53) middle.push_back(v);
        if (v > UINT32_MAX) continue;
        narrow.push_back(v);
        narrow32.push_back(static_cast<std::uint32_t>(v));
      }
    }
    ASSERT_GT(narrow.size(), kQuantileExactMax);
    const auto one_by_one = [&](const std::vector<std::int64_t>& values) {
      QuantileSketch sketch;
      for (const std::int64_t v : values) sketch.Add(v, scale);
      return Encoded(sketch);
    };
    const auto [low, high] = std::minmax_element(narrow.begin(), narrow.end());
    QuantileSketch wide, many, many32;
    wide.AddMany(middle, scale);
    many.AddMany(narrow, *low, *high, scale);
    many32.AddMany(std::span<const std::uint32_t>(narrow32), *low, *high, scale);
    ASSERT_EQ(Encoded(wide), one_by_one(middle)) << "scale " << scale;
    ASSERT_EQ(Encoded(many), one_by_one(narrow)) << "scale " << scale;
    ASSERT_EQ(Encoded(many32), Encoded(many)) << "scale " << scale;
  }
}

TEST(QuantileSketch, RepeatedIsAddedAsOften) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  constexpr std::int64_t kValues[] = {0, 1, -1, 1'500'000, INT64_MAX, INT64_MIN + 1, INT64_MIN};
  for (int round = 0; round < 300; ++round) {
    QuantileSketch sketch, expected;
    for (std::uint64_t parts = random.Below(5); parts > 0; --parts) {
      const std::int64_t v = kValues[random.Below(std::size(kValues))];
      const int scale = static_cast<int>(random.Below(19));
      const std::uint64_t n = random.Below(700);
      sketch.AddRepeated(v, n, scale);
      for (std::uint64_t i = 0; i < n; ++i) expected.Add(v, scale);
    }
    ASSERT_EQ(Encoded(sketch), Encoded(expected)) << "round " << round;
  }
}

TEST(QuantileSketch, MergingWithItselfDoublesEveryCount) {
  QuantileSketch sketch;
  for (int i = 0; i < 1000; ++i) sketch.Add(i, 0);
  QuantileSketch twice = sketch;
  twice.Merge(sketch);
  sketch.Merge(sketch);
  EXPECT_EQ(sketch.count(), 2000U);
  EXPECT_EQ(sketch, twice);
  sketch.Merge(sketch);
  twice.Merge(QuantileSketch(twice));
  EXPECT_EQ(sketch, twice);
}

TEST(QuantileSketch, ExactAlwaysKeepsEveryValueButEncodesCanonically) {
  Random random(3);
  QuantileSketch all(true), usual;
  std::vector<Decimal> values(3000);
  for (Decimal& d : values) {
    d = RandomValue(random, 0);
    all.Add(d.mantissa(), d.scale());
    usual.Add(d.mantissa(), d.scale());
  }
  EXPECT_TRUE(all.exact());
  const auto sorted = SortedAtScale18(values);
  for (const std::uint32_t ppm : kPpms)
    EXPECT_EQ(all.Quantile(ppm), Decimal(Truth(sorted, ppm), 18));
  EXPECT_EQ(Encoded(all), Encoded(usual));
  EXPECT_EQ(all, usual);
  const std::string histogram = Encoded(usual);
  ByteReader reader(AsBytes(histogram));
  EXPECT_EQ(all.MergeEncoded(reader).code(), StatusCode::kInternal);
}

TEST(QuantileSketch, ValuesDecideEqualityNotTheirScaleOrOrder) {
  QuantileSketch a, b, c;
  a.Add(150, 2);
  a.Add(2, 0);
  b.Add(2000, 3);
  b.Add(15, 1);
  c.Add(15, 1);
  c.Add(3, 0);
  EXPECT_EQ(a, b);
  EXPECT_FALSE(a == c);
  // The worked example of formats/sketches.md.
  EXPECT_EQ(Encoded(a), std::string("\x00\x01\x02\x1e\x05", 5));
}

TEST(QuantileSketch, WorkedHistogramExample) {
  QuantileSketch sketch;
  for (int i = 0; i < 1000; ++i) sketch.Add(0, 0);
  for (int i = 0; i < 200; ++i) sketch.Add(1, 18);
  // tag 1, scale 18, count 1200, min 0, spread 1, 2 buckets, (0, 1000), (1, 200)
  EXPECT_EQ(Encoded(sketch),
            std::string("\x01\x12\xb0\x09\x00\x01\x02\x00\xe8\x07\x01\xc8\x01", 13));
}

TEST(QuantileSketch, RejectsFormsThatAreNotCanonical) {
  const auto code = [](std::string_view bytes) {
    return Decoded(std::string(bytes)).error().code();
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(code("\x00\x00\x00"sv), StatusCode::kOk);
  EXPECT_EQ(code(""sv), StatusCode::kCorruption);
  EXPECT_EQ(code("\x02\x00\x00"sv), StatusCode::kCorruption);  // unknown tag
  EXPECT_EQ(code("\x00\x13\x00"sv), StatusCode::kCorruption);  // scale 19
  EXPECT_EQ(code("\x00\x01\x01\x14"sv),
            StatusCode::kCorruption);  // 10 x 10^-1 is not in lowest terms
  EXPECT_EQ(code("\x00\x00\x02\x02"sv), StatusCode::kCorruption);      // ends early
  EXPECT_EQ(code("\x00\x00\x81\x08\x02"sv), StatusCode::kCorruption);  // 1,025 values in exact mode
  const std::string head("\x01\x12\xb0\x09");
  const auto histogram = [&](std::string_view rest) { return code(head + std::string(rest)); };
  EXPECT_EQ(histogram("\x00\x01\x02\x00\xe8\x07\x01\xc8\x01"sv), StatusCode::kOk);
  EXPECT_EQ(histogram("\x00\x01\x02\x00\xe8\x07\x01\xc9\x01"sv),
            StatusCode::kCorruption);  // counts too large
  EXPECT_EQ(histogram("\x00\x01\x02\x00\xe8\x07\x01\xc7\x01"sv),
            StatusCode::kCorruption);  // counts too small
  EXPECT_EQ(histogram("\x00\x02\x02\x00\xe8\x07\x01\xc8\x01"sv),
            StatusCode::kCorruption);  // max in no bucket
  EXPECT_EQ(histogram("\x00\x01\x02\x01\xe8\x07\x01\xc8\x01"sv),
            StatusCode::kCorruption);  // min in no bucket
  EXPECT_EQ(histogram("\x00\x01\x02\x00\xe8\x07\x02\xc8\x01"sv),
            StatusCode::kCorruption);  // bucket above max
  EXPECT_EQ(histogram("\x00\x01\x02\x00\xe8\x07\x00\xc8\x01"sv),
            StatusCode::kCorruption);  // bucket repeated
  EXPECT_EQ(histogram("\x00\x01\x03\x00\xe8\x07\x01\xc8\x01\x00\x00"sv),
            StatusCode::kCorruption);  // empty bucket
  EXPECT_EQ(code("\x01\x12\x80\x08\x00\x00\x01\x00\x80\x08"sv),
            StatusCode::kCorruption);  // histogram of 1,024
}

// A mutation either is refused or gives a sketch that answers and encodes to the same bytes again, unless a varint was longer than needed.
TEST(QuantileSketch, MutatedBytesNeverCrash) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  int accepted = 0, refused = 0;
  for (const std::size_t n : {std::size_t{20}, std::size_t{1200}}) {
    std::vector<Decimal> values(n);
    for (Decimal& d : values) d = RandomValue(random, 0);
    const std::string good = Encoded(SketchOf(values));
    for (int round = 0; round < 4000; ++round) {
      std::string bad = good;
      for (std::uint64_t k = 1 + random.Below(3); k > 0; --k) {
        const std::size_t place =
            random.Below(random.Below(2) == 0 ? bad.size() : std::min<std::size_t>(bad.size(), 40));
        bad[place] = static_cast<char>(random.Below(4) == 0 ? random.Next()
                                                            : bad[place] ^ (1 << random.Below(8)));
      }
      if (random.Below(8) == 0) bad.resize(random.Below(bad.size()));
      const auto sketch = Decoded(bad);
      if (!sketch) {
        ++refused;
        ASSERT_EQ(sketch.error().code(), StatusCode::kCorruption);
        continue;
      }
      ++accepted;
      if (sketch->count() == 0) continue;
      for (const std::uint32_t ppm : kPpms) static_cast<void>(sketch->Quantile(ppm));
      const auto again = Decoded(Encoded(*sketch));
      ASSERT_TRUE(again) << again.error().ToString();
      ASSERT_EQ(*again, *sketch);
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace quipu
