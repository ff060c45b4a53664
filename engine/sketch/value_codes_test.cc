// Codes of values against the sketch that the values themselves give.
#include "sketch/value_codes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "sketch/exact_sum.h"

namespace quipu {
namespace {

std::uint64_t Seed() {
  const char* text = std::getenv("QUIPU_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : Random::SystemSeed();
}

/// A column with its own memory.
struct Column {
  int scale = 0;
  std::vector<std::uint8_t> present;
  std::vector<std::int64_t> narrow;
  std::vector<Int128> wide;
  [[nodiscard]] std::size_t size() const { return narrow.size() + wide.size(); }
  [[nodiscard]] DecimalSpan Span(std::size_t first, std::size_t end) const {
    return {scale, present.empty() ? nullptr : present.data() + first,
            narrow.empty() ? nullptr : narrow.data() + first,
            wide.empty() ? nullptr : wide.data() + first, end - first};
  }
  void AddTo(std::size_t first, std::size_t end, QuantileSketch* sketch) const {
    for (std::size_t i = first; i < end; ++i) {
      if (present.empty() || present[i] != 0)
        sketch->Add(narrow.empty() ? wide[i] : Int128{narrow[i]}, scale);
    }
  }
};

Column MakeColumn(Random& random, std::size_t rows) {
  Column column;
  column.scale = static_cast<int>(random.Below(19));
  const bool is_wide = random.Below(3) == 0;
  const bool has_absent = random.Below(2) == 0;
  const std::uint64_t bits = random.Below(64);
  for (std::size_t i = 0; i < rows; ++i) {
    const bool is_present = !has_absent || random.Below(4) != 0;
    if (has_absent) column.present.push_back(is_present ? 1 : 0);
    auto value = static_cast<std::int64_t>(random.Next() >> bits);
    if (random.Below(8) == 0) value /= 100'000;
    if (random.Below(100) == 0) value = random.Below(2) == 0 ? INT64_MIN : INT64_MAX;
    if (!is_present) value = 0;
    if (is_wide) {
      // Beyond 64 bits where the scale leaves room: below 10^20.
      column.wide.push_back(column.scale >= 3 ? Int128{value} * 37 : Int128{value});
    } else {
      column.narrow.push_back(value);
    }
  }
  return column;
}

TEST(ValueCodes, AnyStretchIsTheSketchOfItsValues) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::vector<std::int64_t> room;
  std::size_t added = 0;
  for (int round = 0; round < 60; ++round) {
    const Column column = MakeColumn(random, 1 + random.Below(6000));
    std::vector<QuantileSketch::Code> codes(column.size());
    CodeValues(column.Span(0, column.size()), codes.data());
    QuantileSketch expected, sketch;
    for (int stretch = 0; stretch < 6; ++stretch) {
      const std::size_t first = random.Below(column.size());
      const std::size_t end = first + 1 + random.Below(column.size() - first);
      const QuantileSketch::Bounds bounds = BoundsOf(column.Span(first, end), &room);
      column.AddTo(first, end, &expected);
      if (sketch.CanTake(bounds.count)) {
        sketch.AddCodes(bounds, std::span(codes).subspan(first, end - first));
        ++added;
      } else {
        column.AddTo(first, end, &sketch);
      }
      ASSERT_TRUE(sketch == expected) << "round " << round << ": " << first << ".." << end;
    }
  }
  EXPECT_GT(added, 60u);
}

TEST(ValueCodes, OfFewValuesNoHistogramIsMade) {
  QuantileSketch sketch;
  EXPECT_FALSE(sketch.CanTake(kQuantileExactMax));
  EXPECT_TRUE(sketch.CanTake(kQuantileExactMax + 1));
  for (int i = 0; i < 24; ++i) sketch.Add(i, 0);
  EXPECT_FALSE(sketch.CanTake(kQuantileExactMax - 24));
  EXPECT_TRUE(sketch.CanTake(kQuantileExactMax - 23)) << "together they are more than are kept";
  for (int i = 24; i < 1025; ++i) sketch.Add(i, 0);
  EXPECT_TRUE(sketch.CanTake(1)) << "it is one already";
  EXPECT_FALSE(QuantileSketch(/*exact_always=*/true).CanTake(1'000'000));
}

TEST(ValueCodes, WorkedExample) {
  const std::int64_t values[] = {12'500, 0, 31, 12'500};
  const std::uint8_t present[] = {1, 0, 1, 1};
  const DecimalSpan column{3, present, values, nullptr, 4};
  QuantileSketch::Code codes[4];
  CodeValues(column, codes);
  EXPECT_EQ(codes[0], 40'109);
  EXPECT_EQ(codes[1], QuantileSketch::kNoCode);
  EXPECT_EQ(codes[2], 39'004);
  EXPECT_EQ(codes[3], codes[0]);
  std::vector<std::int64_t> room;
  const QuantileSketch::Bounds bounds = BoundsOf({3, present + 1, values + 1, nullptr, 3}, &room);
  EXPECT_EQ(bounds.count, 2u);
  EXPECT_EQ(bounds.scale, 3) << "0.031";
  EXPECT_TRUE(bounds.min == AtSumScale(31, 3) && bounds.max == AtSumScale(12'500, 3));
  EXPECT_EQ(BoundsOf({3, present + 1, values + 1, nullptr, 1}, &room).count, 0u);
}

}  // namespace
}  // namespace quipu
