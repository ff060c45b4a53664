// Retention and archive end to end: what answers before answers the same after, or is an error that says what expired.
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/calendar.h"
#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"

namespace quipu {
namespace {

constexpr TimeUs kNow = 1'775'044'800 * kSecondUs;  // 2026-04-01T12:00:00Z
constexpr int kCustomers = 9;

class LifecycleTest : public testing::Test {
 protected:
  LifecycleTest() {
    options_.create_if_missing = true;
    options_.background_upkeep = false;
    options_.future_bound_us = -1;
    NewWorld();
  }
  void NewWorld() {
    db_.reset();
    order_.clear();
    memory_.emplace();
    fault_.emplace(&*memory_);
    disk_.emplace();
  }
  Status TryOpen() {
    db_.reset();
    order_.push_back(std::make_unique<OrderCheckingVfs>(&*fault_));
    StoreEnvironment environment;
    environment.vfs = order_.back().get();
    environment.clock = &clock_;
    environment.random_seed = 4;
    environment.open_kv = [this](const std::string&) { return disk_->Open(); };
    auto db = OpenDatabaseIn("/d", options_, environment);
    if (!db) return db.error();
    db_ = std::make_unique<Database>(*std::move(db));
    return {};
  }
  void Open() {
    const Status opened = TryOpen();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
  }
  /// Events of January to March 2026: nine customers, three services, some of the first service's days busy enough for sketches.
  static void MakeEvents(const std::string& tag, int events, std::uint64_t seed,
                         EventBatch* batch) {
    Random random(seed + static_cast<std::uint64_t>(events));
    for (int i = 0; i < events; ++i) {
      const std::string id = tag + std::to_string(i);
      const std::string customer = "c" + std::to_string(random.Below(kCustomers));
      const std::string service = "s" + std::to_string(random.Below(3));
      Event e;
      e.id = id;
      e.customer = customer;
      e.service = service;
      e.time = 1'767'225'600 * kSecondUs + static_cast<TimeUs>(random.Below(90 * kDayUs));
      e.quantity = Decimal(static_cast<Int128>(random.Below(1000)), 2);
      e.cost = Decimal(static_cast<Int128>(random.Below(100'000)), 6);
      e.dimensions = {{"region", random.Below(2) == 0 ? "eu" : "us"}};
      batch->Add(e);
    }
  }
  /// `stamp` = as the next batch of a producer: for months whose ids may be gone.
  IngestReply Fill(const std::string& tag, int events, bool stamp = false) {
    EventBatch batch;
    MakeEvents(tag, events, seed_, &batch);
    if (stamp) batch.producer = ProducerStamp{"backfill", 1, ++sequence_};
    const auto reply = db_->Ingest(batch);
    EXPECT_TRUE(reply) << reply.error().ToString();
    EXPECT_TRUE(db_->Seal().ok());
    return reply ? *reply : IngestReply();
  }
  static std::string Text(const Result<ResultSet>& answer) {
    if (!answer) return "error: " + answer.error().ToString();
    std::string text;
    for (const ResultColumn& column : answer->columns) {
      text += column.name + ":";
      for (std::size_t i = 0; i < answer->rows(); ++i) text += column.Text(i) + ",";
      text += "\n";
    }
    return text;
  }
  /// What whole days can answer.
  std::string Daily() {
    std::string text;
    const char* const select = "count,sum(quantity),sum(cost),min(cost),max(quantity)";
    text += Text(db_->Query(Query().Select(select)));
    text += Text(db_->Query(Query().Select(select).Every("day").GroupBy("service")));
    text += Text(db_->Query(Query().Select(select).GroupBy("customer,service")));
    text += Text(db_->Query(Query().Select(select).Every("month").GroupBy("customer")));
    text += Text(db_->Query(Query().Select(select).Customer("c3").Every("day")));
    text += Text(db_->Query(Query()
                                .Select("count,distinct(customer)")
                                .Every("day")
                                .From("2026-01-10")
                                .To("2026-02-20")));
    EXPECT_EQ(text.find("error:"), std::string::npos) << text;
    return text;
  }
  /// What only single events can answer.
  std::string ByRow() {
    return Text(db_->Query(Query().Select("count,sum(cost),latest(quantity)").GroupBy("region"))) +
           Text(db_->Query(Query().Select("count").Customer("c1").Every("hour")));
  }
  std::string Totals() {
    const auto info = db_->Info();
    return info ? std::to_string(info->events) : info.error().ToString();
  }
  void ExpectSound() {
    const auto report = db_->Verify();
    ASSERT_TRUE(report) << report.error().ToString();
    for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
  }
  static RetentionPolicy Policy(RetentionRule rule) {
    rule.name = "all";
    return {{std::move(rule)}};
  }

  std::uint64_t sequence_ = 0;
  const std::uint64_t seed_ = TestSeed();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "QUIPU_SEED=" + std::to_string(seed_)};
  Options options_;
  ManualClock clock_{kNow};
  std::optional<MemoryVfs> memory_;
  std::optional<FaultVfs> fault_;
  std::optional<MemoryKvDisk> disk_;
  std::vector<std::unique_ptr<OrderCheckingVfs>> order_;
  std::unique_ptr<Database> db_;
};

TEST_F(LifecycleTest, DroppedRowsLeaveExactSummaries) {
  Open();
  Fill("a", 6000);
  Fill("b", 3000);
  const std::string before = Daily();
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 31})).ok());
  auto report = db_->Retain();
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->months, 1u) << "January alone: February ended 32 days ago but ids count for 40";
  EXPECT_GT(report->summarised_events, 2000u);
  EXPECT_EQ(Daily(), before);
  EXPECT_EQ(Totals(), "9000");
  ExpectSound();
  const auto by_row = db_->Query(Query().Select("count").GroupBy("region"));
  ASSERT_FALSE(by_row);
  EXPECT_EQ(by_row.error().code(), StatusCode::kOutOfRange) << by_row.error().ToString();
  EXPECT_NE(by_row.error().ToString().find("2026-01"), std::string::npos);
  EXPECT_FALSE(db_->Query(Query().Select("count").Customer("c1").Every("hour")));
  EXPECT_FALSE(db_->Query(Query().Select("count").From("2026-01-05T06:30:00Z")));
  EXPECT_TRUE(db_->Query(Query().Select("count").Every("hour").GroupBy("service")))
      << "hours of all customers are still known";
  EXPECT_TRUE(db_->Query(Query().Select("count").GroupBy("region").From("2026-02-01")));
  EXPECT_FALSE(db_->Events({}));
  EXPECT_EQ(db_->Retain()->months, 0u) << "nothing is left to do";
  Open();
  EXPECT_EQ(Daily(), before);
  ExpectSound();
}

