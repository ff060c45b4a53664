#include "base/vfs_testing.h"

#include <gtest/gtest.h>

#include "base/test_seed.h"

namespace quipu {
namespace {

using FilePtr = std::unique_ptr<WritableFile>;

FilePtr MustCreate(Vfs& vfs, const std::string& path) {
  Result<FilePtr> file = vfs.Create(path);
  EXPECT_TRUE(file.has_value()) << file.error().ToString();
  return *std::move(file);
}

void MustWrite(Vfs& vfs, const std::string& path, std::string_view text, bool sync = true) {
  FilePtr file = MustCreate(vfs, path);
  EXPECT_TRUE(file->Append(AsBytes(text)).ok());
  if (sync) {
    EXPECT_TRUE(file->Sync().ok());
  }
  EXPECT_TRUE(file->Close().ok());
}

std::string Read(Vfs& vfs, const std::string& path) {
  const Result<std::string> text = ReadWholeFile(vfs, path, 1 << 20);
  return text ? *text : text.error().ToString();
}

TEST(MemoryVfs, PowerCutForgetsWhatWasNotSynced) {
  Random random(1);
  MemoryVfs vfs;
  MustWrite(vfs, "/synced", "1");
  ASSERT_TRUE(vfs.SyncFolder("/").ok());
  MustWrite(vfs, "/no-folder-sync", "2");
  FilePtr open = MustCreate(vfs, "/tail");
  ASSERT_TRUE(open->Append(AsBytes("kept")).ok());
  ASSERT_TRUE(open->Sync().ok());
  ASSERT_TRUE(open->Append(AsBytes("lost")).ok());
  ASSERT_TRUE(vfs.SyncFolder("/").ok());
  ASSERT_TRUE(vfs.Unlink("/no-folder-sync").ok());  // not synced: comes back
  ASSERT_TRUE(vfs.Rename("/synced", "/renamed").ok());
  MustWrite(vfs, "/new", "3");
  auto lock = vfs.Lock("/LOCK");
  vfs.PowerCut(random, 0);
  EXPECT_EQ(*vfs.List("/"), (std::vector<std::string>{"no-folder-sync", "synced", "tail"}));
  EXPECT_EQ(Read(vfs, "/tail"), "kept");
  EXPECT_EQ(Read(vfs, "/synced"), "1");
  EXPECT_TRUE(open->Append(AsBytes("x")).ok());
  EXPECT_TRUE(open->Sync().ok());
  EXPECT_EQ(Read(vfs, "/tail"), "kept");
  EXPECT_TRUE(vfs.Lock("/LOCK").has_value());  // the holder is dead
}

TEST(MemoryVfs, PowerCutMayKeepEverything) {
  Random random(1);
  MemoryVfs vfs;
  ASSERT_TRUE(vfs.MakeFolder("/f").ok());
  MustWrite(vfs, "/f/a", "12345", false);
  ASSERT_TRUE(vfs.Rename("/f/a", "/f/b").ok());
  vfs.PowerCut(random, 100);
  EXPECT_EQ(*vfs.List("/f"), std::vector<std::string>{"b"});
  EXPECT_EQ(Read(vfs, "/f/b"), "12345");
}

TEST(MemoryVfs, AFolderThatWasNotSyncedTakesItsFilesAlong) {
  Random random(1);
  MemoryVfs vfs;
  ASSERT_TRUE(vfs.MakeFolder("/f").ok());
  ASSERT_TRUE(WriteFileDurably(vfs, "/f/a", AsBytes("x")).ok());
  vfs.PowerCut(random, 0);
  EXPECT_FALSE(*vfs.Exists("/f"));
}

/// Every shape that an unsynced tail may take is seen: lost and torn sectors, lengths without their bytes; and nothing else.
TEST(MemoryVfs, LostSectorsReadAsZerosOrAreTornAndRenamesAreWhole) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  int holes = 0, torn = 0, zero_ends = 0, garbage = 0, old_names = 0, new_names = 0;
  for (int i = 0; i < 300; ++i) {
    MemoryVfs vfs;
    const std::string synced(700, 's'), tail(3000, 't');
    FilePtr file = MustCreate(vfs, "/old");
    ASSERT_TRUE(file->Append(AsBytes(synced)).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Append(AsBytes(tail)).ok());
    ASSERT_TRUE(vfs.SyncFolder("/").ok());
    ASSERT_TRUE(vfs.Rename("/old", "/new").ok());
    vfs.PowerCut(random, 50);
    const auto names = *vfs.List("/");
    ASSERT_EQ(names.size(), 1u);
    (names[0] == "old" ? old_names : new_names)++;
    const std::string text = Read(vfs, "/" + names[0]);
    ASSERT_EQ(text.substr(0, 700), synced);
    ASSERT_LE(text.size(), synced.size() + tail.size());
    const std::size_t odd = text.find_first_not_of(std::string_view("t\0", 2), 700);
    garbage += odd != std::string::npos;
    if (odd != std::string::npos) continue;  // what was on the medium before
    zero_ends += text.size() > 700 && text.back() == '\0';
    for (std::size_t at = 701; at < text.size(); ++at) {
      holes += text[at] == '\0';
      if (at % 512 == 0 || text[at] == text[at - 1]) continue;
      ASSERT_EQ(text[at], '\0') << "a sector arrived from its middle on, at " << at;
      ++torn;
    }
  }
  EXPECT_GT(holes, 0);
  EXPECT_GT(torn, 0);
  EXPECT_GT(zero_ends, 0);
  EXPECT_GT(garbage, 0);
  EXPECT_GT(old_names, 50);
  EXPECT_GT(new_names, 50);
}

TEST(MemoryVfs, ADriveThatLiesForgetsWhatWasSynced) {
  for (const bool files : {true, false}) {
    Random random(1);
    MemoryVfs vfs;
    vfs.IgnoreSyncs(files, !files);
    ASSERT_TRUE(WriteFileDurably(vfs, "/f", AsBytes("x")).ok());
    vfs.PowerCut(random, 0);
    EXPECT_EQ(*vfs.Exists("/f"), files);
    if (files) {
      EXPECT_EQ(Read(vfs, "/f"), "");
    }
  }
}

TEST(MemoryVfs, DurableFilesSurviveAnyPowerCut) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  MemoryVfs vfs;
  std::map<std::string, std::string> want;
  for (int i = 0; i < 100; ++i) {
    const std::string path = "/f" + std::to_string(i);
    const std::string text(random.Below(2000), static_cast<char>('a' + i % 26));
    ASSERT_TRUE(WriteFileDurably(vfs, path, AsBytes(text)).ok());
    want[path] = text;
    MustWrite(vfs, "/junk" + std::to_string(i), "junk", false);
    vfs.PowerCut(random, static_cast<int>(random.Below(101)));
    for (const auto& [name, content] : want) ASSERT_EQ(Read(vfs, name), content) << name;
  }
}

