// Where the stores of the model test live, and the options that they are opened with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"
#include "quipu/database.h"

namespace quipu {

/// Where a store of a test lives: in memory with checked write order, or (real = true) in a folder
/// with RocksDB.
class Surroundings {
 public:
  explicit Surroundings(bool real);
  ~Surroundings();
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  /// Every opening gets its own OrderCheckingVfs: what a restart forgets, it forgets too.
  Result<Database> Open(const Options& options, std::uint64_t seed);

  void PowerCut(Random& random);

  /// What a power cut left behind stands in the way of an erasure until somebody removes it.
  void EmptyQuarantine();

  ManualClock& clock() { return clock_; }
  [[nodiscard]] bool real() const { return real_; }

 private:
  bool real_;
  std::string folder_;
  ManualClock clock_;
  MemoryVfs memory_;
  MemoryKvDisk kv_;
  std::vector<std::unique_ptr<OrderCheckingVfs>> order_;
};

/// Options of any kind that a store must work with.
Options RandomOptions(Random& random);

// For people, who are to repeat a run.

std::string Describe(const Options& options);
std::string Describe(const QuerySpec& query);

}  // namespace quipu
