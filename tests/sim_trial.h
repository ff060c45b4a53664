// Playing traces within a test: a failure is reduced and printed as a regression test; a process that ends by an assertion says which
// trace it was playing.
#pragma once

#include <string>

#include "tests/sim_world.h"
#include "tests/trace.h"

namespace quipu {

/// Plays the trace; a failure becomes one of the test that runs, with the shortest trace that still fails.
WorldReport Try(const Trace& trace, const WorldSetup& setup = {});

/// Sums of the figures of reports.
void AddTo(WorldReport* sum, const WorldReport& one);
std::string Describe(const WorldReport& report);

}  // namespace quipu
