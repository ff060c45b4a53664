#include <mutex>
#include <set>

#include "db/lifecycle_testing.h"

namespace quipu {
namespace {

/// Three months of several segments each.
class CompactRequestTest : public LifecycleTest {
 protected:
  void OpenFilled(std::uint32_t threads) {
    NewWorld();
    options_.compact_threads = threads;
    Open();
    for (int i = 0; i < 4; ++i) Fill("f" + std::to_string(i) + "-", 700);
  }
  std::multiset<std::string> MonthsOfSegments() {
    std::multiset<std::string> months;
    const auto partitions = db_->Partitions(false);
    EXPECT_TRUE(partitions);
    for (const PartitionInfo& p : *partitions) {
      for (std::uint64_t i = 0; i < p.segments; ++i) months.insert(p.month);
    }
    return months;
  }
};

TEST_F(CompactRequestTest, EveryMonthBecomesOneRunWhateverTheNumberOfThreads) {
  std::string daily, by_row;
  for (const std::uint32_t threads : {0u, 1u, 2u, 3u, 8u}) {
    SCOPED_TRACE(threads);
    OpenFilled(threads);
    if (daily.empty()) {
      daily = Daily();
      by_row = ByRow();
    }
    EXPECT_EQ(MonthsOfSegments().size(), 12u);
    ASSERT_TRUE(db_->Compact().ok());
    const auto months = MonthsOfSegments();
    EXPECT_EQ(months, (std::multiset<std::string>{"2026-01", "2026-02", "2026-03"}));
    EXPECT_EQ(Daily(), daily);
    EXPECT_EQ(ByRow(), by_row);
    ExpectSound();
    ASSERT_TRUE(db_->Compact().ok());  // nothing is left to do
    EXPECT_EQ(MonthsOfSegments(), months);
    Open();
    EXPECT_EQ(Daily(), daily);
  }
}

TEST_F(CompactRequestTest, ProgressIsToldOneCallAtATimeAndEndsAtTheTotal) {
  OpenFilled(3);
  std::mutex mutex;
  std::uint64_t last = 0;
  ASSERT_TRUE(db_->Compact([&](std::uint64_t rows, std::uint64_t total) {
                   const std::unique_lock lock(mutex, std::try_to_lock);
                   EXPECT_TRUE(lock.owns_lock());
                   EXPECT_GE(rows, last);
                   EXPECT_EQ(total, 2800u);
                   last = rows;
                   return true;
                 })
                  .ok());
  EXPECT_EQ(last, 2800u);
}

TEST_F(CompactRequestTest, StoppedOrFailedEveryEventIsStillThereOnce) {
  for (const std::uint32_t threads : {1u, 3u}) {
    SCOPED_TRACE(threads);
    OpenFilled(threads);
    const std::string daily = Daily();
    int calls = 0;
    EXPECT_EQ(db_->Compact([&](std::uint64_t, std::uint64_t) { return ++calls < 2; }).code(),
              StatusCode::kCancelled);
    EXPECT_EQ(Daily(), daily);
    // A write that fails in one month stops the others, and its error is the one that is told.
    fault_->FailNth(1, FaultVfs::Fault::kError);
    EXPECT_EQ(db_->Compact().code(), StatusCode::kIoError);
    EXPECT_EQ(Daily(), daily);
    ASSERT_TRUE(db_->Compact().ok());
    EXPECT_EQ(MonthsOfSegments().size(), 3u);
    EXPECT_EQ(Daily(), daily);
    ExpectSound();
  }
}

}  // namespace
}  // namespace quipu
