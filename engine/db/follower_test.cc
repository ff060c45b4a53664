// A database and its followers in memory: what is answered, what is refused, how old an answer is, and files that go away in the middle of a
// question. Real processes and real crashes are in tests/follower_test.cc.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "db/lifecycle_testing.h"

namespace quipu {
namespace {

/// Opens a file anew for each read, as the real file system does once more files are open than a process may have.
class ForgetfulVfs final : public Vfs {
 public:
  explicit ForgetfulVfs(Vfs* below) : below_(below) {}
  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    QUIPU_TRY_ASSIGN(const auto file, below_->OpenForRead(path));
    return std::unique_ptr<ReadableFile>(std::make_unique<File>(below_, path, file->size()));
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    return below_->Create(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return below_->Rename(from, to);
  }
  Status Unlink(const std::string& path) override { return below_->Unlink(path); }
  Status MakeFolder(const std::string& path) override { return below_->MakeFolder(path); }
  Status SyncFolder(const std::string& path) override { return below_->SyncFolder(path); }
  Result<std::vector<std::string>> List(const std::string& folder) override {
    return below_->List(folder);
  }
  Result<std::uint64_t> FreeBytes(const std::string& path) override {
    return below_->FreeBytes(path);
  }
  Result<bool> Exists(const std::string& path) override { return below_->Exists(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return below_->Lock(path);
  }

 private:
  class File final : public ReadableFile {
   public:
    File(Vfs* vfs, std::string path, std::uint64_t size)
        : vfs_(vfs), path_(std::move(path)), size_(size) {}
    [[nodiscard]] std::uint64_t size() const override { return size_; }
    Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
      QUIPU_TRY_ASSIGN(const auto file, vfs_->OpenForRead(path_));
      return file->ReadAt(offset, out);
    }

   private:
    Vfs* vfs_;
    std::string path_;
    std::uint64_t size_;
  };
  Vfs* below_;
};

class FollowerTest : public LifecycleTest {
 protected:
  FollowerTest() {
    // Only on request: the tests say when.
    follower_.refresh_ms = 3'600'000;
    follower_.staleness_ms_max = 7'200'000;
  }
  Result<Database> TryFollow() {
    StoreEnvironment environment;
    environment.vfs = is_forgetful_ ? static_cast<Vfs*>(&forgetful_) : &*memory_;
    environment.clock = &clock_;
    environment.follow_kv = [this](const std::string&) { return disk_->Follow(); };
    return OpenFollowerIn("/d", follower_, environment);
  }
  void Follow() {
    beside_.reset();
    auto opened = TryFollow();
    ASSERT_TRUE(opened) << opened.error().ToString();
    beside_.emplace(*std::move(opened));
  }
  static std::string TextOf(const Database& db) {
    const char* const select = "count,sum(quantity),sum(cost),max(quantity),p50(cost)";
    std::string text = Text(db.Query(Query().Select(select).GroupBy("customer,service")));
    text += Text(db.Query(Query().Select("count,latest(quantity)").GroupBy("region")));
    EventQuery page;
    page.limit = 50;
    const auto events = db.Events(page);
    EXPECT_TRUE(events) << events.error().ToString();
    if (events) {
      for (const StoredEvent& e : events->events) text += e.id + " ";
    }
    const auto partitions = db.Partitions(true);
    EXPECT_TRUE(partitions) << partitions.error().ToString();
    if (partitions) {
      for (const PartitionInfo& p : *partitions)
        text += p.month + p.customer + p.tier + std::to_string(p.rows) + " ";
    }
    return text;
  }
  void ExpectSame() {
    const auto as_of = beside_->CatchUp();
    ASSERT_TRUE(as_of) << as_of.error().ToString();
    ASSERT_EQ(*as_of, db_->Info()->as_of);
    ASSERT_EQ(TextOf(*beside_), TextOf(*db_));
  }