TEST_F(LifecycleTest, LateEventsAndFoldsAddUp) {
  Open();
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 1})).ok());
  clock_.Advance(120 * kDayUs);
  std::string before;
  for (int round = 0; round < 9; ++round) {
    Fill("r" + std::to_string(round), 300, /*stamp=*/true);
    before = Daily();
    ASSERT_TRUE(db_->Retain()) << round;
    ASSERT_EQ(Daily(), before) << round;
    if (round % 4 == 0) ExpectSound();
  }
  EXPECT_EQ(Totals(), "2700");
  EXPECT_LT(db_->Info()->segments, 3u * 9u) << "small ones were folded";
  ExpectSound();
}

TEST_F(LifecycleTest, RulesDecideByServiceAndClass) {
  Open();
  Fill("a", 3000);
  for (const char* customer : {"c0", "c1"})
    ASSERT_TRUE(db_->SetCustomerClass(customer, "free").ok());
  EXPECT_EQ(db_->SetCustomerClass("nobody", "free").code(), StatusCode::kNotFound);
  RetentionPolicy policy;
  policy.rules = {{.name = "free", .customer_class = "free", .delete_after_days = 30},
                  {.name = "s1", .service = "s1", .keep_raw_days = 30, .keep_summaries_days = 400}};
  ASSERT_TRUE(db_->SetRetention(policy).ok());
  clock_.Advance(30 * kDayUs);
  const auto count = [&](Query query) {
    const auto answer = db_->Query(query.Select("count"));
    return answer ? answer->columns[0].integers[0] : -1;
  };
  const std::int64_t kept = count(Query().To("2026-02-01").Customer("c2"));
  const std::int64_t march = count(Query().From("2026-03-01"));
  const std::int64_t all = count(Query());
  const std::int64_t free_old = count(Query().To("2026-03-01").Customer("c0")) +
                                count(Query().To("2026-03-01").Customer("c1"));
  auto report = db_->Retain();
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->deleted_events, static_cast<std::uint64_t>(free_old));
  EXPECT_EQ(count(Query().To("2026-02-01").Customer("c2")), kept);
  EXPECT_EQ(count(Query().To("2026-03-01").Customer("c0")), 0);
  EXPECT_EQ(count(Query().From("2026-03-01")), march);
  EXPECT_EQ(count(Query()), all - free_old);
  EXPECT_TRUE(db_->Query(Query().Select("count").Service("s0").GroupBy("region")));
  EXPECT_FALSE(db_->Query(Query().Select("count").Service("s1").GroupBy("region")));
  ExpectSound();
  // A customer that joins the class later leaves the summaries, too: these are added up anew without them.
  ASSERT_TRUE(db_->SetCustomerClass("c2", "free").ok());
  const std::int64_t c2 = count(Query().To("2026-03-01").Customer("c2"));
  report = db_->Retain();
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->deleted_events, static_cast<std::uint64_t>(c2));
  EXPECT_EQ(count(Query()), all - free_old - c2);
  EXPECT_EQ(count(Query().To("2026-03-01").Customer("c2")), 0);
  ExpectSound();
  // Summaries do not live for ever either.
  clock_.Advance(500 * kDayUs);
  ASSERT_TRUE(db_->Retain());
  EXPECT_EQ(count(Query().Service("s1")), 0);
  ExpectSound();
  Open();
  EXPECT_EQ(*db_->Retention(), policy);
  EXPECT_EQ(count(Query().Service("s1")), 0);
}

