// Traces that once failed, as the reducer printed them (tests/reducer.h). Each says what was wrong.
#include <gtest/gtest.h>

#include "tests/sim_trial.h"
#include "tests/trace.h"

namespace quipu {
namespace {

void ExpectPasses(const char* text, const WorldSetup& setup = {}) {
  const auto trace = ParseTrace(text);
  ASSERT_TRUE(trace) << trace.error().ToString();
  Try(*trace, setup);
}

/// Several batches share a commit. The month of event 92 has no ids any more; it is sent with a stamp, accepted, and sent again without one.
/// It was `too_late`, but with a commit of its own it had been `duplicate`: what was answered depended on which batches came together.
TEST(SimRegressions, ARepeatOfAStampedLateEventInTheSameCommit) {
  ExpectPasses(R"(
seed 20008
send 67 94
archive 2 1 0
stamp 0 92
stamp 0 92 94
)");
}

/// Interval mode. A process was killed; the next one found its last commit, which nobody had synced yet, and wrote into the watermark that it is
/// durable. Then the power failed, the commit was gone, and the store refused to open for ever.
TEST(SimRegressions, AnUnsyncedCommitOfAKilledProcessIsNotWitnessedBeforeItIsDurable) {
  ExpectPasses(R"(
seed 20368
send 82
reopen 0
)");
}

/// The test's own mistake: an event without a time, sent again after its id was forgotten, is a new one (decision 0019).
TEST(SimRegressions, AnEventWithoutATimeIsNewOnceItsIdIsForgotten) {
  ExpectPasses(R"(
seed 25101713332377222
policy 14
step -1
send 6
advance 1900800
advance 1728000
retain 0
stamp 1 6
)");
}

}  // namespace
}  // namespace quipu
