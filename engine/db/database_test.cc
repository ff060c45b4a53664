// The wiring: opening and closing, the background thread, and everything at once. MemoryKv throughout (ThreadSanitizer does not see into
// RocksDB), except where the real folder is the point.
#include "quipu/database.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"

namespace quipu {
namespace {

constexpr TimeUs kNow = 1'773'144'000 * kSecondUs;  // 2026-03-10T12:00:00Z

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    options_.create_if_missing = true;
    options_.background_upkeep = false;
    options_.future_bound_us = -1;
    options_.log = [this](LogLevel, const std::string& line) {
      const std::lock_guard lock(log_mutex_);
      log_ += line + "\n";
    };
  }
  ~DatabaseTest() override {
    db_.reset();
    std::error_code ignored;
    if (!real_.empty()) std::filesystem::remove_all(real_, ignored);
  }

  Result<Database> TryOpen() {
    order_.push_back(std::make_unique<OrderCheckingVfs>(&fault_));
    StoreEnvironment environment;
    environment.vfs = order_.back().get();
    environment.clock = clock_;
    environment.random_seed = 4;
    environment.open_kv = [this](const std::string&) { return disk_.Open(); };
    return OpenDatabaseIn("/d", options_, environment);
  }
  void Open() {
    db_.reset();
    auto db = TryOpen();
    ASSERT_TRUE(db) << db.error().ToString();
    db_ = std::make_unique<Database>(*std::move(db));
  }
  std::string RealFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "quipu_db_XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    real_ = name;
    return real_ + "/store";
  }
  /// `n` events of one batch; ids "<tag><i>", one a day, customers in turn.
  static EventBatch MakeBatch(const std::string& tag, int n) {
    EventBatch batch;
    for (int i = 0; i < n; ++i) {
      const std::string id = tag + std::to_string(i);
      const std::string customer = "customer-" + std::to_string(i % 3);
      Event e;
      e.id = id;
      e.customer = customer;
      e.service = i % 2 == 0 ? "api" : "batch";
      e.time = kNow - i % 70 * kDayUs;
      e.dimensions = {{"region", "eu"}};
      e.measures = {{"m", 2}};
      batch.Add(e);
    }
    return batch;
  }
  void Ingest(const std::string& tag, int n) {
    const auto reply = db_->Ingest(MakeBatch(tag, n));
    ASSERT_TRUE(reply) << reply.error().ToString();
    ASSERT_EQ(reply->Count(Outcome::kAccepted), static_cast<std::size_t>(n));
  }
  static std::int64_t Count(const Database& db) {
    const auto answer = db.Query(Query().Select("count"));
    EXPECT_TRUE(answer) << answer.error().ToString();
    return answer ? answer->columns[0].integers[0] : -1;
  }
  template <class Condition>
  static bool WaitUntil(Condition&& condition) {
    for (int i = 0; i < 10'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  std::string LogText() {
    const std::lock_guard lock(log_mutex_);
    return log_;
  }

  Options options_;
  ManualClock manual_{kNow};
  Clock* clock_ = &manual_;
  MemoryVfs memory_;
  FaultVfs fault_{&memory_};
  MemoryKvDisk disk_;
  std::vector<std::unique_ptr<OrderCheckingVfs>> order_;
  std::mutex log_mutex_;
  std::string log_, real_;
  std::unique_ptr<Database> db_;
};

TEST_F(DatabaseTest, OpenCloseReopen) {
  Open();
  Ingest("a", 10);
  ASSERT_TRUE(db_->Close().ok());
  Open();
  EXPECT_EQ(Count(*db_), 10);
  db_.reset();  // the destructor closes
  Open();
  EXPECT_EQ(Count(*db_), 10);
  const auto again = db_->Ingest(MakeBatch("a", 10));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->Count(Outcome::kDuplicate), 10u);
}

TEST_F(DatabaseTest, AfterCloseEverythingIsCancelled) {
  Open();
  Ingest("a", 1);
  ASSERT_TRUE(db_->Close().ok());
  const auto cancelled = [](const Status& s) {
    EXPECT_EQ(s.code(), StatusCode::kCancelled) << s.ToString();
  };
  cancelled(db_->Close());
  cancelled(db_->Ingest(MakeBatch("b", 1)).error());
  cancelled(db_->IngestAsync(MakeBatch("b", 1), [](const Result<IngestReply>&) { FAIL(); }));
  cancelled(db_->Query(Query().Select("count")).error());
  cancelled(db_->Query(Query().Select("count").spec()).error());
  cancelled(db_->Events({}).error());
  cancelled(db_->Seal());
  cancelled(db_->Compact());
  cancelled(db_->Verify().error());
  cancelled(db_->Partitions(true).error());
  cancelled(db_->Info().error());
}

