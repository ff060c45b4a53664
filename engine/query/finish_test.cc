#include "query/finish.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

class FinishTest : public QueryTest {
 protected:
  static Decimal D(std::string_view text) {
    const auto d = Decimal::Parse(text);
    QUIPU_CHECK(d.has_value());
    return *d;
  }
  /// change and change_percent of sum(m) from one day to the next.
  std::string ChangeFrom(std::string_view before, std::string_view now) {
    const std::string customer = "pair-" + std::to_string(++pairs_);
    Put("2026-03-10", customer, D(before));
    Put("2026-03-11", customer, D(now));
    Commit();
    const std::string text = Ask(Query()
                                     .Select("change(sum(m)), change_percent(sum(m))")
                                     .Every("day")
                                     .Customer(customer)
                                     .From("2026-03-10"));
    const std::string first = "2026-03-10T00:00:00Z - -\n2026-03-11T00:00:00Z ";
    EXPECT_TRUE(text.starts_with(first)) << text;
    return text.substr(std::min(text.size(), first.size()));
  }
  int pairs_ = 0;
};

TEST_F(FinishTest, ChangeAndItsRounding) {
  EXPECT_EQ(ChangeFrom("4", "5"), "1 25\n");
  EXPECT_EQ(ChangeFrom("3", "4"), "1 33.33\n");
  EXPECT_EQ(ChangeFrom("3", "5"), "2 66.67\n");
  EXPECT_EQ(ChangeFrom("5", "4"), "-1 -20\n");
  // In per cent of the magnitude: up is positive also from below zero.
  EXPECT_EQ(ChangeFrom("-4", "-3"), "1 25\n");
  EXPECT_EQ(ChangeFrom("-4", "4"), "8 200\n");
  EXPECT_EQ(ChangeFrom("4", "-4"), "-8 -200\n");
  EXPECT_EQ(ChangeFrom("0", "4"), "4 -\n");
  EXPECT_EQ(ChangeFrom("7", "7"), "0 0\n");
  // Half to even at two digits, both signs: 0.005 -> 0, 0.015 -> 0.02, 0.025 -> 0.02, and a hair beyond a half.
  EXPECT_EQ(ChangeFrom("20000", "20001"), "1 0\n");
  EXPECT_EQ(ChangeFrom("20000", "20003"), "3 0.02\n");
  EXPECT_EQ(ChangeFrom("20000", "20005"), "5 0.02\n");
  EXPECT_EQ(ChangeFrom("20000", "19999"), "-1 0\n");
  EXPECT_EQ(ChangeFrom("20000", "19997"), "-3 -0.02\n");
  EXPECT_EQ(ChangeFrom("20000", "19995"), "-5 -0.02\n");
  EXPECT_EQ(ChangeFrom("20000", "20001.000000000000000001"), "1.000000000000000001 0.01\n");
  EXPECT_EQ(ChangeFrom("20000", "20000.999999999999999999"), "0.999999999999999999 0\n");
  // Far apart: exact in 512 bits.
  EXPECT_EQ(ChangeFrom("0.000000000000000001", "1000000000000000"),
            "999999999999999.999999999999999999 99999999999999999999999999999999900\n");
}

TEST_F(FinishTest, APercentageBeyond128BitsIsAnError) {
  Put("2026-03-10", "c", D("0.000000000000000001"));
  for (int i = 0; i < 3; ++i) Put("2026-03-11", "c", D("99999999999999999999"));
  Commit();
  const Status status = ErrorOf(Query().Select("change_percent(sum(m))").Every("day"));
  EXPECT_EQ(status.code(), StatusCode::kOutOfRange) << status.ToString();
}

TEST_F(FinishTest, ChangeAcrossEmptyWindows) {
  Put("2026-03-10", "a", 4);
  Put("2026-03-12", "a", 6);
  Put("2026-03-13", "a", 9);
  Put("2026-03-12", "b", 1);
  Commit();
  // For sum and count the day without events counts as 0, for others it is absent; a group's first day has nothing before it.
  const auto query =
      Query()
          .Select("sum(m), change(sum(m)), change(count), change_percent(count), change(max(m))")
          .Every("day")
          .GroupBy("customer");
  EXPECT_EQ(Ask(query),
            "2026-03-10T00:00:00Z a 4 - - - -\n"
            "2026-03-12T00:00:00Z a 6 6 1 - -\n"
            "2026-03-12T00:00:00Z b 1 - - - -\n"
            "2026-03-13T00:00:00Z a 9 3 0 0 3\n");
  auto filled = query;
  filled.Fill();
  EXPECT_EQ(Ask(filled),
            "2026-03-10T00:00:00Z a 4 - - - -\n"
            "2026-03-10T00:00:00Z b - - - - -\n"
            "2026-03-11T00:00:00Z a - -4 -1 -100 -\n"
            "2026-03-11T00:00:00Z b - - - - -\n"
            "2026-03-12T00:00:00Z a 6 6 1 - -\n"
            "2026-03-12T00:00:00Z b 1 - - - -\n"
            "2026-03-13T00:00:00Z a 9 3 0 0 3\n"
            "2026-03-13T00:00:00Z b - -1 -1 -100 -\n");
}

