#include "query/resources.h"

#include <gtest/gtest.h>

#include <set>

#include "query/query_testing.h"

namespace quipu {
namespace {

TEST(QueryPoolTest, EveryTaskIsDoneOnceWhoeverComes) {
  QueryPool pool(4);
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c) {
    callers.emplace_back([&pool] {
      for (int round = 0; round < 50; ++round) {
        constexpr std::uint32_t kTasks = 200;
        std::vector<std::atomic<int>> done(kTasks);
        std::atomic<std::uint32_t> next{0};
        std::atomic<std::uint32_t> workers{0};
        pool.Run(3, [&](std::uint32_t worker) {
          ASSERT_LT(worker, 3u);
          ++workers;
          for (std::uint32_t t = next++; t < kTasks; t = next++) ++done[t];
        });
        ASSERT_GE(workers, 1u);
        for (const auto& d : done) ASSERT_EQ(d, 1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST(QueryPoolTest, WhatABodyThrowsIsThrownOnceAllAreDone) {
  QueryPool pool(3);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> running{0}, begun{0};
    const auto body = [&](std::uint32_t worker) {
      ++running;
      // The caller waits for a helper, so that there is one.
      for (++begun; worker == 0 && begun == 1;) std::this_thread::yield();
      --running;
      if (round % 2 == 0 || worker != 0) throw std::bad_alloc();
    };
    EXPECT_THROW(pool.Run(3, body), std::bad_alloc);
    EXPECT_EQ(running, 0);
  }
  std::atomic<int> done{0};
  pool.Run(3, [&](std::uint32_t) { ++done; });
  EXPECT_GE(done, 1) << "and the pool serves as before";
}

TEST(QueryPoolTest, OneThreadIsTheCallers) {
  QueryPool pool(1);
  std::set<std::thread::id> ids;
  pool.Run(8, [&](std::uint32_t) { ids.insert(std::this_thread::get_id()); });
  EXPECT_EQ(ids, std::set{std::this_thread::get_id()});
}

TEST(QueryBudgetTest, TakesUpToTheBoundAndReturns) {
  QueryResources resources(1, 1000);
  QuerySpec spec;
  spec.memory_bytes_max = 700;
  {
    QueryControl first(spec, &resources), second(spec, &resources);
    EXPECT_TRUE(first.Charge(600).ok());
    EXPECT_TRUE(second.Charge(400).ok());
    // Together they have all there is.
    const Status all = second.Charge(1);
    EXPECT_EQ(all.code(), StatusCode::kExhausted);
    EXPECT_NE(all.message().find("query_memory_bytes_max"), std::string::npos);
    EXPECT_TRUE(first.Charge(-300).ok());
    EXPECT_TRUE(second.Charge(300).ok());
    EXPECT_EQ(resources.budget.bytes(), 1000u);
    EXPECT_TRUE(first.Charge(-300).ok());
    // Alone beyond its own bound.
    const Status own = second.Charge(100);
    EXPECT_EQ(own.code(), StatusCode::kExhausted);
    EXPECT_NE(own.message().find("memory_bytes_max"), std::string::npos);
    EXPECT_EQ(first.peak_bytes(), 600u);
    EXPECT_EQ(second.peak_bytes(), 700u);
    EXPECT_EQ(resources.budget.bytes(), 700u) << "what is refused is not charged";
  }
  EXPECT_EQ(resources.budget.bytes(), 0u);
}

TEST(QueryControlTest, DeadlineAndCancel) {
  ManualClock clock(0);
  QueryResources resources(1, 1000, &clock);
  QuerySpec spec;
  spec.deadline_ms = 5;
  std::atomic<bool> cancelled{false};
  spec.cancelled = &cancelled;
  QueryControl control(spec, &resources);
  clock.Advance(5000);
  EXPECT_TRUE(control.CheckTime().ok());
  clock.Advance(1);
  EXPECT_EQ(control.CheckTime().code(), StatusCode::kExhausted);
  cancelled = true;
  EXPECT_EQ(control.CheckTime().code(), StatusCode::kCancelled);
}

class ResourcesTest : public QueryTest {};

TEST_F(ResourcesTest, AQueryHeedsThem) {
  for (int i = 0; i < 20'000; ++i)
    Put("2026-03-02", "c" + std::to_string(i), 1, {{"d", std::to_string(i)}});
  Commit();
  Seal();
  const auto ask = [&](const QuerySpec& spec, QueryResources* resources) {
    return RunQuery(*store_->view(), store_->catalogue(), spec, resources).error();
  };
  QuerySpec spec = Query().Select("count, sum(m)").GroupBy("customer,d").spec();
  QueryResources plenty(2), little(2, 1 << 20);
  EXPECT_TRUE(ask(spec, &plenty).ok());
  EXPECT_EQ(plenty.budget.bytes(), 0u);
  EXPECT_EQ(ask(spec, &little).code(), StatusCode::kExhausted);
  EXPECT_EQ(little.budget.bytes(), 0u);
  std::atomic<bool> cancelled{true};
  spec.cancelled = &cancelled;
  EXPECT_EQ(ask(spec, &plenty).code(), StatusCode::kCancelled);
  spec.cancelled = nullptr;
  spec.groups_max = 19'999;
  EXPECT_EQ(ask(spec, &plenty).code(), StatusCode::kExhausted);
}

TEST_F(ResourcesTest, ALargeAnswerIsTheSameFromSeveralThreads) {
  for (int i = 0; i < 20'000; ++i)
    Put("2026-03-02", "c" + std::to_string(i), Decimal(i % 977, i % 4),
        {{"d", std::to_string(i % 5)}});
  Commit();
  for (int i = 0; i < 9000; ++i) Put("2026-03-05", "c" + std::to_string(i * 7 % 20'000), i);
  Commit();
  const auto ask = [&](const Query& query, std::uint32_t threads) {
    QueryResources resources(threads);
    return Text(RunQuery(*store_->view(), store_->catalogue(), query.spec(), &resources));
  };
  const std::vector<Query> queries = {
      Query().Select("count, sum(m), avg(m), max(m), sum(quantity)").GroupBy("customer,service"),
      Query().Select("sum(m), p50(m), p99(m)").GroupBy("customer,d"),
      Query().Select("p50(m), p99(m), distinct(d)").GroupBy("customer").Exact(),
      Query().Select("sum(m), count").GroupBy("customer").OrderBy("-sum(m)")};
  for (int sealed = 0; sealed < 2; ++sealed) {
    for (const Query& query : queries) {
      const std::string one = ask(query, 1);
      EXPECT_GT(std::count(one.begin(), one.end(), '\n'), 16'384);
      EXPECT_TRUE(ask(query, 2) == one) << query.spec().select.front().name;
      EXPECT_TRUE(ask(query, 4) == one) << query.spec().select.front().name;
    }
    Seal();
  }
}

TEST_F(ResourcesTest, AnExplanationSaysWhereTheAnswerCameFrom) {
  for (int i = 0; i < 3000; ++i)
    Put("2026-03-02T10:00:00Z", i % 3 == 0 ? "small" + std::to_string(i) : "whale", 1,
        {{"d", std::to_string(i % 7)}});
  Put("2026-03-02T11:30:00Z", "whale", 1, {{"d", "0"}});
  Commit();
  Seal();
  Put("2026-03-03", "whale", 1);
  Commit();
  const auto ask = [&](Query query) {
    query.spec().explain = true;
    const auto answer = TryAsk(query.spec());
    EXPECT_TRUE(answer) << answer.error().ToString();
    EXPECT_TRUE(answer->explanation);
    return *answer->explanation;
  };
  const Explanation total = ask(Query().Select("count"));
  EXPECT_EQ(total.why_no_cells, "");
  ASSERT_EQ(total.sources.size(), 2u);
  EXPECT_EQ(total.sources[0].month_cells, 1u);
  EXPECT_EQ(total.sources[0].rows, 0u);
  EXPECT_EQ(total.sources[0].why_rows, "");
  EXPECT_EQ(total.sources[0].month, "2026-03");
  EXPECT_EQ(total.sources[1].file, "unsealed events");
  EXPECT_EQ(total.sources[1].rows, 1u);
  ASSERT_EQ(total.steps.size(), 5u);
  const Explanation by_customer = ask(Query().Select("count").GroupBy("customer"));
  EXPECT_EQ(by_customer.sources[0].month_cells, 1u);  // the whale's
  EXPECT_EQ(by_customer.sources[0].rows, 1000u);
  EXPECT_NE(by_customer.sources[0].why_rows.find("too few rows"), std::string::npos);
  const Explanation by_d = ask(Query().Select("count").GroupBy("d"));
  EXPECT_NE(by_d.why_no_cells.find("'d'"), std::string::npos);
  EXPECT_EQ(by_d.sources[0].rows, 3001u);
  EXPECT_EQ(by_d.sources[0].vectors, 3u);
  EXPECT_EQ(by_d.sources[0].vectors_decoded, 3u);  // the codes of d: times and counts need none
  EXPECT_EQ(by_d.groups, 8u);
  const Explanation edges =
      ask(Query().Select("count").From("2026-03-02T09:59:30Z").To("2026-03-02T10:30:00Z"));
  EXPECT_NE(edges.sources[0].why_rows.find("inside an hour"), std::string::npos);
}

}  // namespace
}  // namespace quipu