TEST_F(DatabaseTest, OpeningRefusals) {
  options_.create_if_missing = false;
  const auto missing = TryOpen();
  EXPECT_EQ(missing.error().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.error().message().find("no store in /d"), std::string_view::npos)
      << missing.error().ToString();
  options_.create_if_missing = true;
  Open();
  const auto twice = TryOpen();
  EXPECT_EQ(twice.error().code(), StatusCode::kAlreadyExists) << twice.error().ToString();
  db_.reset();
  options_.error_if_exists = true;
  const auto exists = TryOpen();
  EXPECT_EQ(exists.error().code(), StatusCode::kAlreadyExists);
  EXPECT_NE(exists.error().message().find("/d"), std::string_view::npos)
      << exists.error().ToString();
}

TEST_F(DatabaseTest, ARealFolderNamesItsHolder) {
  const std::string folder = RealFolder();
  EXPECT_EQ(Database::Open(folder, {}).error().code(), StatusCode::kNotFound);
  {
    auto db = Database::Open(folder, options_);
    ASSERT_TRUE(db) << db.error().ToString();
    ASSERT_TRUE(db->Ingest(MakeBatch("a", 200)));
    ASSERT_TRUE(db->Compact().ok());
    ASSERT_TRUE(db->Ingest(MakeBatch("b", 20)));
    const auto second = Database::Open(folder, options_);
    EXPECT_EQ(second.error().code(), StatusCode::kAlreadyExists);
    EXPECT_NE(second.error().message().find(std::to_string(getpid())), std::string_view::npos)
        << second.error().ToString();
  }
  auto db = Database::Open(folder, {});
  ASSERT_TRUE(db) << db.error().ToString();
  EXPECT_EQ(Count(*db), 220);
  const auto report = db->Verify();
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->problems.empty());
}

TEST_F(DatabaseTest, TheBuildersMistakeIsReported) {
  Open();
  EXPECT_EQ(db_->Query(Query().Select("cuont")).error().code(), StatusCode::kInvalidArgument);
}

TEST_F(DatabaseTest, InfoAndPartitions) {
  Open();
  const auto empty = db_->Info();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->events, 0u);
  EXPECT_EQ(empty->store_id.size(), 36u);
  EXPECT_TRUE(db_->Partitions(true)->empty());
  Ingest("a", 60);  // 60 days back from 10 March: 10 in March, 28 in February, 22 in January
  ASSERT_TRUE(db_->Seal().ok());
  Ingest("b", 12);
  const auto info = db_->Info();
  ASSERT_TRUE(info);
  EXPECT_EQ(info->path, "/d");
  EXPECT_EQ(info->format_version, 1u);
  EXPECT_EQ(info->as_of, 2u);
  EXPECT_EQ(info->events, 72u);
  EXPECT_EQ(info->hot_events, 12u);
  EXPECT_GT(info->hot_bytes, 0u);
  EXPECT_EQ(info->segments, 3u);
  EXPECT_EQ(info->customers, 3u);
  EXPECT_EQ(info->services, (std::vector<std::string>{"api", "batch"}));
  EXPECT_EQ(info->dimensions, std::vector<std::string>{"region"});
  EXPECT_EQ(info->measures, std::vector<std::string>{"m"});
  EXPECT_EQ(info->time_min, kNow - 59 * kDayUs);
  EXPECT_EQ(info->time_max, kNow);

  const auto months = db_->Partitions(false);
  ASSERT_TRUE(months);
  ASSERT_EQ(months->size(), 3u);
  EXPECT_EQ((*months)[0].month, "2026-01");
  EXPECT_EQ((*months)[0].rows, 22u);
  EXPECT_EQ((*months)[1].rows, 28u + 2);
  EXPECT_EQ((*months)[1].hot_rows, 2u);
  EXPECT_EQ((*months)[2].rows, 10u + 10);
  EXPECT_EQ((*months)[2].hot_rows, 10u);
  const auto parts = db_->Partitions(true);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 9u);
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const PartitionInfo& p = (*parts)[i];
    EXPECT_EQ(p.month, (*months)[i / 3].month);
    EXPECT_EQ(p.customer, "customer-" + std::to_string(i % 3));
    rows += p.rows;
    bytes += p.bytes;
  }
  EXPECT_EQ(rows, 72u);
  EXPECT_LE(bytes, info->segment_bytes);
  EXPECT_GE(bytes + 9, info->segment_bytes);
}

