// A writer and its followers over a file system and a key-value disk in memory: step by step, and by chance.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "store/manifest.h"
#include "store/store_fixture_testing.h"

namespace quipu {
namespace {

class StoreFollowTest : public StoreTest {
 protected:
  StoreFollowTest() {
    environment_.follow_kv = [this](const std::string&) { return disk_.Follow(); };
  }
  Result<std::unique_ptr<Store>> TryFollow() {
    return Store::Follow(folder_, options_, environment_);
  }
  std::unique_ptr<Store> Follow() {
    auto follower = TryFollow();
    EXPECT_TRUE(follower) << follower.error().ToString();
    return follower ? *std::move(follower) : nullptr;
  }
  /// Rows with the names that the follower knows.
  static std::multiset<std::string> RowsSeen(const Store& store) {
    std::multiset<std::string> rows;
    const ViewPtr view = store.view();
    const auto add = [&](const RowBatch& batch) {
      for (std::size_t i = 0; i < batch.size(); ++i) {
        if (!IsErased(view->erased, batch.customers[i]))
          rows.insert(RowText(batch, i, store.catalogue()));
      }
    };
    for (const SegmentPtr& s : view->segments) {
      auto read = s->ReadRows(0, s->rows());
      EXPECT_TRUE(read) << read.error().ToString();
      if (read) add(*read);
    }
    for (const HotBatchPtr& b : view->hot) add(b->rows);
    return rows;
  }
  /// The follower shows what the writer shows.
  void ExpectSame(Store* follower) {
    const Status caught_up = follower->CatchUp();
    ASSERT_TRUE(caught_up.ok()) << caught_up.ToString();
    const ViewPtr mine = follower->view(), theirs = store_->view();
    ASSERT_EQ(mine->as_of, theirs->as_of);
    ASSERT_EQ(mine->sealed_seq, theirs->sealed_seq);
    ASSERT_EQ(mine->totals, theirs->totals);
    ASSERT_EQ(mine->erased, theirs->erased);
    ASSERT_EQ(mine->written, theirs->written);
    ASSERT_EQ(mine->hot_rows(), theirs->hot_rows());
    ASSERT_EQ(mine->segments.size(), theirs->segments.size());
    for (std::size_t i = 0; i < mine->segments.size(); ++i) {
      ASSERT_EQ(EncodeSegment(mine->segments[i]->meta()),
                EncodeSegment(theirs->segments[i]->meta()));
    }
    ASSERT_TRUE(RowsSeen(*follower) == RowsSeen(*store_));
    ASSERT_EQ(follower->erasures().size(), store_->erasures().size());
  }
  void Merge() {
    const Status s = store_->Install(MakeMergeOfAll());
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
};

/// A file system under a follower in which a file goes away between being opened and being read, once (its descriptor was closed for want of others).
class VanishingVfs final : public Vfs {
 public:
  explicit VanishingVfs(Vfs* below) : below_(below) {}
  /// What happens at the next read of a file that is opened from now on.
  void VanishAtNextRead(std::function<void()> replace) { replace_ = std::move(replace); }

  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    QUIPU_TRY_ASSIGN(std::unique_ptr<ReadableFile> file, below_->OpenForRead(path));
    return std::unique_ptr<ReadableFile>(std::make_unique<File>(this, std::move(file)));
  }
  Result<std::vector<std::string>> List(const std::string& folder) override {
    return below_->List(folder);
  }
  Result<bool> Exists(const std::string& path) override { return below_->Exists(path); }
  Result<std::uint64_t> FreeBytes(const std::string& path) override {
    return below_->FreeBytes(path);
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
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return below_->Lock(path);
  }

 private:
  class File final : public ReadableFile {
   public:
    File(VanishingVfs* vfs, std::unique_ptr<ReadableFile> file)
        : vfs_(vfs), file_(std::move(file)) {}
    [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
    Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
      if (!vfs_->replace_) return file_->ReadAt(offset, out);
      std::exchange(vfs_->replace_, nullptr)();
      return Status::NotFound("the file is gone");
    }

   private:
    VanishingVfs* vfs_;
    std::unique_ptr<ReadableFile> file_;
  };
  Vfs* below_;
  std::function<void()> replace_;
};

TEST_F(StoreFollowTest, LooksAgainIfAFileGoesAwayBeforeItIsRead) {
  Open();
  Commit(60);
  VanishingVfs vanishing(&vfs_);
  StoreEnvironment environment = environment_;
  environment.vfs = &vanishing;
  const auto follower = Store::Follow(folder_, options_, environment);
  ASSERT_TRUE(follower) << follower.error().ToString();
  Seal();
  bool was_replaced = false;
  vanishing.VanishAtNextRead([&] {
    Merge();
    was_replaced = true;
  });
  ExpectSame(follower->get());
  EXPECT_TRUE(was_replaced);
}

TEST_F(StoreFollowTest, SeesCommitsSealsAndMerges) {
  Open();
  Commit(10);
  const std::unique_ptr<Store> follower = Follow();
  ASSERT_NE(follower, nullptr);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  Commit(20);
  EXPECT_EQ(follower->view()->as_of, 1u) << "not before it looks";
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  Seal();
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  for (int i = 0; i < 30; ++i) Commit(7);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  const SegmentPtr kept = follower->view()->segments[0];
  Seal();
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  EXPECT_EQ(follower->view()->segments[0], kept) << "open files stay open";
  Merge();
  Commit(5);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  EXPECT_TRUE(Files("quarantine").empty());
}

TEST_F(StoreFollowTest, ManyStepsInOneLook) {
  Open();
  Commit(10);
  const std::unique_ptr<Store> follower = Follow();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) Commit(20);
    Seal();
    Merge();  // what was just sealed is gone before the follower could see it
  }
  Commit(1);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  for (int i = 0; i < 5; ++i) Commit(20);
  const SegmentEdit edit = MakeSeal(*store_->view());
  for (int i = 0; i < 5; ++i) Commit(20);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  ASSERT_TRUE(store_->Install(edit).ok());
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get())) << "a hot batch is cut";
}

