#include <gtest/gtest.h>

#include <map>

#include "base/vfs_testing.h"
#include "db/database_impl.h"

namespace quipu {
namespace {

constexpr TimeUs kNow = 1'773'144'000 * kSecondUs;  // 2026-03-10T12:00:00Z

class AmplificationTest : public testing::Test {
 protected:
  AmplificationTest() {
    options_.create_if_missing = true;
    options_.background_upkeep = false;
    options_.future_bound_us = -1;
    Open();
  }
  void Open() {
    db_.reset();
    StoreEnvironment environment;
    environment.vfs = &vfs_;
    environment.clock = &clock_;
    environment.random_seed = 4;
    environment.open_kv = [this](const std::string&) { return disk_.Open(); };
    auto db = OpenDatabaseIn("/d", options_, environment);
    ASSERT_TRUE(db) << db.error().ToString();
    db_ = std::make_unique<Database>(*std::move(db));
  }
  /// Events of customers first .. last, 500 each, all in March.
  void Ingest(const std::string& tag, int first, int last) {
    EventBatch batch;
    for (int i = 0; i < 500 * (last - first + 1); ++i) {
      const std::string id = tag + std::to_string(i);
      const std::string customer = "customer-" + std::to_string(first + i % (last - first + 1));
      Event e;
      e.id = id;
      e.customer = customer;
      e.service = "api";
      e.time = kNow - i * kSecondUs;
      e.dimensions = {{"region", i % 2 == 0 ? "eu" : "us"}};
      e.measures = {{"m", 2}};
      batch.Add(e);
    }
    const auto reply = db_->Ingest(batch);
    ASSERT_TRUE(reply) << reply.error().ToString();
  }
  StoreInfo Info() {
    const auto info = db_->Info();
    EXPECT_TRUE(info);
    return info ? *info : StoreInfo();
  }

  Options options_;
  MemoryVfs vfs_;
  ManualClock clock_{kNow};
  MemoryKvDisk disk_;
  std::unique_ptr<Database> db_;
};

TEST_F(AmplificationTest, EveryByteWrittenIsCounted) {
  Ingest("a", 0, 3);
  StoreInfo info = Info();
  const std::uint64_t logged = info.logged_bytes;
  EXPECT_GT(logged, 2000u * 10);
  EXPECT_EQ(info.sealed_bytes, 0u);
  EXPECT_EQ(info.write_amplification, 0);
  ASSERT_TRUE(db_->Seal().ok());
  Ingest("b", 2, 5);
  ASSERT_TRUE(db_->Seal().ok());
  info = Info();
  EXPECT_GT(info.logged_bytes, logged + 2000u * 10);
  EXPECT_EQ(info.sealed_bytes, info.segment_bytes);
  EXPECT_EQ(info.merged_bytes, 0u);
  EXPECT_EQ(info.read_amplification_max, 2u);
  EXPECT_DOUBLE_EQ(info.read_amplification, 8.0 / 6);  // six customers, two of them twice
  const std::uint64_t sealed = info.sealed_bytes;

  ASSERT_TRUE(db_->Compact().ok());
  info = Info();
  EXPECT_EQ(info.sealed_bytes, sealed);
  EXPECT_EQ(info.merged_bytes, info.segment_bytes);
  EXPECT_EQ(info.read_amplification_max, 1u);
  EXPECT_EQ(info.read_amplification, 1);
  EXPECT_GE(info.disk_bytes, info.segment_bytes);
  EXPECT_DOUBLE_EQ(info.write_amplification,
                   static_cast<double>(info.logged_bytes + sealed + info.merged_bytes) /
                       static_cast<double>(info.segment_bytes));
  EXPECT_GE(info.space_amplification, 1);

  Open();
  const StoreInfo again = Info();
  EXPECT_EQ(again.logged_bytes, info.logged_bytes);
  EXPECT_EQ(again.sealed_bytes, info.sealed_bytes);
  EXPECT_EQ(again.merged_bytes, info.merged_bytes);
}

TEST_F(AmplificationTest, ColumnsAddUpToTheSegments) {
  Ingest("a", 0, 3);
  ASSERT_TRUE(db_->Seal().ok());
  Ingest("b", 2, 5);
  ASSERT_TRUE(db_->Seal().ok());
  const auto columns = db_->StorageByColumn();
  ASSERT_TRUE(columns);
  std::uint64_t bytes = 0;
  std::map<std::string, std::uint64_t> rows;
  for (const ColumnStorage& c : *columns) {
    bytes += c.bytes;
    EXPECT_GT(c.bytes, 0u) << c.kind << " " << c.name;
    EXPECT_TRUE(rows.emplace(c.kind + " " + c.name, c.rows).second) << "twice: " << c.kind;
  }
  EXPECT_EQ(bytes, Info().segment_bytes);
  for (const char* column : {"times ", "measure quantity", "measure m", "dimension region",
                             "dictionary region", "identity_index ", "other "}) {
    EXPECT_EQ(rows[column], 4000u) << column;
  }
}

TEST_F(AmplificationTest, PartitionsSayHowSettledTheyAre) {
  Ingest("a", 0, 3);
  EXPECT_EQ(db_->Partitions(false)->at(0).tier, "hot");
  ASSERT_TRUE(db_->Seal().ok());
  EXPECT_EQ(db_->Partitions(true)->at(0).tier, "L0");
  EXPECT_EQ(db_->Partitions(true)->at(0).age_us, 0);
  Ingest("b", 0, 3);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(db_->Partitions(false)->at(0).tier, "L1");
  clock_.SetWall(kNow + 100 * kDayUs);
  Ingest("c", 0, 3);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(db_->Partitions(false)->at(0).tier, "L2");
  EXPECT_EQ(db_->Partitions(false)->at(0).age_us / kDayUs, 78);
}

}  // namespace
}  // namespace quipu
