#include "segment/totals.h"

#include <gtest/gtest.h>

namespace quipu {
namespace {

RowBatch SomeRows(int from, int to) {
  RowBatchBuilder builder;
  for (int i = from; i < to; ++i) {
    const std::string id = "event-" + std::to_string(i);
    builder.BeginRow(1, 2, i, MakeIdentity("c", "", id), id, "");
    builder.AddMeasure(kQuantityColumn, Decimal(i * 25, 2));
    if (i % 3 == 0) builder.AddMeasure(5, Decimal(-Int128{i} * 1'000'000'000'000'000'000 * 7, 0));
  }
  return builder.Finish();
}

TEST(Totals, OfRows) {
  const Totals totals = TotalsOf(SomeRows(0, 10));
  EXPECT_EQ(totals.rows, 10u);
  ASSERT_EQ(totals.measures.size(), 2u);
  EXPECT_EQ(totals.measures.at(kQuantityColumn).count, 10u);
  EXPECT_EQ(totals.measures.at(kQuantityColumn).sum.ToDecimal()->ToString(), "11.25");
  EXPECT_EQ(totals.measures.at(5).count, 4u);
  EXPECT_EQ(totals.measures.at(5).sum.ToDecimal()->ToString(), "-126000000000000000000");
  EXPECT_EQ(totals.ToString().substr(0, 22), "10 rows, identities 0x");
}

TEST(Totals, AddUpHoweverRowsAreSplit) {
  const Totals whole = TotalsOf(SomeRows(0, 100));
  for (const int cut : {0, 1, 50, 99, 100}) {
    Totals parts = TotalsOf(SomeRows(cut, 100));
    parts.Add(TotalsOf(SomeRows(0, cut)));
    EXPECT_EQ(parts, whole) << cut;
  }
  EXPECT_FALSE(TotalsOf(SomeRows(0, 99)) == whole);
}

TEST(Totals, GiveBackWhatWasAdded) {
  const Totals whole = TotalsOf(SomeRows(0, 100));
  for (const int cut : {0, 1, 50, 98, 99, 100}) {
    Totals rest = whole;
    ASSERT_TRUE(rest.Subtract(TotalsOf(SomeRows(0, cut)))) << cut;
    EXPECT_EQ(rest, TotalsOf(SomeRows(cut, 100))) << cut;
  }
  Totals few = TotalsOf(SomeRows(1, 3));  // no value of measure 5
  const Totals before = few;
  EXPECT_FALSE(few.Subtract(whole)) << "more rows than there are";
  EXPECT_FALSE(few.Subtract(TotalsOf(SomeRows(3, 4)))) << "a measure that is not there";
  EXPECT_FALSE(few.Subtract(TotalsOf(SomeRows(2, 4)))) << "other values of the same rows";
  EXPECT_EQ(few, before);
}

TEST(Totals, SurviveTheirBytes) {
  const Totals totals = TotalsOf(SomeRows(0, 100));
  std::string bytes;
  totals.EncodeTo(&bytes);
  ByteReader reader(AsBytes(bytes));
  const Result<Totals> back = Totals::Decode(reader);
  ASSERT_TRUE(back) << back.error().ToString();
  EXPECT_EQ(*back, totals);
  EXPECT_EQ(reader.remaining(), 0u);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    ByteReader cut(AsBytes(bytes).first(n));
    EXPECT_EQ(Totals::Decode(cut).error().code(), StatusCode::kCorruption) << n;
  }
}

TEST(Totals, ImpossibleEntriesAreRefused) {
  const auto decode = [](std::uint64_t rows,
                         std::vector<std::pair<std::uint64_t, std::uint64_t>> entries) {
    std::string bytes;
    ByteWriter w(&bytes);
    w.Varint(rows);
    w.U128(0);
    w.Varint(entries.size());
    for (const auto& [id, count] : entries) {
      w.Varint(id);
      w.Varint(count);
      for (int i = 0; i < 3; ++i) w.U64(0);
    }
    ByteReader reader(AsBytes(bytes));
    return Totals::Decode(reader).error().code();
  };
  EXPECT_EQ(decode(5, {{0, 5}, {1, 1}}), StatusCode::kOk);
  EXPECT_EQ(decode(5, {{1, 5}, {0, 1}}), StatusCode::kCorruption);
  EXPECT_EQ(decode(5, {{1, 5}, {1, 5}}), StatusCode::kCorruption);
  EXPECT_EQ(decode(5, {{0, 6}}), StatusCode::kCorruption);
  EXPECT_EQ(decode(5, {{0, 0}}), StatusCode::kCorruption);
  EXPECT_EQ(decode(5, {{1ull << 32, 1}}), StatusCode::kCorruption);
}

}  // namespace
}  // namespace quipu
