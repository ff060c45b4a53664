#include "store/watermark.h"

#include <gtest/gtest.h>

#include "base/vfs_testing.h"

namespace quipu {
namespace {

constexpr Hash128 kStore{1, 2};

class WatermarkTest : public ::testing::Test {
 protected:
  WatermarkTest() {
    EXPECT_TRUE(vfs_.MakeFolder("/s").ok());
    EXPECT_TRUE(vfs_.SyncFolder("/").ok());
  }
  std::uint64_t Read(const Hash128& id = kStore) {
    auto seq = Watermark::Read(vfs_, "/s", id);
    EXPECT_TRUE(seq) << seq.error().ToString();
    return seq ? *seq : ~0ull;
  }
  std::unique_ptr<Watermark> Start(std::uint64_t seq) {
    auto watermark = Watermark::Start(&vfs_, &clock_, "/s", kStore, seq);
    EXPECT_TRUE(watermark) << watermark.error().ToString();
    return *std::move(watermark);
  }
  std::vector<std::string> Files() { return *vfs_.List("/s"); }

  MemoryVfs vfs_;
  ManualClock clock_{1'700'000'000'000'000};
};

TEST_F(WatermarkTest, TheHighestRecordCounts) {
  EXPECT_EQ(Read(), 0u);
  auto watermark = Start(7);
  EXPECT_EQ(Read(), 7u);
  for (std::uint64_t seq = 8; seq < 20; ++seq) ASSERT_TRUE(watermark->Advance(seq).ok());
  EXPECT_EQ(Read(), 19u);
  ASSERT_TRUE(watermark->Close().ok());
  EXPECT_EQ(Read({1, 3}), 0u);  // of another store
}

TEST_F(WatermarkTest, EachOpenStartsAFileAndRemovesTheOlder) {
  ASSERT_TRUE(Start(1)->Close().ok());
  ASSERT_TRUE(Start(5)->Close().ok());
  EXPECT_EQ(Files(), (std::vector<std::string>{"WATERMARK-0000000002"}));
  EXPECT_EQ(Read(), 5u);
}

TEST_F(WatermarkTest, AFullFileIsFollowedByANewOne) {
  auto watermark = Start(0);
  for (std::uint64_t seq = 1; seq <= kWatermarkRecordsMax + 10; ++seq)
    ASSERT_TRUE(watermark->Advance(seq).ok());
  EXPECT_EQ(Read(), kWatermarkRecordsMax + 10u);
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(WatermarkTest, DamagedAndTornRecordsAreSkipped) {
  auto watermark = Start(3);
  for (std::uint64_t seq = 4; seq < 8; ++seq) ASSERT_TRUE(watermark->Advance(seq).ok());
  ASSERT_TRUE(watermark->Close().ok());
  const std::string path = "/s/" + Files()[0];
  ASSERT_TRUE(vfs_.Truncate(path, 5 * 16 - 3).ok());
  EXPECT_EQ(Read(), 6u);
  ASSERT_TRUE(vfs_.FlipBit(path, 3 * 16 + 7, 6).ok());  // 6 would read as 2^62 + 6
  EXPECT_EQ(Read(), 5u);
}

TEST_F(WatermarkTest, ItIsSyncedOnceASecondAndSurvivesThen) {
  auto watermark = Start(3);
  ASSERT_TRUE(watermark->Advance(4).ok());
  clock_.Advance(kWatermarkSyncUs);
  ASSERT_TRUE(watermark->Advance(5).ok());
  ASSERT_TRUE(watermark->Advance(6).ok());
  Random random(1);
  vfs_.PowerCut(random, 0);
  EXPECT_EQ(Read(), 5u);
}

}  // namespace
}  // namespace quipu
