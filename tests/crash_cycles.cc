#include "tests/crash_cycles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <vector>

#include "tests/crash_load.h"

namespace quipu {
namespace {

constexpr int kCyclesPerStore = 6;
constexpr int kCyclesMoreMax = 1000;         // until everything was seen
constexpr std::int64_t kOpenUsMax = 20'000;  // hardly any opening takes longer
constexpr std::int64_t kWorkUsMax = 25'000;
constexpr std::int64_t kKeepUsMax = 25'000;
constexpr std::int64_t kSlowUsMax = 500'000;
constexpr std::uintmax_t kMemoryBytesMin = 1u << 30;
constexpr std::int64_t kPatienceUs = 60'000'000;

}  // namespace

CrashCycles::CrashCycles(std::uint64_t seed, Crash* crash)
    : random_(seed), crash_(*crash), look_(&record_) {}

void CrashCycles::Run(std::uint64_t seed, int cycles, bool wants_all) {
  const CrashRecord::Sums& sums = record_.sums();
  const auto has_seen_all = [&] {
    return sums.acknowledged > 0 &&
           (!wants_all || (sums.erasures > 0 && sums.expired > 0 && look_.summarised() > 0 &&
                           sums.answers_kept > 0));
  };
  int i = 0;
  for (; i < cycles || (i < cycles + kCyclesMoreMax && !has_seen_all()); ++i) {
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " cycle " + std::to_string(i));
    Cycle(i);
    if (!::testing::Test::HasFailure()) continue;
    std::cout << "what was found is kept in " << crash_.folder()
              << ", what the children complained of in " << crash_.folder() << ".log" << std::endl;
    return;
  }
  Print(i);
  EXPECT_TRUE(has_seen_all());
}

void CrashCycles::Cycle(int cycle) {
  if (cycle % kCyclesPerStore == 0) StartStore(cycle / kCyclesPerStore);
  ASSERT_NO_FATAL_FAILURE(RunAndCrash(/*writes=*/true));
  if (random_.Below(5) == 0) {
    ASSERT_NO_FATAL_FAILURE(RunAndCrash(/*writes=*/false));
  }
  ASSERT_NO_FATAL_FAILURE(
      look_.Look(store_, durability_, cycle % kCyclesPerStore == kCyclesPerStore - 1));
}

void CrashCycles::StartStore(int number) {
  std::error_code ignored;
  if (!store_.empty()) std::filesystem::remove_all(store_, ignored);
  store_ = crash_.folder() + "/store" + std::to_string(number);
  durability_ = number % 3 == 2 ? Durability::kInterval : Durability::kSync;
  record_.StartStore(durability_ == Durability::kInterval ? crash_.loss_of_interval_mode()
                                                          : Loss::kNothing);
}

void CrashCycles::RunAndCrash(bool writes) {
  CrashTask task{store_, durability_, writes, 0, 0, random_.Next() >> 1};
  task.next = record_.next(0);
  task.sequence = record_.next(1) / kStampedBatch + 1;
  record_.StartChild();
  CrashChild child(task.ToArguments(), crash_.folder() + ".log");
  const bool hits_opening = random_.Below(4) == 0;
  const bool goes_on = (hits_opening || ListenUntilOpen(&child)) &&
                       child.Listen(MomentBefore(hits_opening ? kOpenUsMax
                                                 : writes     ? kWorkUsMax
                                                              : kKeepUsMax));
  ASSERT_NO_FATAL_FAILURE(Hear(child.TakeLines()));
  if (crash_.Happen()) record_.PowerIsCut();
  child.Kill();
  EXPECT_TRUE(goes_on) << "the child ended by itself: " << child.End();
  ASSERT_NO_FATAL_FAILURE(Hear(child.TakeLines()));
  crash_.Recover();
}

bool CrashCycles::ListenUntilOpen(CrashChild* child) {
  const std::int64_t start_us = Clock::System()->MonotonicUs();
  const bool is_open = child->ListenForLine(kPatienceUs);
  opening_us_ = std::min(Clock::System()->MonotonicUs() - start_us, kSlowUsMax);
  return is_open;
}

/// Where an fsync takes its time, so does everything: a child that took longer to open its store gets as long to work on it.
std::int64_t CrashCycles::MomentBefore(std::int64_t us_max) {
  constexpr std::int64_t kParts = 1 << 20;
  return static_cast<std::int64_t>(random_.Below(kParts)) * std::max(us_max, opening_us_) / kParts;
}

void CrashCycles::Hear(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) ASSERT_EQ(record_.Hear(line), "");
}

void CrashCycles::Print(int cycles) const {
  const CrashRecord::Sums& s = record_.sums();
  std::cout << cycles << " cycles, " << s.acknowledged
            << " events acknowledged; batches in flight: " << s.in_flight_kept << " kept whole, "
            << s.in_flight_lost << " not there; " << s.erasures
            << " erasures acknowledged, in flight " << s.erasures_kept << " done, "
            << s.erasures_lost << " not; " << s.expired << " events deleted by the policy, "
            << look_.summarised() << " looks at an event that is in summaries only; " << s.freezes
            << " freezes acknowledged, in flight " << s.freezes_kept << " there, " << s.answers_kept
            << " of their answers repeated; in interval "
            << "mode " << s.suffixes_lost << " suffixes of together " << s.events_lost
            << " events lost" << std::endl;
}

std::string CrashFolderInMemory() {
  const std::filesystem::path memory = "/dev/shm";
  std::error_code error;
  const auto space = std::filesystem::space(memory, error);
  return !error && space.available >= kMemoryBytesMin ? memory
                                                      : std::filesystem::temp_directory_path();
}

int CrashCyclesFromEnvironment(const char* variable, int standard) {
  const char* given = std::getenv(variable);
  return given != nullptr ? std::atoi(given) : standard;
}

}  // namespace quipu
