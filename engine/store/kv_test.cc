// One suite for both implementations: what the contract at the top of kv.h promises, against a plain map.
#include "store/kv.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "store/store_testing.h"

namespace quipu {
namespace {

using Model = std::array<std::map<std::string, std::string>, kKvSpaces>;

/// Where a KvStore keeps its data between openings.
class Medium {
 public:
  virtual ~Medium() = default;
  virtual Result<std::unique_ptr<KvStore>> Open() = 0;
  virtual Result<std::unique_ptr<KvFollower>> Follow() = 0;
};

class MemoryMedium final : public Medium {
 public:
  Result<std::unique_ptr<KvStore>> Open() override { return disk_.Open(); }
  Result<std::unique_ptr<KvFollower>> Follow() override { return disk_.Follow(); }

 private:
  MemoryKvDisk disk_;
};

class RocksMedium final : public Medium {
 public:
  RocksMedium() {
    std::string pattern = (std::filesystem::temp_directory_path() / "quipu-kv-XXXXXX").string();
    QUIPU_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~RocksMedium() override {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Result<std::unique_ptr<KvStore>> Open() override {
    QUIPU_TRY_ASSIGN(auto kv, OpenRocksKv(path_ + "/kv"));
    QUIPU_TRY(kv->ReleaseOldFiles());
    return kv;
  }
  Result<std::unique_ptr<KvFollower>> Follow() override { return FollowRocksKv(path_ + "/kv"); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class KvConformance : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      medium_ = std::make_unique<RocksMedium>();
    } else {
      medium_ = std::make_unique<MemoryMedium>();
    }
    Reopen();
  }
  void Reopen() {
    kv_.reset();
    auto opened = medium_->Open();
    ASSERT_TRUE(opened) << opened.error().ToString();
    kv_ = *std::move(opened);
  }
  void ExpectEquals(const Model& model) {
    for (int s = 0; s < kKvSpaces; ++s) {
      std::map<std::string, std::string> found;
      std::string previous;
      const Status scanned =
          kv_->Scan(static_cast<KvSpace>(s), "",
                    [&](std::string_view k, std::string_view v, bool*) -> Status {
                      EXPECT_TRUE(found.empty() || previous < k) << "keys out of order";
                      previous = k;
                      found.emplace(k, v);
                      return {};
                    });
      ASSERT_TRUE(scanned.ok()) << scanned.ToString();
      ASSERT_EQ(found, model[static_cast<std::size_t>(s)]) << "space " << s;
    }
  }

  std::unique_ptr<Medium> medium_;
  std::unique_ptr<KvStore> kv_;
};

TEST_P(KvConformance, RandomTraceEqualsAMapAlsoAfterReopening) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Model model;
  for (int step = 0; step < 300; ++step) {
    KvBatch batch;
    for (std::uint64_t op = random.Below(6); op > 0; --op) {
      const auto space = static_cast<KvSpace>(random.Below(kKvSpaces));
      const std::string key =
          std::string(1, static_cast<char>(random.Below(256))) + std::to_string(random.Below(10));
      auto& map = model[static_cast<std::size_t>(space)];
      if (random.Below(3) == 0) {
        batch.Delete(space, key);
        map.erase(key);
      } else {
        std::string value(random.Below(200), static_cast<char>(random.Below(256)));
        map[key] = value;
        batch.Put(space, key, std::move(value));
      }
    }
    ASSERT_TRUE(kv_->Write(batch, random.Below(10) == 0).ok());
    if (step % 60 == 59) {
      ASSERT_TRUE(kv_->Close().ok());
      ASSERT_NO_FATAL_FAILURE(Reopen());
      ASSERT_NO_FATAL_FAILURE(ExpectEquals(model));
    }
  }
}

TEST_P(KvConformance, AStoreThatWasNotClosedKeepsItsSyncedWrites) {
  KvBatch batch;
  batch.Put(KvSpace::kBlobs, "a", "1");
  batch.Put(KvSpace::kMeta, "a", "2");
  ASSERT_TRUE(kv_->Write(batch, true).ok());
  ASSERT_NO_FATAL_FAILURE(Reopen());  // destroyed without Close
  Model model;
  model[2]["a"] = "1";
  model[0]["a"] = "2";
  ExpectEquals(model);
}

TEST_P(KvConformance, GetTellsAbsentFromEmpty) {
  KvBatch batch;
  batch.Put(KvSpace::kProducers, "p", "");
  ASSERT_TRUE(kv_->Write(batch, false).ok());
  const auto present = kv_->Get(KvSpace::kProducers, "p");
  ASSERT_TRUE(present && present->has_value());
  EXPECT_EQ(**present, "");
  const auto absent = kv_->Get(KvSpace::kMeta, "p");
  ASSERT_TRUE(absent);
  EXPECT_FALSE(absent->has_value());
}

TEST_P(KvConformance, ScanStartsAtAKeyStopsAndPassesErrorsOn) {
  KvBatch batch;
  for (const char* key : {"a", "b", "c", "d"}) batch.Put(KvSpace::kMeta, key, key);
  batch.Delete(KvSpace::kMeta, "b");
  ASSERT_TRUE(kv_->Write(batch, false).ok());
  std::string seen;
  ASSERT_TRUE(kv_->Scan(KvSpace::kMeta, "b",
                        [&](std::string_view k, std::string_view, bool* stop) -> Status {
                          seen += k;
                          *stop = k == "c";
                          return {};
                        })
                  .ok());
  EXPECT_EQ(seen, "c");
  const Status failed =
      kv_->Scan(KvSpace::kMeta, "",
                [](std::string_view, std::string_view, bool*) { return Status::Conflict("no"); });
  EXPECT_EQ(failed.code(), StatusCode::kConflict);
}

TEST_P(KvConformance, OneStoreAtATimeAndNoneAfterClose) {
  EXPECT_FALSE(medium_->Open().has_value());
  ASSERT_TRUE(kv_->Close().ok());
  EXPECT_TRUE(kv_->Close().ok());
  KvBatch batch;
  batch.Put(KvSpace::kMeta, "k", "v");
  EXPECT_EQ(kv_->Write(batch, false).code(), StatusCode::kCancelled);
  EXPECT_EQ(kv_->Get(KvSpace::kMeta, "k").error().code(), StatusCode::kCancelled);
  EXPECT_TRUE(medium_->Open().has_value());
}

/// What a follower has seen, kept as a model.
class FollowedModel {
 public:
  explicit FollowedModel(Medium* medium) : follower_(*medium->Follow()) {}
  /// Reads on to the end.
  void CatchUp() {
    for (KvBatch write;;) {
      const auto step = follower_->Next(&write);
      ASSERT_TRUE(step) << step.error().ToString();
      if (*step == KvFollower::Step::kEnd) return;
      if (*step == KvFollower::Step::kLost) {
        ASSERT_NO_FATAL_FAILURE(Load());
      } else {
        Apply(write, &model_);
      }
    }
  }
  static void Apply(const KvBatch& write, Model* model) {
    for (const KvBatch::Op& op : write.ops()) {
      auto& map = (*model)[static_cast<std::size_t>(op.space)];
      if (op.is_delete) {
        map.erase(op.key);
      } else {
        map[op.key] = op.value;
      }
    }
  }
  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] int loads() const { return loads_; }