TEST_F(FinishTest, FillReachesOverTheAskedRange) {
  Put("2026-03-11", "a", 4);
  Commit();
  EXPECT_EQ(
      Ask(Query().Select("count, sum(m)").Every("day").Between("2026-03-10", "2026-03-13").Fill()),
      "2026-03-10T00:00:00Z 0 -\n2026-03-11T00:00:00Z 1 4\n2026-03-12T00:00:00Z 0 -\n");
  // No event at all in the range: still its windows, but no group to fill when grouped.
  EXPECT_EQ(Ask(Query().Select("count").Every("day").Between("2026-04-01", "2026-04-03").Fill()),
            "2026-04-01T00:00:00Z 0\n2026-04-02T00:00:00Z 0\n");
  EXPECT_EQ(Ask(Query()
                    .Select("count")
                    .Every("day")
                    .Between("2026-04-01", "2026-04-03")
                    .Fill()
                    .GroupBy("customer")),
            "");
  EXPECT_EQ(Ask(Query().Select("count").Every("day").Between("2026-04-01", "2026-04-03")), "");
  auto large = Query().Select("count").Every("minute").Between("2026-03-01", "2026-04-01").Fill();
  large.spec().groups_max = 1000;
  EXPECT_EQ(ErrorOf(large).code(), StatusCode::kExhausted);
  // Days of 23 hours are days.
  EXPECT_EQ(Ask(Query()
                    .Select("count")
                    .Every("day", "Europe/Berlin")
                    .Between("2026-03-28T23:00", "2026-03-30T22:00")
                    .Fill()),
            "2026-03-28T23:00:00Z 0\n2026-03-29T22:00:00Z 0\n");
}

TEST_F(FinishTest, OneRowWithoutGroupsEvenOfNothing) {
  Put("2026-03-11", "a", 4);
  Commit();
  EXPECT_EQ(
      Ask(Query().Select("count, sum(m), avg(m), p50(m), distinct(customer)").Customer("nobody")),
      "0 - - - 0\n");
  EXPECT_EQ(Ask(Query().Select("count").Customer("nobody").GroupBy("service")), "");
}

TEST_F(FinishTest, AbsentGroupValuesComeFirstAndDifferFromEmpty) {
  Put("2026-03-11", "a", 1);
  Put("2026-03-11", "a", 2, {{"d", ""}});
  Put("2026-03-11", "a", 4, {{"d", "x"}});
  Put("2026-03-11", "a", 8, {{"d", "+"}});
  Commit();
  EXPECT_EQ(Ask(Query().Select("sum(m)").GroupBy("d")), "- 1\n 2\n+ 8\nx 4\n");
  EXPECT_EQ(Ask(Query().Select("sum(m)").GroupBy("d").OrderBy("-d")), "x 4\n+ 8\n 2\n- 1\n");
}