TEST_F(LifecycleTest, AnArchiveAnswersLikeTheRest) {
  Open();
  Fill("a", 5000);
  const std::string daily = Daily();
  const std::string by_row = ByRow();
  clock_.Advance(60 * kDayUs);
  auto report = db_->Archive({.before = ParseTime("2026-03-01")->time_us});
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->months, 2u);
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(ByRow(), by_row);
  ExpectSound();
  const auto partitions = db_->Partitions(false);
  ASSERT_TRUE(partitions);
  ASSERT_EQ(partitions->size(), 3u);
  EXPECT_EQ((*partitions)[0].tier, "archive");
  EXPECT_EQ((*partitions)[2].tier, "L0");
  EXPECT_EQ(memory_->List("/d/segments")->size(), 1u) << "the originals are gone";
  Fill("a", 5000);
  EXPECT_EQ(Totals(), "5000") << "a repeated delivery is recognised by the archive's ids";
  Open();
  EXPECT_EQ(Daily(), daily);
  ASSERT_TRUE(db_->DetachArchive().ok());
  EXPECT_EQ(Totals(), "5000") << "known but absent";
  EXPECT_EQ(db_->Query(Query().Select("count")).error().code(), StatusCode::kOutOfRange);
  EXPECT_FALSE(db_->Events({}));
  EXPECT_TRUE(db_->Query(Query().Select("count").From("2026-03-01")));
  EXPECT_EQ((*db_->Partitions(false))[0].tier, "detached");
  Open();
  EXPECT_FALSE(db_->Query(Query().Select("count")));
  // It comes back from another place, but only as it was.
  ASSERT_TRUE(memory_->MakeFolder("/mnt").ok());
  const auto files = memory_->List("/d/archive");
  ASSERT_TRUE(files);
  for (const std::string& name : *files) {
    ASSERT_TRUE(memory_->Rename("/d/archive/" + name, "/mnt/" + name).ok());
  }
  EXPECT_FALSE(db_->AttachArchive("/d/archive").ok()) << "an empty folder";
  const Status attached = db_->AttachArchive("/mnt");
  ASSERT_TRUE(attached.ok()) << attached.ToString();
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(ByRow(), by_row);
  ExpectSound();
  Open();
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(db_->Archives()->at(0).folder, "/mnt");
}