 private:
  void Load() {
    ++loads_;
    model_ = {};
    const auto rows = follower_->Load();
    ASSERT_TRUE(rows) << rows.error().ToString();
    for (int s = 0; s < kKvSpaces; ++s) {
      const Status scanned =
          (*rows)->Scan(static_cast<KvSpace>(s), "",
                        [&](std::string_view k, std::string_view v, bool*) -> Status {
                          model_[static_cast<std::size_t>(s)].emplace(k, v);
                          return {};
                        });
      ASSERT_TRUE(scanned.ok()) << scanned.ToString();
    }
  }
  std::unique_ptr<KvFollower> follower_;
  Model model_;
  int loads_ = 0;
};

TEST_P(KvConformance, AFollowerStandsWhereTheWriterStood) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Model model;
  KvBatch first;
  first.Put(KvSpace::kMeta, "id", "1");
  ASSERT_TRUE(kv_->Write(first, true).ok());
  FollowedModel::Apply(first, &model);
  FollowedModel early(medium_.get());
  ASSERT_NO_FATAL_FAILURE(early.CatchUp());
  for (int step = 0; step < 200; ++step) {
    KvBatch batch;
    for (std::uint64_t op = 1 + random.Below(5); op > 0; --op) {
      const auto space = static_cast<KvSpace>(random.Below(kKvSpaces));
      const std::string key = "k" + std::to_string(random.Below(40));
      if (random.Below(3) == 0) {
        batch.Delete(space, key);
      } else {
        batch.Put(space, key,
                  std::string(random.Below(50'000), static_cast<char>('a' + step % 26)));
      }
    }
    ASSERT_TRUE(kv_->Write(batch, random.Below(10) == 0).ok());
    FollowedModel::Apply(batch, &model);
    if (random.Below(40) == 0) {
      ASSERT_TRUE(kv_->Purge().ok());
    }
    if (random.Below(25) == 0) {
      if (random.Below(2) == 0) {
        ASSERT_TRUE(kv_->Close().ok());
      }
      ASSERT_NO_FATAL_FAILURE(Reopen());
    }
    if (random.Below(4) == 0) {
      ASSERT_NO_FATAL_FAILURE(early.CatchUp());
      ASSERT_TRUE(early.model() == model) << step;
    }
    if (random.Below(20) == 0) {
      FollowedModel late(medium_.get());
      ASSERT_NO_FATAL_FAILURE(late.CatchUp());
      ASSERT_TRUE(late.model() == model) << step;
    }
  }
  ASSERT_TRUE(kv_->Close().ok());
  kv_.reset();
  FollowedModel last(medium_.get());
  ASSERT_NO_FATAL_FAILURE(last.CatchUp());
  EXPECT_TRUE(last.model() == model) << "of a store that nobody has open";
}

INSTANTIATE_TEST_SUITE_P(Both, KvConformance, testing::Bool(), [](const auto& kind) {
  return kind.param ? std::string("Rocks") : std::string("Memory");
});

KvBatch OnePut(const std::string& key) {
  KvBatch batch;
  batch.Put(KvSpace::kMeta, key, "");
  return batch;
}

std::size_t CountKeys(const KvStore& kv) {
  std::size_t count = 0;
  QUIPU_CHECK(kv.Scan(KvSpace::kMeta, "", [&](std::string_view, std::string_view, bool*) -> Status {
                  ++count;
                  return {};
                }).ok());
  return count;
}

TEST(RocksKv, AFollowerLeavesTheFolderAsItIs) {
  RocksMedium medium;
  EXPECT_EQ((*medium.Follow())->Load().error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(medium.path()));
  {
    auto kv = medium.Open();
    ASSERT_TRUE(kv);
    ASSERT_TRUE((*kv)->Write(OnePut("a"), true).ok());
  }  // not closed: a log to replay is left
  const auto listing = [&] {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(medium.path() + "/kv")) {
      files[file.path().filename()] =
          std::to_string(file.file_size()) + " " +
          std::to_string(file.last_write_time().time_since_epoch().count());
    }
    return files;
  };
  const auto before = listing();
  {
    FollowedModel follower(&medium);
    ASSERT_NO_FATAL_FAILURE(follower.CatchUp());
    EXPECT_EQ(follower.model()[0].size(), 1u);
    // Another process may open it while it is followed.
    EXPECT_EQ(listing(), before);
  }
  EXPECT_EQ(listing(), before);
}

/// The writer flushes and removes logs between two looks: a secondary instance of RocksDB answers with old values then.
TEST(RocksKv, AFollowerThatWasLeftBehindStartsAgain) {
  RocksMedium medium;
  auto kv = *medium.Open();
  ASSERT_TRUE(kv->Write(OnePut("a"), true).ok());
  FollowedModel follower(&medium);
  ASSERT_NO_FATAL_FAILURE(follower.CatchUp());
  Model model = follower.model();
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3; ++i) {
      KvBatch batch;
      batch.Put(KvSpace::kMeta, "a", std::to_string(round) + std::to_string(i));
      batch.Put(KvSpace::kBlobs, "b" + std::to_string(round), std::string(1000, 'b'));
      ASSERT_TRUE(kv->Write(batch, true).ok());
      FollowedModel::Apply(batch, &model);
      ASSERT_TRUE(kv->Purge().ok());
    }
    ASSERT_NO_FATAL_FAILURE(follower.CatchUp());
    ASSERT_TRUE(follower.model() == model) << round;
  }
  EXPECT_GT(follower.loads(), 1);
}