TEST(MemoryVfs, Damage) {
  MemoryVfs vfs;
  MustWrite(vfs, "/a", "abc");
  ASSERT_TRUE(vfs.FlipBit("/a", 1, 0).ok());
  EXPECT_EQ(Read(vfs, "/a"), "acc");
  ASSERT_TRUE(vfs.Truncate("/a", 2).ok());
  EXPECT_EQ(Read(vfs, "/a"), "ac");
  EXPECT_FALSE(vfs.FlipBit("/a", 2, 0).ok());
  EXPECT_FALSE(vfs.Truncate("/a", 3).ok());
  EXPECT_FALSE(vfs.FlipBit("/b", 0, 0).ok());
}

TEST(FaultVfs, EveryCallOfAWriteCanFailOnce) {
  // Create, Append, Sync, Close, Rename, SyncFolder and the Unlink of a leftover before them.
  MemoryVfs counted_below;
  FaultVfs counted(&counted_below);
  ASSERT_TRUE(WriteFileDurably(counted, "/x", AsBytes("data")).ok());
  ASSERT_EQ(counted.calls(), 7u);
  for (std::uint64_t n = 1; n <= 7; ++n) {
    MemoryVfs memory;
    FaultVfs vfs(&memory);
    vfs.FailNth(n, FaultVfs::Fault::kError);
    EXPECT_EQ(WriteFileDurably(vfs, "/x", AsBytes("data")).code(), StatusCode::kIoError) << n;
    EXPECT_TRUE(vfs.fired());
    if (n < 7) {
      EXPECT_TRUE(WriteFileDurably(vfs, "/x", AsBytes("data")).ok()) << n;
    }
    EXPECT_EQ(Read(vfs, "/x"), "data");
  }
}

TEST(FaultVfs, Kinds) {
  MemoryVfs memory;
  FaultVfs vfs(&memory);
  FilePtr file = MustCreate(vfs, "/x");
  vfs.FailNth(2, FaultVfs::Fault::kTornWrite);
  EXPECT_TRUE(file->Append(AsBytes("ab")).ok());
  EXPECT_FALSE(file->Append(AsBytes("1234")).ok());
  EXPECT_EQ(Read(memory, "/x"), "ab12");
  vfs.FailNth(1, FaultVfs::Fault::kNoSpace, true);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(file->Append(AsBytes("z")).message().find("disk full"), std::string_view::npos);
  }
  EXPECT_EQ(Read(vfs, "/x"), "ab12");  // reads are not counted
  vfs.Heal();
  EXPECT_TRUE(file->Append(AsBytes("z")).ok());
  vfs.FailNth(2, FaultVfs::Fault::kError, false, true);
  EXPECT_EQ(Read(vfs, "/x"), "i/o error: read /x: injected fault");
  EXPECT_EQ(Read(vfs, "/x"), "ab12z");
}

