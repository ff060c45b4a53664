// A short life of a store in a process that may die at any moment: the n-th allocation fails, or the n-th system call. What it was told is
// heard through a pipe, and another process then looks at what is left. This process opens no store: RocksDB's threads would not survive
// the forks.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "quipu/database.h"

namespace quipu {

inline constexpr int kLifeBatches = 6;

/// Twenty events, known by the number of the batch.
EventBatch LifeBatch(int number);
Options LifeOptions();
/// QUIPU_SWEEP=full: every n, not a sample.
bool IsFullSweep();

/// Acknowledged at the end by a life of which nothing failed: there is no n above.
inline constexpr int kNothingFailed = 100;

using Acknowledge = std::function<void(int batch)>;
/// Ingests all batches, seals after every second one, merges and closes. Goes on after errors; false if there was one.
bool LiveShortly(Database* db, const std::function<EventBatch(int)>& make_batch,
                 const Acknowledge& acknowledge);

/// How the process ended.
struct Ending {
  std::set<int> acknowledged;
  bool went_well = false;     ///< `live` returned true.
  bool ended_itself = false;  ///< It returned; else it was aborted.
  int status = 0;             ///< As waitpid gives it.
};

/// Runs `live` in a child process, whose standard error is thrown away.
Ending RunToTheEnd(const std::function<bool(const Acknowledge&)>& live);
/// In a child of its own: opens the store and sends everything again. "" if what was acknowledged was there, each batch was there as a
/// whole or not at all, and everything is there in the end.
std::string WrongAfter(const std::string& path, const std::set<int>& acknowledged);

}  // namespace quipu
