#include "upkeep/merge.h"

#include <set>

#include "upkeep/upkeep_testing.h"

namespace quipu {
namespace {

using Ids = std::vector<std::uint64_t>;

class MergeTest : public UpkeepTest {
 protected:
  Status Merge(Ids ids, const MergeProgress& progress = {}, RateLimiter* limiter = nullptr) {
    CompactionJob job;
    for (const SegmentPtr& s : store_->view()->segments) {
      if (s->meta().spec.segment_id == ids.front()) job.month = s->meta().spec.month;
    }
    std::sort(ids.begin(), ids.end());
    job.inputs = std::move(ids);
    return RunCompaction(store_.get(), job, progress, limiter, &report_);
  }
  /// No customer is in two of the files, or in a file with others if it has one of its own.
  void ExpectDisjoint() {
    std::map<CustomerOrdinal, int> files;
    std::set<CustomerOrdinal> own;
    for (const SegmentPtr& s : store_->view()->segments) {
      const SegmentMeta& meta = s->meta();
      std::set<CustomerOrdinal> here;
      for (const auto& run : (*s->directory())->runs()) here.insert(run.customer);
      EXPECT_EQ(meta.customer_first, *here.begin());
      EXPECT_EQ(meta.customer_last, *here.rbegin());
      EXPECT_EQ(meta.customers, here.size());
      if (here.size() == 1) own.insert(*here.begin());
      if (here.size() > 1) {
        for (const CustomerOrdinal c : here) EXPECT_EQ(files[c]++, 0) << c;
      }
    }
    for (const CustomerOrdinal c : own) EXPECT_EQ(files[c], 0) << c;
  }
  MergeReport report_;
};

TEST_F(MergeTest, MergedRowsAreTheInputsInOrder) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  Random random(seed_);
  Open();
  for (int round = 0; round < 6; ++round) {
    const std::uint64_t segments = 2 + random.Below(5);
    for (std::uint64_t i = 0; i < segments; ++i)
      SealedCommit(1 + random.Below(random.Below(3) == 0 ? 20'000 : 300));  // also several blocks
    Commit(10);  // hot rows are none of its business
    const auto rows = AllRows();
    const Totals totals = store_->view()->totals;
    const Ids ids = SegmentIds();
    std::uint64_t last = 0;
    std::uint64_t inputs = 0;
    for (const SegmentPtr& s : store_->view()->segments) inputs += s->rows();
    ASSERT_TRUE(Merge(ids, [&](std::uint64_t written) {
                  EXPECT_GE(written, last);
                  last = written;
                  return true;
                }).ok());
    EXPECT_EQ(last, inputs);
    ASSERT_EQ(store_->view()->segments.size(), 1u);
    const SegmentReader& merged = *store_->view()->segments[0];
    EXPECT_EQ(merged.rows(), inputs);
    const auto read = merged.ReadRows(0, merged.rows());
    ASSERT_TRUE(read);
    for (std::size_t i = 1; i < read->size(); ++i)
      ASSERT_FALSE(SegmentOrderLess(*read, i, *read, i - 1)) << i;
    EXPECT_EQ(AllRows(), rows);
    EXPECT_EQ(store_->view()->totals, totals);
    SegmentVerifyReport report;
    EXPECT_TRUE(merged.Verify(&report).ok());
    EXPECT_TRUE(report.problems.empty());
    EXPECT_EQ(Files().size(), 1u);  // the inputs are gone
    Seal();
    if (round == 3) Open();
  }
}

TEST_F(MergeTest, CommitRangesAreUnited) {
  Open();
  SealedCommit(5);
  Commit(5);
  SealedCommit(5);
  ASSERT_TRUE(Merge({1, 2}).ok());
  const SegmentSpec& spec = store_->view()->segments[0]->meta().spec;
  EXPECT_EQ(spec.seq_first, 1u);
  EXPECT_EQ(spec.seq_last, 3u);
  EXPECT_EQ(spec.segment_id, 3u);
}

TEST_F(MergeTest, TheResultSaysWhereItComesFrom) {
  Open();
  clock_.SetWall(100 * kSecondUs);
  SealedCommit(10);
  clock_.SetWall(400 * kSecondUs);
  SealedCommit(30);
  for (const SegmentPtr& s : store_->view()->segments) {
    EXPECT_EQ(s->meta().level, SegmentLevel::kSealed);
    EXPECT_EQ(s->meta().run, s->meta().spec.segment_id);
  }
  CompactionJob job{.month = store_->view()->segments[0]->meta().spec.month, .inputs = {1, 2}};
  job.level = SegmentLevel::kClosed;
  ASSERT_TRUE(RunCompaction(store_.get(), job, {}, nullptr).ok());
  for (int i = 0; i < 2; ++i) {
    const SegmentMeta meta = store_->view()->segments[0]->meta();
    EXPECT_EQ(meta.level, SegmentLevel::kClosed);
    EXPECT_EQ(meta.run, 3u);
    EXPECT_EQ(meta.sealed_us, 325 * kSecondUs);  // the mean over rows
    Open();                                      // durable
  }
}

TEST_F(MergeTest, LargeCustomersGetFilesOfTheirOwn) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  options_.merged_rows_max = 600;  // 20 customers: a customer of more than 300 rows is a large one
  Open();
  for (const std::size_t rows : {1500, 900, 1700, 1200, 1300}) SealedCommit(rows);
  const auto rows = AllRows();
  ASSERT_TRUE(Merge(SegmentIds()).ok());
  EXPECT_EQ(AllRows(), rows);
  EXPECT_GE(report_.files, 11u);
  EXPECT_EQ(report_.files, store_->view()->segments.size());
  EXPECT_EQ(report_.rows, 6600u);
  std::uint64_t bytes = 0;
  for (const SegmentPtr& s : store_->view()->segments) {
    EXPECT_LE(s->rows(), 600u);
    EXPECT_EQ(s->meta().run, 6u);
    bytes += s->meta().file_bytes;
  }
  EXPECT_EQ(report_.bytes_written, bytes);
  ExpectDisjoint();
  // One customer at a time, in several files if it is larger than a file may be.
  options_.merged_rows_max = 50;
  Open();
  ASSERT_TRUE(Merge(SegmentIds()).ok());
  EXPECT_EQ(AllRows(), rows);
  for (const SegmentPtr& s : store_->view()->segments) {
    EXPECT_EQ(s->meta().customers, 1u);
    EXPECT_LE(s->rows(), 50u);
  }
}

TEST_F(MergeTest, FilesAreCutAtTheTargetSize) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(20'000);
  std::uint64_t bytes = 0;
  for (const SegmentPtr& s : store_->view()->segments) bytes += s->meta().file_bytes;
  options_.segment_bytes_target = bytes / 4;
  options_.own_file_bytes_min = bytes;
  Open();
  const auto rows = AllRows();
  ASSERT_TRUE(Merge(SegmentIds()).ok());
  EXPECT_EQ(AllRows(), rows);
  ExpectDisjoint();
  EXPECT_GE(report_.files, 3u);
  EXPECT_LE(report_.files, 4u);
  for (const SegmentPtr& s : store_->view()->segments) EXPECT_GT(s->meta().file_bytes, bytes / 9);
  // By bytes, too, a large customer has its own.
  options_.own_file_bytes_min = bytes / 30;
  Open();
  ASSERT_TRUE(Merge(SegmentIds()).ok());
  EXPECT_EQ(AllRows(), rows);
  ExpectDisjoint();
  EXPECT_GE(report_.files, 10u);
}

TEST_F(MergeTest, RowsInHandAreBounded) {
  options_.upkeep_bytes_max = 0;  // the least is used
  Open();
  for (int i = 0; i < 6; ++i) SealedCommit(20'000);
  const auto rows = AllRows();
  ASSERT_TRUE(Merge(SegmentIds()).ok());
  EXPECT_EQ(AllRows(), rows);
  EXPECT_LE(report_.bytes_in_hand_max, 32u << 20);
  const std::uint64_t least = report_.bytes_in_hand_max;
  EXPECT_GT(least, 1u << 20);  // it was measured at all
}

TEST_F(MergeTest, TheRateLimitIsKeptAndDoesNotBlock) {
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(2000);
  const auto rows = AllRows();
  RateLimiter limiter(&clock_, 1000);
  limiter.Spend(1000);  // what a fresh bucket holds
  const std::int64_t start = clock_.MonotonicUs();
  ASSERT_TRUE(Merge(
                  {1, 2, 3},
                  [&](std::uint64_t) {
                    clock_.Advance(10 * kSecondUs);  // while it waits, progress is called
                    return true;
                  },
                  &limiter)
                  .ok());
  const std::int64_t least = static_cast<std::int64_t>(report_.bytes_written) * 1000;
  EXPECT_GE(clock_.MonotonicUs() - start, least);
  EXPECT_LE(clock_.MonotonicUs() - start, least + 60 * kSecondUs);
  EXPECT_EQ(AllRows(), rows);
  // It can be stopped while it waits.
  SealedCommit(2000);
  limiter.Spend(1'000'000);
  EXPECT_EQ(Merge(
                SegmentIds(), [](std::uint64_t) { return false; }, &limiter)
                .code(),
            StatusCode::kCancelled);
}

TEST_F(MergeTest, WhatACrashLeavesOfAMergeIsRemoved) {
  options_.merged_rows_max = 100;
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(300);
  const auto rows = AllRows();
  // The Write that fails is, one after the other, each reservation, then the install.
  for (std::uint64_t n = 1;; ++n) {
    Open();
    disk_.FailNthWrite(n, /*applied=*/false);
    if (Merge(SegmentIds()).ok()) break;
    Open();
    EXPECT_EQ(AllRows(), rows);
    EXPECT_EQ(Files().size(), store_->view()->segments.size());
    EXPECT_TRUE(memory_.List("/u/quarantine")->empty());
    ASSERT_LT(n, 100u);
  }
  EXPECT_EQ(AllRows(), rows);
}

TEST_F(MergeTest, StoppedByProgressNothingChanges) {
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(20'000);
  const auto files = Files();
  const ViewPtr view = store_->view();
  for (int steps = 0; steps < 2; ++steps) {
    int calls = 0;
    const Status status = Merge({1, 2, 3}, [&](std::uint64_t) { return ++calls <= steps; });
    EXPECT_EQ(status.code(), StatusCode::kCancelled);
    EXPECT_EQ(store_->view(), view);
    EXPECT_EQ(Files(), files);  // no .tmp stays behind
  }
  EXPECT_TRUE(Merge({1, 2, 3}).ok());
}

TEST_F(MergeTest, SegmentsThatAreGoneAreAConflict) {
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(5);
  EXPECT_EQ(Merge({1, 9}).code(), StatusCode::kConflict);
  EXPECT_EQ(Merge({9}).code(), StatusCode::kConflict);
  // They vanish while the merge is under way.
  bool inner = false;
  const Status outer = Merge({1, 2}, [&](std::uint64_t) {
    if (!inner) {
      inner = true;
      EXPECT_TRUE(Merge({1, 2}).ok());
    }
    return true;
  });
  EXPECT_EQ(outer.code(), StatusCode::kConflict) << outer.ToString();
  EXPECT_EQ(Files().size(), 2u);  // the file of the merge that lost is removed
  const auto rows = AllRows();
  EXPECT_EQ(rows.size(), 15u);
  Open();
  EXPECT_EQ(AllRows(), rows);
}

TEST_F(MergeTest, SealsMayHappenMeanwhile) {
  Open();
  for (int i = 0; i < 2; ++i) SealedCommit(50);
  Commit(50);
  const auto rows = AllRows();
  bool sealed = false;
  ASSERT_TRUE(Merge({1, 2}, [&](std::uint64_t) {
                if (!sealed) Seal();
                sealed = true;
                return true;
              }).ok());
  EXPECT_EQ(store_->view()->segments.size(), 2u);
  EXPECT_EQ(AllRows(), rows);
}

TEST_F(MergeTest, AFaultAtAnyStepLosesNothing) {
  for (const bool reads : {false, true}) {
    for (std::uint64_t n = 1; n < 2000; ++n) {
      SCOPED_TRACE("fault at call " + std::to_string(n));
      Open();
      while (store_->view()->segments.size() < 3) SealedCommit(40);
      options_.merged_rows_max = n % 2 == 0 ? 30 : 1000;  // several files, or one
      const auto rows = AllRows();
      Open();  // nothing cached
      fault_.FailNth(n, FaultVfs::Fault::kError, /*persistent=*/false, reads);
      const Status merged = Merge(SegmentIds());
      const bool fired = fault_.fired();
      fault_.Heal();
      EXPECT_EQ(AllRows(), rows);
      Open();
      EXPECT_EQ(AllRows(), rows);
      if (!fired) {
        EXPECT_TRUE(merged.ok()) << merged.ToString();
        EXPECT_GT(n, 5u);
        break;
      }
    }
  }
}

}  // namespace
}  // namespace quipu
