// Crash, look, go on: a store lives through some crashes, then another one begins. A cycle starts a child that works on the store (crash_load.h), lets
// the crash happen at a moment of chance, in every fifth cycle does so again with a child that only keeps house, and looks (crash_look.h).
// A quarter of the crashes may hit the opening of the store, the others hit its work.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "quipu/options.h"
#include "tests/crash_child.h"
#include "tests/crash_look.h"
#include "tests/crash_record.h"

namespace quipu {

/// How the world of a child ends.
class Crash {
 public:
  virtual ~Crash() = default;
  /// Where stores may be made, and where they stay if something was wrong. The children's standard error goes to a file beside it (.log).
  [[nodiscard]] virtual const std::string& folder() const = 0;
  /// What becomes of acknowledged events of an interval mode store.
  [[nodiscard]] virtual Loss loss_of_interval_mode() const = 0;
  /// The moment itself; the child is killed right after it. True if what was said meanwhile must not be believed.
  virtual bool Happen() = 0;
  /// The world is made ready for another look.
  virtual void Recover() = 0;
};

class CrashCycles {
 public:
  /// `crash` must outlive it.
  CrashCycles(std::uint64_t seed, Crash* crash);

  /// Runs so many cycles, and then as many as it takes until there was an acknowledged event and (`wants_all`) an erasure, a deletion by policy, a look at
  /// summaries of expired events and an answer of a freeze that was repeated; fails the test that is running if something is wrong, and prints what was
  /// seen.
  void Run(std::uint64_t seed, int cycles, bool wants_all = true);

 private:
  void Cycle(int cycle);
  void StartStore(int number);
  void RunAndCrash(bool writes);
  bool ListenUntilOpen(CrashChild* child);
  std::int64_t MomentBefore(std::int64_t us_max);
  void Hear(const std::vector<std::string>& lines);
  void Print(int cycles) const;

  Random random_;
  Crash& crash_;
  CrashRecord record_;
  CrashLook look_;
  std::string store_;
  Durability durability_ = Durability::kSync;
  std::int64_t opening_us_ = 0;  // of the last child that was not hit while it opened its store
};

/// A folder in memory if there is room, else that for temporary files.
std::string CrashFolderInMemory();
/// The number in the environment variable, or the standard.
int CrashCyclesFromEnvironment(const char* variable, int standard);

}  // namespace quipu
