#include "store/disk_space.h"

#include <gtest/gtest.h>

#include "base/vfs_testing.h"

namespace quipu {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

class DiskSpaceTest : public testing::Test {
 protected:
  MemoryVfs memory_;
  FaultVfs vfs_{&memory_};
  ManualClock clock_{0};
};

TEST_F(DiskSpaceTest, KeepsTheReserveAndWhatUnsealedRowsNeed) {
  DiskSpace disk(&vfs_, &clock_, "/", 100 * kMiB);
  vfs_.SetFreeBytes(151 * kMiB);
  EXPECT_TRUE(disk.Admit(kMiB / 4, 50 * kMiB).ok());
  const Status full = disk.Admit(kMiB, 50 * kMiB);
  EXPECT_EQ(full.code(), StatusCode::kExhausted);
  EXPECT_NE(full.ToString().find("151 MiB free"), std::string::npos) << full.ToString();
  EXPECT_TRUE(disk.Admit(kMiB, 40 * kMiB).ok());  // some were sealed
}

TEST_F(DiskSpaceTest, NoticesMoreAndLessSpaceWithinATenthOfASecond) {
  DiskSpace disk(&vfs_, &clock_, "/", 100 * kMiB);
  vfs_.SetFreeBytes(200 * kMiB);
  ASSERT_TRUE(disk.Admit(1, 0).ok());
  vfs_.SetFreeBytes(10 * kMiB);
  EXPECT_TRUE(disk.Admit(1, 0).ok());  // not asked again yet
  clock_.Advance(kDiskSampleUs);
  EXPECT_FALSE(disk.Admit(1, 0).ok());
  vfs_.SetFreeBytes(200 * kMiB);
  EXPECT_FALSE(disk.Admit(1, 0).ok());
  clock_.Advance(kDiskSampleUs);
  EXPECT_TRUE(disk.Admit(1, 0).ok());
}

TEST_F(DiskSpaceTest, CountsWhatCameInSinceItAsked) {
  DiskSpace disk(&vfs_, &clock_, "/", 100 * kMiB);
  vfs_.SetFreeBytes(120 * kMiB);
  int admitted = 0;
  while (admitted < 100 && disk.Admit(kMiB, 0).ok()) ++admitted;
  EXPECT_EQ(admitted, 10);  // each counts twice
  // After 16 MiB the system is asked again even if the clock stands still.
  vfs_.SetFreeBytes(1000 * kMiB);
  DiskSpace other(&vfs_, &clock_, "/", 100 * kMiB);
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(other.Admit(kMiB, 0).ok());
  vfs_.SetFreeBytes(50 * kMiB);
  EXPECT_FALSE(other.Admit(kMiB, 0).ok());
}

TEST_F(DiskSpaceTest, UpkeepMayUseTheReserve) {
  DiskSpace disk(&vfs_, &clock_, "/", 100 * kMiB);
  vfs_.SetFreeBytes(60 * kMiB);
  EXPECT_TRUE(disk.CheckRoomFor(50 * kMiB, 10 * kMiB, "a merge").ok());
  const Status full = disk.CheckRoomFor(51 * kMiB, 10 * kMiB, "a merge");
  EXPECT_EQ(full.code(), StatusCode::kExhausted);
  EXPECT_NE(full.ToString().find("a merge"), std::string::npos);
}

TEST_F(DiskSpaceTest, WithoutAReserveNothingIsAsked) {
  DiskSpace disk(&vfs_, &clock_, "/", 0);
  vfs_.SetFreeBytes(0);
  EXPECT_TRUE(disk.Admit(kMiB, kMiB).ok());
  EXPECT_TRUE(disk.CheckRoomFor(kMiB, kMiB, "a merge").ok());
}

}  // namespace
}  // namespace quipu
