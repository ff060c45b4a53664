#include "upkeep/repair.h"

#include <numeric>

#include "segment/footer_codec.h"
#include "segment/segment_frame.h"
#include "store/manifest.h"
#include "upkeep/merge.h"
#include "upkeep/upkeep_testing.h"
#include "upkeep/verify.h"

namespace quipu {
namespace {

/// A store in "/u" that is damaged, and what a repair makes of it.
class RepairTest : public UpkeepTest {
 protected:
  StoreEnvironment Environment() {
    StoreEnvironment environment;
    repair_order_ = std::make_unique<OrderCheckingVfs>(&fault_);
    environment.vfs = repair_order_.get();
    environment.clock = &clock_;
    environment.open_kv = [this](const std::string& path) {
      return path == "/u/kv" ? disk_.Open() : repaired_disks_[path].Open();
    };
    return environment;
  }
  void Close() {
    before_ = AllRows();
    maker_.reset();
    ASSERT_TRUE(store_->Close().ok());
    store_.reset();
  }
  /// Into a folder of its own each time.
  Result<RepairReport> TryRepair() {
    repaired_.reset();
    out_ = "/repaired" + std::to_string(++repairs_);
    return RepairStore("/u", out_, Environment(), {});
  }
  /// Repairs, opens what came of it and reads its rows.
  RepairReport Repair() {
    after_.clear();
    auto report = TryRepair();
    EXPECT_TRUE(report) << report.error().ToString();
    if (!report) return {};
    auto store = Store::Open(out_, {}, Environment());
    EXPECT_TRUE(store) << store.error().ToString();
    if (!store) return *report;
    repaired_ = *std::move(store);
    std::swap(store_, repaired_);
    after_ = AllRows();
    std::swap(store_, repaired_);
    EXPECT_EQ(after_.size(), report->events_saved);
    return *report;
  }
  /// Saved and lost are together what there was, and every saved row is as it was.
  void ExpectExact(const RepairReport& report) {
    EXPECT_TRUE(report.is_exact);
    EXPECT_EQ(report.events_saved + report.events_lost, before_.size());
    std::uint64_t lost = 0;
    for (const RepairLoss& loss : report.losses) lost += loss.rows.value_or(0);
    EXPECT_EQ(lost, report.events_lost);
    EXPECT_TRUE(std::includes(before_.begin(), before_.end(), after_.begin(), after_.end()));
  }

  struct Page {
    PageKind kind;
    std::uint64_t offset;
  };
  std::vector<Page> PagesOfFile(const std::string& path) {
    const auto bytes = ReadWholeFile(memory_, path, 1 << 30);
    QUIPU_CHECK(bytes.has_value());
    const auto trailer = DecodeSegmentTrailer(
        AsBytes(std::string_view(*bytes).substr(bytes->size() - kSegmentTrailerBytes)),
        bytes->size(), path);
    QUIPU_CHECK(trailer.has_value());
    const auto footer = DecodeFooter(
        AsBytes(std::string_view(*bytes).substr(trailer->footer.offset + kPageHeaderBytes,
                                                trailer->footer.bytes - kPageHeaderBytes)),
        trailer->footer.offset);
    QUIPU_CHECK(footer.has_value());
    std::vector<Page> pages;
    for (const PlacedPage& page : PagesOf(*footer))
      pages.push_back({page.place.kind, page.ref.offset});
    pages.push_back({PageKind::kFooter, trailer->footer.offset});
    return pages;
  }
  /// Damages the first page of the kind at or behind `from`; again undoes it.
  void FlipPage(const std::string& path, PageKind kind, const std::vector<Page>& pages,
                std::size_t which = 0) {
    for (const Page& page : pages) {
      if (page.kind != kind || which-- != 0) continue;
      ASSERT_TRUE(memory_.FlipBit(path, page.offset + kPageHeaderBytes, 3).ok());
      return;
    }
    FAIL() << "no page of kind " << PageKindName(kind);
  }
  /// Changes the rows of the damaged store's kv/.
  void Change(const std::function<void(KvBatch*)>& change) {
    auto kv = disk_.Open();
    ASSERT_TRUE(kv);
    KvBatch batch;
    change(&batch);
    ASSERT_TRUE((*kv)->Write(batch, true).ok());
    ASSERT_TRUE((*kv)->Close().ok());
  }
  std::string PathOf(std::size_t file) { return "/u/segments/" + Files()[file]; }

