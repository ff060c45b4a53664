// Freezes as their users see them: the same bytes for as long as a freeze is there, whatever the store goes through.
#include <atomic>
#include <map>
#include <thread>

#include "db/lifecycle_testing.h"
#include "upkeep/repair.h"

namespace quipu {
namespace {

/// All of an answer but where it came from and how it was asked.
std::string All(const Result<ResultSet>& answer) {
  if (!answer) return "error: " + answer.error().ToString() + "\n";
  std::string text = "as of " + std::to_string(answer->as_of) + (answer->exact ? "" : " approx");
  for (const ResultColumn& column : answer->columns) {
    text += "\n" + column.name + (column.exact ? ":" : "~:");
    for (std::size_t i = 0; i < answer->rows(); ++i)
      text += (column.IsPresent(i) ? "+" : "-") + column.Text(i) + ",";
  }
  return text + "\n";
}

class FreezesTest : public LifecycleTest {
 protected:
  static std::vector<Query> Questions(bool of_days_only = false) {
    const char* const select = "count,sum(quantity),sum(cost),avg(cost),min(cost),max(quantity)";
    std::vector<Query> questions = {
        Query().Select(select),
        Query().Select(select).Every("day").GroupBy("service"),
        Query().Select(select).GroupBy("customer,service"),
        Query().Select(select).Every("month").Customer("c3").Fill(),
        Query().Select("count,change(sum(cost)),share(count)").Every("day").GroupBy("service"),
    };
    if (of_days_only) return questions;
    questions.push_back(Query().Select("count,p50(cost),p99(quantity)").GroupBy("service"));
    questions.push_back(Query().Select("count,distinct(customer)").Every("day"));
    questions.push_back(Query().Select("count,latest(quantity),first(cost)").GroupBy("region"));
    questions.push_back(Query().Select("count").Where("region=eu").Every("hour").Customer("c1"));
    return questions;
  }
  /// Answers as of a state; asked with and without summaries, unless rows may be gone.
  std::string Answers(const AsOf& state, bool of_days_only = false) {
    std::string text;
    for (const Query& question : Questions(of_days_only)) {
      QuerySpec spec = question.spec();
      spec.as_of = state;
      const auto answer = db_->Query(spec);
      text += All(answer);
      spec.raw_only = true;
      if (!of_days_only) {
        EXPECT_EQ(All(db_->Query(spec)), All(answer));
      }
    }
    return text;
  }
  /// Every event, as pages give it.
  std::string Events(const AsOf& state) {
    std::string text;
    EventQuery query;
    query.as_of = state;
    query.limit = 1000;
    do {
      const auto page = db_->Events(query);
      if (!page) return "error: " + page.error().ToString();
      for (const StoredEvent& e : page->events)
        text += e.id + " " + std::to_string(e.time) + " " + e.customer + "\n";
      query.cursor = page->next_cursor;
    } while (!query.cursor.empty());
    return text;
  }
  FreezeInfo InfoOf(const std::string& name) {
    const auto list = db_->Freezes();
    EXPECT_TRUE(list) << list.error().ToString();
    for (const FreezeInfo& info : *list) {
      if (info.name == name) return info;
    }
    ADD_FAILURE() << "no freeze " << name;
    return {};
  }
  std::uint64_t Count(const AsOf& as_of, const AsOf& since = {}) {
    QuerySpec spec = Query().Select("count").spec();
    spec.as_of = as_of;
    spec.since = since;
    const auto answer = db_->Query(spec);
    EXPECT_TRUE(answer) << answer.error().ToString();
    return answer ? static_cast<std::uint64_t>(answer->columns[0].integers[0]) : 0;
  }
};

TEST_F(FreezesTest, TheSameBytesAfterEverythingThatAStoreGoesThrough) {
  Open();
  Fill("a", 6000);
  EventBatch unsealed;
  MakeEvents("u", 500, seed_, &unsealed);
  ASSERT_TRUE(db_->Ingest(unsealed));
  const std::string now = Answers({}), events = Events({});
  const auto frozen = db_->Freeze("2026-03");
  ASSERT_TRUE(frozen) << frozen.error().ToString();
  EXPECT_EQ(frozen->events, 6500u);
  EXPECT_EQ(frozen->created, kNow);
  EXPECT_EQ(frozen->commit, db_->Info()->as_of);
  const AsOf march{.freeze = "2026-03"};
  const auto expect_same = [&](const char* after) {
    EXPECT_EQ(Answers(march), now) << after;
    EXPECT_EQ(Events(march), events) << after;
  };
  expect_same("the freeze");
  for (int i = 0; i < 12; ++i) Fill("late" + std::to_string(i) + "-", 300);
  expect_same("late events");
  const std::uint64_t cells = [&] {
    QuerySpec spec = Questions()[1].spec();
    spec.as_of = march;
    return db_->Query(spec)->stats.cells;
  }();
  EXPECT_GT(cells, 0u) << "questions as of a freeze use summaries";
  ASSERT_TRUE(db_->Compact().ok());
  expect_same("merges");
  EXPECT_EQ(db_->Info()->segments, 6u) << "three months, two epochs";
  clock_.Advance(60 * kDayUs);
  ASSERT_TRUE(db_->Compact().ok());
  expect_same("the months' close");
  Open();
  expect_same("a restart");
  ASSERT_TRUE(db_->Archive({.before = *ParseTimeInZone("2026-03-01", "UTC")}));
  ASSERT_TRUE(db_->Compact().ok());
  expect_same("an archive");
  Open();
  expect_same("an archive and a restart");
  EXPECT_EQ(Count({}), 6500u + 3600u);
  EXPECT_EQ(Count({}, march), 3600u);
  ExpectSound();
  EXPECT_EQ(db_->Freeze("2026-03").error().code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(db_->DropFreeze("2026-03").ok());
  EXPECT_EQ(db_->Query(Query().Select("count").AsOf("2026-03")).error().code(),
            StatusCode::kNotFound);
  ASSERT_TRUE(db_->Compact().ok());
  std::uint64_t in_march = 0;
  const auto partitions = db_->Partitions(false);
  ASSERT_TRUE(partitions);
  for (const PartitionInfo& p : *partitions) in_march += p.month == "2026-03" ? p.segments : 0;
  EXPECT_EQ(in_march, 1u) << "what lies on both sides of a dropped freeze is merged";
  ExpectSound();
}

TEST_F(FreezesTest, AFreezeHoldsWhatWasAcknowledgedBeforeItWhileOthersWrite) {
  options_.background_upkeep = true;
  options_.seal_bytes = 40'000;
  options_.merge_fan_in = 2;
  Open();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> acknowledged{0};
  std::thread writer([&] {
    for (int i = 0; !stop.load(); ++i) {
      EventBatch batch;
      MakeEvents("w" + std::to_string(i) + "-", 40, seed_, &batch);
      ASSERT_TRUE(db_->Ingest(batch));
      acknowledged.fetch_add(40);
    }
  });
  std::map<std::string, std::string> answers;
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "f" + std::to_string(i);
    while (acknowledged.load() < last + 80) std::this_thread::yield();
    const std::uint64_t before = acknowledged.load();
    const auto frozen = db_->Freeze(name);
    EXPECT_TRUE(frozen) << frozen.error().ToString();
    if (!frozen) break;
    EXPECT_GE(frozen->events, before);
    EXPECT_GE(frozen->events, last);
    last = frozen->events;
    EXPECT_EQ(Count({.freeze = name}), frozen->events);
    answers[name] =
        All(db_->Query(Query().Select("count,sum(cost)").GroupBy("customer").AsOf(name)));
  }
  stop.store(true);
  writer.join();
  ASSERT_TRUE(db_->Compact().ok());
  Open();
  for (const auto& [name, text] : answers)
    EXPECT_EQ(All(db_->Query(Query().Select("count,sum(cost)").GroupBy("customer").AsOf(name))),
              text);
  EXPECT_EQ(Count({}), acknowledged.load());
  ExpectSound();
}

/// Rows by their first `keys` columns: the columns that `wanted` names, present ones as text.
std::map<std::string, std::string> RowsOf(const ResultSet& answer, std::size_t keys,
                                          const std::vector<std::string>& wanted) {
  std::map<std::string, std::string> rows;
  for (std::size_t r = 0; r < answer.rows(); ++r) {
    std::string key, values;
    for (std::size_t c = 0; c < keys; ++c) key += answer.columns[c].Text(r) + "|";
    for (const std::string& name : wanted) {
      const ResultColumn* const column = answer.Find(name);
      EXPECT_NE(column, nullptr) << name;
      values += (column->IsPresent(r) ? column->Text(r) : std::string("-")) + "|";
    }
    rows[key] = values;
  }
  return rows;
}

TEST_F(FreezesTest, AComparisonHasTheAnswersOfBothStates) {
  Open();
  Fill("a", 5000);
  ASSERT_TRUE(db_->Freeze("f"));
  Fill("b-", 2500);
  const std::vector<std::string> plain = {"count", "sum(cost)", "max(quantity)", "p99(quantity)",
                                          "distinct(customer)"};
  std::vector<std::string> before;
  std::string select, compared;
  for (const std::string& f : plain) {
    before.push_back("before(" + f + ")");
    select += (select.empty() ? "" : ",") + f;
    compared += (compared.empty() ? "" : ",") + f + ",before(" + f + ")";
  }
  for (const char* window : {"", "day", "hour"}) {
    for (const char* group : {"", "service", "customer,region"}) {
      const auto ask = [&](const std::string& what, const char* as_of, const char* compare) {
        Query q = Query().Select(what).From("2026-02-01").To("2026-02-20T05:00");
        if (*window != 0) q.Every(window);
        if (*group != 0) q.GroupBy(group);
        if (*as_of != 0) q.AsOf(as_of);
        if (*compare != 0) q.CompareAsOf(compare);
        const auto answer = db_->Query(q);
        EXPECT_TRUE(answer) << answer.error().ToString();
        return *answer;
      };
      const std::string name = group;
      const std::size_t groups = name.empty() ? 0 : name.find(',') == name.npos ? 1 : 2;
      const std::size_t keys = groups + (*window != 0 ? 1 : 0);
      SCOPED_TRACE(std::string(window) + " by " + group);
      const ResultSet both = ask(compared, "", "f");
      EXPECT_EQ(RowsOf(both, keys, plain), RowsOf(ask(select, "", ""), keys, plain));
      const auto now = RowsOf(both, keys, before), then = RowsOf(ask(select, "f", ""), keys, plain);
      for (const auto& [key, values] : now) {
        const auto it = then.find(key);
        EXPECT_EQ(values, it == then.end() ? "0|0|-|-|0|" : it->second) << key;
      }
      EXPECT_GT(now.size(), 0u);
    }
  }
}

TEST_F(FreezesTest, AnErasedCustomerIsNotInThePastEither) {
  Open();
  Fill("a", 4000);
  ASSERT_TRUE(db_->Freeze("f"));
  Fill("b", 1000);
  ASSERT_TRUE(db_->Freeze("g"));
  const std::uint64_t whole = Count({.freeze = "f"});
  const auto of_c3 = [&](const char* name) {
    return db_->Query(Query().Select("count").Customer("c3").AsOf(name))->columns[0].integers[0];
  };
  const auto gone = static_cast<std::uint64_t>(of_c3("f"));
  ASSERT_GT(gone, 0u);
  const std::string others = All(db_->Query(
      Query().Select("count,sum(cost)").GroupBy("customer").AsOf("f").Where("customer!=c3")));
  ASSERT_TRUE(db_->Erase("c3"));
  const auto expect_gone = [&] {
    EXPECT_EQ(Count({.freeze = "f"}), whole - gone);
    EXPECT_EQ(of_c3("f"), 0);
    EXPECT_EQ(All(db_->Query(Query().Select("count,sum(cost)").GroupBy("customer").AsOf("f"))),
              others);
    const FreezeInfo info = InfoOf("f");
    EXPECT_EQ(info.events, whole - gone);
    EXPECT_EQ(info.events_at_freeze, whole);
    EXPECT_TRUE(info.altered_by_erasure);
    EXPECT_FALSE(info.altered_by_retention);
  };
  expect_gone();
  Open();
  expect_gone();
  ASSERT_TRUE(db_->FinishErasures().ok());
  expect_gone();
  Open();
  expect_gone();
  EXPECT_TRUE(db_->Query(Query().Select("count").AsOf("f"))->altered);
  EXPECT_FALSE(db_->Query(Query().Select("count"))->altered);
  EXPECT_TRUE(db_->Events({.as_of = {.freeze = "g"}})->altered);
  ExpectSound();
}

TEST_F(FreezesTest, AFreezeBesideAnErasureCountsWhatIsSeen) {
  options_.background_upkeep = true;
  Open();
  for (int i = 0; i < 40; ++i) {
    const std::string name = "f" + std::to_string(i);
    Fill(name + "-", 200);
    ASSERT_TRUE(db_->Erase("c" + std::to_string(i % kCustomers)));
    const auto frozen = db_->Freeze(name);
    ASSERT_TRUE(frozen) << frozen.error().ToString();
    EXPECT_EQ(frozen->events, Count({.freeze = name})) << name;
  }
  ASSERT_TRUE(db_->FinishErasures().ok());
  const auto list = db_->Freezes();
  ASSERT_TRUE(list);
  for (const FreezeInfo& info : *list)
    EXPECT_EQ(info.events, Count({.freeze = info.name})) << info.name;
  ExpectSound();
}

TEST_F(FreezesTest, RetentionIsObeyedAndSummariesGoOnAnswering) {
  Open();
  Fill("a", 4000);
  const std::string daily = Answers({}, /*of_days_only=*/true);
  ASSERT_TRUE(db_->Freeze("f"));
  Fill("b", 500);
  ASSERT_TRUE(db_->Freeze("g"));
  clock_.Advance(200 * kDayUs);
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 60})).ok());
  ASSERT_TRUE(db_->Retain());
  EXPECT_EQ(Answers({.freeze = "f"}, true), daily);
  EXPECT_EQ(db_->Query(Query().Select("latest(cost)").AsOf("f")).error().code(),
            StatusCode::kOutOfRange);
  EXPECT_EQ(Count({}, {.freeze = "f"}), 500u);
  EXPECT_FALSE(InfoOf("f").altered_by_retention) << "all of it is still counted";
  Open();
  EXPECT_EQ(Answers({.freeze = "f"}, true), daily);
  ExpectSound();
  // Now the oldest month goes for good.
  ASSERT_TRUE(db_->SetRetention(Policy({.delete_after_days = 230})).ok());
  ASSERT_TRUE(db_->Retain());
  const FreezeInfo info = InfoOf("f");
  EXPECT_TRUE(info.altered_by_retention);
  EXPECT_LT(info.events, 4000u);
  EXPECT_GT(info.events, 0u);
  EXPECT_EQ(Count({.freeze = "f"}), info.events);
  EXPECT_TRUE(db_->Query(Query().Select("count").AsOf("f"))->altered);
  Open();
  EXPECT_EQ(InfoOf("f").events, info.events);
  ExpectSound();
}

