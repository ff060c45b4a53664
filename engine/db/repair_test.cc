// Repair as its users see it: questions, and events that are sent again.
#include "quipu/repair.h"

#include "db/lifecycle_testing.h"
#include "segment/segment_frame.h"
#include "upkeep/repair.h"

namespace quipu {
namespace {

class RepairDbTest : public LifecycleTest {
 protected:
  StoreEnvironment Environment() {
    StoreEnvironment environment;
    order_.push_back(std::make_unique<OrderCheckingVfs>(&*fault_));
    environment.vfs = order_.back().get();
    environment.clock = &clock_;
    environment.open_kv = [this](const std::string& path) {
      return path.starts_with("/d") ? disk_->Open() : repaired_disk_.Open();
    };
    return environment;
  }
  void Close() {
    if (db_) {
      EXPECT_TRUE(db_->Close().ok());
    }
    db_.reset();
  }
  /// Closes the store; from then on `db_` is the repaired one.
  RepairReport Repair() {
    Close();
    auto report = RepairStore("/d", "/r", Environment(), {});
    EXPECT_TRUE(report) << report.error().ToString();
    auto db = OpenDatabaseIn("/r", options_, Environment());
    EXPECT_TRUE(db) << db.error().ToString();
    if (db) db_ = std::make_unique<Database>(*std::move(db));
    return report ? *report : RepairReport();
  }
  std::map<Outcome, std::size_t> SendAgain(int events) {
    EventBatch batch;
    MakeEvents("e", events, seed_, &batch);
    const auto reply = db_->Ingest(batch);
    EXPECT_TRUE(reply) << reply.error().ToString();
    std::map<Outcome, std::size_t> outcomes;
    if (reply) {
      for (const Outcome outcome : reply->outcomes) ++outcomes[outcome];
    }
    return outcomes;
  }
  std::string File(std::size_t index) {
    const auto names = memory_->List("/d/segments");
    QUIPU_CHECK(names.has_value());
    return "/d/segments/" + (*names)[index];
  }

  MemoryKvDisk repaired_disk_;
};

TEST_F(RepairDbTest, ASoundStoreAnswersTheSame) {
  Open();
  Fill("e", 900);
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 400})).ok());
  ASSERT_TRUE(db_->SetCustomerClass("c1", "gold").ok());
  const std::string daily = Daily(), by_row = ByRow();
  const RepairReport report = Repair();
  EXPECT_TRUE(report.losses.empty());
  EXPECT_EQ(report.events_saved, 900u);
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(ByRow(), by_row);
  EXPECT_EQ(db_->Retention()->rules.size(), 1u);
  ExpectSound();
  EXPECT_EQ(SendAgain(900)[Outcome::kDuplicate], 900u);
}

TEST_F(RepairDbTest, LostEventsCountWhenSentAgainAndNothingTwice) {
  Open();
  Fill("e", 900);
  const std::string daily = Daily(), by_row = ByRow();
  ASSERT_TRUE(memory_->Unlink(File(1)).ok());
  const RepairReport report = Repair();
  EXPECT_TRUE(report.is_exact);
  EXPECT_GT(report.events_lost, 200u);
  auto outcomes = SendAgain(900);
  EXPECT_EQ(outcomes[Outcome::kDuplicate], report.events_saved);
  EXPECT_EQ(outcomes[Outcome::kAccepted], report.events_lost);
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(ByRow(), by_row);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(Daily(), daily);
  ExpectSound();
}

TEST_F(RepairDbTest, WithoutKvNothingIsCountedTwice) {
  Open();
  Fill("e", 900);
  const std::string daily = Daily();
  Close();
  disk_.emplace();
  const RepairReport report = Repair();
  EXPECT_EQ(report.events_saved, 900u);
  EXPECT_EQ(Daily(), daily);
  EXPECT_EQ(SendAgain(900)[Outcome::kDuplicate], 900u);
}

TEST_F(RepairDbTest, EventsWithoutIdsAreNotCountedTwice) {
  Open();
  EventBatch batch;
  for (int i = 0; i < 300; ++i) {  // ids that stand nowhere but in the index
    std::string id = std::to_string(100'000'000'000 + i);
    id = "9b1deb4d-3b7d-4bad-9bdd-" + id;
    batch.Add({.id = id,
               .time = kNow - kDayUs,
               .customer = "acme",
               .service = "api",
               .cost = Decimal(i)});
  }
  ASSERT_TRUE(db_->Ingest(batch));
  ASSERT_TRUE(db_->Seal().ok());
  const std::string sum = Text(db_->Query(Query().Select("count,sum(cost)")));
  Close();
  // The page before the footer is the last of the index.
  const auto bytes = ReadWholeFile(*memory_, File(0), 1 << 30);
  const auto reader = SegmentReader::Open(&*memory_, File(0), nullptr, nullptr);
  ASSERT_TRUE(reader);
  std::uint64_t index_end = bytes->size() + kSegmentHeaderBytes;
  for (const PageBytes& part : (*reader)->BytesByColumn()) {
    if (part.kind == PageKind::kFooter) index_end -= part.bytes;  // with header and trailer
  }
  ASSERT_TRUE(memory_->FlipBit(File(0), index_end - 1, 0).ok());
  const RepairReport report = Repair();
  EXPECT_EQ(report.events_without_ids, 300u);
  EXPECT_EQ(report.events_lost, 0u);
  EXPECT_EQ(Text(db_->Query(Query().Select("count,sum(cost)"))), sum);
  const auto reply = db_->Ingest(batch);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->outcomes[0], Outcome::kTooLate);
  EXPECT_EQ(Text(db_->Query(Query().Select("count,sum(cost)"))), sum);
  Fill("more", 50, /*stamp=*/true);
  EXPECT_TRUE(db_->Compact().ok());
  ExpectSound();
}

TEST_F(RepairDbTest, AnErasureUnderWayGoesOn) {
  Open();
  Fill("e", 900);
  ASSERT_TRUE(db_->Erase("c3"));
  const std::string daily = Daily();
  Repair();
  EXPECT_EQ(Daily(), daily);
  ASSERT_TRUE(db_->FinishErasures().ok());
  EXPECT_TRUE(db_->Erasures()->front().done.has_value());
  EXPECT_EQ(Daily(), daily);
  ExpectSound();
}

TEST_F(RepairDbTest, ArchivesAndSummariesComeAlong) {
  Open();
  Fill("e", 900);
  ASSERT_TRUE(db_->Archive({.before = MonthStart(MonthOf(kNow) - 2), .folder = "/cold"}));
  const std::string daily = Daily();
  ASSERT_TRUE(db_->SetRetention(Policy({.service = "s1", .keep_raw_days = 20})).ok());
  ASSERT_TRUE(db_->Retain());
  const RepairReport report = Repair();
  EXPECT_TRUE(report.losses.empty());
  EXPECT_EQ(report.events_saved, 900u);
  EXPECT_EQ(Daily(), daily);
  EXPECT_TRUE(db_->Archives()->empty()) << "two stores must not share a folder";
  ExpectSound();
}

}  // namespace
}  // namespace quipu