TEST_F(DatabaseTest, CompactTellsItsProgressAndMayBeStopped) {
  Open();
  for (int i = 0; i < 4; ++i) {
    Ingest("t" + std::to_string(i) + "-", 70);
    ASSERT_TRUE(db_->Seal().ok());
  }
  EXPECT_EQ(db_->Info()->segments, 16u);
  EXPECT_EQ(db_->Compact([](std::uint64_t, std::uint64_t) { return false; }).code(),
            StatusCode::kCancelled);
  EXPECT_EQ(db_->Info()->segments, 16u);
  std::vector<std::uint64_t> done;
  ASSERT_TRUE(db_->Compact([&](std::uint64_t rows, std::uint64_t total) {
                   EXPECT_EQ(total, 280u);
                   done.push_back(rows);
                   return true;
                 })
                  .ok());
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), 280u);
  EXPECT_EQ(db_->Info()->segments, 4u);  // March back to 31 December
  EXPECT_EQ(Count(*db_), 280);
}

TEST_F(DatabaseTest, TheBackgroundSealsBySizeAndMerges) {
  options_.background_upkeep = true;
  options_.seal_bytes = 1;
  options_.merge_fan_in = 2;
  Open();
  for (int i = 0; i < 10; ++i) {
    Ingest("t" + std::to_string(i) + "-", 10);
    ASSERT_TRUE(WaitUntil([&] { return db_->Info()->hot_events == 0; }));
  }
  EXPECT_TRUE(WaitUntil([&] { return db_->Info()->segments <= 2; }));  // February and March
  EXPECT_EQ(Count(*db_), 100);
  Open();
  EXPECT_EQ(Count(*db_), 100);
  EXPECT_TRUE(db_->Verify()->problems.empty());
}

TEST_F(DatabaseTest, TheBackgroundSealsByAge) {
  options_.background_upkeep = true;
  options_.seal_after_ms = 5000;
  Open();
  Ingest("a", 10);
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  EXPECT_EQ(db_->Info()->hot_events, 10u);
  manual_.Advance(5 * kSecondUs);
  EXPECT_TRUE(WaitUntil([&] { return db_->Info()->hot_events == 0; }));
}

TEST_F(DatabaseTest, AFullHotTierIsSealedWhateverTheSealSize) {
  options_.background_upkeep = true;
  options_.hot_bytes_max = 1000;
  options_.seal_bytes = 1ull << 40;
  clock_ = Clock::System();
  Open();
  for (int i = 0; i < 5; ++i) Ingest("t" + std::to_string(i) + "-", 100);
  EXPECT_EQ(Count(*db_), 500);
}

TEST_F(DatabaseTest, AFailedBackgroundSealIsTriedAgain) {
  options_.background_upkeep = true;
  options_.seal_bytes = 1;
  Open();
  fault_.FailNth(1, FaultVfs::Fault::kNoSpace, /*persistent=*/true);
  Ingest("a", 10);
  ASSERT_TRUE(
      WaitUntil([&] { return LogText().find("background sealing failed") != std::string::npos; }));
  EXPECT_EQ(db_->Info()->hot_events, 10u);
  Ingest("b", 10);  // taking events in goes on
  fault_.Heal();
  manual_.Advance(kSecondUs);
  EXPECT_TRUE(WaitUntil([&] { return db_->Info()->hot_events == 0; }));
  EXPECT_EQ(Count(*db_), 20);
}

