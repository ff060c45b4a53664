// Retention and archive end to end: what answers before answers the same after, or is an error that says what expired.
#include "db/lifecycle_testing.h"

namespace quipu {
namespace {

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
