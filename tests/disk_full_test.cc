// A full disk: refused before damage, sealed with the reserve, resumed when there is room; and if a write fails for want of space all
// the same, nothing that was acknowledged is lost.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/check.h"
#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"
#include "tests/oracle.h"
#include "tests/workload.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr TimeUs kNow = 1'796'083'200 * kSecondUs;  // 2026-12-01

Options TestOptions() {
  Options options;
  options.create_if_missing = true;
  options.background_upkeep = false;
  options.future_bound_us = -1;
  return options;
}

EventBatch Batch(int number, int events) {
  EventBatch batch;
  for (int i = 0; i < events; ++i) {
    const std::string id = std::to_string(number) + "-" + std::to_string(i);
    const std::string customer = "customer-" + std::to_string(i % 50);
    Event e;
    e.id = id;
    e.customer = customer;
    e.service = "api";
    e.time = kNow - i * kDayUs / 40;
    e.dimensions = {{"path", "/some/longer/path/of/a/request"}};
    batch.Add(e);
  }
  return batch;
}

std::int64_t Count(const Database& db) {
  const auto answer = db.Query(Query().Select("count"));
  QUIPU_CHECK(answer.has_value());
  return answer->columns[0].integers[0];
}

class DiskFull : public testing::Test {
 protected:
  void Open() {
    db_.reset();
    order_.push_back(std::make_unique<OrderCheckingVfs>(&fault_));
    StoreEnvironment environment;
    environment.vfs = order_.back().get();
    environment.clock = &clock_;
    environment.random_seed = 5;
    environment.open_kv = [this](const std::string&) { return kv_.Open(); };
    auto db = OpenDatabaseIn("/store", options_, environment);
    ASSERT_TRUE(db) << db.error().ToString();
    db_.emplace(*std::move(db));
  }

  Options options_ = TestOptions();
  ManualClock clock_{kNow};
  MemoryVfs memory_;
  FaultVfs fault_{&memory_};
  MemoryKvDisk kv_;
  std::vector<std::unique_ptr<OrderCheckingVfs>> order_;
  std::optional<Database> db_;
};

TEST_F(DiskFull, RefusedThenSealedThenResumed) {
  options_.disk_reserve_bytes = 4u << 20;
  Open();
  fault_.SetFreeBytes(8u << 20);
  int stored = 0;
  Status refused;
  for (int n = 0; n < 1000 && refused.ok(); ++n) {
    clock_.Advance(kSecondUs);
    const auto reply = db_->Ingest(Batch(n, 200));
    if (reply) stored += 200;
    if (!reply) refused = reply.error();
  }
  ASSERT_EQ(refused.code(), StatusCode::kExhausted) << refused.ToString();
  EXPECT_NE(refused.ToString().find("disk_reserve_bytes"), std::string::npos);
  ASSERT_GT(stored, 0);
  EXPECT_EQ(Count(*db_), stored);
  // The reserve is there for this.
  const Status sealed = db_->Seal();
  ASSERT_TRUE(sealed.ok()) << sealed.ToString();
  // A merge that would not fit is not begun; the store is as it was.
  ASSERT_TRUE(db_->Ingest(Batch(5000, 200)));
  stored += 200;
  ASSERT_TRUE(db_->Seal().ok());
  fault_.SetFreeBytes(1000);
  EXPECT_EQ(db_->Compact().code(), StatusCode::kExhausted);
  EXPECT_EQ(db_->Ingest(Batch(6000, 200)).error().code(), StatusCode::kExhausted);
  EXPECT_EQ(Count(*db_), stored);
  // Room: it goes on by itself.
  fault_.SetFreeBytes(100u << 20);
  clock_.Advance(kDiskSampleUs);
  ASSERT_TRUE(db_->Ingest(Batch(6000, 200)));
  stored += 200;
  EXPECT_TRUE(db_->Compact().ok());
  EXPECT_EQ(Count(*db_), stored);
  Open();
  EXPECT_EQ(Count(*db_), stored);
}

