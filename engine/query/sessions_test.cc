#include "query/sessions.h"

#include <algorithm>

#include "query/query_testing.h"

namespace quipu {
namespace {

class SessionsTest : public QueryTest {
 protected:
  std::string Page(const SessionQuery& query) {
    const auto page = RunSessionQuery(*store_->view(), store_->catalogue(), query);
    if (!page) return page.error().ToString();
    std::string text;
    for (const Session& s : page->sessions) {
      text += s.customer + "/" + s.id + " " + FormatTime(s.start).substr(11, 8) + " " +
              std::to_string(s.duration_us() / kSecondUs) + " " + std::to_string(s.requests) + "\n";
    }
    return text;
  }
};

TEST_F(SessionsTest, APauseLongerThanTheGapEndsOne) {
  Put("2026-03-11T10:00:00Z", "a", 1, {{"user", "u"}});
  Put("2026-03-11T10:30:00Z", "a", 1, {{"user", "u"}});         // just the gap
  Put("2026-03-11T11:00:00.000001Z", "a", 1, {{"user", "u"}});  // one microsecond more
  Put("2026-03-11T10:10:00Z", "a", 1, {{"user", "v"}});
  Put("2026-03-11T10:20:00Z", "b", 1, {{"user", "u"}});  // another customer's
  Put("2026-03-11T10:20:00Z", "a", 1);                   // nobody's
  Commit();
  SessionQuery q;
  q.session_by = "user";
  const std::string want =
      "a/u 10:00:00 1800 2\na/v 10:10:00 0 1\nb/u 10:20:00 0 1\na/u 11:00:00 0 1\n";
  EXPECT_EQ(Page(q), want);
  Seal();
  EXPECT_EQ(Page(q), want);
  const auto totals = RunSessionTotals(*store_->view(), store_->catalogue(), q);
  ASSERT_TRUE(totals) << totals.error().ToString();
  EXPECT_EQ(totals->sessions, 4u);
  EXPECT_EQ(totals->users, 3u);
  EXPECT_EQ(totals->requests, 5u);
  EXPECT_EQ(totals->events_without_id, 1u);
  EXPECT_EQ(totals->duration_spread_us.max, 1800 * kSecondUs);
  EXPECT_EQ(totals->duration_spread_us.p50, 0);
  EXPECT_EQ(totals->request_spread.p95, 2);
  q.session_by.clear();
  EXPECT_EQ(Page(q), "a/ 10:00:00 1800 4\nb/ 10:20:00 0 1\na/ 11:00:00 0 1\n");
}

TEST_F(SessionsTest, BelongToTheRangeInWhichTheyBegin) {
  for (const char* time : {"09:50", "10:00", "10:10", "11:50", "12:05", "12:20", "14:00"})
    Put("2026-03-11T" + std::string(time) + ":00Z", "a", 1, {{"user", "u"}});
  Commit();
  SessionQuery q;
  q.session_by = "user";
  q.from = At("2026-03-11T10:00:00Z");
  q.to = At("2026-03-11T12:00:00Z");
  EXPECT_EQ(Page(q), "a/u 11:50:00 1800 3\n");
}

TEST_F(SessionsTest, Refusals) {
  SessionQuery q;
  q.gap_us = 0;
  EXPECT_NE(Page(q).find("gap"), std::string::npos);
  q = {};
  q.limit = 0;
  EXPECT_NE(Page(q).find("10000"), std::string::npos);
  q = {};
  for (const char* cursor : {"x", "1", "1:", "1:2", "1:9:a", "99999999999999999999:1:a"}) {
    q.cursor = cursor;
    EXPECT_NE(Page(q).find("malformed"), std::string::npos) << cursor;
  }
  Put("2026-03-11", "a", 1);
  Commit();
  q = {};
  q.session_by = "user";
  EXPECT_NE(Page(q).find("no event has a dimension 'user'"), std::string::npos) << Page(q);
}

/// Against sorting everything; in pages of any size, in much memory and in little, and in any tier.
TEST_F(SessionsTest, AreWhatAPlainLoopFinds) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::map<std::pair<std::string, std::string>, std::vector<TimeUs>> events;
  const TimeUs origin = At("2026-03-30T00:00:00Z");
  for (int i = 0; i < 1500; ++i) {
    const std::string customer = "c" + std::to_string(random.Below(3));
    const std::string user = "u" + std::to_string(random.Below(4));
    const TimeUs time = origin + static_cast<TimeUs>(random.Below(4 * 24 * 60)) * kMinuteUs;
    Put(FormatTime(time), customer, 1, {{"user", user}});
    events[{customer, user}].push_back(time);
    if (i % 400 == 399) Commit();
    if (i == 799) Seal();
  }
  Commit();
  for (int round = 0; round < 20; ++round) {
    SessionQuery q;
    q.session_by = "user";
    q.gap_us = static_cast<std::int64_t>(1 + random.Below(90)) * kMinuteUs;
    if (random.Below(3) > 0)
      q.from = origin + static_cast<TimeUs>(random.Below(3 * 24 * 60)) * kMinuteUs;
    if (random.Below(3) > 0)
      q.to = q.from.value_or(origin) + static_cast<TimeUs>(random.Below(24 * 60)) * kMinuteUs;
    std::vector<std::tuple<TimeUs, std::string, std::string, TimeUs, std::uint64_t>> want;
    for (auto& [who, times] : events) {
      std::sort(times.begin(), times.end());
      for (std::size_t i = 0, end = 0; i < times.size(); i = end) {
        for (end = i + 1; end < times.size() && times[end] - times[end - 1] <= q.gap_us;) ++end;
        if (times[i] >= q.from.value_or(kTimeMin) && times[i] < q.to.value_or(kTimeMax))
          want.emplace_back(times[i], who.first, who.second, times[end - 1], end - i);
      }
    }
    std::sort(want.begin(), want.end());
    decltype(want) got;
    q.limit = static_cast<std::uint32_t>(1 + random.Below(40));
    if (random.Below(2) == 0) q.memory_bytes_max = 40'000;
    do {
      const auto page = RunSessionQuery(*store_->view(), store_->catalogue(), q);
      ASSERT_TRUE(page) << page.error().ToString();
      ASSERT_LE(page->sessions.size(), q.limit);
      for (const Session& s : page->sessions)
        got.emplace_back(s.start, s.customer, s.id, s.end, s.requests);
      q.cursor = page->next_cursor;
    } while (!q.cursor.empty());
    ASSERT_EQ(got, want);
    q.memory_bytes_max = SessionQuery().memory_bytes_max;  // exact percentiles need what they need
    const auto totals = RunSessionTotals(*store_->view(), store_->catalogue(), q);
    ASSERT_TRUE(totals) << totals.error().ToString();
    ASSERT_EQ(totals->sessions, want.size());
  }
}

}  // namespace
}  // namespace quipu