TEST_F(FreezesTest, WhatAFreezeNeedsInADetachedFolderIsSaidToBeThere) {
  Open();
  Fill("a", 3000);
  const std::string all = Answers({});
  ASSERT_TRUE(db_->Freeze("f"));
  clock_.Advance(200 * kDayUs);
  Fill("b", 100, /*stamp=*/true);
  ASSERT_TRUE(db_->Archive({.before = *ParseTimeInZone("2026-02-01", "UTC")}));
  EXPECT_EQ(Answers({.freeze = "f"}), all);
  ASSERT_TRUE(db_->DetachArchive().ok());
  EXPECT_EQ(db_->Query(Query().Select("count").AsOf("f")).error().code(), StatusCode::kOutOfRange);
  EXPECT_TRUE(db_->Query(Query().Select("count").AsOf("f").From("2026-02-01")));
  Open();
  ExpectSound();
  ASSERT_TRUE(db_->AttachArchive().ok());
  EXPECT_EQ(Answers({.freeze = "f"}), all);
}

TEST_F(FreezesTest, ARepairKeepsFreezesAndSaysWhatIsLostOfThem) {
  Open();
  Fill("a", 2000);
  ASSERT_TRUE(db_->Freeze("f"));
  const std::string all = Answers({.freeze = "f"});
  Fill("b", 500);
  ASSERT_TRUE(db_->Freeze("g"));
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  MemoryKvDisk repaired_disk;
  const auto environment = [&] {
    order_.push_back(std::make_unique<OrderCheckingVfs>(&*fault_));
    StoreEnvironment e;
    e.vfs = order_.back().get();
    e.clock = &clock_;
    e.open_kv = [&](const std::string& path) {
      return path.starts_with("/d") ? disk_->Open() : repaired_disk.Open();
    };
    return e;
  };
  // A file of the first epoch is gone.
  const auto names = memory_->List("/d/segments");
  ASSERT_TRUE(memory_->Unlink("/d/segments/" + (*names)[0]).ok());
  const auto report = RepairStore("/d", "/r", environment(), {});
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_GT(report->events_lost, 0u);
  std::size_t of_freezes = 0;
  for (const RepairLoss& loss : report->losses) of_freezes += loss.place.starts_with("freeze '");
  EXPECT_EQ(of_freezes, 2u);
  {
    auto db = OpenDatabaseIn("/r", options_, environment());
    ASSERT_TRUE(db) << db.error().ToString();
    db_ = std::make_unique<Database>(*std::move(db));
    EXPECT_TRUE(InfoOf("f").altered_by_repair);
    EXPECT_EQ(InfoOf("f").events, 2000 - report->events_lost);
    EXPECT_EQ(Count({.freeze = "f"}), 2000 - report->events_lost);
    EXPECT_EQ(Count({}, {.freeze = "f"}), 500u);
    EXPECT_TRUE(db_->Query(Query().Select("count").AsOf("g"))->altered);
    ExpectSound();
  }
}

