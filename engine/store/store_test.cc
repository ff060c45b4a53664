// The store over a file system and a key-value disk in memory, and once over the real ones.
#include "store/store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "store/manifest.h"
#include "store/store_fixture_testing.h"

namespace quipu {
namespace {

TEST_F(StoreTest, CommitsAreVisibleAtOnceAndAfterReopening) {
  Open();
  for (std::uint64_t seq = 1; seq <= 30; ++seq) ASSERT_EQ(Commit(seq * 7 % 40 + 1), seq);
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  const Hash128 id = store_->store_id();
  Open();
  EXPECT_EQ(store_->store_id(), id);
  EXPECT_EQ(store_->view()->as_of, 30u);
  EXPECT_EQ(store_->view()->hot.size(), 1u) << "recovered commits are merged";
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  EXPECT_EQ(Commit(5), 31u);
  Open();
  ExpectTruth();
}

TEST_F(StoreTest, AViewNeverChanges) {
  Open();
  Commit(10);
  const ViewPtr old = store_->view();
  const auto rows = RowsOf(*old);
  for (int i = 0; i < 20; ++i) Commit(10);
  Seal();
  Status merged = store_->Install(MakeMergeOfAll());
  ASSERT_TRUE(merged.ok()) << merged.ToString();
  EXPECT_EQ(old->as_of, 1u);
  EXPECT_TRUE(RowsOf(*old) == rows);
}

TEST_F(StoreTest, ASealMovesRowsIntoSegments) {
  Open();
  for (int i = 0; i < 12; ++i) Commit(50);
  Seal();
  EXPECT_TRUE(store_->view()->hot.empty());
  EXPECT_EQ(store_->view()->segments.size(), 3u);
  EXPECT_EQ(store_->view()->sealed_seq, 12u);
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  Commit(3);
  Open();
  EXPECT_EQ(store_->view()->hot_rows(), 3u);
  EXPECT_TRUE(Files("quarantine").empty()) << log_;
  ExpectTruth();
}

TEST_F(StoreTest, NewSegmentsAreReadyForQuestionsIfAnyCome) {
  const auto ready = [this] {
    std::size_t n = 0;
    for (const SegmentPtr& s : store_->view()->segments) n += s->has_summaries_in_memory() ? 1 : 0;
    return n;
  };
  Open();
  Commit(100);
  Seal();
  Commit(100);
  Seal();
  ASSERT_EQ(store_->view()->segments.size(), 6u);
  EXPECT_EQ(ready(), 0u) << "nobody has asked";
  ASSERT_TRUE(store_->view()->segments[0]->summaries());
  Commit(100);
  Seal();
  EXPECT_EQ(ready(), 4u) << "the one that was asked, and three new ones";
  const Status merged = store_->Install(MakeMergeOfAll());
  ASSERT_TRUE(merged.ok()) << merged.ToString();
  EXPECT_EQ(ready(), 3u);
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  Open();
  EXPECT_EQ(ready(), 0u);
  ExpectTruth();
}

TEST_F(StoreTest, CommitsThatArriveDuringASealStay) {
  Open();
  for (int i = 0; i < 5; ++i) Commit(20);
  const SegmentEdit edit = MakeSeal(*store_->view());
  for (int i = 0; i < 10; ++i) Commit(20);  // hot batches now straddle commit 5
  ASSERT_TRUE(store_->Install(edit).ok());
  EXPECT_EQ(store_->view()->sealed_seq, 5u);
  EXPECT_EQ(store_->view()->hot_rows(), 200u);
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  EXPECT_EQ(store_->Install(edit).code(), StatusCode::kConflict) << "sealed already";
  Open();
  ExpectTruth();
}

TEST_F(StoreTest, MergedFilesGoWithTheirLastReader) {
  Open();
  for (int i = 0; i < 3; ++i) {
    Commit(100);
    Seal();
  }
  ASSERT_EQ(Files("segments").size(), 9u);
  ViewPtr reader = store_->view();
  const SegmentEdit edit = MakeMergeOfAll();
  const Status s = store_->Install(edit);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(store_->view()->segments.size(), 3u);
  EXPECT_EQ(Files("segments").size(), 12u) << "a reader still has the old ones";
  EXPECT_TRUE(RowsOf(*reader) == truth_);
  reader.reset();
  EXPECT_EQ(Files("segments").size(), 3u);
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  SegmentEdit again = edit;
  again.add.clear();
  EXPECT_EQ(store_->Install(again).code(), StatusCode::kConflict) << "gone already";
  Open();
  ExpectTruth();
}

TEST_F(StoreTest, AnEditThatLosesOrRepeatsRowsIsRefused) {
  Open();
  Commit(60);
  SegmentEdit edit = MakeSeal(*store_->view());
  const SegmentMeta dropped = edit.add.back();
  edit.add.pop_back();
  EXPECT_EQ(store_->Install(edit).code(), StatusCode::kInternal) << "a month is lost";
  edit.add.push_back(dropped);
  Commit(1);
  edit.sealed_through = 2;
  EXPECT_EQ(store_->Install(edit).code(), StatusCode::kInternal) << "commit 2 would be lost";
  edit.sealed_through = 3;
  EXPECT_EQ(store_->Install(edit).code(), StatusCode::kInternal) << "commit 3 does not exist";
  edit.sealed_through.reset();
  EXPECT_EQ(store_->Install(edit).code(), StatusCode::kInternal) << "rows from nowhere";
  edit.sealed_through = 1;
  EXPECT_TRUE(store_->Install(edit).ok()) << "the refusals changed nothing";
  ExpectTruth();
}

TEST_F(StoreTest, ExpiredRowsLeaveTheTotalsInTheSameWrite) {
  Open();
  Commit(60);
  Seal();
  const ViewPtr before = store_->view();
  ASSERT_GE(before->segments.size(), 2u);
  SegmentEdit edit;
  edit.remove = {before->segments[0]->meta().spec.segment_id};
  EXPECT_EQ(store_->Install(edit).code(), StatusCode::kInternal) << "rows would vanish";
  edit.expired = before->segments[1]->meta().totals;
  EXPECT_EQ(store_->Install(edit).code(), StatusCode::kInternal) << "other rows than those";
  edit.expired = before->segments[0]->meta().totals;
  ASSERT_TRUE(store_->Install(edit).ok());
  auto gone = before->segments[0]->ReadRows(0, before->segments[0]->rows());
  ASSERT_TRUE(gone) << gone.error().ToString();
  for (const std::string& text : RowTexts(*gone, store_->catalogue())) truth_.erase(text);
  ExpectTruth();
  Totals sum = store_->view()->totals;
  EXPECT_EQ(sum.rows, truth_.size());
  sum.Add(edit.expired);
  EXPECT_EQ(sum, before->totals);
  Commit(10);  // the next commit builds on the smaller totals
  ASSERT_TRUE(store_->Close().ok());
  Open();
  ExpectTruth();
}

TEST_F(StoreTest, UnknownFilesAreQuarantinedNeverDeleted) {
  Open();
  Commit(10);
  Seal();
  for (int round = 0; round < 2; ++round) {
    store_.reset();
    ASSERT_TRUE(
        WriteFileDurably(vfs_, "/store/segments/0000000099-2026-01.seg", AsBytes("x")).ok());
    auto unfinished = vfs_.Create("/store/segments/0000000098-2026-01.seg.tmp");
    ASSERT_TRUE(unfinished);
    unfinished->reset();
    Open();
  }
  EXPECT_EQ(Files("quarantine").size(), 2u) << "the second of the name got a suffix";
  EXPECT_EQ(Files("quarantine")[0], "0000000099-2026-01.seg");
  EXPECT_EQ(Files("segments").size(), store_->view()->segments.size());
  EXPECT_NE(log_.find("0000000099-2026-01.seg"), std::string::npos);
  ExpectTruth();
}

TEST_F(StoreTest, AMissingOrDamagedSegmentRefusesTheOpenAndIsNamed) {
  Open();
  Commit(100);
  Seal();
  const std::string name = Files("segments")[0];
  const std::string path = "/store/segments/" + name;
  const std::uint64_t bytes = store_->view()->segments[0]->meta().file_bytes;
  store_.reset();
  ASSERT_TRUE(memory_.FlipBit(path, bytes - 20, 3).ok());
  Status s = TryOpen();
  EXPECT_EQ(s.code(), StatusCode::kCorruption) << s.ToString();
  EXPECT_NE(s.message().find(name), std::string_view::npos) << s.ToString();
  ASSERT_TRUE(memory_.FlipBit(path, bytes - 20, 3).ok());
  ASSERT_NO_FATAL_FAILURE(Open());
  store_.reset();
  ASSERT_TRUE(memory_.Truncate(path, bytes - 1).ok());
  EXPECT_EQ(TryOpen().code(), StatusCode::kCorruption);
  ASSERT_TRUE(memory_.Unlink(path).ok());
  s = TryOpen();
  EXPECT_EQ(s.code(), StatusCode::kCorruption) << s.ToString();
  EXPECT_NE(s.message().find(name), std::string_view::npos) << s.ToString();
  EXPECT_TRUE(Files("quarantine").empty()) << "a refused open moves nothing";
}

TEST_F(StoreTest, MissingCommitsAndWrongTotalsAreCorruption) {
  Open();
  for (int i = 0; i < 4; ++i) Commit(10);
  const LastCommit wrong{4, {}, {}};
  store_.reset();
  auto kv = disk_.Open();
  const std::string right = **(*kv)->Get(KvSpace::kMeta, kLastCommitKey);
  const std::string second = **(*kv)->Get(KvSpace::kBlobs, MakeBlobKey(2));
  const std::string last = **(*kv)->Get(KvSpace::kBlobs, MakeBlobKey(4));
  kv = Status::Cancelled("");
  PutRaw(KvSpace::kMeta, std::string(kLastCommitKey), EncodeLastCommit(wrong));
  Status s = TryOpen();
  EXPECT_EQ(s.code(), StatusCode::kCorruption);
  EXPECT_NE(s.message().find("totals"), std::string_view::npos) << s.ToString();
  PutRaw(KvSpace::kMeta, std::string(kLastCommitKey), right);
  DeleteRaw(KvSpace::kBlobs, MakeBlobKey(2));
  s = TryOpen();
  EXPECT_EQ(s.code(), StatusCode::kCorruption);
  EXPECT_NE(s.message().find("commit 2 is missing"), std::string_view::npos) << s.ToString();
  PutRaw(KvSpace::kBlobs, MakeBlobKey(2), last);
  EXPECT_EQ(TryOpen().code(), StatusCode::kCorruption) << "another commit's blob";
  PutRaw(KvSpace::kBlobs, MakeBlobKey(2), second);
  DeleteRaw(KvSpace::kBlobs, MakeBlobKey(4));
  s = TryOpen();
  EXPECT_EQ(s.code(), StatusCode::kCorruption);
  EXPECT_NE(s.message().find("4 to 4"), std::string_view::npos) << s.ToString();
  PutRaw(KvSpace::kBlobs, MakeBlobKey(4), last);
  Open();
  ExpectTruth();
}

TEST_F(StoreTest, ANewerFormatIsUnsupported) {
  Open();
  store_.reset();
  StoreRecord record;
  record.format_version = kStoreFormatVersion + 1;
  PutRaw(KvSpace::kMeta, std::string(kStoreRecordKey), EncodeStoreRecord(record));
  EXPECT_EQ(TryOpen().code(), StatusCode::kUnsupported);
}

TEST_F(StoreTest, WhetherAStoreMayOrMustExist) {
  options_.create_if_missing = false;
  const Status s = TryOpen();
  EXPECT_EQ(s.code(), StatusCode::kNotFound);
  EXPECT_NE(s.message().find("quipu init /store"), std::string_view::npos);
  EXPECT_FALSE(*vfs_.Exists("/store")) << "a refused open leaves nothing behind";
  options_.create_if_missing = true;
  Open();
  options_.error_if_exists = true;
  EXPECT_EQ(TryOpen().code(), StatusCode::kAlreadyExists);
  options_.error_if_exists = false;
  folder_ = "/home";
  ASSERT_TRUE(vfs_.MakeFolder("/home").ok());
  ASSERT_TRUE(WriteFileDurably(vfs_, "/home/letter.txt", AsBytes("dear")).ok());
  EXPECT_EQ(TryOpen().code(), StatusCode::kAlreadyExists) << "not a store, not empty";
  EXPECT_EQ(vfs_.List("/home")->size(), 1u);
}

TEST_F(StoreTest, OneProcessAtATime) {
  Open();
  auto second = Store::Open(folder_, options_, environment_);
  EXPECT_EQ(second.error().code(), StatusCode::kAlreadyExists) << second.error().ToString();
  ASSERT_TRUE(store_->Close().ok());
  EXPECT_EQ(TryCommit(1).error().code(), StatusCode::kCancelled);
  EXPECT_TRUE(Store::Open(folder_, options_, environment_));
}

TEST_F(StoreTest, ALostKvFolderIsNotTakenForANewStore) {
  Open();
  Commit(10);
  Seal();
  store_.reset();
  MemoryKvDisk empty;
  environment_.open_kv = [&](const std::string&) { return empty.Open(); };
  EXPECT_EQ(TryOpen().code(), StatusCode::kCorruption);
}

TEST_F(StoreTest, CreationSurvivesAFailureAtEveryCall) {
  bool finished = false;
  for (std::uint64_t n = 1; !finished && n < 100; ++n) {
    MemoryVfs memory;
    FaultVfs faults(&memory);
    OrderCheckingVfs checked(&faults);
    MemoryKvDisk disk;
    environment_.vfs = &checked;
    environment_.open_kv = [&](const std::string&) { return disk.Open(); };
    faults.FailNth(n, FaultVfs::Fault::kError);
    finished = Store::Open("/s", options_, environment_).has_value() && !faults.fired();
    faults.Heal();
    Random random(n);
    memory.PowerCut(random, 50);
    disk.PowerCut(random);
    const auto again = Store::Open("/s", options_, environment_);
    ASSERT_TRUE(again) << "after a failure of call " << n << ": " << again.error().ToString();
  }
  EXPECT_TRUE(finished);
}

TEST_F(StoreTest, AFailedWriteStopsTheStoreUntilItIsReopened) {
  for (const bool applied : {false, true}) {
    for (const bool during_install : {false, true}) {
      SCOPED_TRACE(std::string(applied ? "applied" : "not applied") +
                   (during_install ? ", install" : ", commit"));
      Open();
      Commit(30);
      if (during_install) {
        const SegmentEdit edit = MakeSeal(*store_->view());
        disk_.FailNthWrite(1, applied);
        EXPECT_EQ(store_->Install(edit).code(), StatusCode::kIoError);
        EXPECT_EQ(store_->Install(edit).code(), StatusCode::kIoError);
      } else {
        disk_.FailNthWrite(1, applied);
        EXPECT_EQ(TryCommit(30).error().code(), StatusCode::kIoError);
      }
      EXPECT_EQ(store_->write_error().code(), StatusCode::kIoError);
      EXPECT_EQ(store_->SyncNow().code(), StatusCode::kIoError);
      EXPECT_FALSE(store_->ReserveSegmentIds(1));
      EXPECT_TRUE(RowsOf(*store_->view()) == truth_) << "nothing of it became visible";
      const std::size_t segments = store_->view()->segments.size();
      Open();
      if (applied) truth_.merge(unknown_);
      unknown_.clear();
      ASSERT_NO_FATAL_FAILURE(ExpectTruth());
      if (during_install) {
        EXPECT_EQ(store_->view()->segments.size() > segments, applied);
        EXPECT_EQ(Files("quarantine").empty(), applied);
        for (const std::string& name : Files("quarantine"))
          ASSERT_TRUE(vfs_.Unlink("/store/quarantine/" + name).ok());
      }
    }
  }
}

TEST_F(StoreTest, APowerCutKeepsAPrefixOfUnsyncedCommits) {
  Random random(seed_);
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    Open();
    std::vector<std::multiset<std::string>> states = {truth_};
    for (int i = 0; i < 6; ++i) {
      ASSERT_TRUE(TryCommit(5, /*sync=*/false));
      states.push_back(truth_);
      if (random.Below(6) == 0) {
        ASSERT_TRUE(store_->SyncNow().ok());
        states = {truth_};
      }
      if (random.Below(6) == 0) {
        Seal();
        states = {truth_};
      }
    }
    memory_.PowerCut(random, 50);
    disk_.PowerCut(random);
    Open();
    const auto found = RowsOf(*store_->view());
    const auto state = std::find(states.begin(), states.end(), found);
    ASSERT_TRUE(state != states.end()) << "not a prefix that includes every synced commit";
    truth_ = *state;
  }
}

TEST_F(StoreTest, ProducersAndEmptyCommits) {
  Open();
  EXPECT_FALSE(store_->Producer("p")->has_value());
  const auto commit_producer = [&](std::uint64_t sequence) {
    CommitRequest request;
    ProducerState state;
    state.last_sequence = sequence;
    state.replies.push_back({sequence, store_->view()->as_of + 1, 7, {1}, {}});
    request.producers.emplace_back("p", state);
    const auto done = store_->Commit(std::move(request));
    ASSERT_TRUE(done) << done.error().ToString();
  };
  for (std::uint64_t i = 1; i <= 3; ++i) commit_producer(i);  // with an empty hot tier: no blobs
  EXPECT_EQ(store_->view()->sealed_seq, 3u);
  Commit(10);
  for (std::uint64_t i = 4; i <= 6; ++i) commit_producer(i);
  EXPECT_EQ(store_->view()->sealed_seq, 3u);
  EXPECT_EQ(store_->view()->as_of, 7u);
  Open();
  EXPECT_EQ((*store_->Producer("p"))->last_sequence, 6u);
  EXPECT_EQ((*store_->Producer("p"))->replies[0].seq, 7u);
  SegmentEdit edit = MakeSeal(*store_->view());
  edit.sealed_through = 4;
  ASSERT_TRUE(store_->Install(edit).ok());
  commit_producer(7);
  EXPECT_EQ(store_->view()->sealed_seq, 8u) << "leftover blobs without rows are trimmed";
  Commit(5);
  Open();
  EXPECT_EQ(store_->view()->as_of, 9u);
  ExpectTruth();
}

TEST_F(StoreTest, WaitForChangeWakesUp) {
  Open();
  const ViewPtr seen = store_->view();
  store_->WaitForChange(seen.get(), 1000);  // times out
  std::thread waiter([&] { store_->WaitForChange(seen.get(), 60'000'000); });
  Commit(1);
  waiter.join();
  EXPECT_NE(store_->view(), seen);
}

TEST_F(StoreTest, SegmentIdsAreNeverReused) {
  Open();
  EXPECT_EQ(*store_->ReserveSegmentIds(3), 1u);
  Open();
  EXPECT_EQ(*store_->ReserveSegmentIds(1), 4u);
}

TEST_F(StoreTest, SealsAndMergesBesideCommitsAndReaders) {
  Open();
  Commit(20);
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const ViewPtr view = store_->view();
      std::uint64_t rows = view->hot_rows();
      for (const SegmentPtr& s : view->segments) rows += s->rows();
      EXPECT_EQ(rows, view->totals.rows);
    }
  });
  std::thread upkeep([&] {
    for (int i = 0; i < 8; ++i) {
      const ViewPtr view = store_->view();
      if (!view->hot.empty()) {
        const Status s = store_->Install(MakeSeal(*view));
        EXPECT_TRUE(s.ok()) << s.ToString();
      }
      if (i % 4 == 3) {
        const Status s = store_->Install(MakeMergeOfAll());
        EXPECT_TRUE(s.ok()) << s.ToString();
      }
    }
  });
  for (int i = 0; i < 200; ++i) Commit(3);
  upkeep.join();
  done = true;
  reader.join();
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  Open();
  ExpectTruth();
}

