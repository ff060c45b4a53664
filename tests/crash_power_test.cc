// Power cuts, again and again, on a real kernel. A child (crash_load.h) works on a store that lies on a disk of its own (power_disk.h); at a moment of
// chance the parent cuts the power, kills the child, mounts the disk again, reopens the store and holds what it finds against what it
// had heard before the cut (crash_look.h). The pipe it hears by is not on that disk. In interval mode, every third store, a cut may take the
// last commits, but no earlier one without all the later ones.
//
// The image of the disk lies in memory (/dev/shm) if there is room: what a cut takes is what the mounted file system had not written, wherever it
// would have gone.
//
// Not seen here: torn sectors and blocks that reach the disk in another order. Nor a folder that was not synced: ext4 commits the journal as a
// whole, so the fsync of RocksDB's log takes every rename before it along. The tests in memory see both (base/vfs_testing.h).
//
// QUIPU_POWER_CUTS sets the number of cycles, QUIPU_SEED repeats the choices (the timing of a cut remains chance).
#include <gtest/gtest.h>

#include <iostream>

#include "base/check.h"
#include "base/test_seed.h"
#include "tests/crash_cycles.h"
#include "tests/crash_load.h"
#include "tests/power_disk.h"

namespace quipu {
namespace {

constexpr std::uint64_t kDiskBytes = 256u << 20;

class PowerCuts final : public Crash {
 public:
  explicit PowerCuts(PowerDisk* disk) : disk_(*disk) {}
  ~PowerCuts() override {
    if (::testing::Test::HasFailure()) disk_.Keep();
  }
  PowerCuts(const PowerCuts&) = delete;
  PowerCuts& operator=(const PowerCuts&) = delete;

  [[nodiscard]] const std::string& folder() const override { return disk_.path(); }
  [[nodiscard]] Loss loss_of_interval_mode() const override { return Loss::kSuffix; }
  bool Happen() override {
    const Status cut = disk_.CutPower();
    EXPECT_TRUE(cut.ok()) << cut.ToString();
    return true;
  }
  void Recover() override {
    const Status restarted = disk_.Restart();
    ASSERT_TRUE(restarted.ok()) << restarted.ToString();
  }

 private:
  PowerDisk& disk_;
};

TEST(CrashPower, NothingAcknowledgedIsLostAndNothingIsCountedTwice) {
  const auto disk = PowerDisk::Make(CrashFolderInMemory(), kDiskBytes);
  if (!disk) {
    GTEST_SKIP() << "NOT TESTED: no power can be cut here, which needs root, loop devices and "
                    "mkfs.ext4: "
                 << disk.error().ToString();
  }
  const std::uint64_t seed = TestSeed();
  const int cycles = CrashCyclesFromEnvironment("QUIPU_POWER_CUTS", 1000);
  std::cout << "QUIPU_SEED=" << seed << ": " << cycles << " power cuts" << std::endl;
  PowerCuts cuts(disk->get());
  CrashCycles(seed, &cuts).Run(seed, cycles);
}

}  // namespace
}  // namespace quipu

int main(int argc, char** argv) {
  if (std::string(argv[0]) == quipu::kCrashChildName) quipu::RunCrashChild({argv, argv + argc});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
