// Logs that end as a power cut leaves them, and logs that are damaged; both as RocksDB writes them.
#include "store/kv_torn_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "store/kv.h"
#include "store/store_testing.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr int kWrites = 12;
constexpr std::size_t kValueBytes = 5000;  // some records cross a block of 32 KiB

class TornLogTest : public testing::Test {
 protected:
  void SetUp() override {
    base_ = (fs::temp_directory_path() / "quipu-torn-XXXXXX").string();
    ASSERT_NE(mkdtemp(base_.data()), nullptr);
    auto kv = OpenRocksKv(base_ + "/live");
    ASSERT_TRUE(kv) << kv.error().ToString();
    for (int i = 0; i < kWrites; ++i) {
      ends_.push_back(Log("live").size());
      KvBatch batch;
      batch.Put(KvSpace::kBlobs, Key(i), std::string(kValueBytes, static_cast<char>('a' + i)));
      ASSERT_TRUE((*kv)->Write(batch, /*sync=*/true).ok());
    }
    fs::copy(base_ + "/live", base_ + "/crashed", fs::copy_options::recursive);
    bytes_ = Log("crashed");
    ASSERT_GT(bytes_.size(), kWrites * kValueBytes);
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  static std::string Key(int i) { return "key" + std::to_string(100 + i); }

  [[nodiscard]] fs::path LogPath(const std::string& store) const {
    std::set<fs::path> logs;
    for (const auto& file : fs::directory_iterator(base_ + "/" + store)) {
      if (file.path().extension() == ".log") logs.insert(file.path());
    }
    return logs.empty() ? fs::path() : *logs.rbegin();
  }
  [[nodiscard]] std::string Log(const std::string& store) const {
    std::ifstream in(LogPath(store), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// Opens the crashed store with this log; how many of the writes are there, or -1: refused as damaged.
  int OpenWith(const std::string& log) {
    const std::string path = base_ + "/damaged";
    fs::remove_all(path);
    fs::copy(base_ + "/crashed", path, fs::copy_options::recursive);
    std::ofstream(LogPath("damaged"), std::ios::binary | std::ios::trunc) << log;
    const auto kv = OpenRocksKv(path);
    if (!kv) {
      EXPECT_EQ(kv.error().code(), StatusCode::kCorruption) << kv.error().ToString();
      return -1;
    }
    int found = 0;
    for (int i = 0; i < kWrites; ++i) {
      const auto value = (*kv)->Get(KvSpace::kBlobs, Key(i));
      EXPECT_TRUE(value);
      EXPECT_TRUE(!*value || found == i) << "a hole before " << i;
      if (*value) ++found;
    }
    return found;
  }
  /// The log with zeros from `from` to `to`.
  [[nodiscard]] std::string Zeroed(std::size_t from, std::size_t to) const {
    std::string log = bytes_;
    std::fill(log.begin() + static_cast<std::ptrdiff_t>(from),
              log.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    return log;
  }

  std::string base_, bytes_;
  std::vector<std::size_t> ends_;  // of the log before each write
};

TEST_F(TornLogTest, ARecordThatWasBeingWrittenIsNotThere) {
  ASSERT_EQ(OpenWith(bytes_), kWrites);
  const std::size_t last = ends_.back();
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 10; ++i) {
    const std::size_t from = last + 8 + random.Below(kValueBytes - 8);
    SCOPED_TRACE("zeros from byte " + std::to_string(from - last) + " of the last record on");
    EXPECT_EQ(OpenWith(Zeroed(from, bytes_.size())), kWrites - 1);
  }
  EXPECT_EQ(OpenWith(Zeroed(last + 100, last + 612)), kWrites - 1) << "a block in its middle";
}

TEST_F(TornLogTest, DamageWithRecordsBehindItIsRefused) {
  for (int i = 0; i + 1 < kWrites; ++i) {
    SCOPED_TRACE("record " + std::to_string(i));
    const std::size_t at = ends_[static_cast<std::size_t>(i)];
    EXPECT_EQ(OpenWith(Zeroed(at + 100, at + 612)), -1);
    std::string flipped = bytes_;
    flipped[at + 4] = static_cast<char>(flipped[at + 4] ^ 0x10);  // the length cannot be believed
    EXPECT_EQ(OpenWith(flipped), -1);
  }
}

TEST_F(TornLogTest, ANewerLogMeansThatItWasDamaged) {
  const std::string path = base_ + "/crashed";
  std::ofstream(LogPath("crashed"), std::ios::binary | std::ios::trunc)
      << Zeroed(ends_.back() + 100, bytes_.size());
  const auto torn = IsOnlyTailTorn(Vfs::Posix(), path);
  ASSERT_TRUE(torn);
  EXPECT_TRUE(*torn);
  std::ofstream(path + "/999999.log", std::ios::binary) << bytes_;
  const auto damaged = IsOnlyTailTorn(Vfs::Posix(), path);
  ASSERT_TRUE(damaged);
  EXPECT_FALSE(*damaged);
}

TEST_F(TornLogTest, AChangeOfTheListOfFilesThatWasBeingWrittenIsNotThere) {
  const std::string store = base_ + "/crashed";
  std::ifstream current(store + "/CURRENT");
  std::string name;
  std::getline(current, name);
  const std::string path = store + "/" + name;
  std::ifstream in(path, std::ios::binary);
  const std::string list{std::istreambuf_iterator<char>(in), {}};
  const auto write = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  };
  const auto is_torn = [&] {
    const auto torn = FindTornManifest(Vfs::Posix(), store);
    EXPECT_TRUE(torn) << torn.error().ToString();
    return torn && *torn && (*torn)->whole_bytes == list.size();
  };
  EXPECT_FALSE(is_torn());
  // The header of a change of 700 bytes, some of them, and the sectors that did not come.
  std::string change = std::string("\x12\x34\x56\x78", 4) + std::string("\xbc\x02\x01", 3);
  const std::size_t sector = (list.size() / 512 + 1) * 512;
  change += std::string(
      sector > list.size() + change.size() ? sector - list.size() - change.size() : 0, 'x');
  std::string torn = list + change;
  torn.resize(list.size() + 707, '\0');
  write(torn);
  EXPECT_TRUE(is_torn());
  auto kv = OpenRocksKv(store);
  ASSERT_TRUE(kv) << kv.error().ToString();
  for (int i = 0; i < kWrites; ++i) EXPECT_TRUE(*(*kv)->Get(KvSpace::kBlobs, Key(i))) << i;
  kv->reset();
  // Damage that left no zeros, and zeros with a whole change behind them, are not torn.
  fs::remove_all(store);
  fs::copy(base_ + "/live", store, fs::copy_options::recursive);
  write(list + change + std::string(707 - change.size(), 'x'));
  EXPECT_FALSE(is_torn());
  EXPECT_FALSE(OpenRocksKv(store));
  write(torn + list);
  EXPECT_FALSE(is_torn());
}

TEST_F(TornLogTest, WholeLogsAreNotTorn) {
  const auto torn = IsOnlyTailTorn(Vfs::Posix(), base_ + "/crashed");
  ASSERT_TRUE(torn);
  EXPECT_FALSE(*torn);
}

}  // namespace
}  // namespace quipu
