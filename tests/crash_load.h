// The load of the crash tests, and the child that brings it: two threads ingest while small thresholds keep sealing and merging busy, a third
// one erases customers, seals, compacts, freezes, sets a retention policy and runs it, archives, detaches and attaches. What it is about to do and
// what it was answered it says in the lines of crash_record.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quipu/database.h"
#include "tests/crash_record.h"

namespace quipu {

/// Of the store that children write and that their parent looks into.
Options CrashOptions(Durability durability);
/// At the children's time.
Result<Database> OpenCrashStore(const std::string& path, const Options& options);

/// What a question as of the freeze is answered, as a word; "-" if events have left it. kOutOfRange while an archive is detached.
Result<std::string> AnswerOfFreeze(const Database& db, const std::string& name);

/// What a child is started with.
struct CrashTask {
  std::string store;
  Durability durability = Durability::kSync;
  bool writes = true;  ///< False: it only does what does not add to the store.
  std::size_t next = 0;
  std::uint64_t sequence = 0;  ///< Of the next stamped batch.
  std::uint64_t seed = 0;

  [[nodiscard]] std::vector<std::string> ToArguments() const;
};

/// The main program of a child: works until it is killed. `arguments` are all of the process.
[[noreturn]] void RunCrashChild(const std::vector<std::string>& arguments);

}  // namespace quipu
