// Damage in RocksDB's log, where commits live until they are sealed. A process is killed after its last acknowledgement, so that all of
// them are only in the log; then the log is damaged at many places (QUIPU_SWEEP=full: at every byte), and the store opened.
//
//   flipped bit, zeroed or swapped sector, cut, lost log     every row, or the open is refused. Never fewer rows without a word.
//   a flipped bit and no watermark                           nearly always the same
//
// Two guards are tested: the recovery mode (kv_rocks.cc), which refuses a damaged record, and the watermark (decision 0011), which misses
// what the mode takes for the torn end of a log after a power cut: the last record, and any record whose damaged length points beyond
// the end. In its child each case opens a store of its own; this process opens none.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "base/check.h"
#include "base/clock.h"
#include "base/test_seed.h"
#include "db/database_impl.h"
#include "tests/shell.h"
#include "tests/short_life.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr int kCommits = 20;
constexpr int kEventsOfCommit = 5;
constexpr std::int64_t kEvents = kCommits * kEventsOfCommit;
constexpr std::size_t kSectorBytes = 512;
constexpr std::uint64_t kSampledFlips = 100;

/// Exit status of a child that opened a store.
enum Found : int {
  kAllRows = 0,
  kRefused = 1,
  kLessTheLastCommit = 2,
  kFewerRows = 3,
  kNotBuilt = 4
};

Options TestOptions() {
  Options o;
  o.create_if_missing = true;
  o.background_upkeep = false;
  return o;
}

/// Does not come back.
[[noreturn]] void BuildAndDie(const std::string& path) {
  auto db = Database::Open(path, TestOptions());
  if (!db) _exit(kNotBuilt);
  for (int c = 0; c < kCommits; ++c) {
    EventBatch batch;
    for (int i = 0; i < kEventsOfCommit; ++i) {
      const std::string id = std::to_string(c) + "-" + std::to_string(i);
      batch.Add({.id = id, .customer = "acme", .service = "api", .measures = {{"tokens", c}}});
    }
    if (!db->Ingest(batch)) _exit(kNotBuilt);
  }
  ::raise(SIGKILL);
  _exit(kNotBuilt);
}

Found Open(const std::string& path) {
  const auto db = Database::Open(path, TestOptions());
  if (!db) return kRefused;
  const auto answer = db->Query(Query().Select("count, sum(tokens)"));
  if (!answer) return kRefused;
  const std::int64_t rows = answer->columns[0].integers[0];
  if (rows == kEvents - kEventsOfCommit) return kLessTheLastCommit;
  return rows == kEvents ? kAllRows : kFewerRows;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class LogDamage : public testing::Test {
 protected:
  void SetUp() override {
    store_ = scratch_.path() + "/store";
    const pid_t pid = fork();
    if (pid == 0) BuildAndDie(store_);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    for (const auto& entry : fs::directory_iterator(store_ + "/kv")) {
      if (entry.path().extension() != ".log" || entry.file_size() == 0) continue;
      ASSERT_TRUE(log_.empty()) << "two logs";
      log_ = entry.path().filename();
    }
    ASSERT_FALSE(log_.empty());
    bytes_ = ReadFile(fs::path(store_) / "kv" / log_);
    ASSERT_GT(bytes_.size(), 1000u);
  }

  /// What a store with that log (none: without a log) says. An assertion of RocksDB's, which Debian compiles in, is a refusal.
  Found OpenWith(const std::optional<std::string>& log, bool without_watermark) {
    const std::string path = scratch_.path() + "/case";
    fs::remove_all(path);
    fs::copy(store_, path, fs::copy_options::recursive);
    fs::remove(path + "/kv/" + log_);
    if (log) std::ofstream(path + "/kv/" + log_, std::ios::binary) << *log;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (without_watermark && entry.path().filename().string().starts_with("WATERMARK"))
        fs::remove(entry.path());
    }
    const pid_t pid = fork();
    if (pid == 0) _exit(Open(path));
    int status = 0;
    QUIPU_CHECK(waitpid(pid, &status, 0) == pid);
    const bool is_assertion = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    assertions_ += is_assertion;
    QUIPU_CHECK(is_assertion || WIFEXITED(status));
    const Found found = is_assertion ? kRefused : static_cast<Found>(WEXITSTATUS(status));
    ++tally_[{without_watermark, found}];
    return found;
  }

  /// Flips of one bit at many places: where in the log the store notices nothing, or loses the last commit.
  void Flip(Random* random, bool without_watermark) {
    const std::uint64_t step =
        IsFullSweep() ? 1 : std::max<std::uint64_t>(1, bytes_.size() / kSampledFlips);
    for (std::uint64_t at = random->Below(step); at < bytes_.size();
         at += IsFullSweep() ? 1 : 1 + random->Below(2 * step - 1)) {
      const auto bit = random->Below(8);
      std::string flipped = bytes_;
      flipped[at] = static_cast<char>(static_cast<unsigned char>(flipped[at]) ^ (1u << bit));
      const Found found = OpenWith(flipped, without_watermark);
      SCOPED_TRACE("bit " + std::to_string(bit) + " of byte " + std::to_string(at) + " of " +
                   std::to_string(bytes_.size()));
      ASSERT_TRUE(without_watermark || found == kRefused || found == kAllRows) << found;
    }
  }

  ScratchFolder scratch_{FolderInMemory()};
  std::string store_, log_, bytes_;
  std::map<std::pair<bool, Found>, int> tally_;
  int assertions_ = 0;
};

