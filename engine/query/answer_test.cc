#include "query/answer.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

Decimal D(std::string_view text) { return *Decimal::Parse(text); }

class AnswerTest : public QueryTest {
 protected:
  /// The answer before and after sealing, which must be one.
  std::string AskInBothTiers(const Query& query) {
    const std::string hot = Ask(query);
    Seal();
    EXPECT_EQ(Ask(query), hot);
    return hot;
  }
};

TEST_F(AnswerTest, RateIsPerSecondOfWhatWasAskedFor) {
  for (int i = 0; i < 6; ++i) Put("2026-03-11T10:50:00Z", "a", 3);
  Put("2026-03-11T11:10:00Z", "a", D("0.5"));
  Commit();
  const auto rates = [] { return Query().Select("rate(count), rate(sum(m))"); };
  // Half an hour of the first window, an hour of the second.
  EXPECT_EQ(AskInBothTiers(rates().Every("hour").From("2026-03-11T10:30")),
            "2026-03-11T10:00:00Z 0.003333333333333333 0.01\n"
            "2026-03-11T11:00:00Z 0.000277777777777778 0.000138888888888889\n");
  EXPECT_EQ(Ask(rates().Between("2026-03-11", "2026-03-12").Customer("a")),
            "0.000081018518518519 0.00021412037037037\n");
  EXPECT_NE(ErrorOf(rates()).message().find("window"), std::string_view::npos);
  EXPECT_EQ(ErrorOf(Query().Select("rate(avg(m))").Every("hour")).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(AnswerTest, CumulativeAndShare) {
  Put("2026-03-11", "a", 1);
  Put("2026-03-11", "b", 2);
  Put("2026-03-13", "a", 3);
  Commit();
  EXPECT_EQ(AskInBothTiers(Query()
                               .Select("cumulative(sum(m)), cumulative(count), share(sum(m))")
                               .Every("day")
                               .GroupBy("customer")
                               .Fill()),
            "2026-03-11T00:00:00Z a 1 1 33.33\n2026-03-11T00:00:00Z b 2 1 66.67\n"
            "2026-03-12T00:00:00Z a 1 1 -\n2026-03-12T00:00:00Z b 2 1 -\n"
            "2026-03-13T00:00:00Z a 4 2 100\n2026-03-13T00:00:00Z b 2 1 -\n");
  EXPECT_EQ(Ask(Query().Select("share(count)").Every("day")),
            "2026-03-11T00:00:00Z 66.67\n2026-03-13T00:00:00Z 33.33\n");
  EXPECT_EQ(ErrorOf(Query().Select("share(distinct(customer))").GroupBy("service")).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(AnswerTest, ChangesLookBackBeforeTheRange) {
  Put("2026-02-28", "a", 1);
  Put("2026-03-30", "a", 10);
  Put("2026-03-31", "a", 4);
  Commit();
  // A month before 30 and 31 March is the last day of February.
  EXPECT_EQ(AskInBothTiers(Query()
                               .Select("change(sum(m), month), change_percent(sum(m), month), "
                                       "change(sum(m), day), change(max(m), week), change(count)")
                               .Every("day")
                               .From("2026-03-30")),
            "2026-03-30T00:00:00Z 9 900 10 - -\n2026-03-31T00:00:00Z 3 300 -6 - 0\n");
  // Three windows, two of them before the range.
  EXPECT_EQ(Ask(Query()
                    .Select("moving_avg(sum(m), 3), moving_avg(max(m), 3)")
                    .Every("day")
                    .From("2026-03-31")),
            "2026-03-31T00:00:00Z 4.666666666666666667 7\n");
  EXPECT_NE(ErrorOf(Query().Select("change(count)")).message().find("compares windows"),
            std::string_view::npos);
  EXPECT_EQ(ErrorOf(Query().Select("change(count, day)").Every("week")).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(AnswerTest, AMonthAgoKeepsTheLocalTime) {
  // Berlin: 29 March has no 02:30; 00:30Z is 01:30 on 1 March and 02:30 on 29 April.
  Put("2026-03-29T01:10:00Z", "a", 7);  // 03:10 local
  Put("2026-04-29T00:30:00Z", "a", 9);  // 02:30 local
  Commit();
  EXPECT_EQ(AskInBothTiers(Query()
                               .Select("change(sum(m), month)")
                               .Every("hour", "Europe/Berlin")
                               .From("2026-04-29")),
            "2026-04-29T00:00:00Z 2\n");
}

TEST_F(AnswerTest, AnHourThatComesTwiceHasOneADayAgo) {
  // Berlin: at 01:00Z on 25 October the clock goes back to 02:00. The range begins at 02:30 for the first time; 02:10 comes after that.
  Put("2026-10-24T00:10:00Z", "a", 7);  // 02:10 local
  Put("2026-10-25T01:10:00Z", "a", 9);  // 02:10 local, for the second time
  Commit();
  EXPECT_EQ(AskInBothTiers(Query()
                               .Select("change(sum(m), day)")
                               .Every("minute", "Europe/Berlin")
                               .From("2026-10-25T00:30:00Z")),
            "2026-10-25T01:10:00Z 2\n");
}

TEST_F(AnswerTest, AMonthAgoIsNotReadThrough) {
  Put("2026-02-28T10:00:00Z", "a", 1);
  Put("2026-03-30T10:00:00Z", "a", 4);
  Commit();
  Query query = Query()
                    .Select("change(sum(m), month), moving_avg(max(m), 2)")
                    .Every("minute")
                    .Between("2026-03-30T09:30", "2026-03-30T10:30");
  query.spec().groups_max = 4000;  // a month has ten times as many minutes
  EXPECT_EQ(AskInBothTiers(query), "2026-03-30T10:00:00Z 3 4\n");
}

TEST_F(AnswerTest, PeakAndItsTime) {
  Put("2026-03-11T10:00:00Z", "a", 5);
  Put("2026-03-11T10:59:59Z", "a", 5);
  Put("2026-03-11T12:00:00Z", "a", 10);
  Put("2026-03-12T00:00:00Z", "a", 1);
  Commit();
  const auto peaks = [] { return Query().Select("peak(sum(m), hour), peak_time(sum(m), hour)"); };
  EXPECT_EQ(AskInBothTiers(peaks()), "10 2026-03-11T10:00:00Z\n");
  EXPECT_EQ(Ask(peaks().Every("day")),
            "2026-03-11T00:00:00Z 10 2026-03-11T10:00:00Z\n"
            "2026-03-12T00:00:00Z 1 2026-03-12T00:00:00Z\n");
  EXPECT_EQ(ErrorOf(peaks().Every("hour")).code(), StatusCode::kInvalidArgument);
}

TEST_F(AnswerTest, LevelsHoldUntilTheNextEvent) {
  Put("2026-01-05", "a", 100);  // long before
  Put("2026-03-11T06:00:00Z", "a", 40);
  Put("2026-03-12T00:00:00Z", "b", 1);
  Commit();
  const auto levels = [] {
    return Query()
        .Select("time_weighted_sum(m), time_weighted_avg(m)")
        .Between("2026-03-10", "2026-03-13");
  };
  EXPECT_EQ(AskInBothTiers(levels().Every("day")),
            "2026-03-10T00:00:00Z 2400 100\n2026-03-11T00:00:00Z 1320 55\n"
            "2026-03-12T00:00:00Z 984 41\n");
  EXPECT_EQ(Ask(levels().GroupBy("customer")), "a 4680 65\nb 24 0.333333333333333333\n");
  // A window without any event has its due; another aggregate is empty there.
  EXPECT_EQ(Ask(Query()
                    .Select("count, time_weighted_sum(m)")
                    .Every("day")
                    .Between("2026-03-14", "2026-03-15")),
            "2026-03-14T00:00:00Z 0 984\n");
  EXPECT_NE(ErrorOf(Query().Select("time_weighted_sum(m)")).message().find("end"),
            std::string_view::npos);
}

TEST_F(AnswerTest, LevelsThatLiveSideBySide) {
  Put("2026-03-11T00:00:00Z", "a", 10, {{"d", "x"}});
  Put("2026-03-11T12:00:00Z", "a", 20, {{"d", "y"}});
  Put("2026-03-11T18:00:00Z", "a", 0, {{"d", "x"}});
  Commit();
  const auto ask = [&](std::string_view select) {
    return AskInBothTiers(Query().Select(select).Between("2026-03-11", "2026-03-12"));
  };
  EXPECT_EQ(ask("time_weighted_sum(m)"), "240\n");     // 12 h x 10 + 6 h x 20
  EXPECT_EQ(ask("time_weighted_sum(m, d)"), "420\n");  // 18 h x 10 + 12 h x 20
}

TEST_F(AnswerTest, OfSeveralLevelsAtOneInstantTheLargestIdentityHolds) {
  std::map<Hash128, int> by_identity;
  for (int i = 1; i <= 5; ++i) {
    const std::string id = "t" + std::to_string(i);
    Event e;
    e.id = id;
    e.customer = "c";
    e.service = "s";
    e.time = At("2026-03-11");
    e.measures = {{"m", i}};
    by_identity[MakeIdentity("c", "", id).key] = i;
    Put(e);
    if (i == 3) {
      Commit();
      Seal();
    }
  }
  Commit();
  const std::string want = std::to_string(by_identity.rbegin()->second * 24) + "\n";
  EXPECT_EQ(
      AskInBothTiers(Query().Select("time_weighted_sum(m)").Between("2026-03-11", "2026-03-12")),
      want);
}

TEST_F(AnswerTest, ConcurrencyCountsWhatBeganBefore) {
  Put("2026-03-11T09:00:00Z", "a", 7200);  // seconds: until 11:00
  Put("2026-03-11T10:30:00Z", "a", 1800);  // until 11:00
  Put("2026-03-11T11:00:00Z", "a", 60);    // begins where the others end
  Put("2026-03-11T11:10:00Z", "a", -5);
  Put("2026-03-11T11:20:00Z", "a", 0);
  Commit();
  EXPECT_EQ(AskInBothTiers(Query()
                               .Select("max_concurrency(m, s), avg_concurrency(m, s)")
                               .Every("hour")
                               .Between("2026-03-11T10:00", "2026-03-11T12:00")),
            "2026-03-11T10:00:00Z 2 1.5\n2026-03-11T11:00:00Z 1 0.016666666666666667\n");
}

TEST_F(AnswerTest, ConcurrencyInLittleMemoryIsTheSame) {
  for (int i = 0; i < 400; ++i)
    Put("2026-03-11T09:0" + std::to_string(i % 10) + ":00Z", "a", 30 + i);
  Commit();
  auto q = Query()
               .Select("max_concurrency(m, s), avg_concurrency(m, s), time_weighted_sum(m)")
               .Between("2026-03-11", "2026-03-12");
  const std::string whole = Ask(q);
  q.spec().memory_bytes_max = 16'000;
  EXPECT_EQ(Ask(q), whole);
  q.spec().memory_bytes_max = 100;
  EXPECT_EQ(TryAsk(q.spec()).error().code(), StatusCode::kExhausted);
}

TEST_F(AnswerTest, OthersAreOneGroup) {
  for (int i = 0; i < 5; ++i) {
    for (int k = 0; k <= i; ++k)
      Put("2026-03-11", "c" + std::to_string(i), 10 * i + k, {{"d", "u" + std::to_string(k)}});
  }
  Commit();
  auto q = Query()
               .Select("count, sum(m), median(m), distinct(d), share(count)")
               .GroupBy("customer")
               .OrderBy("-count")
               .Limit(2)
               .Others();
  EXPECT_EQ(AskInBothTiers(q),
            "c4 5 210 42 5 33.33\nc3 4 126 31 4 26.67\n(all others) 6 84 11 3 40\n");
  EXPECT_TRUE(TryAsk(q.spec())->has_others);
  EXPECT_EQ(Ask(q.Limit(5)).find("others"), std::string::npos);
  EXPECT_EQ(ErrorOf(Query().Select("count").GroupBy("customer").Others()).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(AnswerTest, GrowthBetweenTwoPeriods) {
  Put("2026-03-11", "gone", 4);
  Put("2026-03-11", "grown", 2);
  Put("2026-04-11", "grown", 5);
  Put("2026-04-11", "new", 1);
  Commit();
  auto q = Query()
               .Select("before(sum(m)), sum(m), growth(sum(m)), growth_percent(sum(m))")
               .GroupBy("customer")
               .Between("2026-04-01", "2026-05-01")
               .CompareWith("2026-03-01", "2026-04-01")
               .OrderBy("-growth(sum(m))");
  EXPECT_EQ(AskInBothTiers(q), "grown 2 5 3 150\nnew 0 1 1 -\ngone 4 - -4 -100\n");
  EXPECT_EQ(Ask(q.Limit(1).Others()), "grown 2 5 3 150\n(all others) 4 1 -3 -75\n");
  EXPECT_EQ(ErrorOf(Query().Select("growth(count)")).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quipu