TEST_F(StoreFollowTest, CommitsWithoutRows) {
  Open();
  const std::unique_ptr<Store> follower = Follow();
  ASSERT_NE(follower, nullptr) << "of an empty store";
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  for (const std::size_t rows : {0, 0, 3, 0, 2, 0}) {
    Commit(rows);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  }
  Seal();
  Commit(0);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
}

TEST_F(StoreFollowTest, GoesOnThroughARestartAndALostLog) {
  Open();
  for (int i = 0; i < 2; ++i) Commit(20);
  const std::unique_ptr<Store> follower = Follow();
  Open();  // the writer ends and comes back
  Commit(3);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  Commit(30);
  const HotBatchPtr shown = follower->view()->hot[0];
  disk_.DropLog();
  Commit(40);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  EXPECT_EQ(follower->view()->hot[0], shown) << "what was decoded is not decoded again";
  Seal();
  disk_.DropLog();
  Commit(2);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  store_.reset();
  EXPECT_TRUE(follower->CatchUp().ok()) << "nobody needs to have it open";
  EXPECT_TRUE(TryFollow().has_value());
}

TEST_F(StoreFollowTest, SeesErasures) {
  Open();
  for (int i = 0; i < 5; ++i) Commit(40);
  const std::unique_ptr<Store> follower = Follow();
  KvBatch names = maker_->TakeNames();
  ASSERT_TRUE(store_->EraseCustomer("customer-3", &names));
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  EXPECT_EQ(follower->view()->erased.size(), 1u);
  EXPECT_FALSE(follower->catalogue().Find(NameKind::kCustomer, "customer-3").has_value());
  const CustomerOrdinal old = follower->view()->erased[0];
  for (int i = 0; i < 5; ++i) Commit(40);  // of customer-3, too: a fresh start
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  const auto again = follower->catalogue().Find(NameKind::kCustomer, "customer-3");
  ASSERT_TRUE(again.has_value());
  EXPECT_NE(*again, old);
  EXPECT_EQ(again, store_->catalogue().Find(NameKind::kCustomer, "customer-3"));
  names = maker_->TakeNames();
  ASSERT_TRUE(store_->EraseCustomer("customer-5", &names));
  disk_.DropLog();  // a follower that missed all of it
  for (int i = 0; i < 3; ++i) Commit(40);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  const std::unique_ptr<Store> late = Follow();
  ASSERT_NO_FATAL_FAILURE(ExpectSame(late.get()));
}

TEST_F(StoreFollowTest, SeesPoliciesAndArchives) {
  Open();
  Commit(60);
  Seal();
  const std::unique_ptr<Store> follower = Follow();
  RetentionPolicy policy;
  policy.rules = {{.name = "r", .service = "service-1", .keep_raw_days = 50}};
  ASSERT_TRUE(store_->SetRetention(policy).ok());
  ASSERT_TRUE(store_->SetCustomerClass(2, "gold").ok());
  const auto archive = store_->UseArchive("archive");
  ASSERT_TRUE(archive) << archive.error().ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  EXPECT_EQ(follower->retention().rules.size(), 1u);
  EXPECT_EQ(follower->customer_classes().at(2), "gold");
  EXPECT_EQ(follower->view()->archives.size(), 1u);
  ASSERT_TRUE(store_->DetachArchive(*archive).ok());
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  EXPECT_FALSE(follower->view()->archives[0].is_attached);
  ASSERT_TRUE(store_->AttachArchive(*archive, "archive").ok());
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
  EXPECT_TRUE(follower->view()->archives[0].is_attached);
}

TEST_F(StoreFollowTest, ChangesNothingAndLocksNothing) {
  Open();
  Commit(10);
  const std::unique_ptr<Store> follower = Follow();
  Open();  // the lock is free
  CommitRequest request;
  EXPECT_EQ(follower->Commit(std::move(request)).error().code(), StatusCode::kUnsupported);
  EXPECT_EQ(follower->SyncNow().code(), StatusCode::kUnsupported);
  EXPECT_EQ(follower->ReserveSegmentIds(1).error().code(), StatusCode::kUnsupported);
  EXPECT_EQ(follower->SetRetention({}).code(), StatusCode::kUnsupported);
  EXPECT_EQ(follower->UseArchive("elsewhere").error().code(), StatusCode::kUnsupported);
  EXPECT_EQ(follower->vfs()->Unlink(folder_ + "/LOCK").code(), StatusCode::kUnsupported);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get()));
}