class OrderChecking : public ::testing::Test {
 protected:
  MemoryVfs memory_;
  FaultVfs fault_{&memory_};
  OrderCheckingVfs vfs_{&fault_};
};
using OrderCheckingDeathTest = OrderChecking;

TEST_F(OrderChecking, TheRightOrderPasses) {
  MustWrite(memory_, "/older", "x");
  vfs_.OnPublish({"/older"});
  ASSERT_TRUE(vfs_.MakeFolder("/f").ok());
  ASSERT_TRUE(vfs_.SyncFolder("/").ok());
  ASSERT_TRUE(WriteFileDurably(vfs_, "/f/a", AsBytes("1")).ok());
  vfs_.OnPublish({"/f/a"});
  vfs_.OnPublish({"/f/a"});
  vfs_.OnRetire({"/f/a"});
  ASSERT_TRUE(vfs_.Unlink("/f/a").ok());
  ASSERT_TRUE(WriteFileDurably(vfs_, "/f/a", AsBytes("2")).ok());
  vfs_.OnPublish({"/f/a"});
}

TEST_F(OrderCheckingDeathTest, UnsyncedFile) {
  MustWrite(vfs_, "/a", "1", false);
  ASSERT_TRUE(vfs_.SyncFolder("/").ok());
  EXPECT_DEATH(vfs_.OnPublish({"/a"}), "before it is synced");
}

TEST_F(OrderCheckingDeathTest, AppendAfterSync) {
  FilePtr file = MustCreate(vfs_, "/a");
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Append(AsBytes("x")).ok());
  ASSERT_TRUE(vfs_.SyncFolder("/").ok());
  EXPECT_DEATH(vfs_.OnPublish({"/a"}), "before it is synced");
  ASSERT_TRUE(file->Sync().ok());
  vfs_.OnPublish({"/a"});
  EXPECT_DEATH(static_cast<void>(file->Append(AsBytes("y"))), "published file is written");
}

TEST_F(OrderCheckingDeathTest, UnsyncedFolder) {
  MustWrite(vfs_, "/a", "1");
  EXPECT_DEATH(vfs_.OnPublish({"/a"}), "before its folder is synced");
  ASSERT_TRUE(vfs_.SyncFolder("/").ok());
  ASSERT_TRUE(vfs_.Rename("/a", "/b").ok());
  EXPECT_DEATH(vfs_.OnPublish({"/b"}), "before its folder is synced");
  EXPECT_DEATH(vfs_.OnPublish({"/a"}), "unlinked or renamed away");
  fault_.FailNth(1, FaultVfs::Fault::kError);
  EXPECT_FALSE(vfs_.SyncFolder("/").ok());
  EXPECT_DEATH(vfs_.OnPublish({"/b"}), "before its folder is synced");
  ASSERT_TRUE(vfs_.SyncFolder("/").ok());
  vfs_.OnPublish({"/b"});
}

TEST_F(OrderCheckingDeathTest, NewFolderWhoseNameIsNotSynced) {
  ASSERT_TRUE(vfs_.MakeFolder("/f").ok());
  ASSERT_TRUE(WriteFileDurably(vfs_, "/f/a", AsBytes("1")).ok());
  EXPECT_DEATH(vfs_.OnPublish({"/f/a"}), "folder whose own name");
  ASSERT_TRUE(vfs_.SyncFolder("/").ok());
  vfs_.OnPublish({"/f/a"});
  EXPECT_DEATH(static_cast<void>(vfs_.Rename("/f", "/g")), "folder of a published file");
}

TEST_F(OrderCheckingDeathTest, LiveFilesStay) {
  ASSERT_TRUE(WriteFileDurably(vfs_, "/a", AsBytes("1")).ok());
  vfs_.OnPublish({"/a"});
  EXPECT_DEATH(static_cast<void>(vfs_.Unlink("/a")), "published file is unlinked");
  EXPECT_DEATH(static_cast<void>(vfs_.Rename("/a", "/b")), "published file is renamed");
  EXPECT_DEATH(static_cast<void>(vfs_.Create("/a")), "opened for writing");
  vfs_.OnRetire({"/a"});
  EXPECT_TRUE(vfs_.Rename("/a", "/b").ok());
}

TEST_F(OrderCheckingDeathTest, FailedSyncIsNeverRetried) {
  FilePtr file = MustCreate(vfs_, "/a");
  ASSERT_TRUE(file->Append(AsBytes("x")).ok());
  fault_.FailNth(1, FaultVfs::Fault::kError);
  ASSERT_FALSE(file->Sync().ok());
  EXPECT_DEATH(static_cast<void>(file->Sync()), "synced again after a failed");
  EXPECT_DEATH(static_cast<void>(file->Append(AsBytes("x"))), "written to after a failed");
  EXPECT_TRUE(file->Close().ok());
  ASSERT_TRUE(vfs_.SyncFolder("/").ok());
  EXPECT_DEATH(vfs_.OnPublish({"/a"}), "published after a failed");
}

}  // namespace
}  // namespace quipu
