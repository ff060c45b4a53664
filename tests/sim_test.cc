#include <gtest/gtest.h>

#include <iostream>

#include "base/test_seed.h"
#include "tests/sim_world.h"
#include "tests/trace.h"

namespace quipu {
namespace {
TEST(Sim, Try) {
  const std::uint64_t base = TestSeed();
  const char* given = std::getenv("QUIPU_ROUNDS");
  const int rounds = given != nullptr ? std::atoi(given) : 100;
  WorldReport sum;
  for (int i = 0; i < rounds; ++i) {
    const Trace trace = RandomTrace(base + static_cast<std::uint64_t>(i), 60, {.cuts = 25});
    const WorldReport r = Play(trace);
    ASSERT_EQ(r.failure, "") << Print(trace);
    sum.cuts += r.cuts; sum.recoveries += r.recoveries; sum.recoveries_cut += r.recoveries_cut;
    sum.unknown_kept += r.unknown_kept; sum.unknown_lost += r.unknown_lost; sum.suffix_lost += r.suffix_lost;
    sum.jobs_interrupted += r.jobs_interrupted; sum.within += r.within; sum.events += r.events; sum.from_cells += r.from_cells;
  }
  std::cout << "seed " << base << " cuts " << sum.cuts << " rec " << sum.recoveries << " cut in rec " << sum.recoveries_cut
    << " kept " << sum.unknown_kept << " lost " << sum.unknown_lost << " suffix " << sum.suffix_lost << " jobs "
    << sum.jobs_interrupted << " within " << sum.within << " events " << sum.events << " cells " << sum.from_cells << "\n";
}
}
}