TEST_F(FreezesTest, AWriteThatFailsLeavesAFreezeOrNone) {
  int there = 0, absent = 0;
  for (const bool applied : {false, true}) {
    for (std::uint64_t n = 1; n <= 3; ++n) {  // ids for the seal, the seal, the freeze
      NewWorld();
      Open();
      EventBatch batch;
      MakeEvents("a", 300, seed_, &batch);
      ASSERT_TRUE(db_->Ingest(batch));
      disk_->FailNthWrite(n, applied);
      EXPECT_EQ(db_->Freeze("f").error().code(), StatusCode::kIoError) << n;
      Open();
      const auto list = db_->Freezes();
      ASSERT_TRUE(list);
      ++(list->empty() ? absent : there);
      const auto again = db_->Freeze("f");  // whoever has no answer asks again
      ASSERT_TRUE(again) << again.error().ToString();
      EXPECT_EQ(again->events, 300u);
      EXPECT_EQ(Count({.freeze = "f"}), 300u);
      ExpectSound();
    }
  }
  EXPECT_EQ(there, 1);
  EXPECT_EQ(absent, 5);
}

TEST_F(FreezesTest, AFollowerSeesFreezes) {
  Open();
  Fill("a", 500);
  StoreEnvironment environment;
  environment.vfs = &*memory_;
  environment.clock = &clock_;
  environment.follow_kv = [this](const std::string&) { return disk_->Follow(); };
  FollowerOptions options;
  options.refresh_ms = 3'600'000;
  auto follower = OpenFollowerIn("/d", options, environment);
  ASSERT_TRUE(follower) << follower.error().ToString();
  EXPECT_TRUE(follower->Freezes()->empty());
  EXPECT_EQ(follower->Freeze("f").error().code(), StatusCode::kUnsupported);
  ASSERT_TRUE(db_->Freeze("f"));
  Fill("b", 100);
  ASSERT_TRUE(follower->CatchUp());
  const auto list = follower->Freezes();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ((*list)[0].events, 500u);
  const Query question = Query().Select("count,sum(cost)").GroupBy("customer").AsOf("f");
  EXPECT_EQ(All(follower->Query(question)), All(db_->Query(question)));
  ASSERT_TRUE(db_->DropFreeze("f").ok());
  ASSERT_TRUE(follower->CatchUp());
  EXPECT_EQ(follower->Query(question).error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace quipu
