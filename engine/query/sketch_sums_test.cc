#include "query/sketch_sums.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

class SketchSumsTest : public QueryTest {
 protected:
  /// A month; on day d as many values of m as `rows(d)` says, of several scales and both signs, and none at all on some days.
  template <class Rows>
  void PutMonth(std::uint64_t seed, Rows rows) {
    Random random(seed);
    for (int day = 0; day < 31; ++day) {
      for (int i = 0; i < rows(day); ++i) {
        const auto mantissa = static_cast<std::int64_t>(random.Below(1u << random.Below(31)));
        const Decimal value(
            random.Below(8) == 0 ? -mantissa : mantissa,
            static_cast<int>(random.Below(1 + static_cast<std::uint64_t>(day % 4))));
        Event e;
        e.time = At("2026-03-01") + day * kDayUs + i;
        e.customer = "a";
        e.service = "api";
        // Some days have rows without the measure.
        if (day % 7 != 3) e.measures = {{"m", value}};
        Put(e);
      }
    }
    Commit();
    Seal();
  }
  void Load() {
    view_ = store_->view();
    ASSERT_EQ(view_->segments.size(), 1u);
    const auto table = segment().summaries();
    ASSERT_TRUE(table);
    table_ = *table;
    measure_ = *store_->catalogue().Find(NameKind::kMeasure, "m");
    days_ = table_->Find(kAllCustomers, *store_->catalogue().Find(NameKind::kService, "api"),
                         CellLevel::kDay);
    ASSERT_EQ(days_.last - days_.first, 31u);
  }
  [[nodiscard]] const SegmentReader& segment() const { return *view_->segments[0]; }
  [[nodiscard]] QuantileSketch OneByOne(std::uint32_t first, std::uint32_t last,
                                        QuantileSketch into = QuantileSketch()) const {
    for (std::uint32_t cell = first; cell < last; ++cell)
      EXPECT_TRUE(table_->MergeQuantiles(cell, measure_, &into).ok());
    return into;
  }

  ViewPtr view_;
  const SummaryTable* table_ = nullptr;
  ColumnId measure_ = 0;
  SummaryTable::Range days_;
};

TEST_F(SketchSumsTest, AnyCellsSideBySideAreWhatTheyAreOneByOne) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  PutMonth(seed, [](int day) { return 1 + day * day; });
  ASSERT_NO_FATAL_FAILURE(Load());
  const auto sums = SketchSums::Load(segment(), *table_, days_, measure_);
  ASSERT_TRUE(sums && *sums);
  std::size_t at_once = 0;
  for (std::uint32_t first = days_.first; first < days_.last; ++first) {
    for (std::uint32_t last = first + 1; last <= days_.last; ++last) {
      const QuantileSketch expected = OneByOne(first, last);
      QuantileSketch sketch;
      if (!(*sums)->MergeInto(first, last, &sketch)) {
        ASSERT_LE(expected.count(), kQuantileExactMax);
        ASSERT_EQ(sketch.count(), 0u) << "nothing is added";
        continue;
      }
      ++at_once;
      ASSERT_TRUE(sketch == expected) << first << ".." << last;
      // And into one that has values already, few or many.
      QuantileSketch more = OneByOne(days_.first, days_.first + 8);
      ASSERT_TRUE((*sums)->MergeInto(first, last, &more));
      ASSERT_TRUE(more == OneByOne(first, last, OneByOne(days_.first, days_.first + 8)));
      ASSERT_TRUE((*sums)->MergeInto(first, last, &sketch));
      ASSERT_TRUE(sketch == OneByOne(first, last, expected));
    }
  }
  EXPECT_GT(at_once, 100u);
}

TEST_F(SketchSumsTest, FewValuesAndAbsentMeasures) {
  PutMonth(7, [](int) { return 2; });
  ASSERT_NO_FATAL_FAILURE(Load());
  const auto sums = SketchSums::Load(segment(), *table_, days_, measure_);
  ASSERT_TRUE(sums && *sums);
  QuantileSketch sketch;
  EXPECT_FALSE((*sums)->MergeInto(days_.first, days_.last, &sketch));
  const auto none = SketchSums::Load(segment(), *table_, days_, measure_ + 1000);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value()) << "no cell has the measure";
}

TEST_F(SketchSumsTest, QuestionsAreAnsweredAlike) {
  PutMonth(TestSeed(), [](int) { return 150; });
  // Ask() compares with raw rows.
  EXPECT_NE(Ask(Query().Select("p50(m), p99(m), count").Between("2026-03-02", "2026-03-30")), "");
  EXPECT_NE(Ask(Query()
                    .Select("p50(m), count(m), sum(m)")
                    .Between("2026-03-02T05:30", "2026-03-30T01:00")
                    .GroupBy("service")),
            "");
  EXPECT_NE(Ask(Query().Select("p95(m)").Every("week").GroupBy("customer")), "");
}

}  // namespace
}  // namespace quipu
