#include "upkeep/compaction.h"

#include "base/clock.h"
#include "store/store_testing.h"
#include "upkeep/compaction_testing.h"

namespace quipu {
namespace {

using Ids = std::vector<std::uint64_t>;
constexpr std::uint64_t kMiB = 1u << 20;
constexpr MonthIndex kMonth = 600;

class CompactionTest : public testing::Test {
 protected:
  CompactionTest() { model_.now = MonthStart(kMonth) + kDayUs; }
  void CloseByTheClock() {
    model_.now = MonthStart(kMonth + 1) + model_.options.month_close_after_us;
  }
  Ids Inputs(bool on_request = false) {
    const auto job = model_.Pick(on_request);
    return job ? job->inputs : Ids();
  }
  CompactionModel model_;
};

TEST_F(CompactionTest, AnOpenMonthWaitsForTheFanIn) {
  for (int i = 0; i < 7; ++i) model_.Seal(kMonth, 14 * kMiB);
  model_.Seal(kMonth + 1, 14 * kMiB);  // months are apart
  EXPECT_FALSE(model_.Pick());
  model_.Seal(kMonth, 14 * kMiB);
  const auto job = model_.Pick();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->inputs, (Ids{1, 2, 3, 4, 5, 6, 7, 9}));
  EXPECT_EQ(job->level, SegmentLevel::kMerged);
  EXPECT_EQ(job->run, 0u);
  model_.Settle();
  EXPECT_EQ(model_.Files(kMonth), 1u);
  model_.options.merge_fan_in = 0;  // never less than two
  model_.Seal(kMonth + 1, 14 * kMiB);
  EXPECT_EQ(Inputs(), (Ids{8, 11}));
}

TEST_F(CompactionTest, ALargeFileIsNotRewrittenForSmallOnes) {
  model_.Seal(kMonth, 64 * kMiB);
  for (int i = 0; i < 7; ++i) model_.Seal(kMonth, kMiB);
  EXPECT_FALSE(model_.Pick());  // 71 MiB from 64
  model_.Seal(kMonth, kMiB);
  EXPECT_EQ(Inputs(), (Ids{2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(CompactionTest, TheSmallestCountAlike) {
  for (std::uint64_t bytes = 100; model_.segments.size() < 8; bytes *= 2)
    model_.Seal(kMonth, bytes);
  EXPECT_EQ(Inputs().size(), 8u);
}

TEST_F(CompactionTest, FilesPileUpOnlySoFar) {
  // Each 1.5 times the one before: eight neighbours make three times the largest, which is little.
  double bytes = kMiB;
  for (int i = 0; i < 12; ++i, bytes *= 1.5) model_.Seal(kMonth, static_cast<std::uint64_t>(bytes));
  model_.options.segment_bytes_target = model_.options.merged_rows_max = 1ull << 40;
  EXPECT_FALSE(model_.Pick());
  for (int i = 0; i < 4; ++i, bytes *= 1.5) model_.Seal(kMonth, static_cast<std::uint64_t>(bytes));
  EXPECT_TRUE(model_.Pick());
}

TEST_F(CompactionTest, FullFilesWaitForTheClose) {
  for (int i = 0; i < 20; ++i) model_.Seal(kMonth, 120 * kMiB);
  EXPECT_FALSE(model_.Pick());
  CloseByTheClock();
  const auto job = model_.Pick();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->inputs.size(), 20u);
  EXPECT_EQ(job->level, SegmentLevel::kClosed);
  model_.Settle();
  EXPECT_EQ(model_.Files(kMonth), 15u);
  EXPECT_EQ(model_.Depth(kMonth), 1u);
  EXPECT_EQ(model_.merges, 1u);
}

TEST_F(CompactionTest, FilesOfOneLargeCustomerAreNotMixedWithOthers) {
  for (int i = 0; i < 7; ++i) model_.Seal(kMonth, 40 * kMiB, 5, 5);
  for (int i = 0; i < 7; ++i) model_.Seal(kMonth, 40 * kMiB);
  EXPECT_FALSE(model_.Pick());
  model_.Seal(kMonth, 40 * kMiB, 5, 5);
  EXPECT_EQ(Inputs(), (Ids{1, 2, 3, 4, 5, 6, 7, 15}));
  // Small ones are.
  for (int i = 0; i < 8; ++i)
    model_.Seal(kMonth + 1, kMiB, static_cast<CustomerOrdinal>(i), static_cast<CustomerOrdinal>(i));
  model_.Settle();
  EXPECT_EQ(model_.Files(kMonth + 1), 1u);
}

TEST_F(CompactionTest, AMonthThatIsOneRunNeedsNoClose) {
  model_.Seal(kMonth, 100 * kMiB);
  model_.Seal(kMonth, 12 * kMiB);  // an eighth: late
  CloseByTheClock();
  EXPECT_FALSE(model_.Pick());
  model_.Seal(kMonth, 4 * kMiB);  // more than an eighth together
  model_.now += kDayUs;
  EXPECT_EQ(Inputs(), (Ids{1, 2, 3}));
}

TEST_F(CompactionTest, ABusyMonthIsNotClosed) {
  CloseByTheClock();
  for (int i = 0; i < 5; ++i) model_.Seal(kMonth, 10 * kMiB);
  EXPECT_FALSE(model_.Pick());
  model_.now += model_.options.month_quiet_us;
  model_.Seal(kMonth, kMiB / 2);  // a trickle does not keep it busy
  ASSERT_TRUE(model_.Pick());
  EXPECT_EQ(model_.Pick()->level, SegmentLevel::kClosed);
  model_.Seal(kMonth, 2 * kMiB);
  EXPECT_FALSE(model_.Pick());
}

/// A closed month of four files with 250,000 customers each.
class ClosedMonthTest : public CompactionTest {
 protected:
  ClosedMonthTest() {
    for (int i = 0; i < 5; ++i) model_.Seal(kMonth, 128 * kMiB);
    CloseByTheClock();
    model_.Settle();
    EXPECT_EQ(model_.Files(kMonth), 4u);
    run_ = model_.segments[0].run;
    model_.now += kDayUs;
  }
  void Quiet() { model_.now += model_.options.month_quiet_us; }
  std::uint64_t run_ = 0;
};

TEST_F(ClosedMonthTest, LateFilesAreMergedAmongThemselves) {
  for (int i = 0; i < 3; ++i) model_.Seal(kMonth, kMiB);
  Quiet();
  EXPECT_FALSE(model_.Pick());
  const std::uint64_t last = model_.Seal(kMonth, kMiB);
  Quiet();
  EXPECT_EQ(Inputs(), (Ids{last - 3, last - 2, last - 1, last}));
  EXPECT_EQ(model_.Pick()->level, SegmentLevel::kMerged);
  EXPECT_NE(model_.Pick()->run, run_);
  model_.Settle();
  EXPECT_EQ(model_.Depth(kMonth), 2u);
}

TEST_F(ClosedMonthTest, LateFilesJoinAtAnEighth) {
  model_.Seal(kMonth, 79 * kMiB);
  Quiet();
  EXPECT_FALSE(model_.Pick());
  model_.Seal(kMonth, 2 * kMiB);
  Quiet();
  const auto job = model_.Pick();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->inputs.size(), 6u);
  EXPECT_EQ(job->run, run_);
  EXPECT_EQ(job->level, SegmentLevel::kClosed);
  model_.Settle();
  EXPECT_EQ(model_.Depth(kMonth), 1u);
}

TEST_F(ClosedMonthTest, OnlyTouchedFilesAreRewritten) {
  // An eighth of the second file, and nothing of the others.
  const std::uint64_t late = model_.Seal(kMonth, 20 * kMiB, 300'000, 310'000);
  Quiet();
  const auto job = model_.Pick();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->inputs, (Ids{model_.segments[1].id, late}));
  model_.Settle();
  EXPECT_EQ(model_.Files(kMonth), 4u);
  EXPECT_EQ(model_.Depth(kMonth), 1u);
  // Customers that no file has: the file joins the run, others stay.
  const std::uint64_t fresh = model_.Seal(kMonth, 20 * kMiB, 2'000'000, 2'000'999);
  Quiet();
  EXPECT_EQ(Inputs(), (Ids{fresh}));
  model_.Settle();
  EXPECT_EQ(model_.Depth(kMonth), 1u);
}

TEST_F(ClosedMonthTest, AnOwnFileIsTouchedByItsCustomerOnly) {
  model_.segments[0].customer_last = model_.segments[0].customer_first = 100'000;
  model_.segments[0].customers = 1;
  model_.Seal(kMonth, 15 * kMiB, 0, 200'000);
  Quiet();
  EXPECT_FALSE(model_.Pick());  // as far as the ranges say, 160 MiB for 15
  CompactionOrder order{.now_us = model_.now};
  order.holds_customer = [&](std::uint64_t, CustomerOrdinal) { return false; };
  const auto job = PickCompaction(model_.segments, model_.options, order);
  EXPECT_FALSE(
      job);  // by the directory it lies where the run has nothing, but is too small to be a file of its own
  model_.Seal(kMonth, 6 * kMiB, 0, 200'000);
  Quiet();
  const auto larger = PickCompaction(model_.segments, model_.options, order);
  ASSERT_TRUE(larger);
  EXPECT_EQ(larger->inputs.size(), 2u);
}

TEST_F(ClosedMonthTest, OnRequestTakesLessToJoin) {
  model_.Seal(kMonth, 12 * kMiB);
  model_.Seal(kMonth, kMiB);
  Quiet();
  EXPECT_FALSE(model_.Pick());
  EXPECT_EQ(Inputs(true).size(), 6u);  // 2 % of 640 MiB
  model_.Settle(true);
  EXPECT_EQ(model_.Depth(kMonth), 1u);
  EXPECT_FALSE(model_.Pick(true));
  for (int i = 0; i < 3; ++i) model_.Seal(kMonth, kMiB);
  EXPECT_EQ(Inputs(true).size(), 3u);  // too little for the large ones: among themselves
  model_.Settle(true);
  EXPECT_EQ(model_.Depth(kMonth), 2u);
}

TEST_F(ClosedMonthTest, WhatMustStayStays) {
  model_.Seal(kMonth, 200 * kMiB);
  Quiet();
  ASSERT_TRUE(model_.Pick());
  const CompactionOrder order{.now_us = model_.now, .except = {model_.segments[2].id}};
  EXPECT_FALSE(PickCompaction(model_.segments, model_.options, order));
}

TEST_F(CompactionTest, OnRequestOfAnOpenMonthMakesOneRun) {
  for (int i = 0; i < 5; ++i) model_.Seal(kMonth, kMiB << i);
  EXPECT_EQ(Inputs(true).size(), 5u);
  EXPECT_EQ(model_.Pick(true)->level, SegmentLevel::kMerged);
  model_.Settle(true);
  EXPECT_EQ(model_.Files(kMonth), 1u);
  EXPECT_FALSE(model_.Pick(true));
}

TEST_F(CompactionTest, NoMergeHasTooManyFilesOpen) {
  model_.options.merge_fan_in = 1000;
  for (int i = 0; i < 200; ++i) model_.Seal(kMonth, kMiB);
  EXPECT_EQ(Inputs().size(), 64u);
  EXPECT_EQ(Inputs(true).size(), 64u);
  CloseByTheClock();
  for (int steps = 0; const auto job = model_.Pick(); ++steps) {
    ASSERT_LT(steps, 100);
    std::vector<SegmentFacts> inputs;
    for (const SegmentFacts& s : model_.segments) {
      if (std::binary_search(job->inputs.begin(), job->inputs.end(), s.id)) inputs.push_back(s);
    }
    EXPECT_LE(OverlapDepth(inputs), 64u);
    model_.Apply(*job);
  }
  EXPECT_EQ(model_.Depth(kMonth), 1u);
}

TEST_F(CompactionTest, OverlapDepth) {
  EXPECT_EQ(OverlapDepth({}), 0u);
  model_.Seal(kMonth, 1, 0, 10);
  model_.Seal(kMonth, 1, 11, ~CustomerOrdinal{0});
  EXPECT_EQ(model_.Depth(kMonth), 1u);
  model_.Seal(kMonth, 1, 10, 11);
  EXPECT_EQ(model_.Depth(kMonth), 2u);
}

TEST_F(CompactionTest, ItEndsWhateverItStartsFrom) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    CompactionModel model;
    model.now = MonthStart(kMonth) + static_cast<TimeUs>(random.Below(200)) * kDayUs;
    model.options.merge_fan_in = static_cast<std::uint32_t>(2 + random.Below(8));
    model.options.segment_bytes_target = kMiB << random.Below(8);
    const std::uint64_t files = 1 + random.Below(150);
    for (std::uint64_t i = 0; i < files; ++i) {
      const auto a = static_cast<CustomerOrdinal>(random.Below(1000));
      const auto b = static_cast<CustomerOrdinal>(random.Below(1000));
      model.Seal(kMonth + static_cast<MonthIndex>(random.Below(3)),
                 1 + random.Below(kMiB << random.Below(10)), std::min(a, b), std::max(a, b));
      if (random.Below(4) == 0) model.Settle(random.Below(3) == 0);
      if (random.Below(4) == 0) model.now += static_cast<TimeUs>(random.Below(10)) * kDayUs;
    }
    model.Settle();
    EXPECT_EQ(model.LiveBytes(), model.sealed_bytes);
    model.Settle(true);
    EXPECT_EQ(model.LiveBytes(), model.sealed_bytes);
    EXPECT_FALSE(model.Pick(true));
  }
}

/// A job's inputs are of one epoch, at any moment of a life with freezes; and when all are dropped what is left is one run again.
TEST_F(CompactionTest, FreezesKeepTheirSidesApartUntilTheyAreDropped) {
  for (int i = 0; i < 4; ++i) model_.Seal(kMonth, 100 * kMiB);
  CloseByTheClock();
  model_.Settle();
  for (std::uint64_t epoch = 1; epoch <= 12; ++epoch) {
    for (int i = 0; i < 5; ++i) {
      const std::uint64_t id = model_.Seal(kMonth, kMiB);
      for (SegmentFacts& s : model_.segments) s.epoch = s.id == id ? epoch : s.epoch;
    }
    model_.now += 40 * kDayUs;
    while (const auto job = model_.Pick()) {
      std::set<std::uint64_t> epochs;
      for (const SegmentFacts& s : model_.segments) {
        if (std::binary_search(job->inputs.begin(), job->inputs.end(), s.id))
          epochs.insert(s.epoch);
      }
      ASSERT_EQ(epochs.size(), 1u);
      std::set<std::uint64_t> before;
      for (const SegmentFacts& s : model_.segments) before.insert(s.id);
      model_.Apply(*job);
      for (SegmentFacts& s : model_.segments) {
        if (!before.contains(s.id)) s.epoch = *epochs.begin();
      }
    }
  }
  std::map<std::uint64_t, std::set<std::uint64_t>> runs;
  for (const SegmentFacts& s : model_.segments) runs[s.epoch].insert(s.run);
  ASSERT_EQ(runs.size(), 13u);
  for (const auto& [epoch, of_epoch] : runs) EXPECT_EQ(of_epoch.size(), 1u) << epoch;
  for (SegmentFacts& s : model_.segments) s.epoch = 0;
  // The late runs, closed themselves, are merged among themselves: they are too small to rewrite the month for.
  model_.Settle();
  std::set<std::uint64_t> left;
  for (const SegmentFacts& s : model_.segments) left.insert(s.run);
  EXPECT_LE(left.size(), 5u);
}

}  // namespace
}  // namespace quipu