TEST(MemoryKv, PowerCutKeepsAPrefixWithEverySyncedWrite) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::size_t lost = 0;
  for (int round = 0; round < 50; ++round) {
    MemoryKvDisk disk;
    auto kv = disk.Open();
    ASSERT_TRUE(kv);
    std::size_t synced = 0;
    for (std::size_t i = 0; i < 20; ++i) {
      const bool sync = random.Below(5) == 0;
      ASSERT_TRUE((*kv)->Write(OnePut("k" + std::to_string(100 + i)), sync).ok());
      if (sync) synced = i + 1;
    }
    disk.PowerCut(random);
    EXPECT_EQ((*kv)->Write(OnePut("x"), true).code(), StatusCode::kIoError);
    auto again = disk.Open();
    ASSERT_TRUE(again);
    const std::size_t kept = CountKeys(**again);
    EXPECT_GE(kept, synced);
    lost += 20 - kept;
    if (kept > 0) {
      EXPECT_TRUE((*again)->Get(KvSpace::kMeta, "k" + std::to_string(99 + kept))->has_value())
          << "not a prefix";
    }
  }
  EXPECT_GT(lost, 0u);
}

/// Every byte of every file below a folder, for looking for one string.
bool AnyFileHolds(const std::string& folder, const std::string& text) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (bytes.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST(RocksKv, PurgeLeavesNoOldValueInAnyFile) {
  RocksMedium medium;
  for (const bool flushed : {false, true}) {
    SCOPED_TRACE(flushed ? "values in tables" : "values in the log");
    auto kv = medium.Open();
    ASSERT_TRUE(kv);
    for (int s = 0; s < kKvSpaces; ++s) {
      KvBatch batch;
      batch.Put(static_cast<KvSpace>(s), "kept", "stays-here");
      batch.Put(static_cast<KvSpace>(s), "overwritten", "planted-old-value");
      batch.Put(static_cast<KvSpace>(s), "deleted", "planted-deleted-value");
      ASSERT_TRUE((*kv)->Write(batch, true).ok());
    }
    if (flushed) {
      ASSERT_TRUE((*kv)->Close().ok());
      kv = medium.Open();
      ASSERT_TRUE(kv);
    }
    ASSERT_TRUE(AnyFileHolds(medium.path(), "planted-"));
    for (int s = 0; s < kKvSpaces; ++s) {
      KvBatch batch;
      batch.Put(static_cast<KvSpace>(s), "overwritten", "");
      batch.Delete(static_cast<KvSpace>(s), "deleted");
      ASSERT_TRUE((*kv)->Write(batch, true).ok());
    }
    const Status purged = (*kv)->Purge();
    ASSERT_TRUE(purged.ok()) << purged.ToString();
    EXPECT_FALSE(AnyFileHolds(medium.path(), "planted-"));
    EXPECT_TRUE(AnyFileHolds(medium.path(), "stays-here"));
    ASSERT_TRUE((*kv)->Purge().ok());  // with nothing to do
    for (int s = 0; s < kKvSpaces; ++s) {
      const auto kept = (*kv)->Get(static_cast<KvSpace>(s), "kept");
      ASSERT_TRUE(kept && kept->has_value());
      EXPECT_EQ(**kept, "stays-here");
    }
    ASSERT_TRUE((*kv)->Close().ok());
  }
}

/// An open that finds many small tables begins to compact them, and deletes an old log when that is done: perhaps while a purge lists the logs.
TEST(RocksKv, PurgeBesideTheCompactionThatAnOpenBegins) {
  constexpr int kTablesThatAreCompacted = 4, kTries = 5;
  RocksMedium medium;
  for (int i = 0; i < kTries; ++i) {
    for (int table = 0; table < kTablesThatAreCompacted; ++table) {
      auto kv = medium.Open();
      ASSERT_TRUE(kv);
      KvBatch batch;
      for (int s = 0; s < kKvSpaces; ++s)
        batch.Put(static_cast<KvSpace>(s), std::to_string(i), std::to_string(table));
      ASSERT_TRUE((*kv)->Write(batch, true).ok());
      ASSERT_TRUE((*kv)->Close().ok());
    }
    auto kv = medium.Open();
    ASSERT_TRUE(kv);
    const Status purged = (*kv)->Purge();
    ASSERT_TRUE(purged.ok()) << purged.ToString();
    ASSERT_TRUE((*kv)->Close().ok());
  }
}

std::uint64_t BytesUnder(const std::string& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

TEST(RocksKv, CloseLeavesNoDeletedBlobs) {
  RocksMedium medium;
  auto kv = medium.Open();
  ASSERT_TRUE(kv);
  const std::string blob(1u << 20, 'b');
  constexpr int kBlobs = 80;  // more than a memtable: some are in a table when they are deleted
  const auto key = [](int i) { return "blob" + std::to_string(1000 + i); };
  for (int i = 0; i < kBlobs; ++i) {
    KvBatch batch;
    batch.Put(KvSpace::kBlobs, key(i), blob);
    ASSERT_TRUE((*kv)->Write(batch, false).ok());
  }
  KvBatch sealed;
  for (int i = 0; i < kBlobs - 2; ++i) sealed.Delete(KvSpace::kBlobs, key(i));
  ASSERT_TRUE((*kv)->Write(sealed, true).ok());
  ASSERT_TRUE((*kv)->Close().ok());
  EXPECT_LT(BytesUnder(medium.path()), 3 * blob.size());
  EXPECT_GT(BytesUnder(medium.path()), 2 * blob.size());
  kv = medium.Open();
  ASSERT_TRUE(kv);
  for (int i = 0; i < kBlobs; ++i) {
    const auto kept = (*kv)->Get(KvSpace::kBlobs, key(i));
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->has_value(), i >= kBlobs - 2) << i;
  }
}

TEST(MemoryKv, AFailedWriteHasHappenedOrNot) {
  for (const bool applied : {false, true}) {
    MemoryKvDisk disk;
    auto kv = disk.Open();
    ASSERT_TRUE(kv);
    disk.FailNthWrite(2, applied);
    EXPECT_TRUE((*kv)->Write(OnePut("a"), true).ok());
    EXPECT_EQ((*kv)->Write(OnePut("b"), true).code(), StatusCode::kIoError);
    EXPECT_EQ((*kv)->Get(KvSpace::kMeta, "b")->has_value(), applied);
    EXPECT_TRUE((*kv)->Write(OnePut("c"), true).ok());
  }
}

}  // namespace
}  // namespace quipu
