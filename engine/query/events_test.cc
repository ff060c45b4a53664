#include "query/events.h"

#include <algorithm>

#include "query/query_testing.h"

namespace quipu {
namespace {

class EventsTest : public QueryTest {
 protected:
  EventPage Page(const EventQuery& query) {
    auto page = RunEventQuery(*store_->view(), store_->catalogue(), query);
    EXPECT_TRUE(page) << page.error().ToString();
    return page ? *std::move(page) : EventPage();
  }
  Status ErrorOf(const EventQuery& query) {
    return RunEventQuery(*store_->view(), store_->catalogue(), query).error();
  }
  /// All pages; `between` is called after each.
  template <class Between>
  std::vector<std::string> AllIds(EventQuery query, Between&& between) {
    std::vector<std::string> ids;
    for (;;) {
      const EventPage page = Page(query);
      EXPECT_LE(page.events.size(), query.limit);
      for (const StoredEvent& e : page.events) ids.push_back(e.id);
      if (page.next_cursor.empty()) return ids;
      EXPECT_EQ(page.events.size(), query.limit);
      query.cursor = page.next_cursor;
      between();
    }
  }
  void PutId(std::string_view id, TimeUs time, std::string_view customer = "c",
             std::vector<Dimension> dimensions = {}) {
    Event e;
    e.id = id;
    e.customer = customer;
    e.service = "api";
    e.time = time;
    e.measures = {{"m", 1}};
    e.dimensions = std::move(dimensions);
    Put(e);
  }
};

TEST_F(EventsTest, MalformedCursorsAndLimits) {
  EventQuery q;
  for (const std::uint32_t limit : {0u, 10'001u}) {
    q.limit = limit;
    EXPECT_EQ(ErrorOf(q).code(), StatusCode::kInvalidArgument);
  }
  q.limit = 1;
  const std::string zeros(48, '0');
  for (const std::string& cursor :
       {std::string("x"), zeros + "0", zeros.substr(1), zeros.substr(1) + "g",
        "-" + zeros.substr(1), " " + zeros.substr(1), "0x" + zeros.substr(2)}) {
    q.cursor = cursor;
    EXPECT_EQ(ErrorOf(q).code(), StatusCode::kInvalidArgument) << cursor;
  }
  for (const std::string& cursor :
       {zeros, std::string(48, 'f'), std::string(48, 'F')}) {  // times at the ends of int64
    q.cursor = cursor;
    EXPECT_TRUE(ErrorOf(q).ok());
    q.from = kTimeMin;
    q.to = At("2026-01-01");
    EXPECT_TRUE(ErrorOf(q).ok());
  }
}

TEST_F(EventsTest, AnEventComesBackWhole) {
  Event e;
  e.id = "id";
  e.source = "eu";
  e.customer = "c";
  e.service = "s";
  e.time = At("2026-03-10T01:02:03.000004");
  e.quantity = *Decimal::Parse("-1.5");
  e.cost = *Decimal::Parse("0.000001");
  e.dimensions = {{"zone", "1"}, {"area", ""}};
  e.measures = {{"y", 2}, {"x", 0}};
  Put(e);
  PutId("plain", *e.time + 1);
  Commit();
  for (int tier = 0; tier < 2; ++tier) {
    const EventPage page = Page({});
    ASSERT_EQ(page.events.size(), 2u);
    EXPECT_TRUE(page.next_cursor.empty());
    const StoredEvent& s = page.events[0];
    EXPECT_EQ(s.id, "id");
    EXPECT_EQ(s.source, "eu");
    EXPECT_EQ(s.customer, "c");
    EXPECT_EQ(s.service, "s");
    EXPECT_EQ(s.time, *e.time);
    EXPECT_EQ(s.quantity, e.quantity);
    EXPECT_EQ(s.cost, e.cost);
    EXPECT_EQ(s.dimensions,
              (std::vector<std::pair<std::string, std::string>>{{"area", ""}, {"zone", "1"}}));
    EXPECT_EQ(s.measures, (std::vector<std::pair<std::string, Decimal>>{{"x", 0}, {"y", 2}}));
    EXPECT_FALSE(page.events[1].cost);
    EXPECT_TRUE(page.events[1].dimensions.empty());
    Seal();
  }
}

TEST_F(EventsTest, PagingIsStableAcrossSealsAndMerges) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::vector<std::pair<std::pair<TimeUs, Hash128>, std::string>> truth;
  for (int i = 0; i < 700; ++i) {
    const std::string id = "id" + std::to_string(i);
    // Many at the same instant, over three months.
    const TimeUs time = At("2026-03-10") + static_cast<TimeUs>(random.Below(60)) * kDayUs;
    PutId(id, time);
    truth.push_back({{time, MakeIdentity("c", "", id).key}, id});
    if (i % 50 == 49) Commit();
    if (i == 300) Seal();
  }
  std::sort(truth.begin(), truth.end());
  std::vector<std::string> want;
  for (const auto& [position, id] : truth) want.push_back(id);
  EventQuery query;
  query.limit = 7;
  EXPECT_EQ(AllIds(query, [] {}), want);
  int step = 0;
  EXPECT_EQ(AllIds(query,
                   [&] {
                     switch (++step % 20) {
                       case 3:
                         Seal();
                         break;
                       case 6:
                         Merge();
                         break;
                       case 9:
                         Open();
                         break;
                       case 12:  // behind the cursor: not seen by this reader
                         PutId("late" + std::to_string(step), At("2026-03-01"));
                         Commit();
                         break;
                       default:
                         break;
                     }
                   }),
            want);
  query.limit = 10'000;
  EXPECT_EQ(Page(query).events.size(),
            want.size() + 5);  // the late ones are there for a new reader
}

TEST_F(EventsTest, ScopeFiltersAndRange) {
  for (int i = 0; i < 30; ++i) {
    const std::string customer = i % 2 == 0 ? "even" : "odd";
    const std::string mod = std::to_string(i % 3);
    const std::string id = "i" + std::to_string(100 + i);
    PutId(id, At("2026-03-10") + i * kHourUs, customer, {{"mod", mod}});
    if (i == 14) {
      Commit();
      Seal();
    }
  }
  Commit();
  EventQuery q;
  q.limit = 2;
  q.customers = {"even"};
  q.filters = {*Filter::Parse("mod=0")};
  q.from = At("2026-03-10T06:00");
  q.to = At("2026-03-11T00:00");
  EXPECT_EQ(AllIds(q, [] {}), (std::vector<std::string>{"i106", "i112", "i118"}));
  q.customers = {"nobody"};
  EXPECT_TRUE(Page(q).events.empty());
  q.filters = {*Filter::Parse("nothing=0")};
  EXPECT_EQ(ErrorOf(q).code(), StatusCode::kInvalidArgument);
  EventQuery exact;  // a page that ends with the last event has no next page
  exact.limit = 30;
  EXPECT_TRUE(Page(exact).next_cursor.empty());
  exact.limit = 29;
  EXPECT_FALSE(Page(exact).next_cursor.empty());
}

}  // namespace
}  // namespace quipu