TEST_F(LifecycleTest, AnArchiveWithoutIdsIsSmallerAndAnswersLikeTheRest) {
  Open();
  Fill("a", 3000);
  Fill("b", 500);
  const std::string daily = Daily();
  const auto by_row = [&] {
    return Text(db_->Query(Query().Select("count,sum(cost)").GroupBy("region")));
  };
  const std::string rows = by_row();
  clock_.Advance(60 * kDayUs);
  const std::uint64_t before = db_->Info()->segment_bytes;
  const auto report = db_->Archive({.before = ParseTime("2026-03-01")->time_us, .drop_ids = true});
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_LT(db_->Info()->segment_bytes, before * 3 / 4);
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(by_row(), rows);
  ExpectSound();
  // What has no ids can still be split, dropped and deleted.
  ASSERT_TRUE(db_->SetCustomerClass("c1", "free").ok());
  ASSERT_TRUE(db_->SetRetention({{{.name = "free", .customer_class = "free", .keep_raw_days = 10},
                                  {.name = "s2", .service = "s2", .delete_after_days = 10}}})
                  .ok());
  const std::string kept = Text(db_->Query(Query().Select("count,sum(cost)").Service("s1")));
  ASSERT_TRUE(db_->Retain());
  EXPECT_EQ(Text(db_->Query(Query().Select("count,sum(cost)").Service("s1"))), kept);
  ExpectSound();
  Open();
  EXPECT_EQ(Text(db_->Query(Query().Select("count,sum(cost)").Service("s1"))), kept);
  ExpectSound();
}

TEST_F(LifecycleTest, DetachingWaitsForTheIdentityWindow) {
  Open();
  Fill("a", 500);
  ASSERT_TRUE(db_->Archive({.before = kNow}));
  EXPECT_EQ(db_->DetachArchive().code(), StatusCode::kConflict);
  clock_.Advance(41 * kDayUs);
  EXPECT_TRUE(db_->DetachArchive().ok());
}

TEST_F(LifecycleTest, AnArchiveThatLacksAFileIsRefusedAndNamed) {
  Open();
  Fill("a", 500);
  clock_.Advance(60 * kDayUs);
  ASSERT_TRUE(db_->Archive({.before = ParseTime("2026-03-01")->time_us}));
  ASSERT_TRUE(db_->DetachArchive().ok());
  const auto files = memory_->List("/d/archive");
  ASSERT_TRUE(memory_->FlipBit("/d/archive/" + files->at(0), 30, 2).ok());
  EXPECT_EQ(db_->AttachArchive().code(), StatusCode::kCorruption);
  ASSERT_TRUE(memory_->FlipBit("/d/archive/" + files->at(0), 30, 2).ok());
  ASSERT_TRUE(memory_->Rename("/d/archive/" + files->at(1), "/d/archive/other").ok());
  const Status refused = db_->AttachArchive();
  EXPECT_EQ(refused.code(), StatusCode::kCorruption);
  EXPECT_NE(refused.ToString().find(files->at(1)), std::string::npos) << refused.ToString();
  EXPECT_FALSE(db_->Query(Query().Select("count")));
}

/// Attached by its absolute path, it is still the folder "archive" of the store: a second record of it would take its files for strangers.
TEST_F(LifecycleTest, OneFolderIsOneArchiveHoweverItIsSpelled) {
  Open();
  Fill("a", 500);
  const std::string daily = Daily();
  clock_.Advance(60 * kDayUs);
  ASSERT_TRUE(db_->Archive({.before = ParseTime("2026-02-01")->time_us}));
  ASSERT_TRUE(db_->DetachArchive().ok());
  ASSERT_TRUE(db_->AttachArchive("/d/archive").ok());
  ASSERT_TRUE(db_->DetachArchive().ok());
  const auto refused = db_->Archive({.before = ParseTime("2026-03-01")->time_us});
  EXPECT_EQ(refused.error().code(), StatusCode::kConflict) << refused.error().ToString();
  Open();
  ASSERT_TRUE(db_->AttachArchive().ok());
  ASSERT_TRUE(db_->Archive({.before = ParseTime("2026-03-01")->time_us, .folder = "/d/archive"}));
  EXPECT_EQ(db_->Archives()->size(), 1u);
  EXPECT_EQ(Daily(), daily);
  ExpectSound();
}

TEST_F(LifecycleTest, ADetachedArchiveHoldsUpNothingButArchiving) {
  Open();
  Fill("a", 900);
  ASSERT_TRUE(db_->SetRetention({{{.name = "drop", .service = "s0", .keep_raw_days = 50},
                                  {.name = "archive", .archive_after_days = 50}}})
                  .ok());
  clock_.Advance(60 * kDayUs);
  ASSERT_TRUE(db_->Archive({.before = ParseTime("2026-02-01")->time_us}));
  ASSERT_TRUE(db_->DetachArchive().ok());
  const auto report = db_->Retain();
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_GT(report->summarised_events, 0u);
  EXPECT_EQ(report->archived_events, 0u);
  ASSERT_TRUE(db_->AttachArchive().ok());
  EXPECT_GT(db_->Retain()->archived_events, 0u) << "what waited goes";
  ExpectSound();
}

