#include "query/run_sketches.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

class RunSketchesTest : public QueryTest {
 protected:
  /// `rows(day)` events of a month, of several scales and both signs; every fifth has no m, and all have n.
  template <class Rows>
  void PutMonth(std::string_view customer, std::string_view service, Rows rows) {
    for (int day = 0; day < 31; ++day) {
      const int count = rows(day);
      for (int i = 0; i < count; ++i) {
        const auto mantissa = static_cast<std::int64_t>(random_.Below(1u << random_.Below(31)));
        Event e;
        e.time = At("2026-03-01") + day * kDayUs +
                 static_cast<TimeUs>(random_.Below(kDayUs / 1000)) * 1000;
        e.customer = customer;
        e.service = service;
        const Decimal m(random_.Below(8) == 0 ? -mantissa : mantissa, day % 4);
        const Decimal n(static_cast<std::int64_t>(random_.Below(50)), 0);
        if (i % 5 == 0) {
          e.measures = {{"n", n}};
        } else {
          e.measures = {{"m", m}, {"n", n}};
        }
        Put(e);
      }
    }
  }
  void Finish() {
    Commit();
    Seal();
  }
  /// Asks with and without summaries; says of how many runs quantiles were kept.
  std::uint64_t Kept(Query query) {
    const std::string answer = Ask(query);
    EXPECT_NE(answer, "");
    query.spec().explain = true;
    const auto again = TryAsk(query.spec());
    EXPECT_EQ(Text(again), answer);
    std::uint64_t runs = 0, rows = 0;
    for (const ExplainedSource& source : again->explanation->sources) {
      runs += source.run_sketches;
      rows += source.rows;
    }
    rows_read_ = rows;
    return runs;
  }
  static Query Percentiles(std::string_view from, std::string_view to) {
    return Query().Select("p50(m), p99(m), p90(n), count").Customer("a").Between(from, to);
  }

  Random random_{TestSeed()};
  std::uint64_t rows_read_ = 0;
};

TEST_F(RunSketchesTest, AnyWholeDaysAreWhatTheirRowsAre) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(TestSeed()));
  PutMonth("a", "api",
           [&](int day) { return day == 6 ? 0 : 140 + static_cast<int>(random_.Below(200)); });
  PutMonth("a", "db",
           [](int day) { return day == 15 ? 5'000 : 120; });  // one day has a sketch on disk
  PutMonth("a", "functions", [](int) { return 3; });
  PutMonth("b", "api", [](int) { return 100; });
  Finish();
  EXPECT_EQ(Kept(Percentiles("2026-03-02", "2026-04-01").GroupBy("service")), 2u);
  EXPECT_EQ(rows_read_, 90u) << "of functions, which is too small";
  EXPECT_EQ(Kept(Percentiles("2026-03-01", "2026-04-01").GroupBy("service")), 0u)
      << "months of api and db have sketches on disk";
  std::uint64_t kept = 0;
  for (int i = 0; i < 60; ++i) {
    const auto first = random_.Below(31), last = first + 1 + random_.Below(31 - first);
    const auto day = [](std::uint64_t d) {
      return FormatTime(At("2026-03-01") + static_cast<TimeUs>(d) * kDayUs);
    };
    SCOPED_TRACE(day(first) + " to " + day(last));
    const std::uint64_t runs = Kept(Percentiles(day(first), day(last)));
    if (last - first < kRunSketchDaysMin) {
      EXPECT_EQ(runs, 0u);
    }
    kept += runs;
  }
  EXPECT_GT(kept, 20u);
}

TEST_F(RunSketchesTest, ARunThatIsWantedAsAWholeNeedsNoDays) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(TestSeed()));
  // Three days of a month, none with a sketch on disk.
  PutMonth("a", "api", [](int day) { return day >= 10 && day < 13 ? 700 : 0; });
  PutMonth("a", "db", [](int day) { return day >= 10 && day < 13 ? 341 : 0; });
  PutMonth("b", "api", [](int day) { return day == 11 ? 10 : 0; });
  Finish();
  const auto by_service = [](std::string_view from, std::string_view to) {
    return Percentiles(from, to).GroupBy("service");
  };
  EXPECT_EQ(Kept(by_service("2026-03-08", "2026-03-20T12:34")), 1u);
  EXPECT_EQ(rows_read_, 1023u) << "of db: fewer than are worth it";
  EXPECT_EQ(Kept(by_service("2026-03-08", "2026-03-20").Every("week")), 1u) << "one window";
  EXPECT_EQ(Kept(by_service("2026-03-08", "2026-03-20").Every("day")), 0u) << "three windows";
  EXPECT_EQ(Kept(by_service("2026-03-12", "2026-03-20")), 0u) << "two of three days";
}

