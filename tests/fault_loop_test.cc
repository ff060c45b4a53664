// The fault loop: a small life of a store is played again and again; the n-th file operation fails (or the n-th and every later one), for
// n = 1, 2, 3, ... until none fails any more. After each fault the store is reopened and compared with the oracle: what was acknowledged is
// there once, what was refused is not, what had no answer is either, and can be sent again. A job that failed can be done again.
//
// Every n in a soak (QUIPU_SWEEP=full), a sample of them otherwise.
#include <gtest/gtest.h>

#include <iostream>

#include "base/test_seed.h"
#include "tests/short_life.h"
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
constexpr std::uint64_t kSlowness = 10;
#else
constexpr std::uint64_t kSlowness = 1;
#endif

/// All that can happen to a store, once: ingest with repeats, seal, merge, retention, archive, detach, attach, erasure, restarts.
constexpr const char* kLife = R"(
seed 3
send 1 2 3 4 5 6 7 8 9
stamp 0 10 11 12 13
send 3 -4 14
seal
send 15 16 17 18 19 20 21 22
stamp 1 23 24 10
seal
ask 11
send 25 26 27 28
compact 3
send 29 30
seal
write
reopen 1
class 1 1
policy 5
advance 864000
send 31 32 33 34 35 36
retain 0
archive 1 0 0
ask 12
send 37 38 1 2
archive 2 1 0
advance 8640000
detach
ask 13
send 39 40
attach
erase 2
send 41 42 43
finish 0
reopen 0
policy 17
retain 0
send 44 45 46 47 3
compact 0
ask 14
reopen 1
)";

struct Kind {
  const char* name;
  DiskFault fault;
};

class FaultLoop : public testing::TestWithParam<Kind> {
 protected:
  void Run(WorldSetup setup, std::uint64_t step_max) {
    const auto life = ParseTrace(kLife);
    ASSERT_TRUE(life) << life.error().ToString();
    const std::uint64_t seed = TestSeed();
    Random random(seed);
    std::size_t played = 0, trouble = 0;
    std::uint64_t n = 1;
    for (;; n += IsFullSweep() ? 1 : 1 + random.Below(step_max * kSlowness)) {
      SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " n=" + std::to_string(n));
      setup.fault = GetParam().fault;
      setup.fault.n = n;
      const WorldReport report = Try(*life, setup);
      ++played;
      trouble += report.recoveries + report.recoveries_cut + report.jobs_interrupted > 1;
      if (!report.fault_fired || HasFailure()) break;
    }
    std::cout << GetParam().name << ": " << n << " operations, " << played << " of them failed, "
              << trouble << " were felt" << std::endl;
    EXPECT_GT(n, 100u);
    EXPECT_GT(trouble, played / 4);
  }
};

TEST_P(FaultLoop, OverTheLayers) { Run({}, 3); }

class DatabaseFaultLoop : public FaultLoop {};

TEST_P(DatabaseFaultLoop, OverTheDatabase) { Run({.engine = WorldSetup::Engine::kDatabase}, 12); }

using F = FaultVfs::Fault;
const Kind kOnce{"Once", {.kind = F::kError}};
const Kind kOnceButApplied{"OnceButApplied", {.kind = F::kTornWrite, .applied = true}};
const Kind kForGood{"ForGood", {.kind = F::kError, .persistent = true}};
const Kind kDiskFull{"DiskFull", {.kind = F::kNoSpace, .persistent = true}};
const Kind kReadsToo{"ReadsToo", {.kind = F::kError, .reads = true}};
const Kind kReadsTooForGood{"ReadsTooForGood",
                            {.kind = F::kError, .persistent = true, .reads = true}};
const auto kNameOf = [](const auto& kind) { return std::string(kind.param.name); };

INSTANTIATE_TEST_SUITE_P(Kinds, FaultLoop,
                         testing::Values(kOnce, kOnceButApplied, kForGood, kDiskFull, kReadsToo,
                                         kReadsTooForGood),
                         kNameOf);
// Writes only: what failed reads lead to is the layers' business.
INSTANTIATE_TEST_SUITE_P(Kinds, DatabaseFaultLoop,
                         testing::Values(kOnce, kOnceButApplied, kForGood, kDiskFull), kNameOf);

}  // namespace
}  // namespace quipu