/// Until the bytes are gone the segment is still there, and has no rows to look at.
TEST_F(LifecycleTest, ACustomerOfSummariesCanBeErased) {
  Open();
  Fill("a", 3000);
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 31})).ok());
  ASSERT_TRUE(db_->Retain());
  const auto count = [&](const Query& query) {
    const auto answer = db_->Query(query);
    return answer ? answer->columns[0].integers[0] : -1;
  };
  const std::int64_t all = count(Query().Select("count"));
  const std::int64_t erased = count(Query().Select("count").Customer("c3"));
  ASSERT_TRUE(db_->Erase("c3"));
  ASSERT_TRUE(db_->Info());
  EXPECT_EQ(count(Query().Select("count")), all - erased);
  EXPECT_EQ(Totals(), std::to_string(all - erased));
  ASSERT_TRUE(db_->FinishErasures().ok());
  EXPECT_EQ(count(Query().Select("count")), all - erased);
  ExpectSound();
}

TEST_F(LifecycleTest, ThePolicyMovesMonthsThroughTheirLife) {
  Open();
  Fill("a", 4000);
  const std::string daily = Daily();
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 100,
                                        .archive_after_days = 20,
                                        .delete_after_days = 300,
                                        .keep_summaries_days = 200}))
                  .ok());
  const auto tiers = [&] {
    std::string text;
    const auto partitions = db_->Partitions(false);
    for (const PartitionInfo& p : *partitions) text += p.month.substr(5) + p.tier + " ";
    return text;
  };
  ASSERT_TRUE(db_->Retain());
  EXPECT_EQ(tiers(), "01archive 02archive 03L0 ");
  EXPECT_EQ(Daily(), daily);
  clock_.Advance(65 * kDayUs);  // 5 June: January ended 125 days ago, February 97
  ASSERT_TRUE(db_->Retain());
  EXPECT_EQ(tiers(), "01summaries 02archive 03archive ");
  EXPECT_EQ(Daily(), daily);
  ExpectSound();
  clock_.Advance(80 * kDayUs);  // January ended 205 days ago
  ASSERT_TRUE(db_->Retain());
  EXPECT_EQ(tiers(), "02summaries 03summaries ");
  clock_.Advance(300 * kDayUs);
  ASSERT_TRUE(db_->Retain());
  EXPECT_EQ(tiers(), "");
  EXPECT_EQ(Totals(), "0");
  ExpectSound();
}