  FollowerOptions follower_;
  bool is_forgetful_ = false;
  ForgetfulVfs forgetful_{&*memory_};
  std::optional<Database> beside_;
};

TEST_F(FollowerTest, AnswersLikeTheWriter) {
  Open();
  Fill("a", 300);
  Follow();
  EXPECT_TRUE(beside_->is_follower());
  EXPECT_FALSE(db_->is_follower());
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
  Fill("b", 2'000);
  Fill("c", 2'000);
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
  ASSERT_TRUE(db_->Compact().ok());
  ASSERT_TRUE(db_->SetRetention(Policy({.keep_raw_days = 400})).ok());
  ArchiveRequest request;
  request.before = ParseTime("2026-02-01")->time_us;
  const auto archived = db_->Archive(request);
  ASSERT_TRUE(archived) << archived.error().ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
  EXPECT_EQ(beside_->Archives()->size(), 1u);
  EXPECT_EQ(beside_->Archives()->at(0).events, db_->Archives()->at(0).events);
  EXPECT_EQ(beside_->Retention()->rules.size(), 1u);
  ASSERT_TRUE(db_->Erase("c3"));
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
  EXPECT_EQ(beside_->Erasures()->size(), 1u);
  EXPECT_EQ(beside_->StorageByColumn()->size(), db_->StorageByColumn()->size());
  ASSERT_TRUE(db_->DetachArchive().ok());
  ASSERT_TRUE(beside_->CatchUp());
  EXPECT_EQ(beside_->Events({}).error().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(beside_->Events({}).error().ToString(), db_->Events({}).error().ToString());
  ASSERT_TRUE(db_->AttachArchive().ok());
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
  Open();
  Fill("d", 100);
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
}

TEST_F(FollowerTest, RefusesToWrite) {
  Open();
  Fill("a", 10);
  Follow();
  EventBatch batch;
  MakeEvents("x", 1, seed_, &batch);
  const Status refused = beside_->Ingest(batch).error();
  EXPECT_EQ(refused.code(), StatusCode::kUnsupported);
  EXPECT_NE(refused.message().find("follower of /d"), std::string::npos) << refused.ToString();
  EXPECT_EQ(beside_->IngestAsync(batch, [](const Result<IngestReply>&) {}).code(),
            StatusCode::kUnsupported);
  for (const Status& status :
       {beside_->Seal(), beside_->Compact(), beside_->Erase("c1").error(),
        beside_->FinishErasures(), beside_->SetRetention({}), beside_->SetCustomerClass("c1", "x"),
        beside_->Retain().error(), beside_->Archive({}).error(), beside_->DetachArchive(),
        beside_->AttachArchive(), beside_->Verify().error()}) {
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << status.ToString();
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
  ASSERT_TRUE(beside_->Close().ok());
  EXPECT_EQ(beside_->Query(Query().Select("count")).error().code(), StatusCode::kCancelled);
  EXPECT_EQ(beside_->Ingest(batch).error().code(), StatusCode::kCancelled);
}

TEST_F(FollowerTest, AnAnswerSaysHowOldItIs) {
  Open();
  Fill("a", 10);
  follower_.refresh_ms = 200'000;
  Follow();
  const auto count = [&](const Database& db) {
    const auto answer = db.Query(Query().Select("count"));
    EXPECT_TRUE(answer) << answer.error().ToString();
    return std::tuple(answer->columns[0].integers[0], answer->staleness_us);
  };
  EXPECT_EQ(count(*db_), std::tuple(10, std::nullopt));
  EXPECT_EQ(count(*beside_), std::tuple(10, 0));
  Fill("b", 5);
  clock_.Advance(150 * kSecondUs);
  EXPECT_EQ(count(*beside_), std::tuple(10, 150 * kSecondUs)) << "young enough";
  EXPECT_EQ(beside_->Info()->staleness_us, 150 * kSecondUs);
  EXPECT_EQ(beside_->Events({})->staleness_us, 150 * kSecondUs);
  clock_.Advance(50 * kSecondUs);
  EXPECT_EQ(count(*beside_), std::tuple(15, 0)) << "too old: it looks first";
  follower_.refresh_ms = 0;
  EXPECT_EQ(TryFollow().error().code(), StatusCode::kInvalidArgument);
}

TEST_F(FollowerTest, WhatCannotBeLookedAtIsToldOnceTheLastViewIsTooOld) {
  Open();
  Fill("a", 10);
  follower_.refresh_ms = 1'000'000;
  follower_.staleness_ms_max = 5'000'000;
  Follow();
  Fill("b", 5);
  db_.reset();
  const auto names = memory_->List("/d/segments");
  ASSERT_TRUE(names);
  for (const std::string& name : *names) ASSERT_TRUE(memory_->Unlink("/d/segments/" + name).ok());
  clock_.Advance(2'000 * kSecondUs);
  const auto stale = beside_->Query(Query().Select("count"));
  ASSERT_TRUE(stale) << stale.error().ToString();
  EXPECT_EQ(stale->columns[0].integers[0], 10);
  EXPECT_EQ(stale->staleness_us, 2'000 * kSecondUs);
  EXPECT_EQ(beside_->CatchUp().error().code(), StatusCode::kCorruption);
  clock_.Advance(4'000 * kSecondUs);
  const Status refused = beside_->Query(Query().Select("count")).error();
  EXPECT_EQ(refused.code(), StatusCode::kCorruption);
  EXPECT_NE(refused.message().find("following /d"), std::string::npos) << refused.ToString();
}

TEST_F(FollowerTest, AFileThatGoesAwayIsNoReasonToFail) {
  is_forgetful_ = true;
  follower_.cache_bytes = 0;
  Open();
  for (const char* tag : {"a", "b", "c", "d"}) Fill(tag, 400);
  Follow();
  ASSERT_TRUE(db_->Compact().ok());
  // The view's files are gone, and none of them is open.
  const auto answer = beside_->Query(Query().Select("count,sum(quantity)").GroupBy("region"));
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(Text(answer),
            Text(db_->Query(Query().Select("count,sum(quantity)").GroupBy("region"))));
  Fill("e", 400);
  ASSERT_TRUE(db_->Compact().ok());
  const auto found = beside_->FindEvent("c1", "", "not there");
  EXPECT_EQ(found.error().code(), StatusCode::kNotFound);
  Fill("f", 400);
  ASSERT_NO_FATAL_FAILURE(ExpectSame());
  ASSERT_TRUE(db_->Compact().ok());
  EventQuery all;
  all.limit = 10'000;
  EXPECT_EQ(beside_->Events(all)->events.size(), 2'400u);
}

TEST_F(FollowerTest, QuestionsFromAllSidesWhileTheWriterWorks) {
  is_forgetful_ = true;
  follower_.cache_bytes = 0;
  follower_.refresh_ms = 1;
  Open();
  Fill("start", 10);
  Follow();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 40; ++i) {
      Fill("w" + std::to_string(i) + "-", 100);
      if (i % 3 == 2) {
        EXPECT_TRUE(db_->Compact().ok());
      }
    }
    done.store(true);
  });
  std::vector<std::thread> askers;
  for (int t = 0; t < 3; ++t) {
    askers.emplace_back([&] {
      std::uint64_t as_of = 0;
      while (!done.load()) {
        const auto answer = beside_->Query(Query().Select("count").GroupBy("region"));
        if (!answer) {
          ADD_FAILURE() << answer.error().ToString();
          return;
        }
        std::int64_t count = 0;
        for (std::size_t i = 0; i < answer->rows(); ++i) count += answer->columns[1].integers[i];
        EXPECT_EQ(count, static_cast<std::int64_t>(10 + 100 * (answer->as_of - 1)));
        EXPECT_GE(answer->as_of, as_of);
        as_of = answer->as_of;
      }
    });
  }
  writer.join();
  for (std::thread& t : askers) t.join();
  ExpectSame();
}

}  // namespace
}  // namespace quipu
