// The encoders and decoders of column pages, one by one.
#include <gtest/gtest.h>

#include "base/check.h"
#include "segment/dimension_page.h"
#include "segment/id_page.h"
#include "segment/measure_page.h"
#include "segment/segment_testing.h"
#include "segment/string_page.h"
#include "segment/time_page.h"
#include "segment/vector_table.h"

namespace quipu {
namespace {

DecimalColumn ColumnOf(int scale, const std::vector<Int128>& mantissas,
                       std::vector<std::uint8_t> present = {}) {
  DecimalColumn column;
  column.scale = scale;
  column.wide = mantissas;
  column.present = std::move(present);
  return column;
}

MeasureVector Decode(const std::string& page, std::size_t rows, std::size_t v = 0) {
  MeasureVector vector;
  const Status status = DecodeMeasureVector(AsBytes(page), nullptr, rows, v, &vector);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return vector;
}

TEST(MeasurePageTest, EachVectorHasItsOwnSmallestScale) {
  std::vector<Int128> mantissas(2 * kVectorRows, 1500);  // 1.500 at scale 3
  mantissas[kVectorRows] = 1501;
  std::string page;
  EncodeMeasurePage(ColumnOf(3, mantissas), nullptr, mantissas.size(), &page);
  const MeasureVector first = Decode(page, mantissas.size(), 0),
                      second = Decode(page, mantissas.size(), 1);
  EXPECT_EQ(first.scale, 1);
  EXPECT_EQ(first.narrow[0], 15);
  EXPECT_EQ(second.scale, 3);
  EXPECT_EQ(second.narrow[0], 1501);
  EXPECT_EQ(second.narrow[1], 1500);
  EXPECT_TRUE(first.all_present);
}

TEST(MeasurePageTest, IsWideOnlyWhereItMustBe) {
  const Int128 limit = static_cast<Int128>(std::numeric_limits<std::int64_t>::max());
  const Int128 hundred_limit = limit * 100;
  std::string narrow, wide;
  EncodeMeasurePage(ColumnOf(2, {hundred_limit, -hundred_limit, 0}), nullptr, 3, &narrow);
  EncodeMeasurePage(ColumnOf(2, {hundred_limit + 1, -hundred_limit, 0}), nullptr, 3, &wide);
  const MeasureVector n = Decode(narrow, 3), w = Decode(wide, 3);
  EXPECT_FALSE(n.is_wide);
  EXPECT_EQ(n.scale, 0);
  EXPECT_TRUE(n.narrow[0] == limit && n.narrow[1] == -limit);
  EXPECT_TRUE(w.is_wide);
  EXPECT_EQ(w.scale, 2);
  EXPECT_TRUE(w.wide[0] == hundred_limit + 1 && w.wide[1] == -hundred_limit && w.wide[2] == 0);
  EXPECT_TRUE(w.narrow.empty() && n.wide.empty());
}

DecimalColumn NarrowColumn(int scale, std::vector<std::int64_t> mantissas,
                           std::vector<std::uint8_t> present = {}) {
  DecimalColumn column;
  column.scale = scale;
  column.narrow = std::move(mantissas);
  column.present = std::move(present);
  return column;
}

TEST(MeasurePageTest, ACostThatFollowsFromTheQuantityIsItsPrice) {
  Random random(5);
  const std::size_t rows = 2 * kVectorRows;
  std::vector<std::int64_t> micros(rows), costs(rows);
  std::vector<std::uint8_t> present(rows, 1);
  for (std::size_t i = 0; i < rows; ++i) {
    micros[i] = static_cast<std::int64_t>(random.Below(3'000'000'000));
    costs[i] = (micros[i] + 5) / 10;  // 0.0001 x quantity at 9 places
    if (i >= kVectorRows && i % 3 == 0) {
      present[i] = 0;
      costs[i] = 0;
    }
  }
  const DecimalColumn quantity = NarrowColumn(6, micros);
  const DecimalColumn cost = NarrowColumn(9, costs, present);
  std::string quantities, page, alone;
  EncodeMeasurePage(quantity, nullptr, rows, &quantities);
  EncodeMeasurePage(cost, &quantity, rows, &page);
  EncodeMeasurePage(cost, nullptr, rows, &alone);
  EXPECT_LT(page.size(), 250u) << "of which 128 say which rows have a cost";
  EXPECT_GT(alone.size(), 5000u);
  for (std::size_t v = 0; v < 2; ++v) {
    ASSERT_TRUE(*IsDerived(AsBytes(page), rows, v));
    const MeasureVector expected = Decode(alone, rows, v), given = Decode(quantities, rows, v);
    MeasureVector vector;
    ASSERT_TRUE(DecodeMeasureVector(AsBytes(page), &given, rows, v, &vector).ok());
    EXPECT_EQ(vector.narrow, expected.narrow);
    EXPECT_EQ(vector.present, expected.present);
    EXPECT_EQ(vector.scale, expected.scale);
    EXPECT_EQ(*DecodeMeasureStats(AsBytes(page), rows, v), StatsOf(vector));
    MeasureVector none, absent;
    FillAbsent(RowsOfVector(rows, v), &absent);
    const MeasureVector* const wrong_ones[] = {nullptr, &none, &absent};
    for (const MeasureVector* wrong : wrong_ones) {
      EXPECT_EQ(DecodeMeasureVector(AsBytes(page), wrong, rows, v, &vector).code(),
                StatusCode::kCorruption);
    }
  }
}

TEST(MeasurePageTest, HoldsTheLargestValuesThatThereAre) {
  const auto largest =
      static_cast<Int128>(PowerOf10(38) - 1);  // 99999999999999999999.999999999999999999
  std::vector<Int128> mantissas(kVectorRows, largest);
  mantissas[7] = -largest;
  std::string page;
  EncodeMeasurePage(ColumnOf(18, mantissas), nullptr, kVectorRows, &page);
  const MeasureVector vector = Decode(page, kVectorRows);
  EXPECT_TRUE(vector.wide == mantissas);
  const Result<MeasureVectorStats> stats = DecodeMeasureStats(AsBytes(page), kVectorRows, 0);
  ASSERT_TRUE(stats);
  EXPECT_EQ(*stats, StatsOf(vector));
  ExactSum sum;
  for (const Int128 m : mantissas) sum.Add(m, 18);
  EXPECT_EQ(stats->sum, sum) << "beyond 128 bits, still exact";
  EXPECT_TRUE(stats->min == -largest && stats->max == largest);
}

TEST(MeasurePageTest, AbsentIsNotZero) {
  const std::vector<Int128> mantissas = {0, 0, 5, 0};
  std::string page, none;
  EncodeMeasurePage(ColumnOf(0, mantissas, {1, 0, 1, 0}), nullptr, 4, &page);
  EncodeMeasurePage(ColumnOf(0, mantissas, {0, 0, 0, 0}), nullptr, 4, &none);
  const MeasureVector vector = Decode(page, 4), empty = Decode(none, 4);
  EXPECT_EQ(vector.present, (std::vector<std::uint8_t>{1, 0, 1, 0}));
  EXPECT_EQ(vector.narrow, (std::vector<std::int64_t>{0, 0, 5, 0}));
  EXPECT_EQ(vector.present_count, 2u);
  EXPECT_FALSE(vector.all_present);
  EXPECT_EQ(empty.present, std::vector<std::uint8_t>(4, 0));
  EXPECT_EQ(empty.present_count, 0u);
  EXPECT_EQ(none.size(), 5u) << "a table entry and a flag";
}

TEST(DimensionPageTest, DictionaryIsSortedAndHoldsOnlyWhatOccurs) {
  CodedColumn column;
  for (const char* s : {"pear", "unused", "apple", ""}) column.dictionary.Add(s);
  column.codes = {1, 3, 0, 4, 1};
  const SortedColumn sorted = SortDictionary(column);
  EXPECT_EQ(sorted.strings, (std::vector<std::string_view>{"", "apple", "pear"}));
  EXPECT_EQ(sorted.codes, (std::vector<std::uint32_t>{3, 2, 0, 1, 3}));
  std::string page;
  EncodeCodesPage(sorted.codes, &page);
  std::vector<std::uint32_t> codes;
  QUIPU_ASSERT_OK(DecodeCodes(AsBytes(page), 5, 0, 3, &codes));
  EXPECT_EQ(codes, sorted.codes);
  EXPECT_EQ(*DecodeCodeBounds(AsBytes(page), 5, 0), (CodeBounds{1, 3, true}));
  EXPECT_EQ(DecodeCodes(AsBytes(page), 5, 0, 2, &codes).code(), StatusCode::kCorruption)
      << "dictionary too small";
}

TEST(StringPageTest, ChecksOrderCountAndLength) {
  const std::vector<std::string_view> strings = {"b", "a"};
  std::string page;
  QUIPU_ASSERT_OK(
      EncodeStringPage(strings, {.count_max = 2, .string_bytes_max = 1, .sorted = false}, &page));
  EXPECT_TRUE(
      DecodeStringPage(AsBytes(page), {.count_max = 2, .string_bytes_max = 1, .sorted = false}));
  EXPECT_FALSE(
      DecodeStringPage(AsBytes(page), {.count_max = 2, .string_bytes_max = 1, .sorted = true}));
  EXPECT_FALSE(
      DecodeStringPage(AsBytes(page), {.count_max = 1, .string_bytes_max = 1, .sorted = false}));
  EXPECT_FALSE(
      DecodeStringPage(AsBytes(page), {.count_max = 2, .string_bytes_max = 0, .sorted = false}));
  EXPECT_FALSE(DecodeStringPage(AsBytes(page + "x"),
                                {.count_max = 2, .string_bytes_max = 1, .sorted = false}));
}

// What a reader refuses is not written.
TEST(StringPageTest, TheWriterKnowsTheReadersLimits) {
  const auto code = [](std::span<const std::string_view> strings, const StringLimits& limits) {
    std::string page = "before";
    const Status status = EncodeStringPage(strings, limits, &page);
    EXPECT_EQ(page == "before", !status.ok());
    EXPECT_EQ(status.ok() || !status.message().empty(), true);
    return status.code();
  };
  const std::vector<std::string_view> two = {"b", "a"};
  const StringLimits exact{.count_max = 2, .string_bytes_max = 1, .sorted = false};
  EXPECT_EQ(code(two, exact), StatusCode::kOk);
  EXPECT_EQ(code(two, {.count_max = 1, .string_bytes_max = 1, .sorted = false}),
            StatusCode::kExhausted);
  EXPECT_EQ(code(two, {.count_max = 2, .string_bytes_max = 0, .sorted = false}),
            StatusCode::kExhausted);
  EXPECT_EQ(code(two, {.count_max = 2, .string_bytes_max = 1, .sorted = true}),
            StatusCode::kInternal);
  // 2 GiB, all of them the same 4 KiB.
  const std::string text(4096, 'x');
  const std::vector<std::string_view> many((kStringListBytesMax >> 12) + 1, text);
  EXPECT_EQ(code(many, {.count_max = many.size(), .string_bytes_max = 4096, .sorted = false}),
            StatusCode::kExhausted);
}

// Payloads without a checksum in front: whatever the bytes are, a decoder answers or refuses.
class MutatedPages : public ::testing::Test {
 protected:
  void ForManyMutations(const std::string& page, const std::function<void(Bytes)>& decode) {
    const std::uint64_t seed = TestSeed();
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
    Random random(seed);
    for (int i = 0; i < 2000; ++i) {
      std::string mutated = page;
      for (std::uint64_t n = 1 + random.Below(4); n > 0; --n) {
        mutated[random.Below(mutated.size())] = static_cast<char>(random.Below(256));
      }
      if (random.Below(4) == 0) mutated.resize(random.Below(mutated.size() + 1));
      const std::vector<std::uint8_t> exact(mutated.begin(),
                                            mutated.end());  // so that a sanitizer sees its end
      decode(exact);
    }
  }
  Random random_{7};
  NumberNames names_;
  RowBatch rows_ =
      RandomRows(random_, names_, {.rows = 2100, .customers = 3, .measures = 3, .dimensions = 2});
};

TEST_F(MutatedPages, NeverBringDownADecoder) {
  const std::size_t rows = rows_.size();
  std::string page;
  EncodeTimePage(rows_.times, &page);
  ForManyMutations(page, [&](Bytes in) {
    std::vector<TimeUs> out;
    for (std::size_t v = 0; v < 3; ++v) {
      (void)DecodeTimes(in, rows, v, &out);
      (void)DecodeTimeBounds(in, rows, v);
    }
  });
  for (const DecimalColumn& column : rows_.measures) {
    page.clear();
    EncodeMeasurePage(column, nullptr, rows, &page);
    ForManyMutations(page, [&](Bytes in) {
      MeasureVector out;
      for (std::size_t v = 0; v < 3; ++v) {
        // What is decoded can be added up.
        if (DecodeMeasureVector(in, nullptr, rows, v, &out).ok()) (void)StatsOf(out);
        (void)DecodeMeasureStats(in, rows, v);
      }
    });
  }
  page.clear();
  const SortedColumn sorted = SortDictionary(rows_.dimensions[0]);
  EncodeCodesPage(sorted.codes, &page);
  ForManyMutations(page, [&](Bytes in) {
    std::vector<std::uint32_t> out;
    if (!DecodeCodes(in, rows, 1, sorted.strings.size(), &out).ok()) return;
    for (const std::uint32_t code : out) ASSERT_LE(code, sorted.strings.size());
  });
  page.clear();
  QUIPU_ASSERT_OK(EncodeStringPage(
      sorted.strings, {.count_max = rows, .string_bytes_max = 4096, .sorted = true}, &page));
  ForManyMutations(page, [&](Bytes in) {
    (void)DecodeStringPage(in, {.count_max = rows, .string_bytes_max = 4096, .sorted = true});
  });
  page.clear();
  QUIPU_ASSERT_OK(EncodeIdPage(rows_, &page));
  ForManyMutations(page, [&](Bytes in) {
    const Result<StringList> sources = DecodeSources(in, rows);
    const std::span times(rows_.times.data() + 2 * kVectorRows, rows - 2 * kVectorRows);
    IdVector out;
    if (!sources || !DecodeIdVector(in, rows, 2, sources->size(), times, &out).ok()) return;
    for (std::size_t i = 0; i < out.source_codes.size(); ++i)
      ASSERT_LE(out.Text(i).size(), out.text.size());
  });
}

}  // namespace
}  // namespace quipu