TEST_F(LifecycleTest, WrongPoliciesAreNamed) {
  Open();
  const auto code = [&](RetentionPolicy policy) { return db_->SetRetention(policy).code(); };
  EXPECT_EQ(code(Policy({.keep_raw_days = 40'000})), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Policy({.keep_raw_days = 20, .delete_after_days = 10})),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Policy({.keep_raw_days = 20, .keep_summaries_days = 10})),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{{.name = "a"}, {.name = "a"}}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{{.name = ""}}}), StatusCode::kInvalidArgument);
}

/// Repeated deliveries, sent after every way in which ids can go: none is counted twice, and a stamped batch is taken.
TEST_F(LifecycleTest, WhatCannotBeComparedIsTooLate) {
  const TimeUs february = ParseTime("2026-02-01")->time_us;
  const std::vector<std::function<Status()>> ways = {
      [&] { return db_->Archive({.before = february, .drop_ids = true}).error(); },
      [&] {
        QUIPU_TRY(db_->SetRetention(Policy({.keep_raw_days = 60})));
        return db_->Retain().error();
      },
      [&] {
        QUIPU_TRY(db_->SetRetention(Policy({.delete_after_days = 60})));
        return db_->Retain().error();
      },
      [&] {
        QUIPU_TRY(db_->Archive({.before = february}).error());
        return db_->DetachArchive();
      }};
  for (std::size_t way = 0; way < ways.size(); ++way) {
    SCOPED_TRACE("way " + std::to_string(way));
    NewWorld();
    sequence_ = 0;
    clock_.SetWall(kNow);
    Open();
    const IngestReply first = Fill("a", 900);
    ASSERT_EQ(first.Count(Outcome::kAccepted), 900u);
    clock_.SetWall(kNow + 8 * kDayUs);  // January ended 67 days ago, February 39
    EXPECT_EQ(Fill("a", 900).Count(Outcome::kDuplicate), 900u);
    const Status gone = ways[way]();
    ASSERT_TRUE(gone.ok()) << gone.ToString();
    for (const bool reopened : {false, true}) {
      if (reopened) Open();
      const std::string totals = Totals();
      const IngestReply again = Fill("a", 900);
      const std::size_t late = again.Count(Outcome::kTooLate);
      EXPECT_GT(late, 200u);
      EXPECT_LT(late, 400u);
      EXPECT_EQ(again.Count(Outcome::kDuplicate), 900 - late);
      EXPECT_EQ(Totals(), totals);
      // The same months, never seen: who knows?
      EXPECT_GT(Fill("b" + std::to_string(reopened), 90).Count(Outcome::kTooLate), 10u);
      ASSERT_TRUE(db_->Compact().ok());
    }
    EXPECT_EQ(Fill("c", 900, /*stamp=*/true).Count(Outcome::kAccepted), 900u);
    EXPECT_EQ(Fill("c", 900).Count(Outcome::kDuplicate), 900u) << "what has ids is compared";
    ExpectSound();
    if (way != 3) continue;
    ASSERT_TRUE(db_->AttachArchive().ok());
    EXPECT_EQ(Fill("a", 900).Count(Outcome::kDuplicate), 900u) << "its ids are back";
  }
}

/// First archived with their ids, which go when the window has passed.
TEST_F(LifecycleTest, ArchivedIdsGoWhenTheirWindowHasPassed) {
  Open();
  Fill("a", 900);
  ASSERT_TRUE(db_->SetRetention(Policy({.archive_after_days = 10})).ok());
  const std::string daily = Daily();
  const auto by_region = [&] {
    return Text(db_->Query(Query().Select("count").GroupBy("region")));
  };
  const std::string regions = by_region();
  auto report = db_->Retain();
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_GT(report->ids_dropped, 200u) << "those of January go at once";
  EXPECT_EQ(Fill("a", 900).Count(Outcome::kTooLate), report->ids_dropped);
  const std::uint64_t february = report->archived_events - report->ids_dropped;
  EXPECT_GT(february, 200u);
  const std::uint64_t bytes = db_->Info()->segment_bytes;
  clock_.Advance(10 * kDayUs);  // February ended 41 days ago, March 10
  report = db_->Retain();
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->ids_dropped, february);
  EXPECT_EQ(report->archived_events, 900 - Fill("a", 900).Count(Outcome::kTooLate)) << "March";
  EXPECT_EQ(db_->Retain()->months, 0u) << "nothing is left to do";
  EXPECT_LT(db_->Info()->segment_bytes, bytes * 9 / 10);
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(by_region(), regions);
  ExpectSound();
  Open();
  EXPECT_EQ(by_region(), regions);
}

/// Where the policy keeps them, late events are compared for ever.
TEST_F(LifecycleTest, AnArchiveMayKeepItsIds) {
  Open();
  Fill("a", 900);
  clock_.Advance(60 * kDayUs);
  RetentionPolicy policy = Policy({.archive_after_days = 10});
  policy.archive_keeps_ids = true;
  ASSERT_TRUE(db_->SetRetention(policy).ok());
  const auto report = db_->Retain();
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->archived_events, 900u);
  EXPECT_EQ(report->ids_dropped, 0u);
  Open();
  EXPECT_EQ(*db_->Retention(), policy);
  EXPECT_EQ(Fill("a", 900).Count(Outcome::kDuplicate), 900u);
  EXPECT_EQ(Fill("b", 900).Count(Outcome::kAccepted), 900u);
  policy.archive_keeps_ids = false;
  ASSERT_TRUE(db_->SetRetention(policy).ok());
  EXPECT_EQ(db_->Retain()->ids_dropped, 1800u) << "those that were archived before, too";
  EXPECT_EQ(Fill("a", 900).Count(Outcome::kTooLate), 900u);
  ExpectSound();
}

/// A policy for one service says nothing about the others.
TEST_F(LifecycleTest, OtherServicesOfTheMonthAreNotTooLate) {
  Open();
  Fill("a", 900);
  clock_.Advance(60 * kDayUs);
  ASSERT_TRUE(db_->SetRetention({{{.name = "s1", .service = "s1", .delete_after_days = 50}}}).ok());
  ASSERT_GT(db_->Retain()->deleted_events, 0u);
  EventBatch batch;
  MakeEvents("a", 900, seed_, &batch);
  const auto reply = db_->Ingest(batch);
  ASSERT_TRUE(reply);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Event e = batch.At(i);
    const bool is_gone = e.service == "s1" && *e.time < ParseTime("2026-04-01")->time_us;
    ASSERT_EQ(reply->outcomes[i], is_gone ? Outcome::kTooLate : Outcome::kDuplicate);
  }
  const IngestReply others = Fill("b", 900);
  EXPECT_GT(others.Count(Outcome::kAccepted), 500u);
  EXPECT_EQ(others.Count(Outcome::kAccepted) + others.Count(Outcome::kTooLate), 900u);
}

/// Its ids are gone, too, but so are its events: nothing could be counted twice.
TEST_F(LifecycleTest, AnErasedCustomerMakesNoMonthTooLate) {
  Open();
  Fill("a", 900);
  ASSERT_TRUE(db_->Archive({.before = ParseTime("2026-02-01")->time_us}));
  ASSERT_TRUE(db_->Erase("c3"));
  ASSERT_TRUE(db_->FinishErasures().ok());
  const IngestReply again = Fill("a", 900);
  EXPECT_GT(again.Count(Outcome::kAccepted), 50u) << "a fresh start";
  EXPECT_EQ(again.Count(Outcome::kAccepted) + again.Count(Outcome::kDuplicate), 900u);
}

TEST_F(LifecycleTest, IdsThatAreKeptForEverHoldUpRetention) {
  options_.identity_window_us = -1;
  Open();
  Fill("a", 900);
  clock_.Advance(1000 * kDayUs);
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 60, .archive_after_days = 30})).ok());
  const auto report = db_->Retain();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->summarised_events, 0u);
  EXPECT_EQ(report->archived_events, 900u);
  ASSERT_TRUE(db_->Archive({.before = kNow + 900 * kDayUs, .drop_ids = true}));
  EXPECT_EQ(db_->DetachArchive().code(), StatusCode::kConflict);
  EXPECT_EQ(Fill("a", 900).Count(Outcome::kDuplicate), 900u);
}