  std::map<std::string, MemoryKvDisk> repaired_disks_;  // by path
  std::string out_;
  int repairs_ = 0;
  std::unique_ptr<OrderCheckingVfs> repair_order_;
  std::unique_ptr<Store> repaired_;
  std::vector<std::string> before_, after_;
};

TEST_F(RepairTest, ASoundStoreIsCopied) {
  Open();
  SealedCommit(400, 3);
  SealedCommit(100, 2);
  Commit(50);
  Commit(7);
  Close();
  const RepairReport report = Repair();
  EXPECT_TRUE(report.problems.empty());
  EXPECT_TRUE(report.losses.empty());
  EXPECT_EQ(report.segments_copied, 5u);
  EXPECT_EQ(report.segments_rewritten, 0u);
  EXPECT_EQ(report.commits_saved, 2u);
  ExpectExact(report);
  EXPECT_EQ(after_, before_);
  Open();
  EXPECT_EQ(repaired_->view()->totals, store_->view()->totals);
  EXPECT_EQ(repaired_->view()->as_of, store_->view()->as_of);
  EXPECT_EQ(repaired_->store_id(), store_->store_id());
  EXPECT_EQ(repaired_->view()->written, store_->view()->written);
}

TEST_F(RepairTest, WhatEachPageCosts) {
  Open();
  SealedCommit(400);
  Commit(20);
  Close();
  const std::string path = PathOf(0);
  const auto pages = PagesOfFile(path);
  const std::vector<std::pair<PageKind, std::uint64_t>> costs = {
      {PageKind::kTimes, 400},      {PageKind::kMeasure, 400},   {PageKind::kDimension, 400},
      {PageKind::kDictionary, 400}, {PageKind::kDirectory, 400}, {PageKind::kFooter, 400},
      {PageKind::kNames, 0},        {PageKind::kSummaries, 0},   {PageKind::kIdentityPrefix, 0},
      {PageKind::kIdentityKeys, 0}, {PageKind::kIdentityRows, 0}};
  for (const auto& [kind, lost] : costs) {
    SCOPED_TRACE(PageKindName(kind));
    FlipPage(path, kind, pages);
    const RepairReport report = Repair();
    EXPECT_FALSE(report.problems.empty());
    EXPECT_EQ(report.events_lost, lost);
    EXPECT_EQ(report.events_without_ids, 0u) << "texts stand beside their rows";
    ExpectExact(report);
    for (const RepairLoss& loss : report.losses) {
      EXPECT_EQ(loss.month, "2026-01");
      EXPECT_EQ(loss.place, path);
      const bool by_customer = kind != PageKind::kDirectory && kind != PageKind::kFooter;
      EXPECT_EQ(loss.customer.starts_with("customer-"), by_customer) << loss.customer;
    }
    FlipPage(path, kind, pages);
  }
}

TEST_F(RepairTest, ADamagedIdsPageCostsTheIds) {
  Open();
  SealedCommit(300);
  Close();
  FlipPage(PathOf(0), PageKind::kIds, PagesOfFile(PathOf(0)));
  const RepairReport report = Repair();
  EXPECT_EQ(report.events_saved, 300u);
  EXPECT_EQ(report.events_without_ids, 300u);
  EXPECT_EQ(report.events_lost, 0u);
  // Nobody can tell repeats of them any more, and the store knows that.
  EXPECT_TRUE(
      repaired_->view()->forgotten->Covers(MonthStart(MonthOf(1'767'225'600 * kSecondUs)), 0));
}

TEST_F(RepairTest, RowGroupsAreSavedOneByOne) {
  Open();
  SealedCommit(kRowGroupRows + 5000);
  Close();
  const std::string path = PathOf(0);
  FlipPage(path, PageKind::kTimes, PagesOfFile(path), 1);
  const RepairReport report = Repair();
  EXPECT_EQ(report.events_saved, kRowGroupRows);
  EXPECT_EQ(report.events_lost, 5000u);
  ExpectExact(report);
}

TEST_F(RepairTest, EveryByteOfASegment) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  Random random(seed_);
  Open();
  SealedCommit(60, 2);
  Close();
  const std::string path = PathOf(0);
  const std::uint64_t size = ReadWholeFile(memory_, path, 1 << 30)->size();
  for (std::uint64_t at = random.Below(20); at < size; at += 1 + random.Below(size / 60)) {
    SCOPED_TRACE("byte " + std::to_string(at));
    const int bit = static_cast<int>(random.Below(8));
    ASSERT_TRUE(memory_.FlipBit(path, at, bit).ok());
    const RepairReport report = Repair();
    EXPECT_FALSE(report.problems.empty());
    if (report.events_without_ids == 0) {
      ExpectExact(report);
    } else {
      EXPECT_EQ(report.events_lost, 0u);
    }
    ASSERT_TRUE(memory_.FlipBit(path, at, bit).ok());
  }
}

TEST_F(RepairTest, AMissingAndATruncatedFile) {
  Open();
  SealedCommit(300, 3);
  Close();
  ASSERT_TRUE(memory_.Truncate(PathOf(1), 500).ok());
  ASSERT_TRUE(memory_.Unlink(PathOf(0)).ok());
  const RepairReport report = Repair();
  EXPECT_EQ(report.segments_lost, 2u);
  ASSERT_EQ(report.losses.size(), 2u);
  EXPECT_EQ(report.losses[0].month, "2026-01");
  EXPECT_NE(report.losses[0].why.find("gone"), std::string::npos) << report.losses[0].why;
  EXPECT_EQ(report.losses[1].month, "2026-02");
  ExpectExact(report);
}

TEST_F(RepairTest, LostCommitsAreCountedAndTheirNumbersKept) {
  Open();
  SealedCommit(30);
  for (const std::size_t rows : {10, 20, 30, 40}) Commit(rows);
  Close();
  Change([](KvBatch* batch) {
    batch->Put(KvSpace::kBlobs, MakeBlobKey(3), "not a commit");
    batch->Delete(KvSpace::kBlobs, MakeBlobKey(5));
  });
  const RepairReport report = Repair();
  EXPECT_EQ(report.events_lost, 60u);
  ExpectExact(report);
  ASSERT_EQ(report.losses.size(), 1u);
  EXPECT_EQ(report.losses[0].place, "commits 3, 5");
  EXPECT_EQ(report.losses[0].rows, 60u);
  EXPECT_EQ(repaired_->view()->as_of, 5u);
}

TEST_F(RepairTest, ACutLogIsKnownByTheWatermark) {
  Open();
  SealedCommit(30);
  Commit(10);
  const std::string last =
      EncodeLastCommit({store_->view()->as_of, store_->view()->totals, store_->view()->written,
                        store_->view()->producers_written});
  Commit(20);
  Commit(5);
  Close();
  Change([&](KvBatch* batch) {  // as if the log ended after commit 2
    batch->Put(KvSpace::kMeta, std::string(kLastCommitKey), last);
    batch->Delete(KvSpace::kBlobs, MakeBlobKey(3));
    batch->Delete(KvSpace::kBlobs, MakeBlobKey(4));
  });
  const RepairReport report = Repair();
  EXPECT_EQ(report.events_saved, 40u);
  EXPECT_FALSE(report.is_exact);
  ASSERT_EQ(report.losses.size(), 1u);
  EXPECT_EQ(report.losses[0].place, "commits 3 to 4");
  EXPECT_FALSE(report.losses[0].rows.has_value());
  EXPECT_EQ(repaired_->view()->as_of, 4u) << "numbers are never given twice";
}

TEST_F(RepairTest, WithoutKvSegmentsSpeakForThemselves) {
  Open();
  SealedCommit(300, 3);
  const std::vector<std::string> sealed = AllRows();
  Commit(40);
  Close();
  disk_ = MemoryKvDisk();
  const RepairReport report = Repair();
  EXPECT_EQ(after_, sealed);
  EXPECT_FALSE(report.is_exact);
  EXPECT_EQ(report.segments_copied, 3u);
  bool told_commits = false, told_settings = false;
  for (const RepairLoss& loss : report.losses) {
    told_commits |= loss.place == "commits 2 to 2";
    told_settings |= loss.place == "kv";
  }
  EXPECT_TRUE(told_commits);
  EXPECT_TRUE(told_settings);
}

TEST_F(RepairTest, RowsOfSeveralFilesAreTakenOnce) {
  Open();
  SealedCommit(300);
  SealedCommit(200);
  const std::vector<std::string> sealed = AllRows();
  std::map<std::string, std::string> inputs;
  for (const std::string& name : Files())
    inputs[name] = *ReadWholeFile(memory_, "/u/segments/" + name, 1 << 30);
  CompactionJob job;
  job.month = store_->view()->segments[0]->meta().spec.month;
  job.inputs = SegmentIds();
  job.level = SegmentLevel::kMerged;
  ASSERT_TRUE(RunCompaction(store_.get(), job, {}, nullptr).ok());
  SealedCommit(50);
  Close();
  // As if the inputs had never been removed, and then kv/ was lost.
  for (const auto& [name, bytes] : inputs)
    ASSERT_TRUE(WriteFileDurably(memory_, "/u/segments/" + name, AsBytes(bytes)).ok());
  disk_ = MemoryKvDisk();
  const RepairReport report = Repair();
  EXPECT_EQ(after_, before_);
  EXPECT_EQ(report.segments_copied, 2u);
}

TEST_F(RepairTest, AFileThatTheManifestForgotIsFound) {
  Open();
  SealedCommit(300, 2);
  Close();
  Change([&](KvBatch* batch) { batch->Delete(KvSpace::kMeta, MakeSegmentKey(2)); });
  const RepairReport report = Repair();
  ExpectExact(report);
  EXPECT_EQ(after_, before_);
  EXPECT_TRUE(report.losses.empty());
}

TEST_F(RepairTest, NamesComeFromSegments) {
  Open();
  SealedCommit(300);
  Close();
  Change([&](KvBatch* batch) {
    for (std::uint32_t o = 0; o < 20; ++o) batch->Delete(KvSpace::kMeta, MakeNameKey({0, o}));
    batch->Delete(KvSpace::kMeta, MakeNameKey({1, 1}));
    batch->Delete(KvSpace::kMeta, MakeNameKey({2, 0}));
  });
  ExpectExact(Repair());
  EXPECT_EQ(after_, before_);
}

TEST_F(RepairTest, CountersThatAreDamagedAreFoundAgain) {
  Open();
  SealedCommit(100);
  Commit(20);
  Commit(30);
  Close();
  for (const std::string_view key :
       {kLastCommitKey, kSealedKey, kNextSegmentKey, kStoreRecordKey}) {
    SCOPED_TRACE(key);
    auto kv = disk_.Open();
    const std::string value = **(*kv)->Get(KvSpace::kMeta, key);
    ASSERT_TRUE((*kv)->Close().ok());
    Change([&](KvBatch* batch) { batch->Put(KvSpace::kMeta, std::string(key), value + "x"); });
    const RepairReport report = Repair();
    EXPECT_FALSE(report.problems.empty());
    EXPECT_EQ(after_, before_);
    EXPECT_EQ(report.events_lost, 0u);
    EXPECT_EQ(report.is_exact, key != kLastCommitKey);
    Change([&](KvBatch* batch) { batch->Put(KvSpace::kMeta, std::string(key), value); });
  }
}

TEST_F(RepairTest, RepairTwiceIsRepairOnce) {
  Open();
  SealedCommit(200, 2);
  Commit(10);
  Close();
  FlipPage(PathOf(0), PageKind::kSummaries, PagesOfFile(PathOf(0)));
  Repair();
  const std::vector<std::string> once = after_;
  const RepairReport again = Repair();
  EXPECT_EQ(after_, once);
  EXPECT_EQ(again.segments_rewritten, 1u);
}

TEST_F(RepairTest, ExamineNamesEveryDamageAndChangesNothing) {
  Open();
  SealedCommit(300, 3);
  Commit(10);
  Commit(20);
  Close();
  const std::string damaged = PathOf(0), missing = PathOf(1);
  FlipPage(damaged, PageKind::kTimes, PagesOfFile(damaged));
  FlipPage(damaged, PageKind::kDirectory, PagesOfFile(damaged));
  ASSERT_TRUE(memory_.Unlink(missing).ok());
  Change([&](KvBatch* batch) { batch->Put(KvSpace::kBlobs, MakeBlobKey(2), "no"); });
  const auto files = Files();
  const auto report = ExamineStore("/u", Environment(), {});
  ASSERT_TRUE(report) << report.error().ToString();
  std::string all;
  for (const VerifyProblem& p : report->problems) all += p.place + ": " + p.message + "\n";
  EXPECT_EQ(report->problems.size(), 4u) << all;
  for (const std::string part : {"times page", "directory page", "the file is gone", "commit 2: "})
    EXPECT_NE(all.find(part), std::string::npos) << part << " in\n" << all;
  EXPECT_EQ(Files(), files);
}

TEST_F(RepairTest, Refusals) {
  Open();
  SealedCommit(10);
  EXPECT_EQ(TryRepair().error().code(), StatusCode::kAlreadyExists) << "it is in use";
  Close();
  ASSERT_TRUE(memory_.MakeFolder("/r").ok());
  ASSERT_TRUE(WriteFileDurably(memory_, "/r/stranger", AsBytes(std::string_view("x"))).ok());
  const auto taken = RepairStore("/u", "/r", Environment(), {});
  EXPECT_EQ(taken.error().code(), StatusCode::kAlreadyExists) << taken.error().ToString();
  ASSERT_TRUE(memory_.Unlink("/r/stranger").ok());
  EXPECT_EQ(RepairStore("/nowhere", "/r2", Environment(), {}).error().code(),
            StatusCode::kNotFound);
}

TEST_F(RepairTest, AFailedRepairLeavesNoStore) {
  Open();
  SealedCommit(200, 2);
  Commit(10);
  Close();
  FlipPage(PathOf(0), PageKind::kSummaries, PagesOfFile(PathOf(0)));
  std::uint64_t n = 1;
  for (;; ++n) {
    fault_.FailNth(n, FaultVfs::Fault::kError);
    const auto report = TryRepair();
    fault_.Heal();
    if (report) break;
    ASSERT_LT(n, 1000u);
    auto store = Store::Open(out_, {}, Environment());
    // Either it was not finished, or the one write had been made and it is whole.
    if (store) {
      EXPECT_EQ((*store)->view()->totals.rows, 210u);
    }
  }
  EXPECT_GT(n, 10u);
}

}  // namespace
}  // namespace quipu
