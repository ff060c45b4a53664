#include "base/event_rows_pool.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace quipu {
namespace {

Event SomeEvent(std::string_view id) {
  Event e;
  e.id = id;
  e.customer = "acme";
  e.service = "api";
  e.dimensions = {{"region", id}};
  e.measures = {{"tokens", Decimal(5)}};
  return e;
}

TEST(EventRowsPool, GivesRowsAgainEmptyAndWithTheirMemory) {
  auto rows = EventRowsPool::Take();
  rows->Add(SomeEvent("a"));
  const EventRows* const where = rows.get();
  const std::size_t held = rows->held_bytes();
  EventRowsPool::GiveBack(std::move(rows));
  rows = EventRowsPool::Take();
  EXPECT_EQ(rows.get(), where);
  EXPECT_EQ(rows->held_bytes(), held);
  EXPECT_TRUE(rows->rows().empty());
  rows->Add(SomeEvent("b"));
  EXPECT_EQ(rows->At(0).id, "b");
  EXPECT_EQ(rows->At(0).dimensions[0].value, "b");
}

TEST(EventRowsPool, KeepsNoLargeRows) {
  auto rows = EventRowsPool::Take();
  for (int i = 0; i < 1000; ++i) rows->Add(SomeEvent(std::to_string(i)));
  ASSERT_GT(rows->held_bytes(), EventRowsPool::kPooledBytesMax);
  EventRowsPool::GiveBack(std::move(rows));
  for (std::size_t i = 0; i < 3 * EventRowsPool::kBundle; ++i)
    EXPECT_LE(EventRowsPool::Take()->held_bytes(), EventRowsPool::kPooledBytesMax);
}

TEST(EventRowsPool, BatchesPassBetweenThreads) {
  constexpr int kRounds = 300, kEvents = 50;
  std::vector<EventBatch> sent;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kEvents; ++i) {
      EventBatch batch;
      const std::string id = std::to_string(round) + "-" + std::to_string(i);
      batch.Add(SomeEvent(id));
      sent.push_back(std::move(batch));
    }
    std::thread other([taken = std::exchange(sent, {}), round] {
      for (int i = 0; i < kEvents; ++i) {
        const EventBatch& batch = taken[static_cast<std::size_t>(i)];
        ASSERT_EQ(batch.size(), 1u);
        ASSERT_EQ(batch.At(0).id, std::to_string(round) + "-" + std::to_string(i));
      }
    });
    other.join();
  }
}

TEST(EventRowsPool, AnAssignedBatchKeepsWhatItWasGiven) {
  EventBatch a, b;
  a.Add(SomeEvent("a"));
  b.Add(SomeEvent("b"));
  b.producer = ProducerStamp{"p", 1, 2};
  b.partial = true;
  a = std::move(b);
  EXPECT_EQ(a.At(0).id, "b");
  EXPECT_TRUE(a.partial);
  ASSERT_TRUE(a.producer);
  EXPECT_EQ(a.producer->sequence, 2u);
  EXPECT_TRUE(b.empty());  // NOLINT: documented
  EventBatch& self = a;
  a = std::move(self);
  EXPECT_EQ(a.At(0).id, "b");
}

}  // namespace
}  // namespace quipu
