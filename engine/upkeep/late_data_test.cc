// Late events of any age: 36 months at rest, then one per cent more of all of them in a trickle.
#include <map>
#include <set>

#include "upkeep/merge.h"
#include "upkeep/upkeep_testing.h"

namespace quipu {
namespace {

constexpr int kMonths = 36;
constexpr int kSteps = 35;  // of 31 days each, which the rows are spread over: 36 months
constexpr std::size_t kRowsOfMonth = 4'000;

class LateDataTest : public UpkeepTest {
 protected:
  /// Background merging until nothing is left to do; bytes written.
  std::uint64_t Settle() {
    std::uint64_t written = 0;
    for (int steps = 0; steps < 1000; ++steps) {
      const auto job =
          PickCompactionOf(store_->view(), store_->options(), {.now_us = clock_.NowUs()});
      if (!job) return written;
      MergeReport report;
      const Status merged = RunCompaction(store_.get(), *job, {}, nullptr, &report);
      EXPECT_TRUE(merged.ok()) << merged.ToString();
      written += report.bytes_written;
    }
    ADD_FAILURE() << "it does not come to an end";
    return written;
  }
  std::uint64_t BytesAtLevel(bool closed) const {
    std::uint64_t sum = 0;
    for (const SegmentPtr& s : store_->view()->segments) {
      if ((s->meta().level == SegmentLevel::kClosed) == closed) sum += s->meta().file_bytes;
    }
    return sum;
  }
  std::set<std::uint64_t> ClosedIds() const {
    std::set<std::uint64_t> ids;
    for (const SegmentPtr& s : store_->view()->segments) {
      if (s->meta().level == SegmentLevel::kClosed) ids.insert(s->meta().spec.segment_id);
    }
    return ids;
  }
  /// How many of these closed segments are still there.
  std::size_t Kept(const std::set<std::uint64_t>& closed) const {
    std::size_t kept = 0;
    for (const std::uint64_t id : ClosedIds()) kept += closed.count(id);
    return kept;
  }
  std::size_t MostSegmentsOfAMonth() const {
    std::map<MonthIndex, std::size_t> counts;
    std::size_t most = 0;
    for (const SegmentPtr& s : store_->view()->segments)
      most = std::max(most, ++counts[s->meta().spec.month]);
    return most;
  }
};

TEST_F(LateDataTest, ATrickleIntoOldMonthsRewritesNoMonth) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  Open();
  clock_.SetWall(MonthStart(MonthOf(1'767'225'600 * kSecondUs) + kMonths + 3));
  for (int i = 0; i < 2; ++i) SealedCommit(kMonths * kRowsOfMonth / 2, kSteps);
  EXPECT_EQ(Settle(), 0u);  // busy
  clock_.Advance(options_.month_quiet_us + 1);
  Settle();
  const std::set<std::uint64_t> closed = ClosedIds();
  ASSERT_EQ(closed.size(), static_cast<std::size_t>(kMonths));
  ASSERT_EQ(MostSegmentsOfAMonth(), 1u);
  const std::uint64_t closed_bytes = BytesAtLevel(true);

  std::uint64_t late_bytes = 0, rewritten = 0;
  constexpr std::size_t kSeals = 24;
  for (std::size_t i = 0; i < kSeals; ++i) {
    const std::uint64_t before = BytesAtLevel(false);
    SealedCommit(kMonths * kRowsOfMonth / 100 / kSeals, kSteps);
    late_bytes += BytesAtLevel(false) - before;
    clock_.Advance(10 * kMinuteUs);
    rewritten += Settle();
    // Where a late file is more than 2 % the month counts as open: 7 of level 0, 15 of level 1 and the closed one.
    ASSERT_LE(MostSegmentsOfAMonth(), 23u);
  }
  clock_.Advance(options_.month_quiet_us + 1);
  rewritten += Settle();
  EXPECT_LE(MostSegmentsOfAMonth(), 4u);
  // The month at the edge has few rows, so that late ones may weigh an eighth of it; all others are as they were.
  EXPECT_GE(Kept(closed), closed.size() - 1);
  EXPECT_LE(rewritten, 5 * late_bytes);
  EXPECT_LE(rewritten, closed_bytes / 2);
  const std::vector<std::string> rows = AllRows();
  EXPECT_EQ(rows.size(), kMonths * kRowsOfMonth + kMonths * kRowsOfMonth / 100 / kSeals * kSeals);

  // A fifth more for one month: that one is rewritten, once.
  const std::set<std::uint64_t> before = ClosedIds();
  SealedCommit(kRowsOfMonth / 5, 1);
  clock_.Advance(options_.month_quiet_us + 1);
  rewritten = Settle();
  EXPECT_EQ(Kept(before), before.size() - 1);
  EXPECT_LE(rewritten, closed_bytes / kMonths * 4);  // with late files of others
  EXPECT_EQ(store_->view()->totals.rows, rows.size() + kRowsOfMonth / 5);
  Open();  // totals are checked
  EXPECT_EQ(AllRows().size(), rows.size() + kRowsOfMonth / 5);
}

}  // namespace
}  // namespace quipu