TEST_F(LifecycleTest, ABoundByAgeDemandsAStamp) {
  options_.late_bound_us = 10 * kDayUs;
  Open();
  const IngestReply first = Fill("a", 900);
  EXPECT_GT(first.Count(Outcome::kTooLate), 700u);
  EXPECT_GT(first.Count(Outcome::kAccepted), 50u);
  const IngestReply stamped = Fill("a", 900, /*stamp=*/true);
  EXPECT_EQ(stamped.Count(Outcome::kAccepted), first.Count(Outcome::kTooLate));
  EXPECT_EQ(stamped.Count(Outcome::kDuplicate), first.Count(Outcome::kAccepted));
  EXPECT_EQ(Fill("a", 900).Count(Outcome::kDuplicate), 900u)
      << "what is known is no question of age";
}

/// Fails each call of the file system in turn, then each write of the manifest; after each the store is opened again.
TEST_F(LifecycleTest, NothingIsLostAtAnyStep) {
  options_.create_if_missing = true;
  for (const bool archive : {false, true}) {
    std::uint64_t step = 1;
    for (bool fired = true; fired && step < 400; step += 1 + step / 24) {
      SCOPED_TRACE("archive " + std::to_string(archive) + ", call " + std::to_string(step));
      NewWorld();
      clock_.SetWall(kNow);
      Open();
      Fill("a", 600);
      clock_.SetWall(kNow + 100 * kDayUs);
      ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = archive ? 0u : 50u,
                                            .archive_after_days = archive ? 50u : 0u}))
                      .ok());
      const std::string daily = Daily();
      fault_->FailNth(step, step % 2 == 0 ? FaultVfs::Fault::kTornWrite : FaultVfs::Fault::kError,
                      /*persistent=*/step % 3 == 0);
      const auto report = db_->Retain();
      fired = fault_->fired();
      fault_->Heal();
      EXPECT_EQ(Daily(), daily) << "while it is open";
      Random random(step);
      db_.reset();
      memory_->PowerCut(random, 50);
      Open();
      EXPECT_EQ(Daily(), daily);
      ASSERT_TRUE(db_->Retain());
      EXPECT_EQ(Daily(), daily) << "done at the second attempt";
      ExpectSound();
      if (HasFailure()) return;
    }
    EXPECT_LT(step, 400u) << "the steps were never exhausted";
  }
}

}  // namespace
}  // namespace quipu
