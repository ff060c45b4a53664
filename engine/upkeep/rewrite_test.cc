// Rewriting a month asks for room before it writes and keeps to the rate limit. (What it does to rows is tested in db/lifecycle_test.cc.)
#include "upkeep/rewrite.h"

#include "upkeep/upkeep_testing.h"

namespace quipu {
namespace {

class RewriteTest : public UpkeepTest {
 protected:
  /// One month, sealed in three parts, half of whose customers are to be archived.
  void OpenWithMonth() {
    Open();
    for (int i = 0; i < 3; ++i) SealedCommit(3000);
    job_.inputs = store_->view()->segments;
    job_.fate_of = [](CustomerOrdinal customer, ServiceOrdinal) {
      return customer % 2 == 0 ? Fate::kArchive : Fate::kKeep;
    };
    const auto archive = store_->UseArchive("archive");
    ASSERT_TRUE(archive) << archive.error().ToString();
    job_.archive_to = *archive;
    for (const SegmentPtr& input : job_.inputs) bytes_ += input->meta().file_bytes;
  }
  std::size_t ArchivedFiles() {
    const auto names = memory_.List("/u/archive");
    return names ? names->size() : 0;
  }

  RewriteJob job_;
  std::uint64_t bytes_ = 0;  // of the inputs
};

TEST_F(RewriteTest, WithoutRoomNothingIsWritten) {
  OpenWithMonth();
  const auto rows = AllRows();
  const auto files = Files();
  const std::size_t archived = ArchivedFiles();
  for (const std::uint64_t room : {std::uint64_t{0}, bytes_ / 4, bytes_ - 2000}) {
    fault_.SetFreeBytes(room);
    const auto refused = RewriteMonth(store_.get(), job_, {});
    EXPECT_EQ(refused.error().code(), StatusCode::kExhausted) << refused.error().ToString();
    EXPECT_NE(refused.error().ToString().find("/u/archive"), std::string::npos);
    EXPECT_EQ(Files(), files);
    EXPECT_EQ(ArchivedFiles(), archived);
  }
  fault_.SetFreeBytes(bytes_);
  const auto done = RewriteMonth(store_.get(), job_, {});
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_GT(done->archived.rows, 0u);
  EXPECT_EQ(AllRows(), rows);
}

TEST_F(RewriteTest, WhatIsDeletedNeedsNoRoom) {
  OpenWithMonth();
  job_.fate_of = [](CustomerOrdinal customer, ServiceOrdinal) {
    return customer % 8 == 0 ? Fate::kKeep : Fate::kDelete;
  };
  fault_.SetFreeBytes(bytes_ / 2);
  const auto done = RewriteMonth(store_.get(), job_, {});
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_GT(done->deleted.rows, 0u);
}

TEST_F(RewriteTest, TheRateLimitIsKeptAndTheWaitCanBeStopped) {
  OpenWithMonth();
  RateLimiter limiter(&clock_, 1000);
  limiter.Spend(1000);  // what a fresh bucket holds
  job_.limiter = &limiter;
  const std::int64_t start = clock_.MonotonicUs();
  ASSERT_TRUE(RewriteMonth(store_.get(), job_, [&](std::uint64_t) {
    clock_.Advance(10 * kSecondUs);
    return true;
  }));
  std::uint64_t written = 0;
  for (const SegmentPtr& segment : store_->view()->segments) written += segment->meta().file_bytes;
  const auto least = static_cast<std::int64_t>(written) * 1000;
  EXPECT_GE(clock_.MonotonicUs() - start, least);
  EXPECT_LE(clock_.MonotonicUs() - start, least + 100 * kSecondUs);

  const auto rows = AllRows();
  job_.inputs = {store_->view()->segments[0]};
  job_.keep_in = job_.inputs[0]->meta().archive;
  limiter.Spend(1'000'000);
  const auto stopped = RewriteMonth(store_.get(), job_, [](std::uint64_t) { return false; });
  EXPECT_EQ(stopped.error().code(), StatusCode::kCancelled);
  EXPECT_EQ(AllRows(), rows);
}

}  // namespace
}  // namespace quipu
