#include "query/asked_view.h"
#include "query/events.h"
#include "query/query_testing.h"
#include "query/sessions.h"

namespace quipu {
namespace {

class AsOfTest : public QueryTest {
 protected:
  /// March: two days of a and b, frozen at commit 2; then a late event of a, one of a new customer, and something that is not sealed yet.
  void Fill() {
    Put("2026-03-01T10:00:00Z", "a", 10, {{"region", "eu"}});
    Put("2026-03-02T10:00:00Z", "b", 5);
    Commit();
    Put("2026-03-02T11:00:00Z", "a", 1);
    Commit();
    Seal();
    ASSERT_TRUE(store_->Freeze("march"));
    Put("2026-03-01T12:00:00Z", "a", 100);
    Put("2026-03-03T10:00:00Z", "late", 7);
    Commit();
    Seal();
    Put("2026-03-03T11:00:00Z", "b", 1000);
    Commit();
    Put("2026-03-03T11:30:00Z", "b", 2000);
    Commit();
  }
  static Query Bill() { return Query().Select("count, sum(m)").GroupBy("customer"); }
};

TEST_F(AsOfTest, AnEarlierStateIsAsIfNothingHadComeAfterIt) {
  Fill();
  EXPECT_EQ(Ask(Bill()), "a 3 111\nb 3 3005\nlate 1 7\n");
  EXPECT_EQ(Ask(Bill().AsOf("march")), "a 2 11\nb 1 5\n");
  EXPECT_EQ(Ask(Bill().AsOf("2")), "a 2 11\nb 1 5\n");
  EXPECT_EQ(Ask(Bill().AsOf("3")), "a 3 111\nb 1 5\nlate 1 7\n");
  EXPECT_EQ(Ask(Bill().AsOf("4")), "a 3 111\nb 2 1005\nlate 1 7\n");
  EXPECT_EQ(Ask(Bill().AsOf("0")), "");
  EXPECT_EQ(ErrorOf(Bill().AsOf("1")).code(), StatusCode::kOutOfRange);
  EXPECT_EQ(ErrorOf(Bill().AsOf("6")).code(), StatusCode::kOutOfRange);
  EXPECT_EQ(ErrorOf(Bill().AsOf("april")).code(), StatusCode::kNotFound);
  const auto answer = TryAsk(Bill().AsOf("march").spec());
  EXPECT_EQ(answer->as_of, 2u);
  EXPECT_FALSE(answer->altered);
  // Open ends end with the state's own events.
  EXPECT_EQ(Ask(Query().Select("count").Every("day").Fill().AsOf("march")),
            "2026-03-01T00:00:00Z 1\n2026-03-02T00:00:00Z 2\n");
}

TEST_F(AsOfTest, SinceIsOnlyWhatHasCome) {
  Fill();
  EXPECT_EQ(Ask(Bill().Since("march")), "a 1 100\nb 2 3000\nlate 1 7\n");
  EXPECT_EQ(Ask(Bill().Since("march").AsOf("4")), "a 1 100\nb 1 1000\nlate 1 7\n");
  EXPECT_EQ(Ask(Bill().Since("march").AsOf("march")), "");
  EXPECT_EQ(Ask(Bill().Since("0").AsOf("2")), Ask(Bill().AsOf("march")));
  EXPECT_EQ(ErrorOf(Bill().Since("3").AsOf("march")).code(), StatusCode::kInvalidArgument);
  // What has come reads nothing of what was there.
  QuerySpec spec = Bill().Since("march").spec();
  spec.explain = true;
  const auto answer = TryAsk(spec);
  EXPECT_EQ(answer->stats.segments, 1u);
  EXPECT_EQ(answer->explanation->left_out,
            "since freeze 'march' (commit 2): left out 1 segment and 0 unsealed events of other "
            "commits");
  spec.since = {};
  spec.as_of = {.commit = 4};
  EXPECT_EQ(TryAsk(spec)->explanation->left_out,
            "as of commit 4: left out 0 segments and 1 unsealed event of other commits");
}

TEST_F(AsOfTest, TwoStatesAreComparedAlsoByWindow) {
  Fill();
  const auto compared = [] {
    return Query().Select("before(sum(m)), sum(m), growth(sum(m)), growth_percent(count)");
  };
  EXPECT_EQ(Ask(compared().GroupBy("customer").CompareAsOf("march")),
            "a 11 111 100 50\nb 5 3005 3000 200\nlate 0 7 7 -\n");
  EXPECT_EQ(Ask(compared().Every("day").CompareAsOf("march")),
            "2026-03-01T00:00:00Z 10 110 100 100\n2026-03-02T00:00:00Z 6 6 0 0\n"
            "2026-03-03T00:00:00Z 0 3007 3007 -\n");
  EXPECT_EQ(Ask(compared().GroupBy("customer").CompareAsOf("march").AsOf("3")),
            "a 11 111 100 50\nb 5 5 0 0\nlate 0 7 7 -\n");
  // Backwards: what the later state had and this one has not.
  EXPECT_EQ(Ask(compared().GroupBy("customer").AsOf("march").CompareAsOf("3")),
            "a 111 11 -100 -33.33\nb 5 5 0 0\nlate 7 - -7 -100\n");
  // Any aggregate has a before; percentiles are asked twice.
  EXPECT_EQ(Ask(Query().Select("before(max(m)), max(m), growth(p50(m))").CompareAsOf("march")),
            "10 2000 5\n");
  // An earlier period in an earlier state.
  EXPECT_EQ(Ask(Query()
                    .Select("before(count), count")
                    .Between("2026-03-02", "2026-03-03")
                    .CompareWith("2026-03-01", "2026-03-02")
                    .CompareAsOf("march")),
            "1 2\n");
  // A comparison of periods is one within the state that is asked.
  EXPECT_EQ(Ask(Query()
                    .Select("before(count), count")
                    .Between("2026-03-02", "2026-03-03")
                    .CompareWith("2026-03-01", "2026-03-02")
                    .AsOf("march")),
            "1 2\n");
  EXPECT_EQ(ErrorOf(compared()).code(), StatusCode::kInvalidArgument);
}

TEST_F(AsOfTest, PagesAndSessionsNameAStateToo) {
  Fill();
  EventQuery query;
  query.as_of.freeze = "march";
  query.limit = 2;
  std::size_t events = 0;
  do {
    const auto page = RunEventQuery(*store_->view(), store_->catalogue(), query);
    ASSERT_TRUE(page) << page.error().ToString();
    EXPECT_EQ(page->as_of, 2u);
    events += page->events.size();
    query.cursor = page->next_cursor;
  } while (!query.cursor.empty());
  EXPECT_EQ(events, 3u);
  EventQuery late;
  late.since.freeze = "march";
  EXPECT_EQ(RunEventQuery(*store_->view(), store_->catalogue(), late)->events.size(), 4u);
  SessionQuery sessions;
  sessions.gap_us = kHourUs;
  sessions.as_of.commit = 2;
  const auto page = RunSessionQuery(*store_->view(), store_->catalogue(), sessions);
  ASSERT_TRUE(page) << page.error().ToString();
  EXPECT_EQ(page->sessions.size(), 3u);
  EXPECT_EQ(page->as_of, 2u);
  sessions.as_of = {};
  sessions.since.commit = 2;
  const auto totals = RunSessionTotals(*store_->view(), store_->catalogue(), sessions);
  ASSERT_TRUE(totals) << totals.error().ToString();
  EXPECT_EQ(totals->requests, 4u);
  sessions.since = {.freeze = "april"};
  EXPECT_EQ(RunSessionTotals(*store_->view(), store_->catalogue(), sessions).error().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace quipu
