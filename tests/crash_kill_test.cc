// kill -9, again and again. A child (crash_load.h) opens a real store (real files, RocksDB) and works on it; the parent kills it at a
// moment of chance, reopens the store and holds what it finds against what it was told (crash_look.h). Nothing may be lost, in interval
// mode neither: what was written is with the kernel.
//
// What is not synced is not lost by a kill, so no disk is needed: most stores lie in memory (/dev/shm) if there is room, which makes a cycle
// cheap. The others lie in the folder for temporary files, for the moments that only a slow fsync opens.
//
// QUIPU_KILL_CYCLES sets the number of cycles (a tenth of them on disk), QUIPU_SEED repeats the choices (the timing of a kill remains chance).
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <iostream>

#include "base/check.h"
#include "base/test_seed.h"
#include "tests/crash_cycles.h"
#include "tests/crash_load.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

class Killing final : public Crash {
 public:
  explicit Killing(const fs::path& folder) {
    std::string name = (folder / "quipu_kill_XXXXXX").string();
    QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    stores_ = folder_ + "/stores";
    fs::create_directory(stores_);
  }
  ~Killing() override {
    std::error_code ignored;
    if (!::testing::Test::HasFailure()) fs::remove_all(folder_, ignored);
  }
  Killing(const Killing&) = delete;
  Killing& operator=(const Killing&) = delete;

  [[nodiscard]] const std::string& folder() const override { return stores_; }
  [[nodiscard]] Loss loss_of_interval_mode() const override { return Loss::kNothing; }
  bool Happen() override { return false; }  // the kill is all there is
  void Recover() override {}

 private:
  std::string folder_, stores_;
};

void RunCycles(const fs::path& folder, int cycles, bool wants_all) {
  const std::uint64_t seed = TestSeed();
  std::cout << "QUIPU_SEED=" << seed << ": " << cycles << " cycles in " << folder << std::endl;
  Killing killing(folder);
  CrashCycles(seed, &killing).Run(seed, cycles, wants_all);
}

int Cycles() { return CrashCyclesFromEnvironment("QUIPU_KILL_CYCLES", 1000); }

TEST(CrashKill, NothingAcknowledgedIsLostAndNothingIsCountedTwice) {
  RunCycles(CrashFolderInMemory(), Cycles() - Cycles() / 10, /*wants_all=*/true);
}

/// Where a cycle may get no further than its first commits, seldom to an erasure, and takes a second if an fsync takes 20 ms.
TEST(CrashKill, NorOnADiskThatTakesItsTime) {
  RunCycles(fs::temp_directory_path(), Cycles() / 10, /*wants_all=*/false);
}

}  // namespace
}  // namespace quipu

int main(int argc, char** argv) {
  if (std::string(argv[0]) == quipu::kCrashChildName) quipu::RunCrashChild({argv, argv + argc});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
