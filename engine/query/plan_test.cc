#include "query/plan.h"

#include <algorithm>

#include "query/query_testing.h"

namespace quipu {
namespace {

class PlanTest : public QueryTest {
 protected:
  /// One month: a large customer (which gets cells of its own) and small ones.
  void Fill(Random& random, int rows) {
    for (int i = 0; i < rows; ++i) {
      const std::string customer =
          random.Below(3) > 0 ? "large" : "small-" + std::to_string(random.Below(40));
      Event e;
      e.customer = customer;
      e.service = random.Below(4) == 0 ? "batch" : "api";
      e.time = At("2026-03-01") + static_cast<TimeUs>(random.Below(31 * kDayUs));
      if (random.Below(3) == 0)
        e.time = At("2026-03-11") + static_cast<TimeUs>(random.Below(3 * kHourUs));
      e.measures = {{"m", static_cast<std::int64_t>(random.Below(1000))}};
      Put(e);
    }
    Commit();
    Seal();
  }
};

/// How often each row of the segment is covered by the raw pieces and cells of a plan: must be once if it was asked for.
void ExpectCoversOnce(const BoundQuery& query, const SegmentReader& segment,
                      const SegmentPlan& plan) {
  const auto rows = segment.ReadRows(0, segment.rows());
  ASSERT_TRUE(rows);
  const auto table = segment.summaries();
  ASSERT_TRUE(table);
  std::vector<int> covered(rows->size(), 0);
  std::uint32_t next = 0;
  for (std::size_t p = 0; p < plan.raw_pieces(); ++p) {
    const RawPiece piece = plan.raw_piece(p);
    ASSERT_GE(piece.run.first_row, next) << "raw pieces ascend";
    next = piece.run.first_row + piece.run.rows;
    for (std::uint32_t r = piece.run.first_row; r < next; ++r) {
      for (std::uint32_t k = 0; k < piece.intervals; ++k) {
        const Interval& i = plan.intervals[piece.first_interval + k];
        if (rows->times[r] >= i.from && rows->times[r] < i.to) ++covered[r];
      }
    }
  }
  std::uint64_t cell_rows = 0;
  for (const CellUse& use : plan.cells) cell_rows += (*table)->rows(use.cell);
  std::uint64_t left_to_cells = 0;
  for (std::size_t r = 0; r < covered.size(); ++r) {
    const bool asked = rows->times[r] >= query.from && rows->times[r] < query.to &&
                       query.WantsCustomer(rows->customers[r]) &&
                       query.WantsService(rows->services[r]);
    ASSERT_LE(covered[r], asked ? 1 : 0) << "row " << r;
    left_to_cells += asked && covered[r] == 0 ? 1 : 0;
  }
  // Which rows a cell stands for is not written down, but the number of rows must come out; the answers are compared elsewhere.
  ASSERT_EQ(left_to_cells, cell_rows);
}

TEST_F(PlanTest, PiecesTileAnyRangeAndWindow) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Fill(random, 20'000);
  const ViewPtr view = store_->view();
  ASSERT_EQ(view->segments.size(), 1u);
  std::uint64_t cells = 0;
  for (int round = 0; round < 120; ++round) {
    QuerySpec spec =
        Query()
            .Select(random.Below(2) == 0 ? "count" : "sum(m), p50(m), distinct(customer)")
            .spec();
    const TimeUs unit = random.Below(2) == 0   ? kHourUs
                        : random.Below(2) == 0 ? kDayUs
                                               : TimeUs{7919};
    const TimeUs a =
        FloorTo(At("2026-02-28") + static_cast<TimeUs>(random.Below(33 * kDayUs)), unit);
    const TimeUs b =
        FloorTo(At("2026-02-28") + static_cast<TimeUs>(random.Below(33 * kDayUs)), unit);
    if (random.Below(4) > 0) spec.from = std::min(a, b);
    if (random.Below(4) > 0) spec.to = std::max(a, b);
    constexpr WindowUnit kUnits[] = {WindowUnit::kNone, WindowUnit::kHour, WindowUnit::kDay,
                                     WindowUnit::kWeek, WindowUnit::kMonth};
    const char* zones[] = {"UTC", "Asia/Kathmandu", "America/New_York"};
    spec.window = {kUnits[random.Below(5)], zones[random.Below(3)]};
    if (random.Below(2) == 0) spec.group_by.push_back("customer");
    if (random.Below(2) == 0) spec.group_by.push_back("service");
    if (random.Below(3) == 0) spec.customers = {"large", "small-3", "small-17"};
    if (random.Below(3) == 0) spec.services = {"batch"};
    const auto bound = Bind(*view, store_->catalogue(), spec);
    ASSERT_TRUE(bound) << bound.error().ToString();
    const auto plan = PlanSegment(*bound, *view->segments[0]);
    ASSERT_TRUE(plan);
    if (!bound->empty) ExpectCoversOnce(*bound, *view->segments[0], *plan);
    cells += plan->cells.size();
    if (HasFatalFailure()) return;
    // And the answers agree.
    const std::string with = Text(TryAsk(spec));
    spec.raw_only = true;
    ASSERT_EQ(Text(TryAsk(spec)), with) << "round " << round;
  }
  EXPECT_GT(cells, 1000u);  // summaries were used at all
}

TEST_F(PlanTest, AWholeMonthIsOneCellAService) {
  Random random(1);
  Fill(random, 5000);
  const QuerySpec spec = Query().Select("count, sum(m)").Between("2026-03-01", "2026-04-01").spec();
  const auto answer = TryAsk(spec);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->stats.cells, 2u);
  EXPECT_EQ(answer->stats.rows, 0u);
  EXPECT_EQ(answer->stats.segments, 1u);
}

TEST_F(PlanTest, SegmentsOutsideTheRangeAreNotTouched) {
  Random random(1);
  Fill(random, 100);
  Put("2026-05-01", "x", 1);
  Commit();
  const auto answer = TryAsk(Query().Select("count").From("2026-04-15").spec());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->stats.segments, 0u);
  EXPECT_EQ(answer->stats.hot_rows, 1u);
}

}  // namespace
}  // namespace quipu
