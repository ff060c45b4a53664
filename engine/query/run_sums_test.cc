// Answers from sums by run and by customer are those from rows (QueryTest::Ask compares the two), and are really taken from them.
#include "query/run_sums.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

class RunSumsTest : public QueryTest {
 protected:
  /// Two months; of several scales, with rows that lack the measure, and customers that lack a service.
  void PutEvents(Random* random) {
    for (int i = 0; i < 3000; ++i) {
      Event e;
      e.time = At("2026-03-01") + static_cast<TimeUs>(random->Below(61)) * kDayUs;
      const std::uint64_t number = random->Below(40);
      const std::string customer = "c" + std::to_string(number);
      e.customer = customer;
      e.service = number % 3 == 0 || random->Below(3) != 0 ? "api" : "storage";
      if (random->Below(5) != 0) {
        e.measures = {{"m", Decimal(static_cast<std::int64_t>(random->Below(2000)) - 500,
                                    static_cast<int>(random->Below(4)))}};
      }
      Put(e);
    }
    Commit();
    Seal();
  }
  /// How many sums an answer took.
  std::uint64_t SumsTaken(const Query& query) {
    QuerySpec spec = query.spec();
    spec.explain = true;
    const auto answer = TryAsk(spec);
    EXPECT_TRUE(answer) << answer.error().ToString();
    std::uint64_t sums = 0;
    for (const ExplainedSource& source : answer->explanation->sources) sums += source.run_sums;
    return sums;
  }
};

TEST_F(RunSumsTest, AreTheSumsOfTheRows) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  PutEvents(&random);
  constexpr const char* kSelect = "count, count(m), sum(m), avg(m), sum(quantity)";
  for (int again = 0; again < 2; ++again) {  // computed, then kept
    const Query by_customer = Query().Select(kSelect).GroupBy("customer");
    const Query by_run = Query().Select(kSelect).GroupBy("customer,service");
    const Query of_service = Query().Select(kSelect).GroupBy("customer").Service("storage");
    EXPECT_EQ(SumsTaken(by_customer), 2u * 40);
    EXPECT_GT(SumsTaken(by_run), 2u * 60);
    EXPECT_GT(SumsTaken(of_service), 2u * 60);
    for (const Query& query : {by_customer, by_run, of_service}) (void)Ask(query);
    (void)Ask(Query().Select("sum(m)").GroupBy("customer").OrderBy("-sum(m)").Limit(7));
    (void)Ask(Query().Select("count").GroupBy("customer").Every("month"));
  }
}

TEST_F(RunSumsTest, RowsAnswerWhereSumsDoNotFit) {
  // Each fits 64 bits, a run's four do; the eight of a customer do not.
  for (int i = 0; i < 8; ++i) {
    Event e;
    e.time = At("2026-03-05") + i;
    e.customer = "c";
    e.service = i % 2 == 0 ? "api" : "storage";
    e.measures = {{"m", Decimal(Int128{2'000'000'000'000'000'000}, 0)}};
    Put(e);
  }
  Commit();
  Seal();
  EXPECT_EQ(Ask(Query().Select("sum(m)").GroupBy("customer,service")),
            "c api 8000000000000000000\nc storage 8000000000000000000\n");
  EXPECT_EQ(SumsTaken(Query().Select("sum(m)").GroupBy("customer,service")), 2u);
  EXPECT_EQ(Ask(Query().Select("sum(m)").GroupBy("customer")), "c 16000000000000000000\n");
  EXPECT_EQ(SumsTaken(Query().Select("sum(m)").GroupBy("customer")), 0u);
}

}  // namespace
}  // namespace quipu
