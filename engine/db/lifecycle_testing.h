// The fixture of the life cycle's tests: a database in memory whose clock is set by hand, filled with three months of events.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/calendar.h"
#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"

namespace quipu {

inline constexpr TimeUs kNow = 1'775'044'800 * kSecondUs;  // 2026-04-01T12:00:00Z
inline constexpr int kCustomers = 9;

class LifecycleTest : public testing::Test {
 protected:
  LifecycleTest() {
    options_.create_if_missing = true;
    options_.background_upkeep = false;
    options_.future_bound_us = -1;
    NewWorld();
  }
  void NewWorld() {
    db_.reset();
    order_.clear();
    memory_.emplace();
    fault_.emplace(&*memory_);
    disk_.emplace();
  }
  Status TryOpen() {
    db_.reset();
    order_.push_back(std::make_unique<OrderCheckingVfs>(&*fault_));
    StoreEnvironment environment;
    environment.vfs = order_.back().get();
    environment.clock = &clock_;
    environment.random_seed = 4;
    environment.open_kv = [this](const std::string&) { return disk_->Open(); };
    auto db = OpenDatabaseIn("/d", options_, environment);
    if (!db) return db.error();
    db_ = std::make_unique<Database>(*std::move(db));
    return {};
  }
  void Open() {
    const Status opened = TryOpen();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
  }
  /// Events of January to March 2026: nine customers, three services, some of the first service's days busy enough for sketches.
  static void MakeEvents(const std::string& tag, int events, std::uint64_t seed,
                         EventBatch* batch) {
    Random random(seed + static_cast<std::uint64_t>(events));
    for (int i = 0; i < events; ++i) {
      const std::string id = tag + std::to_string(i);
      const std::string customer = "c" + std::to_string(random.Below(kCustomers));
      const std::string service = "s" + std::to_string(random.Below(3));
      Event e;
      e.id = id;
      e.customer = customer;
      e.service = service;
      e.time = 1'767'225'600 * kSecondUs + static_cast<TimeUs>(random.Below(90 * kDayUs));
      e.quantity = Decimal(static_cast<Int128>(random.Below(1000)), 2);
      e.cost = Decimal(static_cast<Int128>(random.Below(100'000)), 6);
      e.dimensions = {{"region", random.Below(2) == 0 ? "eu" : "us"}};
      batch->Add(e);
    }
  }
  /// `stamp` = as the next batch of a producer: for months whose ids may be gone.
  IngestReply Fill(const std::string& tag, int events, bool stamp = false) {
    EventBatch batch;
    MakeEvents(tag, events, seed_, &batch);
    if (stamp) batch.producer = ProducerStamp{"backfill", 1, ++sequence_};
    const auto reply = db_->Ingest(batch);
    EXPECT_TRUE(reply) << reply.error().ToString();
    EXPECT_TRUE(db_->Seal().ok());
    return reply ? *reply : IngestReply();
  }
  static std::string Text(const Result<ResultSet>& answer) {
    if (!answer) return "error: " + answer.error().ToString();
    std::string text;
    for (const ResultColumn& column : answer->columns) {
      text += column.name + ":";
      for (std::size_t i = 0; i < answer->rows(); ++i) text += column.Text(i) + ",";
      text += "\n";
    }
    return text;
  }
  /// What whole days can answer.
  std::string Daily() {
    std::string text;
    const char* const select = "count,sum(quantity),sum(cost),min(cost),max(quantity)";
    text += Text(db_->Query(Query().Select(select)));
    text += Text(db_->Query(Query().Select(select).Every("day").GroupBy("service")));
    text += Text(db_->Query(Query().Select(select).GroupBy("customer,service")));
    text += Text(db_->Query(Query().Select(select).Every("month").GroupBy("customer")));
    text += Text(db_->Query(Query().Select(select).Customer("c3").Every("day")));
    text += Text(db_->Query(Query()
                                .Select("count,distinct(customer)")
                                .Every("day")
                                .From("2026-01-10")
                                .To("2026-02-20")));
    EXPECT_EQ(text.find("error:"), std::string::npos) << text;
    return text;
  }
  /// What only single events can answer.
  std::string ByRow() {
    return Text(db_->Query(Query().Select("count,sum(cost),latest(quantity)").GroupBy("region"))) +
           Text(db_->Query(Query().Select("count").Customer("c1").Every("hour")));
  }
  std::string Totals() {
    const auto info = db_->Info();
    return info ? std::to_string(info->events) : info.error().ToString();
  }
  void ExpectSound() {
    const auto report = db_->Verify();
    ASSERT_TRUE(report) << report.error().ToString();
    for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
  }
  static RetentionPolicy Policy(RetentionRule rule) {
    rule.name = "all";
    return {{std::move(rule)}};
  }

  std::uint64_t sequence_ = 0;
  const std::uint64_t seed_ = TestSeed();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "QUIPU_SEED=" + std::to_string(seed_)};
  Options options_;
  ManualClock clock_{kNow};
  std::optional<MemoryVfs> memory_;
  std::optional<FaultVfs> fault_;
  std::optional<MemoryKvDisk> disk_;
  std::vector<std::unique_ptr<OrderCheckingVfs>> order_;
  std::unique_ptr<Database> db_;
};

}  // namespace quipu
