#include "upkeep/merge.h"

#include "upkeep/upkeep_testing.h"

namespace quipu {
namespace {

using Ids = std::vector<std::uint64_t>;

class MergeTest : public UpkeepTest {
 protected:
  Ids Pick(bool on_request) { return PickMerge(*store_->view(), options_, on_request); }
};

TEST_F(MergeTest, PickWaitsForTheFanIn) {
  options_.merge_fan_in = 4;
  Open();
  EXPECT_TRUE(Pick(false).empty());
  EXPECT_TRUE(Pick(true).empty());
  for (int i = 0; i < 3; ++i) SealedCommit(static_cast<std::size_t>(30 - i));
  EXPECT_TRUE(Pick(false).empty());
  EXPECT_EQ(Pick(true), (Ids{3, 2, 1}));  // the smallest first
  SealedCommit(5);
  EXPECT_EQ(Pick(false), (Ids{4, 3, 2, 1}));
  options_.merge_fan_in = 0;  // never less than two
  EXPECT_EQ(Pick(false).size(), 4u);
}

TEST_F(MergeTest, PickStaysInAMonth) {
  options_.merge_fan_in = 2;
  Open();
  SealedCommit(60, 3);
  ASSERT_EQ(SegmentIds(), (Ids{1, 2, 3}));
  EXPECT_TRUE(Pick(false).empty());
  EXPECT_TRUE(Pick(true).empty());
  SealedCommit(60, 3);
  const Ids ids = Pick(true);
  ASSERT_EQ(ids.size(), 2u);
  std::vector<MonthIndex> months;
  for (const SegmentPtr& s : store_->view()->segments) {
    if (std::find(ids.begin(), ids.end(), s->meta().spec.segment_id) != ids.end())
      months.push_back(s->meta().spec.month);
  }
  EXPECT_EQ(months[0], months[1]);
}

TEST_F(MergeTest, PickKeepsUnderTheRowBound) {
  options_.merged_rows_max = 100;
  options_.merge_fan_in = 2;
  Open();
  for (const std::size_t rows : {60, 50, 45, 100}) SealedCommit(rows);
  EXPECT_EQ(Pick(true), (Ids{3, 2}));  // 45 + 50; 60 more would be too many; 100 is full
  options_.merged_rows_max = 90;
  EXPECT_TRUE(Pick(true).empty());
  options_.merged_rows_max = 155;
  EXPECT_EQ(Pick(true), (Ids{3, 2, 1}));
}

TEST_F(MergeTest, PickMergesByTier) {
  options_.merge_fan_in = 2;
  Open();
  SealedCommit(1'025);  // tier 1
  SealedCommit(10);     // tier 0
  EXPECT_TRUE(Pick(false).empty());
  EXPECT_EQ(Pick(true), (Ids{2, 1}));
  SealedCommit(1'024);  // the last of tier 0
  EXPECT_EQ(Pick(false), (Ids{2, 3}));
}

TEST_F(MergeTest, LargeSegmentsMergeInSmallerNumbers) {
  options_.merge_fan_in = 4;
  options_.merged_rows_max = 130;
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(60);
  EXPECT_TRUE(Pick(false).empty());
  SealedCommit(60);
  EXPECT_EQ(Pick(false), (Ids{1, 2}));  // all four have 240 rows
}

TEST_F(MergeTest, AFanInAboveTheInputsOfAMergeStillMerges) {
  options_.merge_fan_in = 1000;
  Open();
  for (int i = 0; i < 63; ++i) SealedCommit(1);
  EXPECT_TRUE(Pick(false).empty());
  for (int i = 0; i < 7; ++i) SealedCommit(1);
  EXPECT_EQ(Pick(false).size(), 64u);
}

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
    const Ids ids = Pick(true);
    std::uint64_t last = 0;
    std::uint64_t inputs = 0;
    for (const SegmentPtr& s : store_->view()->segments) inputs += s->rows();
    ASSERT_TRUE(MergeSegments(store_.get(), ids, [&](std::uint64_t written) {
                  EXPECT_GT(written, last);
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
      ASSERT_TRUE(SegmentOrderLess(*read, i - 1, *read, i)) << i;
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
  ASSERT_TRUE(MergeSegments(store_.get(), {1, 2}, {}).ok());
  const SegmentSpec& spec = store_->view()->segments[0]->meta().spec;
  EXPECT_EQ(spec.seq_first, 1u);
  EXPECT_EQ(spec.seq_last, 3u);
  EXPECT_EQ(spec.segment_id, 3u);
}

TEST_F(MergeTest, StoppedByProgressNothingChanges) {
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(20'000);
  const auto files = Files();
  const ViewPtr view = store_->view();
  for (int steps = 0; steps < 3; ++steps) {
    int calls = 0;
    const Status status =
        MergeSegments(store_.get(), {1, 2, 3}, [&](std::uint64_t) { return ++calls <= steps; });
    EXPECT_EQ(status.code(), StatusCode::kCancelled);
    EXPECT_EQ(store_->view(), view);
    EXPECT_EQ(Files(), files);  // no .tmp stays behind
  }
  EXPECT_TRUE(MergeSegments(store_.get(), {1, 2, 3}, {}).ok());
}

TEST_F(MergeTest, SegmentsThatAreGoneAreAConflict) {
  Open();
  for (int i = 0; i < 3; ++i) SealedCommit(5);
  EXPECT_EQ(MergeSegments(store_.get(), {1, 9}, {}).code(), StatusCode::kConflict);
  EXPECT_EQ(MergeSegments(store_.get(), {1}, {}).code(), StatusCode::kConflict);
  // They vanish while the merge is under way.
  bool inner = false;
  const Status outer = MergeSegments(store_.get(), {1, 2}, [&](std::uint64_t) {
    if (!inner) {
      inner = true;
      EXPECT_TRUE(MergeSegments(store_.get(), {1, 2}, {}).ok());
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
  ASSERT_TRUE(MergeSegments(store_.get(), {1, 2}, [&](std::uint64_t) {
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
      const auto rows = AllRows();
      Open();  // nothing cached
      fault_.FailNth(n, FaultVfs::Fault::kError, /*persistent=*/false, reads);
      const Status merged = MergeSegments(store_.get(), SegmentIds(), {});
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
