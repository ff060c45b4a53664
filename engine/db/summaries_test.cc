// Summaries by dimension through the front door: declared, built, used, explained, dropped, kept over reopenings, erasures and expiry.
#include <gtest/gtest.h>

#include <thread>

#include "db/lifecycle_testing.h"

namespace quipu {
namespace {

class SummariesTest : public LifecycleTest {
 protected:
  static SummarySet Region(std::uint32_t rows_min = 1) {
    return {.service = "s0", .dimensions = {"region"}, .rows_min = rows_min};
  }
  static Query ByRegion() {
    return Query()
        .Select("count, sum(cost), max(quantity)")
        .Service("s0")
        .GroupBy("region")
        .Every("day");
  }
  Result<ResultSet> Ask(Query query, bool raw = false) {
    query.spec().explain = true;
    query.spec().raw_only = raw;
    return db_->Query(query);
  }
  /// The set that answered, everywhere; "" = somewhere none did.
  std::string AnsweredBy(Query query) {
    const auto answer = Ask(std::move(query));
    if (!answer) return answer.error().ToString();
    std::string name;
    for (const ExplainedSource& source : answer->explanation->sources) {
      if (source.rows > 0 || source.cells_by.empty()) return "";
      name = source.cells_by;
    }
    return name;
  }
  std::string Why(Query query) {
    const auto answer = Ask(std::move(query));
    std::string why = answer ? answer->explanation->why_no_cells : answer.error().ToString();
    if (answer) {
      for (const ExplainedSource& source : answer->explanation->sources)
        why += "; " + source.why_rows;
    }
    return why;
  }
};

TEST_F(SummariesTest, ABuiltSetAnswers) {
  Open();
  Fill("a", 6000);
  const std::string truth = Text(Ask(ByRegion(), true));
  EXPECT_EQ(AnsweredBy(ByRegion()), "");
  EXPECT_NE(Why(ByRegion()).find("no summary by (region)"), std::string::npos) << Why(ByRegion());
  ASSERT_TRUE(db_->DeclareSummary(Region()).ok());
  EXPECT_EQ(AnsweredBy(ByRegion()), "") << "declared, not built";
  auto sets = db_->Summaries();
  ASSERT_TRUE(sets);
  ASSERT_EQ(sets->size(), 1u);
  EXPECT_EQ((*sets)[0].segments, 3u);
  EXPECT_EQ((*sets)[0].segments_built, 0u);
  std::uint64_t calls = 0;
  ASSERT_TRUE(db_->BuildSummaries([&](std::uint64_t done, std::uint64_t total) {
                   EXPECT_LE(done, total);
                   ++calls;
                   return true;
                 })
                  .ok());
  EXPECT_GT(calls, 3u);
  EXPECT_EQ(AnsweredBy(ByRegion()), "(region)");
  EXPECT_EQ(Text(Ask(ByRegion())), truth);
  sets = db_->Summaries();
  EXPECT_EQ((*sets)[0].segments_built, 3u);
  EXPECT_GT((*sets)[0].bytes, 0u);
  EXPECT_EQ((*sets)[0].set.measures, (std::vector<std::string>{"cost", "quantity"}));
  ExpectSound();
  Open();
  EXPECT_EQ(AnsweredBy(ByRegion()), "(region)");
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(AnsweredBy(ByRegion()), "(region)");
  EXPECT_EQ(Text(Ask(ByRegion())), truth);
  // What the set does not have.
  EXPECT_EQ(AnsweredBy(ByRegion().Customer("c1")), "");
  EXPECT_EQ(AnsweredBy(Query().Select("count").Service("s1").GroupBy("region")), "");
  EXPECT_EQ(AnsweredBy(Query().Select("first(cost)").Service("s0").GroupBy("region")), "");
  EXPECT_EQ(AnsweredBy(Query().Select("count").Service("s0").Where("region=eu")), "(region)");
  EXPECT_EQ(AnsweredBy(Query().Select("count").Service("s0").Where("cost>1").GroupBy("region")),
            "");
  ASSERT_TRUE(db_->DropSummary(Region()).ok());
  EXPECT_EQ(db_->DropSummary(Region()).code(), StatusCode::kNotFound);
  EXPECT_TRUE(db_->Summaries()->empty());
  EXPECT_EQ(Text(Ask(ByRegion())), truth);
}

TEST_F(SummariesTest, TheBackgroundBuilds) {
  Open();
  Fill("a", 6000);
  ASSERT_TRUE(db_->DeclareSummary(Region()).ok());
  options_.background_upkeep = true;
  Open();
  for (int i = 0; i < 1000 && AnsweredBy(ByRegion()).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(AnsweredBy(ByRegion()), "(region)");
  EXPECT_EQ(Text(Ask(ByRegion())), Text(Ask(ByRegion(), true)));
}

TEST_F(SummariesTest, ABuildThatWasStoppedGoesOn) {
  Open();
  Fill("a", 3000);
  ASSERT_TRUE(db_->DeclareSummary(Region()).ok());
  const Status stopped =
      db_->BuildSummaries([](std::uint64_t done, std::uint64_t) { return done == 0; });
  EXPECT_EQ(stopped.code(), StatusCode::kCancelled);
  EXPECT_EQ((*db_->Summaries())[0].segments_built, 1u);
  EXPECT_EQ(Text(Ask(ByRegion())), Text(Ask(ByRegion(), true)));
  Open();
  ASSERT_TRUE(db_->BuildSummaries().ok());
  EXPECT_EQ((*db_->Summaries())[0].segments_built, 3u);
  EXPECT_EQ(memory_->List("/d/segments")->size(), 3u) << "the old files are gone";
}

TEST_F(SummariesTest, AnErasedCustomerLeavesTheCells) {
  Open();
  ASSERT_TRUE(db_->DeclareSummary(Region()).ok());
  Fill("a", 6000);
  EXPECT_EQ(AnsweredBy(ByRegion()), "(region)");
  ASSERT_TRUE(db_->Erase("c3"));
  EXPECT_EQ(AnsweredBy(ByRegion()), "") << "the cells count it still";
  EXPECT_NE(Why(ByRegion()).find("being erased"), std::string::npos);
  const std::string truth = Text(Ask(ByRegion(), true));
  EXPECT_EQ(Text(Ask(ByRegion())), truth);
  ASSERT_TRUE(db_->FinishErasures().ok());
  EXPECT_EQ(AnsweredBy(ByRegion()), "(region)");
  EXPECT_EQ(Text(Ask(ByRegion())), truth);
  ExpectSound();
}

TEST_F(SummariesTest, ArchivedAndExpiredMonthsKeepTheirCells) {
  Open();
  ASSERT_TRUE(db_->DeclareSummary(Region()).ok());
  Fill("a", 6000);
  const std::string truth = Text(Ask(ByRegion(), true));
  clock_.Advance(60 * kDayUs);
  ASSERT_TRUE(db_->Archive({.before = ParseTime("2026-02-01")->time_us}));
  EXPECT_EQ(AnsweredBy(ByRegion()), "(region)");
  // In the archive, too, sets are built later.
  ASSERT_TRUE(db_->DeclareSummary({.dimensions = {"region"}, .measures = {}, .rows_min = 1}).ok());
  ASSERT_TRUE(db_->BuildSummaries().ok());
  EXPECT_EQ(AnsweredBy(Query().Select("count").GroupBy("region,service")), "(region)");
  ExpectSound();
  RetentionPolicy policy;
  policy.rules = {{.name = "all", .keep_raw_days = 30}};
  ASSERT_TRUE(db_->SetRetention(policy).ok());
  clock_.Advance(60 * kDayUs);
  ASSERT_TRUE(db_->Retain());
  EXPECT_FALSE(Ask(ByRegion(), true)) << "the rows are gone";
  EXPECT_EQ(Text(Ask(ByRegion())), truth);
  EXPECT_FALSE(Ask(Query().Select("count").Service("s0").GroupBy("region").Customer("c1")));
  ExpectSound();
}

TEST_F(SummariesTest, WrongSetsAreRefused) {
  Open();
  Fill("a", 100);
  const auto refusal = [&](const SummarySet& set) {
    const Status s = db_->DeclareSummary(set);
    EXPECT_EQ(s.code(), StatusCode::kInvalidArgument);
    return std::string(s.message());
  };
  EXPECT_NE(refusal({.service = "s0"}).find("1 to 3"), std::string::npos);
  EXPECT_NE(refusal({.dimensions = {"a", "b", "c", "d"}}).find("1 to 3"), std::string::npos);
  EXPECT_NE(refusal({.dimensions = {"customer"}}).find("not a dimension"), std::string::npos);
  for (int i = 0; i < 16; ++i)
    ASSERT_TRUE(db_->DeclareSummary({.dimensions = {"d" + std::to_string(i)}}).ok());
  EXPECT_EQ(db_->DeclareSummary({.dimensions = {"d16"}}).code(), StatusCode::kExhausted);
  EXPECT_TRUE(db_->DeclareSummary({.dimensions = {"d15"}, .measures = {"*"}}).ok()) << "a change";
  EXPECT_TRUE(db_->BuildSummaries().ok()) << "of dimensions that no event has";
}

TEST_F(SummariesTest, AdviceFindsWhatPays) {
  Open();
  Fill("a", 30'000);
  const auto advice = db_->AdviseSummaries();
  ASSERT_TRUE(advice) << advice.error().ToString();
  EXPECT_EQ(advice->events, 30'000u);
  EXPECT_EQ(advice->events_looked_at, 30'000u);
  EXPECT_GT(advice->summary_bytes, 0u);
  ASSERT_EQ(advice->proposals.size(),
            3u);  // region of each service: two values, 90 days, 10,000 events
  const SummaryProposal& p = advice->proposals[0];
  EXPECT_EQ(p.set.dimensions, std::vector<std::string>{"region"});
  EXPECT_EQ(p.values, std::vector<std::uint64_t>{2});
  EXPECT_EQ(p.combinations, 2u);
  EXPECT_EQ(p.cells, 180u);
  EXPECT_NEAR(p.events_per_cell, static_cast<double>(p.events) / 180, 0.01);
  EXPECT_FALSE(p.is_declared);
  ASSERT_TRUE(db_->DeclareSummary({.dimensions = {"region"}}).ok());
  EXPECT_TRUE(db_->AdviseSummaries()->proposals[0].is_declared);
}

}  // namespace
}  // namespace quipu