TEST_F(StoreFollowTest, RefusesWhatIsNotAStore) {
  EXPECT_EQ(TryFollow().error().code(), StatusCode::kNotFound);
  ASSERT_TRUE(memory_.MakeFolder("/store").ok());
  ASSERT_TRUE(memory_.MakeFolder("/store/kv").ok());
  EXPECT_EQ(TryFollow().error().code(), StatusCode::kNotFound) << "nothing in it yet";
  PutRaw(KvSpace::kMeta, std::string(kSyncKey), "");
  const Status creating = TryFollow().error();
  EXPECT_EQ(creating.code(), StatusCode::kNotFound);
  EXPECT_NE(creating.message().find("being created"), std::string::npos);
  StoreRecord newer;
  newer.format_version = kStoreFormatVersion + 1;
  PutRaw(KvSpace::kMeta, std::string(kStoreRecordKey), EncodeStoreRecord(newer));
  EXPECT_EQ(TryFollow().error().code(), StatusCode::kUnsupported);
}

TEST_F(StoreFollowTest, TellsDamage) {
  Open();
  Commit(60);
  const std::unique_ptr<Store> follower = Follow();
  Seal();
  const std::string segment = folder_ + "/segments/" + Files("segments")[0];
  store_.reset();
  ASSERT_TRUE(memory_.Unlink(segment).ok());
  for (int i = 0; i < 2; ++i) {
    const Status missing = follower->CatchUp();
    EXPECT_EQ(missing.code(), StatusCode::kCorruption) << missing.ToString();
    EXPECT_NE(missing.message().find(segment), std::string::npos) << missing.ToString();
  }
  EXPECT_EQ(follower->view()->as_of, 1u) << "what was seen stays";
  EXPECT_EQ(follower->view()->hot_rows(), 60u);
  EXPECT_EQ(TryFollow().error().code(), StatusCode::kCorruption);
}

TEST_F(StoreFollowTest, TotalsMustAddUp) {
  Open();
  Commit(10);
  LastCommit last{1, store_->view()->totals, {}};
  last.totals.rows += 1;
  store_.reset();
  PutRaw(KvSpace::kMeta, std::string(kLastCommitKey), EncodeLastCommit(last));
  const Status wrong = TryFollow().error();
  EXPECT_EQ(wrong.code(), StatusCode::kCorruption);
  EXPECT_NE(wrong.message().find("do not add up"), std::string::npos);
}

TEST_F(StoreFollowTest, NoticesAnotherStoreAndAStoreThatWentBack) {
  Open();
  Commit(10);
  Seal();
  const std::unique_ptr<Store> follower = Follow();
  store_.reset();
  PutRaw(KvSpace::kMeta, std::string(kSealedKey), EncodeCounter(kSealedKey, 0));
  const Status back = follower->CatchUp();
  EXPECT_EQ(back.code(), StatusCode::kConflict) << back.ToString();
  StoreRecord other;
  other.store_id = {1, 2};
  PutRaw(KvSpace::kMeta, std::string(kStoreRecordKey), EncodeStoreRecord(other));
  disk_.DropLog();
  clock_.Advance(kSecondUs);
  const Status another = follower->CatchUp();
  EXPECT_EQ(another.code(), StatusCode::kConflict);
  EXPECT_NE(another.message().find("another store"), std::string::npos) << another.ToString();
  EXPECT_EQ(follower->view()->as_of, 1u);
}

TEST_F(StoreFollowTest, RandomLives) {
  Random random(seed_);
  Open();
  std::vector<std::unique_ptr<Store>> followers;
  for (int step = 0; step < 300; ++step) {
    const std::uint64_t kind = random.Below(100);
    if (kind < 60) {
      Commit(random.Below(4) == 0 ? 0 : random.Below(60));
    } else if (kind < 70) {
      if (!store_->view()->hot.empty()) Seal();
    } else if (kind < 76) {
      if (store_->view()->segments.size() > 1) Merge();
    } else if (kind < 80) {
      Open();
    } else if (kind < 84) {
      disk_.DropLog();
    } else if (kind < 87) {
      KvBatch names = maker_->TakeNames();
      (void)store_->EraseCustomer("customer-" + std::to_string(random.Below(20)), &names);
    } else if (followers.size() < 3) {
      followers.push_back(Follow());
      ASSERT_NE(followers.back(), nullptr);
    } else if (kind < 90) {
      followers.erase(followers.begin());
    }
    for (const auto& follower : followers) {
      if (random.Below(6) == 0) {
        ASSERT_NO_FATAL_FAILURE(ExpectSame(follower.get())) << step;
      }
    }
  }
}

}  // namespace
}  // namespace quipu