TEST_F(StoreTest, TheSameOverRocksDbAndRealFiles) {
  std::string folder = (std::filesystem::temp_directory_path() / "quipu-store-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  folder_ = folder + "/s";
  OrderCheckingVfs checked(Vfs::Posix());
  environment_.vfs = &checked;
  environment_.open_kv = nullptr;
  Open();
  for (int i = 0; i < 10; ++i) Commit(100);
  Seal();
  for (int i = 0; i < 10; ++i) Commit(100);
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  auto second = Store::Open(folder_, options_, environment_);
  EXPECT_EQ(second.error().code(), StatusCode::kAlreadyExists);
  Open();
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  Seal();
  ASSERT_TRUE(store_->Install(MakeMergeOfAll()).ok());
  Open();
  ASSERT_NO_FATAL_FAILURE(ExpectTruth());
  EXPECT_EQ(store_->view()->segments.size(), 3u);
  EXPECT_EQ(checked.List(folder_ + "/segments")->size(), 3u);
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

/// A killed process leaves commits that nobody has synced. Whoever opens next finds them, and makes them durable before the watermark
/// says that they are: a power cut would take them and leave the witness.
TEST_F(StoreTest, WhatAnOpenHasFoundSurvivesThePowerCutAfterIt) {
  Random random(seed_);
  Open();
  ASSERT_TRUE(TryCommit(10, /*sync=*/false));
  store_.reset();
  Open();
  ExpectTruth();
  disk_.PowerCut(random);
  memory_.PowerCut(random, 0);
  Open();
  ExpectTruth();
}

}  // namespace
}  // namespace quipu
