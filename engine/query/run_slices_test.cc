#include "query/run_slices.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

using Runs = std::vector<Run>;  // inside a test, Run is another thing

class RunSlicesTest : public QueryTest {
 protected:
  /// Some customers with one row, one with many vectors.
  void PutMonth(Random* random) {
    for (int i = 0; i < 6000; ++i) {
      Event e;
      e.time = At("2026-03-01") + static_cast<TimeUs>(random->Below(31 * 24 * 4)) * kHourUs / 4;
      const std::string customer =
          "c" + std::to_string(random->Below(3) == 0 ? random->Below(900) : random->Below(2));
      e.customer = customer;
      e.service = random->Below(2) == 0 ? "api" : "storage";
      Put(e);
    }
    Commit();
    Seal();
    view_ = store_->view();
  }
  [[nodiscard]] const SegmentReader& segment() const { return *view_->segments[0]; }
  /// A look at every row.
  Runs RowByRow(const Interval& range) {
    Runs slices;
    const auto directory = segment().directory();
    EXPECT_TRUE(directory);
    const auto rows = segment().ReadRows(0, segment().rows());
    EXPECT_TRUE(rows);
    for (const auto& run : (*directory)->runs()) {
      Runs::value_type slice{run.customer, run.service, 0, 0};
      for (std::uint32_t r = run.first_row; r < run.first_row + run.rows; ++r) {
        if (rows->times[r] < range.from || rows->times[r] >= range.to) continue;
        if (slice.rows++ == 0) slice.first_row = r;
      }
      if (slice.rows > 0) slices.push_back(slice);
    }
    return slices;
  }

  ViewPtr view_;
};

TEST_F(RunSlicesTest, AreTheRowsOfEachRunInTheRange) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  PutMonth(&random);
  ASSERT_EQ(view_->segments.size(), 1u);
  const TimeUs start = At("2026-03-01");
  for (int k = 0; k < 60; ++k) {
    Interval range{start + static_cast<TimeUs>(random.Below(744)) * kHourUs, 0};
    range.to =
        range.from + static_cast<TimeUs>(1 + random.Below(300)) * kHourUs;  // beyond March, too
    if (k % 8 == 0) range.from = kTimeMin;
    for (int again = 0; again < 2; ++again) {  // computed, then kept
      const auto slices = RunSlices::Load(segment(), range);
      ASSERT_TRUE(slices && *slices);
      const auto runs = (*slices)->runs();
      ASSERT_EQ(Runs(runs.begin(), runs.end()), RowByRow(range));
    }
  }
}

TEST_F(RunSlicesTest, AreOfWholeHoursOnly) {
  Random random(1);
  PutMonth(&random);
  const TimeUs day = At("2026-03-09");
  const auto load = [&](TimeUs from, TimeUs to) {
    const auto slices = RunSlices::Load(segment(), {from, to});
    EXPECT_TRUE(slices);
    return slices->has_value();
  };
  EXPECT_TRUE(load(day, day + kDayUs));
  EXPECT_FALSE(load(day + 1, day + kDayUs));
  EXPECT_FALSE(load(day, day + kDayUs - 1));
  // Where the range reaches beyond the rows its end does not matter.
  EXPECT_TRUE(load(day, At("2026-04-03") + 7));
  EXPECT_TRUE(load(At("2026-02-03") + 7, day));
}

}  // namespace
}  // namespace quipu
