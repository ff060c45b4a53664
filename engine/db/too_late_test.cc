// What comes late end to end: events are compared for as long as their ids are there, and are too late after that.
#include <functional>
#include <set>

#include "db/lifecycle_testing.h"

namespace quipu {
namespace {

class TooLateTest : public LifecycleTest {};

/// Repeated deliveries, sent after every way in which ids can go: none is counted twice, and a stamped batch is taken.
TEST_F(TooLateTest, WhatCannotBeComparedIsTooLate) {
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
TEST_F(TooLateTest, ArchivedIdsGoWhenTheirWindowHasPassed) {
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
TEST_F(TooLateTest, AnArchiveMayKeepItsIds) {
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

/// An event is found wherever it lies, with all that was sent, until its id is gone.
TEST_F(TooLateTest, OneEventIsFoundInEveryTier) {
  Open();
  EventBatch batch;
  MakeEvents("a", 300, seed_, &batch);
  const IngestReply sent = *db_->Ingest(batch);
  const auto check = [&](const std::set<std::string>& tiers) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Event e = batch.At(i);
      const auto found = db_->FindEvent(e.customer, e.source, e.id);
      ASSERT_TRUE(found) << found.error().ToString();
      EXPECT_EQ(found->event.id, e.id);
      EXPECT_EQ(found->event.customer, e.customer);
      EXPECT_EQ(found->event.service, e.service);
      EXPECT_EQ(found->event.time, *e.time);
      EXPECT_EQ(found->event.quantity, e.quantity);
      EXPECT_EQ(found->event.cost, e.cost);
      ASSERT_EQ(found->event.dimensions.size(), 1u);
      EXPECT_EQ(found->event.dimensions[0].second, e.dimensions[0].value);
      EXPECT_LE(found->commit_first, sent.seq);
      EXPECT_GE(found->commit_last, sent.seq);
      EXPECT_EQ(found->file.empty(), found->tier == "hot");
      seen.insert(found->tier);
    }
    EXPECT_EQ(seen, tiers);
    const auto code = [&](const std::string& customer, const char* source, const char* id) {
      return db_->FindEvent(customer, source, id).error().code();
    };
    const std::string owner(batch.At(0).customer);
    EXPECT_EQ(code(owner, "", "nothing"), StatusCode::kNotFound);
    EXPECT_EQ(code(owner, "elsewhere", "a0"), StatusCode::kNotFound);
    EXPECT_EQ(code(owner == "c1" ? "c2" : "c1", "", "a0"), StatusCode::kNotFound);
    EXPECT_EQ(code("nobody", "", "a0"), StatusCode::kNotFound);
    EXPECT_EQ(code("", "", "a0"), StatusCode::kInvalidArgument);
    EXPECT_EQ(code(owner, "", ""), StatusCode::kInvalidArgument);
  };
  check({"hot"});
  Open();
  check({"hot"});
  ASSERT_TRUE(db_->Seal().ok());
  check({"L0"});
  clock_.Advance(60 * kDayUs);
  const TimeUs march = ParseTime("2026-03-01")->time_us;
  ASSERT_TRUE(db_->Archive({.before = march}));
  check({"L0", "archive"});
  ASSERT_TRUE(db_->Erase("c3"));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Event e = batch.At(i);
    EXPECT_EQ(db_->FindEvent(e.customer, e.source, e.id).error().code(),
              e.customer == "c3" ? StatusCode::kNotFound : StatusCode::kOk);
  }
  ASSERT_TRUE(db_->DetachArchive().ok());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Event e = batch.At(i);
    EXPECT_EQ(db_->FindEvent(e.customer, e.source, e.id).error().code(),
              e.customer == "c3" || *e.time < march ? StatusCode::kOutOfRange : StatusCode::kOk);
  }
}

/// A policy for one service says nothing about the others.
TEST_F(TooLateTest, OtherServicesOfTheMonthAreNotTooLate) {
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
TEST_F(TooLateTest, AnErasedCustomerMakesNoMonthTooLate) {
  Open();
  Fill("a", 900);
  ASSERT_TRUE(db_->Archive({.before = ParseTime("2026-02-01")->time_us}));
  ASSERT_TRUE(db_->Erase("c3"));
  ASSERT_TRUE(db_->FinishErasures().ok());
  const IngestReply again = Fill("a", 900);
  EXPECT_GT(again.Count(Outcome::kAccepted), 50u) << "a fresh start";
  EXPECT_EQ(again.Count(Outcome::kAccepted) + again.Count(Outcome::kDuplicate), 900u);
}

TEST_F(TooLateTest, IdsThatAreKeptForEverHoldUpRetention) {
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

TEST_F(TooLateTest, ABoundByAgeDemandsAStamp) {
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

}  // namespace
}  // namespace quipu