TEST_F(DatabaseTest, ADamagedSegmentStopsItsOwnMergeButNotSealing) {
  Open();
  for (int i = 0; i < 2; ++i) {
    Ingest("t" + std::to_string(i) + "-", 5);  // March only
    ASSERT_TRUE(db_->Seal().ok());
  }
  ASSERT_TRUE(db_->Close().ok());
  const auto names = memory_.List("/d/segments");
  ASSERT_TRUE(names);
  ASSERT_EQ(names->size(), 2u);
  const std::string path = "/d/segments/" + names->front();
  const std::uint64_t size = (*memory_.OpenForRead(path))->size();
  options_.background_upkeep = true;
  options_.merge_fan_in = 2;
  options_.seal_bytes = 1;
  // The first half holds column pages: the footer still opens.
  for (std::uint64_t at = 64; at < size / 3; ++at) ASSERT_TRUE(memory_.FlipBit(path, at, 1).ok());
  Open();
  ASSERT_TRUE(WaitUntil([&] {
    return LogText().find("background merging failed") != std::string::npos;
  })) << LogText();
  // New events are checked against the damaged segment only if its filter suspects them.
  const auto reply = db_->Ingest(MakeBatch("new-", 3));
  if (reply) {
    EXPECT_TRUE(WaitUntil([&] { return db_->Info()->hot_events == 0; }));
  } else {
    EXPECT_EQ(reply.error().code(), StatusCode::kCorruption);
  }
  EXPECT_FALSE(db_->Verify()->problems.empty());
}

TEST_F(DatabaseTest, SealingGoesOnDuringALongMerge) {
  options_.background_upkeep = true;
  options_.seal_bytes = 1ull << 40;
  options_.hot_bytes_max = 3000;
  clock_ = Clock::System();
  Open();
  for (int i = 0; i < 2; ++i) {
    Ingest("t" + std::to_string(i) + "-", 5);
    ASSERT_TRUE(db_->Seal().ok());
  }
  // Within a merge on request, writers fill the hot tier several times over.
  bool ingested = false;
  ASSERT_TRUE(db_->Compact([&](std::uint64_t, std::uint64_t) {
                   if (!std::exchange(ingested, true)) {
                     for (int i = 0; i < 5; ++i) Ingest("u" + std::to_string(i) + "-", 100);
                   }
                   return true;
                 })
                  .ok());
  EXPECT_EQ(Count(*db_), 510);
}

TEST_F(DatabaseTest, EverythingAtOnce) {
  options_.background_upkeep = true;
  options_.seal_bytes = 40'000;
  options_.merge_fan_in = 3;
  options_.cache_bytes = 100'000;
  clock_ = Clock::System();
  Open();
  std::atomic<bool> stop = false;
  std::atomic<std::int64_t> acknowledged = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        const std::string tag = "w" + std::to_string(t) + "-" + std::to_string(i) + "-";
        const auto reply = db_->Ingest(MakeBatch(tag, 40));
        ASSERT_TRUE(reply) << reply.error().ToString();
        acknowledged += 40;
      }
    });
  }
  threads.emplace_back(
      [&] {  // what was acknowledged is in the answer, and answers agree with themselves
        while (!stop) {
          const std::int64_t before = acknowledged;
          const auto answer = db_->Query(Query().Select("count, sum(m), count(m)"));
          ASSERT_TRUE(answer) << answer.error().ToString();
          const std::int64_t count = answer->columns[0].integers[0];
          ASSERT_GE(count, before);
          ASSERT_EQ(count % 40, 0);  // batches are whole
          ASSERT_TRUE(count == 0 || answer->columns[1].decimals[0] == Decimal(2 * count));
          ASSERT_EQ(answer->columns[2].integers[0], count);
        }
      });
  threads.emplace_back([&] {
    EventQuery events;
    events.customers = {"customer-1"};
    events.limit = 20;
    while (!stop) {
      const auto page = db_->Events(events);
      ASSERT_TRUE(page) << page.error().ToString();
      ASSERT_TRUE(db_->Partitions(true));
      ASSERT_TRUE(
          db_->Query(Query().Select("count, first(m)").GroupBy("customer,region").Every("day")));
    }
  });
  threads.emplace_back([&] {
    while (!stop) {
      ASSERT_TRUE(db_->Seal().ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      ASSERT_TRUE(db_->Compact().ok());
      const auto report = db_->Verify();
      ASSERT_TRUE(report);
      ASSERT_TRUE(report->problems.empty())
          << report->problems[0].place << ": " << report->problems[0].message;
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  stop = true;
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(Count(*db_), acknowledged);
  Open();
  EXPECT_EQ(Count(*db_), acknowledged);
  EXPECT_TRUE(db_->Verify()->problems.empty());
}

}  // namespace
}  // namespace quipu