/// No reserve, and space runs out at every point of a seal, a merge and an erasure in turn.
TEST_F(DiskFull, RunningOutAtAnyPointLosesNothing) {
  options_.disk_reserve_bytes = 0;
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Open();
  int stored = 0;
  int failed = 0;
  for (int n = 0; n < 60; ++n) {
    SCOPED_TRACE("round " + std::to_string(n));
    const auto reply = db_->Ingest(Batch(n, 300));
    ASSERT_TRUE(reply) << reply.error().ToString();
    stored += 300;
    const std::uint64_t room = random.Below(60'000);
    fault_.SetFreeBytes(room);
    const Status sealed = db_->Seal();
    const Status merged = db_->Compact();
    failed += sealed.ok() && merged.ok() ? 0 : 1;
    EXPECT_TRUE(sealed.ok() || sealed.code() == StatusCode::kIoError) << sealed.ToString();
    ASSERT_EQ(Count(*db_), stored);
    // What was begun is gone again: no file but those of the manifest.
    const auto names = memory_.List("/store/segments");
    ASSERT_TRUE(names);
    EXPECT_EQ(names->size(), db_->Info()->segments);
    fault_.SetEndless();
    if (random.Below(3) == 0) {
      ASSERT_TRUE(db_->Close().ok());
      memory_.PowerCut(random, 50);
      ASSERT_NO_FATAL_FAILURE(Open());
      ASSERT_EQ(Count(*db_), stored);
    }
    ASSERT_TRUE(random.Below(4) != 0 || db_->Seal().ok());
  }
  EXPECT_GT(failed, 10);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(Count(*db_), stored);
  const auto report = db_->Verify();
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->problems.empty());
}

/// A small file system of its own, where one may be mounted.
class SmallDisk {
 public:
  explicit SmallDisk(const char* size) {
    std::string name = (fs::temp_directory_path() / "quipu_disk_XXXXXX").string();
    QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
    mounted_ =
        ::mount("tmpfs", path_.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount(path_.c_str());
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST(RealDiskFull, RefusesBeforeAWriteFailsAndResumes) {
  const SmallDisk disk("96m");
  if (!disk.mounted())
    GTEST_SKIP() << "NOT TESTED: no file system may be mounted here (needs root)";
  Options options = TestOptions();
  options.disk_reserve_bytes = 24u << 20;
  auto db = Database::Open(disk.path() + "/store", options);
  ASSERT_TRUE(db) << db.error().ToString();
  // Somebody else fills the disk.
  const std::string ballast = disk.path() + "/ballast";
  std::ofstream(ballast) << std::string(40u << 20, 'x');
  int stored = 0;
  Status refused;
  for (int n = 0; n < 2000 && refused.ok(); ++n) {
    const auto reply = db->Ingest(Batch(n, 1000));
    if (reply) stored += 1000;
    if (!reply) refused = reply.error();
  }
  ASSERT_EQ(refused.code(), StatusCode::kExhausted) << refused.ToString();
  ASSERT_GT(stored, 0);
  const Status sealed = db->Seal();
  ASSERT_TRUE(sealed.ok()) << sealed.ToString();
  EXPECT_EQ(Count(*db), stored);
  fs::remove(ballast);
  ::usleep(150'000);
  ASSERT_TRUE(db->Ingest(Batch(5000, 1000)));
  stored += 1000;
  ASSERT_TRUE(db->Close().ok());
  auto again = Database::Open(disk.path() + "/store", options);
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(Count(*again), stored);
  std::cout << stored << " events on a disk of 96 MiB\n";
}

/// Without a reserve the log itself runs out: fail-stop, and a reopen knows everything that was acknowledged.
TEST(RealDiskFull, WithoutAReserveNothingAcknowledgedIsLost) {
  const SmallDisk disk("64m");
  if (!disk.mounted())
    GTEST_SKIP() << "NOT TESTED: no file system may be mounted here (needs root)";
  Options options = TestOptions();
  options.disk_reserve_bytes = 0;
  int stored = 0;
  const std::string ballast = disk.path() + "/ballast";
  {
    auto db = Database::Open(disk.path() + "/store", options);
    ASSERT_TRUE(db) << db.error().ToString();
    std::ofstream(ballast) << std::string(40u << 20, 'x');
    Status failed;
    for (int n = 0; n < 2000 && failed.ok(); ++n) {
      const auto reply = db->Ingest(Batch(n, 1000));
      if (reply) stored += 1000;
      if (!reply) failed = reply.error();
    }
    ASSERT_EQ(failed.code(), StatusCode::kIoError) << failed.ToString();
    EXPECT_EQ(Count(*db), stored);
  }
  fs::remove(ballast);  // an open needs about as much room as the log has, which becomes a table
  auto db = Database::Open(disk.path() + "/store", options);
  ASSERT_TRUE(db) << db.error().ToString();
  const std::int64_t found = Count(*db);
  EXPECT_TRUE(found == stored || found == stored + 1000) << found << " of " << stored;
  EXPECT_TRUE(db->Ingest(Batch(9000, 100)));
}

}  // namespace
}  // namespace quipu
