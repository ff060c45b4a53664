// What the policy costs over months of data: a table of loads, each with the bounds it must keep.
#include "base/clock.h"
#include "upkeep/compaction_testing.h"

namespace quipu {
namespace {

constexpr MonthIndex kFirst = 600;

struct Load {
  const char* name;
  std::uint64_t events;
  int months;                 // over which they are spread
  std::uint64_t seal_events;  // events of one seal
  double late_share;          // of them go to all the months before
  double write_amplification_max;
  std::size_t depth_max;      // of any month at any time
  std::size_t old_files_max;  // late files of a closed month
};

constexpr std::uint64_t kEventBytes = 22;
// A commit's blob beside the encoded rows.
constexpr double kLogShare = 1.2;

struct Outcome {
  double write_amplification = 0;
  std::size_t depth = 0, late_files = 0;
};

Outcome Simulate(const Load& load) {
  CompactionModel model;
  Outcome worst;
  const std::uint64_t seals = load.events / load.seal_events;
  const auto late =
      static_cast<std::uint64_t>(static_cast<double>(load.seal_events) * load.late_share);
  const TimeUs step =
      (MonthStart(kFirst + load.months) - MonthStart(kFirst)) / static_cast<TimeUs>(seals);
  model.now = MonthStart(kFirst);
  for (std::uint64_t i = 0; i < seals; ++i) {
    model.now += step;
    const MonthIndex month = MonthOf(model.now - 1);
    model.Seal(month, (load.seal_events - late) * kEventBytes);
    const auto before = static_cast<std::uint64_t>(month - kFirst) + 1;
    for (std::uint64_t m = 0; m < before && late > 0; ++m)
      model.Seal(kFirst - 1 + static_cast<MonthIndex>(m), late * kEventBytes / before + 1);
    model.Settle();
    for (MonthIndex m = kFirst; m <= month; ++m)
      worst.depth = std::max(worst.depth, model.Depth(m));
    if (testing::Test::HasFatalFailure()) return worst;
  }
  model.now = MonthStart(kFirst + load.months) + model.options.month_close_after_us + kDayUs;
  model.Settle();
  for (MonthIndex m = kFirst; m < kFirst + load.months; ++m)
    worst.late_files = std::max(worst.late_files, model.Depth(m) - 1);
  EXPECT_EQ(model.LiveBytes(), model.sealed_bytes);
  const auto live = static_cast<double>(model.LiveBytes());
  worst.write_amplification = kLogShare + 1 + static_cast<double>(model.merged_bytes) / live;
  return worst;
}

TEST(CompactionSimulation, WriteAmplificationStaysBelowFive) {
  const Load loads[] = {
      {"50 M events of a month", 50'000'000, 1, 640'000, 0.01, 5.0, 24, 6},
      {"50 M events of a year", 50'000'000, 12, 640'000, 0.01, 5.0, 20, 8},
      {"50 M events of three years", 50'000'000, 36, 640'000, 0.01, 5.0, 20, 12},
      {"50 M events of a year, small seals", 50'000'000, 12, 100'000, 0.01, 5.5, 30, 12},
      {"1 G events of three years", 1'000'000'000, 36, 640'000, 0.01, 5.0, 30, 12},
      {"1 G events of a month", 1'000'000'000, 1, 640'000, 0.01, 5.3, 40, 6},
      {"50 M events of a year, 10 % late", 50'000'000, 12, 640'000, 0.1, 6.0, 24, 12},
  };
  for (const Load& load : loads) {
    SCOPED_TRACE(load.name);
    const Outcome outcome = Simulate(load);
    EXPECT_LE(outcome.write_amplification, load.write_amplification_max);
    EXPECT_LE(outcome.depth, load.depth_max);
    EXPECT_LE(outcome.late_files, load.old_files_max);
    std::printf(
        "%-36s write amplification %.2f, segments a customer-month %zu at most, late files %zu\n",
        load.name, outcome.write_amplification, outcome.depth, outcome.late_files);
  }
}

TEST(CompactionSimulation, ATrickleDoesNotRewriteAMonth) {
  CompactionModel model;
  model.now = MonthStart(kFirst) + kDayUs;
  for (int i = 0; i < 80; ++i) model.Seal(kFirst, 14 << 20);
  model.now = MonthStart(kFirst + 2) + kDayUs * 30;
  model.Settle();
  ASSERT_EQ(model.Depth(kFirst), 1u);
  const std::uint64_t merged = model.merged_bytes;
  std::uint64_t late = 0;
  for (int i = 0; i < 1000; ++i) {  // every hour 10 KB
    model.now += kHourUs;
    model.Seal(kFirst, 10'000);
    late += 10'000;
    model.Settle();
    ASSERT_LE(model.Depth(kFirst), 16u);
  }
  EXPECT_LE(model.merged_bytes - merged, 8 * late);
}

}  // namespace
}  // namespace quipu