TEST_F(FinishTest, OrderLimitAndTies) {
  for (const auto& [customer, m] :
       std::vector<std::pair<const char*, int>>{{"e", 1}, {"d", 2}, {"c", 1}, {"b", 3}, {"a", 1}}) {
    Put("2026-03-11", customer, m);
  }
  Event e;  // no m at all
  e.time = At("2026-03-11");
  e.customer = "none";
  e.service = "api";
  Put(e);
  Commit();
  const auto q = [] { return Query().Select("sum(m)").GroupBy("customer"); };
  EXPECT_EQ(Ask(q()), "a 1\nb 3\nc 1\nd 2\ne 1\nnone -\n");
  EXPECT_EQ(Ask(q().OrderBy("-sum(m)")), "b 3\nd 2\na 1\nc 1\ne 1\nnone -\n");
  EXPECT_EQ(Ask(q().OrderBy("sum(m)")), "none -\na 1\nc 1\ne 1\nd 2\nb 3\n");
  EXPECT_EQ(Ask(q().OrderBy("-sum(m)").Limit(4)), "b 3\nd 2\na 1\nc 1\n");
  EXPECT_EQ(Ask(q().OrderBy("sum(m)").OrderBy("-customer").Limit(3)), "none -\ne 1\nc 1\n");
  EXPECT_EQ(Ask(q().Limit(2)), "a 1\nb 3\n");
  EXPECT_EQ(ErrorOf(q().OrderBy("cost")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorOf(q().OrderBy("window_start")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Ask(Query()
                    .Select("count")
                    .Every("day")
                    .OrderBy("-window_start")
                    .Fill()
                    .Between("2026-03-10", "2026-03-12")),
            "2026-03-11T00:00:00Z 6\n2026-03-10T00:00:00Z 0\n");
}

TEST_F(FinishTest, BoundsEndInExhausted) {
  for (int i = 0; i < 50; ++i)
    Put("2026-03-11", "c" + std::to_string(i), i, {{"d", "v" + std::to_string(i)}});
  Commit();
  auto by_customer = Query().Select("count").GroupBy("customer");
  by_customer.spec().groups_max = 50;
  EXPECT_TRUE(TryAsk(by_customer.spec()));
  for (const std::string_view field : {"customer", "d"}) {
    auto q = Query().Select("count").GroupBy(field);
    q.spec().groups_max = 49;
    const Status status = ErrorOf(q);
    EXPECT_EQ(status.code(), StatusCode::kExhausted);
    EXPECT_NE(status.message().find("groups_max"), std::string_view::npos) << status.ToString();
  }
}

TEST_F(FinishTest, TheMemoryBoundHoldsForRowsAndCells) {
  // Exact quantiles of many values.
  for (int i = 0; i < 70'000; ++i) Put("2026-03-11", "c", i);
  Commit();
  auto exact = Query().Select("p50(m)").Exact();
  EXPECT_TRUE(TryAsk(exact.spec()));
  exact.spec().memory_bytes_max = 100'000;
  const Status status = ErrorOf(exact);
  EXPECT_EQ(status.code(), StatusCode::kExhausted);
  EXPECT_NE(status.message().find("memory_bytes_max"), std::string_view::npos) << status.ToString();
  // Many groups of sketches, out of summaries.
  for (int i = 0; i < 60'000; ++i) Put("2026-05-01", "customer-" + std::to_string(i % 6000), i);
  Commit();
  Seal();
  auto grouped = Query().Select("p50(m), sum(m)").GroupBy("customer").From("2026-05-01");
  EXPECT_TRUE(TryAsk(grouped.spec()));
  grouped.spec().memory_bytes_max = 200'000;
  EXPECT_EQ(ErrorOf(grouped).code(), StatusCode::kExhausted);
}

TEST_F(FinishTest, ASumBeyond128BitsIsAnErrorAndNotAWrongNumber) {
  // 2^127 / 10^18 is about 1.7e20; a scale of 18 leaves no more room.
  Put("2026-03-11", "a", D("99999999999999999999.999999999999999999"));
  Put("2026-03-11", "a", D("0.000000000000000001"));
  Put("2026-03-11", "b", D("99999999999999999999.999999999999999999"));
  Put("2026-03-11", "b", D("99999999999999999999.999999999999999999"));
  Commit();
  for (int tier = 0; tier < 2; ++tier) {
    EXPECT_EQ(Ask(Query().Select("sum(m)").Customer("a")), "100000000000000000000\n");
    EXPECT_EQ(ErrorOf(Query().Select("sum(m)").Customer("b")).code(), StatusCode::kOutOfRange);
    EXPECT_EQ(Ask(Query().Select("avg(m)").Customer("b")),
              "99999999999999999999.999999999999999999\n");
    Seal();
  }
}

TEST_F(FinishTest, AverageRoundsHalfToEven) {
  Put("2026-03-11", "a", D("0.000000000000000001"));
  Put("2026-03-11", "a", D("0.000000000000000002"));
  Put("2026-03-11", "b", D("0.000000000000000003"));
  Put("2026-03-11", "b", D("0.000000000000000002"));
  Put("2026-03-11", "c", D("1"));
  Put("2026-03-11", "c", D("0"));
  Put("2026-03-11", "c", D("0"));
  Commit();
  EXPECT_EQ(Ask(Query().Select("avg(m)").GroupBy("customer")),
            "a 0.000000000000000002\nb 0.000000000000000002\nc 0.333333333333333333\n");
}

TEST_F(FinishTest, FirstAndLatestAtTheSameTimeGoByIdentity) {
  std::map<Hash128, int> by_identity;
  for (int i = 0; i < 9; ++i) {
    const std::string id = "t" + std::to_string(i);
    Event e;
    e.id = id;
    e.customer = "c";
    e.service = "s";
    e.time = At("2026-03-11");
    e.measures = {{"m", i}};
    by_identity[MakeIdentity("c", "", id).key] = i;
    Put(e);
    if (i % 4 == 3) Commit();
    if (i == 3) Seal();
  }
  Commit();
  const std::string want = std::to_string(by_identity.begin()->second) + " " +
                           std::to_string(by_identity.rbegin()->second) + "\n";
  for (int tier = 0; tier < 2; ++tier) {
    EXPECT_EQ(Ask(Query().Select("first(m), latest(m)")), want);
    Seal();
  }
  Merge();
  EXPECT_EQ(Ask(Query().Select("first(m), latest(m)")), want);
}

TEST_F(FinishTest, ApproximationIsSaid) {
  for (int i = 0; i < 6000; ++i) Put("2026-03-11", "c" + std::to_string(i), i);
  Commit();
  auto spec = Query().Select("p50(m), distinct(customer), count").spec();
  auto answer = TryAsk(spec);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->exact);
  EXPECT_EQ(answer->relative_error, 0.004);
  EXPECT_FALSE(answer->columns[0].exact);
  EXPECT_FALSE(answer->columns[1].exact);
  EXPECT_TRUE(answer->columns[2].exact);
  spec.exact = true;
  answer = TryAsk(spec);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->exact);
  EXPECT_EQ(Text(answer), "2999 6000 6000\n");
}

}  // namespace
}  // namespace quipu
