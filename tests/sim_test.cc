// The simulation: random traces (tests/trace.h) with power cuts at random file operations, also during recovery, on one thread. Whatever is
// found is found again with the seed.
//
// QUIPU_SEED sets the fresh seed, QUIPU_CRASHES how many crash-recoveries are simulated in each of the two runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <iostream>

#include "base/test_seed.h"
#include "tests/reducer.h"
#include "tests/sim_trial.h"
#include "tests/sim_world.h"
#include "tests/trace.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUIPU_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QUIPU_SANITIZED 1
#endif
#endif

namespace quipu {
namespace {

#ifdef QUIPU_SANITIZED
constexpr std::size_t kSlowness = 20;
#else
constexpr std::size_t kSlowness = 1;
#endif
constexpr std::uint64_t kFixedSeed = 20'000;
constexpr std::size_t kFixedCrashes = 14'000 / kSlowness;
constexpr std::size_t kFreshCrashes = 6'000 / kSlowness;
constexpr std::uint64_t kTracesMoreMax = 500;
constexpr std::size_t kOpsOfTrace = 120;
constexpr TraceMix kMix{.cuts = 70};

std::size_t Crashes(std::size_t standard) {
  const char* given = std::getenv("QUIPU_CRASHES");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : standard;
}

/// What a run is about.
bool HasSeenAll(const WorldReport& r) {
  return r.unknown_kept > 0 && r.unknown_lost > 0 && r.suffix_lost > 0 && r.within > 0 &&
         r.from_cells > 0 && r.of_freezes > 0;
}

/// Plays traces of consecutive seeds until there have been so many crash-recoveries; with `wants_all`, goes on (at most kTracesMoreMax traces) until
/// everything was seen.
WorldReport Simulate(std::uint64_t seed, std::size_t crashes, const WorldSetup& setup = {},
                     bool wants_all = false) {
  const std::clock_t begin = std::clock();
  WorldReport sum;
  std::uint64_t traces = 0, more = 0;
  for (;; ++traces) {
    if (sum.recoveries + sum.recoveries_cut >= crashes &&
        (!wants_all || HasSeenAll(sum) || ++more > kTracesMoreMax))
      break;
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed + traces));
    AddTo(&sum, Try(RandomTrace(seed + traces, kOpsOfTrace, kMix), setup));
    if (::testing::Test::HasFailure()) break;
  }
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const std::size_t recoveries = sum.recoveries + sum.recoveries_cut;
  std::cout << "QUIPU_SEED=" << seed << ": " << traces << " traces, "
            << static_cast<std::size_t>(static_cast<double>(recoveries) / seconds)
            << " crash-recoveries a second of processor time; " << Describe(sum) << std::endl;
  return sum;
}

/// The run has seen what it is about.
void ExpectWorth(const WorldReport& r) {
  EXPECT_GT(r.recoveries_cut, r.recoveries / 50);
  EXPECT_GT(r.jobs_interrupted, r.recoveries / 50);
  EXPECT_TRUE(HasSeenAll(r)) << Describe(r);
}

TEST(Sim, FixedSeeds) { ExpectWorth(Simulate(kFixedSeed, Crashes(kFixedCrashes), {}, true)); }

TEST(Sim, FreshSeed) { ExpectWorth(Simulate(TestSeed(), Crashes(kFreshCrashes), {}, true)); }

/// The same traces over RocksDB and real files. A crash is a killed process here: everything written is there.
TEST(Sim, SameTracesOverRocksDb) {
  const WorldReport sum = Simulate(kFixedSeed, 60 / (kSlowness > 1 ? 6 : 1), {.real = true});
  EXPECT_EQ(sum.suffix_lost, 0u);
}

/// The same traces over Database with its threads, a batch at a time.
TEST(Sim, SameTracesOverTheDatabase) {
  Simulate(kFixedSeed, 1'000 / kSlowness, {.engine = WorldSetup::Engine::kDatabase});
}

/// A drive that lies must be caught: else the simulation proves nothing. And what is caught is made short enough to read.
class LyingDrive : public testing::TestWithParam<DiskLies> {};

TEST_P(LyingDrive, IsCaughtAndTheTraceReduced) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const WorldSetup setup{.lies = GetParam()};
  const auto check = [&](const Trace& t) { return Play(t, setup).failure; };
  Trace trace;
  bool caught = false;
  for (std::uint64_t i = 0; i < 50 && !caught; ++i) {
    trace = RandomTrace(seed + i, kOpsOfTrace, kMix);
    caught = !check(trace).empty();
  }
  ASSERT_TRUE(caught);
  const Reduction least = Reduce(trace, check);
  std::cout << "reduced from " << trace.ops.size() << " to " << least.trace.ops.size()
            << " operations in " << least.tries << " tries\n"
            << AsTest(least.trace, least.failure);
  EXPECT_LE(least.trace.ops.size(), 4u);
  // What is printed is what fails, and it fails because of the drive.
  const auto again = ParseTrace(Print(least.trace));
  ASSERT_TRUE(again);
  EXPECT_EQ(check(*again), least.failure);
  EXPECT_EQ(Play(*again).failure, "");
}

INSTANTIATE_TEST_SUITE_P(All, LyingDrive,
                         testing::Values(DiskLies{.no_file_sync = true},
                                         DiskLies{.no_folder_sync = true},
                                         DiskLies{.no_log_sync = true}),
                         [](const auto& lies) {
                           return std::string(lies.param.no_file_sync     ? "Files"
                                              : lies.param.no_folder_sync ? "Folders"
                                                                          : "Log");
                         });

TEST(Trace, IsTextAndBack) {
  const Trace trace = RandomTrace(TestSeed(), 200, kMix);
  const auto again = ParseTrace(Print(trace));
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(Print(*again), Print(trace));
  EXPECT_EQ(ParseTrace("seed 1\nboil 3").error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseTrace("send 1 x").error().code(), StatusCode::kInvalidArgument);
}

/// One thing that a trace must have in it for a check to fail is what is left.
TEST(Reducer, LeavesWhatMatters) {
  const auto has = [](const Trace& t, OpKind kind, std::int64_t number) {
    for (const Op& op : t.ops) {
      if (op.kind != kind) continue;
      if (std::find(op.numbers.begin(), op.numbers.end(), number) != op.numbers.end()) return true;
    }
    return false;
  };
  Trace trace = RandomTrace(TestSeed(), 300, kMix);
  trace.ops.insert(trace.ops.begin() + 100, {OpKind::kSend, {1, 2, 77, 4}});
  trace.ops.insert(trace.ops.begin() + 200, {OpKind::kArchive, {1, 1, 0}});
  const Reduction least = Reduce(trace, [&](const Trace& t) {
    return has(t, OpKind::kSend, 77) && has(t, OpKind::kArchive, 1) ? "both" : "";
  });
  EXPECT_EQ(least.trace.ops.size(), 2u) << Print(least.trace);
  const bool is_send = least.trace.ops[0].kind == OpKind::kSend;
  EXPECT_EQ(Print(least.trace.ops[is_send ? 0 : 1]), "send 77");
  EXPECT_LE(least.tries, 2000u);
}

}  // namespace
}  // namespace quipu