TEST_F(RunSketchesTest, LargeRunsKeepRunningCounts) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(TestSeed()));
  PutMonth("a", "api", [](int day) { return day < 25 ? 1'000 : 0; });
  Finish();
  ASSERT_GE(25'000u, kRunCountsRowsMin);
  EXPECT_EQ(Kept(Percentiles("2026-03-02", "2026-03-20")), 1u);
  EXPECT_EQ(Kept(Percentiles("2026-03-09", "2026-04-20")), 1u);
  EXPECT_EQ(Kept(Percentiles("2026-03-26", "2026-04-20")), 0u) << "nothing is there";
}

TEST_F(RunSketchesTest, FewValuesAreAddedToManyOthers) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(TestSeed()));
  // Four fifths have m: 1,600 values in the first segment, and 864 in the second, which by themselves must be kept one by one.
  PutMonth("a", "api", [](int day) { return day == 3 ? 2'000 : 0; });
  Finish();
  PutMonth("a", "api", [](int day) { return day == 4 ? 1'080 : 0; });
  Finish();
  const auto p50 = [](std::string_view from) {
    return Query().Select("p50(m), count").Customer("a").Between(from, "2026-03-30");
  };
  EXPECT_EQ(Kept(p50("2026-03-01")), 2u);
  EXPECT_EQ(rows_read_, 0u);
  EXPECT_EQ(Kept(p50("2026-03-05")), 0u);
  EXPECT_EQ(rows_read_, 1'080u);
}

TEST_F(RunSketchesTest, WhatNeedsRowsReadsThem) {
  PutMonth("a", "api", [](int) { return 120; });
  PutMonth("b", "api", [](int) { return 120; });
  Finish();
  EXPECT_EQ(Kept(Percentiles("2026-03-05", "2026-03-25")), 1u);
  EXPECT_EQ(rows_read_, 0u);
  EXPECT_EQ(Kept(Percentiles("2026-03-05T00:30", "2026-03-25")), 0u) << "not a whole day";
  EXPECT_EQ(Kept(Percentiles("2026-03-05", "2026-03-25T23:00")), 0u);
  EXPECT_EQ(Kept(Percentiles("2026-03-05", "2026-03-25").Every("week")), 0u) << "several windows";
  EXPECT_EQ(Kept(Percentiles("2026-02-05", "2026-04-25").Every("month")), 1u) << "one window";
  EXPECT_EQ(
      Kept(Query().Select("p50(m), sum(m)").Customer("a").Between("2026-03-05", "2026-03-25")), 0u)
      << "sums are not kept";
  EXPECT_EQ(Kept(Query().Select("p50(m)").Between("2026-03-05", "2026-03-25").GroupBy("customer")),
            0u)
      << "all customers: too many to keep";
  EXPECT_EQ(
      Kept(Query().Select("p50(m)").Customer("a").Between("2026-03-05", "2026-03-25").Exact()), 0u);
  EXPECT_EQ(
      Kept(
          Query().Select("p50(m)").Customer("a").Between("2026-03-05", "2026-03-25").Where("m>=0")),
      0u);
  EXPECT_EQ(Kept(Query().Select("p50(cost)").Customer("a").Between("2026-03-05", "2026-03-25")), 0u)
      << "no row has one";
}

TEST_F(RunSketchesTest, FewValuesStayExact) {
  // Enough rows in all, and too few of them in some ranges.
  PutMonth("a", "api", [](int) { return 80; });
  Finish();
  EXPECT_EQ(Kept(Query().Select("p50(m)").Customer("a").Between("2026-03-02", "2026-03-18")), 0u)
      << "16 days of 64 values are 1,024, which are kept one by one";
  EXPECT_EQ(Kept(Query().Select("p50(m)").Customer("a").Between("2026-03-02", "2026-03-19")), 1u);
}

TEST_F(RunSketchesTest, UnsealedRowsAndSeveralSegmentsAddUp) {
  PutMonth("a", "api", [](int) { return 100; });
  Finish();
  PutMonth("a", "api", [](int) { return 90; });
  Finish();
  PutMonth("a", "api", [](int) { return 10; });
  Commit();
  EXPECT_EQ(Kept(Percentiles("2026-03-03", "2026-03-30").GroupBy("service")), 2u);
  Merge();
  EXPECT_EQ(Kept(Percentiles("2026-03-03", "2026-03-30").GroupBy("service")), 1u);
}

}  // namespace
}  // namespace quipu