TEST_F(LogDamage, NoFlippedBitDropsRowsWithoutAWord) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  ASSERT_EQ(OpenWith(bytes_, false), kAllRows);  // undamaged
  ASSERT_EQ(OpenWith(bytes_, true), kAllRows);
  ASSERT_NO_FATAL_FAILURE(Flip(&random, false));
  ASSERT_NO_FATAL_FAILURE(Flip(&random, true));
  std::cout << "QUIPU_SEED=" << seed << ": a log of " << bytes_.size() << " bytes; refused "
            << tally_[{false, kRefused}] << ", all rows " << tally_[{false, kAllRows}]
            << "; without the watermark refused " << tally_[{true, kRefused}] << ", all rows "
            << tally_[{true, kAllRows}] << ", taken for a torn end "
            << tally_[{true, kLessTheLastCommit}] + tally_[{true, kFewerRows}] << "; "
            << assertions_ << " were assertions of RocksDB\n";
  EXPECT_GT((tally_[{false, kRefused}]), 20);
  // The recovery mode alone refuses nearly all of them; the default one would open with fewer rows.
  const int silent = tally_[{true, kLessTheLastCommit}] + tally_[{true, kFewerRows}];
  EXPECT_LT(silent * 5, (tally_[{true, kRefused}]));
}

TEST_F(LogDamage, NoCutDropsRowsWithoutAWord) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  EXPECT_NE(OpenWith(std::nullopt, false), kFewerRows);  // the whole log is lost
  for (std::size_t left = 0; left < bytes_.size();
       left += IsFullSweep() ? 1 : 1 + random.Below(bytes_.size() / 20)) {
    const Found found = OpenWith(bytes_.substr(0, left), false);
    ASSERT_TRUE(found == kRefused || found == kAllRows) << "cut to " << left << " bytes: " << found;
  }
  EXPECT_GT((tally_[{false, kRefused}]), 10);
}

TEST_F(LogDamage, NoSwappedOrZeroedSectorDropsRowsWithoutAWord) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  const std::size_t sectors = bytes_.size() / kSectorBytes;
  for (std::size_t i = 0; i < sectors; ++i) {
    const std::size_t other = random.Below(sectors);
    std::string swapped = bytes_;
    swapped.replace(i * kSectorBytes, kSectorBytes, bytes_, other * kSectorBytes, kSectorBytes);
    swapped.replace(other * kSectorBytes, kSectorBytes, bytes_, i * kSectorBytes, kSectorBytes);
    std::string zeroed = bytes_;
    zeroed.replace(i * kSectorBytes, kSectorBytes, kSectorBytes, '\0');
    for (const std::string& log : {swapped, zeroed}) {
      const Found found = OpenWith(log, false);
      ASSERT_TRUE(found == kRefused || found == kAllRows) << "sector " << i << ": " << found;
    }
  }
  EXPECT_GT((tally_[{false, kRefused}]), 5);
}

}  // namespace
}  // namespace quipu
