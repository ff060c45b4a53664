#include "tests/sim_trial.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/reducer.h"

namespace quipu {
namespace {

std::string* playing = nullptr;  // the trace, as text

void SayWhatIsPlaying(int signal) {
  if (playing != nullptr) {
    const char head[] = "\nthe process ends while it plays this trace:\n";
    (void)!write(STDERR_FILENO, head, sizeof head - 1);
    (void)!write(STDERR_FILENO, playing->data(), playing->size());
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

WorldReport Try(const Trace& trace, const WorldSetup& setup) {
  static std::string text;
  text = Print(trace);
  playing = &text;
  [[maybe_unused]] static const auto handler = ::signal(SIGABRT, SayWhatIsPlaying);
  WorldReport report = Play(trace, setup);
  if (!report.failure.empty()) {
    const Reduction least = Reduce(trace, [&](const Trace& candidate) {
      text = Print(candidate);
      return Play(candidate, setup).failure;
    });
    ADD_FAILURE() << report.failure << "\nreduced to " << least.trace.ops.size()
                  << " operations in " << least.tries << " tries:\n"
                  << AsTest(least.trace, least.failure);
  }
  playing = nullptr;
  return report;
}

void AddTo(WorldReport* sum, const WorldReport& one) {
  sum->cuts += one.cuts;
  sum->recoveries += one.recoveries;
  sum->recoveries_cut += one.recoveries_cut;
  sum->unknown_kept += one.unknown_kept;
  sum->unknown_lost += one.unknown_lost;
  sum->suffix_lost += one.suffix_lost;
  sum->jobs_interrupted += one.jobs_interrupted;
  sum->within += one.within;
  sum->from_cells += one.from_cells;
  sum->of_freezes += one.of_freezes;
  sum->events += one.events;
}

std::string Describe(const WorldReport& r) {
  return std::to_string(r.cuts) + " power cuts, " + std::to_string(r.recoveries_cut) +
         " more during recovery; " + std::to_string(r.jobs_interrupted) +
         " jobs interrupted, batches without answer: " + std::to_string(r.unknown_kept) +
         " stored, " + std::to_string(r.unknown_lost) + " not; " + std::to_string(r.suffix_lost) +
         " times a suffix was lost (interval mode); " + std::to_string(r.within) +
         " operations within merges; " + std::to_string(r.from_cells) +
         " answers from summaries; " + std::to_string(r.of_freezes) + " answers of freezes; " +
         std::to_string(r.events) + " events in the end";
}

}  // namespace quipu
