// The n-th system call that writes, syncs or renames a file of the store fails, once or for good, for n = 1, 2, 3, ... until none does.
// Unlike tests/fault_loop_test.cc, which is below our Vfs, this is below RocksDB, too: its log, its tables, its manifest. It may end the
// process by an assertion (Debian compiles them in): a crash like any other. Whatever was acknowledged is there afterwards.
//
// This program's write, fsync, ... take the place of libc's, also for librocksdb. Every n with QUIPU_SWEEP=full, a sample otherwise.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/test_seed.h"
#include "tests/shell.h"
#include "tests/short_life.h"

namespace {

std::atomic<std::int64_t> calls_left{-1};  // before one fails; negative = none does
std::atomic<bool> fails_for_good{false};
std::atomic<bool> has_failed{false};

/// Whether this call is the one, or comes after it.
bool IsToFail() {
  if (has_failed.load() && fails_for_good.load()) return true;
  if (calls_left.load() < 0 || calls_left.fetch_sub(1) != 0) return false;
  has_failed = true;
  return true;
}

/// Pipes and terminals are none of the store's.
bool IsOfStore(int fd) {
  if (calls_left.load() < 0 && !has_failed.load()) return false;
  std::array<char, 512> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), path.data(), path.size() - 1);
  return length > 0 && std::strstr(path.data(), "/store") != nullptr;
}

int Fail() {
  errno = EIO;
  return -1;
}

template <class Call>
Call* Libc(const char* name) {
  return reinterpret_cast<Call*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, std::size_t size) {
  static auto* const libc = Libc<ssize_t(int, const void*, std::size_t)>("write");
  return IsOfStore(fd) && IsToFail() ? Fail() : libc(fd, bytes, size);
}
int fsync(int fd) {
  static auto* const libc = Libc<int(int)>("fsync");
  return IsOfStore(fd) && IsToFail() ? Fail() : libc(fd);
}
int fdatasync(int fd) {
  static auto* const libc = Libc<int(int)>("fdatasync");
  return IsOfStore(fd) && IsToFail() ? Fail() : libc(fd);
}
int rename(const char* from, const char* to) noexcept {
  static auto* const libc = Libc<int(const char*, const char*)>("rename");
  return std::strstr(to, "/store") != nullptr && IsToFail() ? Fail() : libc(from, to);
}
}

namespace quipu {
namespace {

class SystemCalls : public testing::TestWithParam<bool> {};

TEST_P(SystemCalls, AnyMayFailAndNothingAcknowledgedIsLost) {
  const bool for_good = GetParam();
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  const ScratchFolder scratch(FolderInMemory());
  const std::string path = scratch.path() + "/store";
  int played = 0, aborted = 0, told = 0;
  std::int64_t n = 0;
  for (;; n += IsFullSweep() ? 1 : 1 + static_cast<std::int64_t>(random.Below(5))) {
    SCOPED_TRACE("call " + std::to_string(n) + (for_good ? " and all later ones" : ""));
    std::filesystem::remove_all(path);
    const Ending ending = RunToTheEnd([&](const Acknowledge& acknowledge) {
      fails_for_good = for_good;
      calls_left = n;
      auto db = Database::Open(path, LifeOptions());
      if (!db) return false;
      const bool well = LiveShortly(&*db, LifeBatch, acknowledge);
      if (calls_left.load() >= 0) acknowledge(kNothingFailed);
      return well;
    });
    std::set<int> acknowledged = ending.acknowledged;
    const bool has_fired = acknowledged.erase(kNothingFailed) == 0;
    ++played;
    aborted += !ending.ended_itself;
    told += ending.ended_itself && !ending.went_well;
    ASSERT_EQ(WrongAfter(path, acknowledged), "") << "status " << ending.status;
    if (has_fired) continue;
    EXPECT_TRUE(ending.went_well);
    break;
  }
  std::cout << "QUIPU_SEED=" << seed << ": " << n << " calls, " << played << " of them failed; "
            << told << " processes were told, " << aborted << " were ended by RocksDB\n";
  EXPECT_GT(n, 50);
  EXPECT_GT(told + aborted, 10);  // for good: RocksDB mostly ends the process when it is closed
}

INSTANTIATE_TEST_SUITE_P(Either, SystemCalls, testing::Bool(), [](const auto& for_good) {
  return std::string(for_good.param ? "ForGood" : "Once");
});

}  // namespace
}  // namespace quipu
