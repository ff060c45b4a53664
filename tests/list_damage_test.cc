// RocksDB's list of files (MANIFEST) cut short. A list that ends behind one of its changes looks whole: the open goes well, with the tables of last week. What
// must happen, of a store that was closed in good order and of one that was killed, for a cut behind each change and in the middle of some (QUIPU_SWEEP=full:
// at every byte):
//
//   (1) `quipu repair` finds everything.
//   (2) The open is refused, or all events are there and the last batch of each producer is known.
//   (3) After a refusal repair still finds everything: the refused open has deleted nothing.
//
// In its child each case opens a store of its own; this process opens none.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <numeric>

#include "base/check.h"
#include "base/test_seed.h"
#include "db/database_impl.h"
#include "quipu/repair.h"
#include "store/kv_log.h"
#include "tests/shell.h"
#include "tests/short_life.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBatchesOfProducer = 6;
constexpr int kEventsOfBatch = 5;
const char* const kProducers[] = {"alpha", "beta"};
constexpr std::int64_t kEvents = std::size(kProducers) * kBatchesOfProducer * kEventsOfBatch;

/// Exit status of a child.
enum Found : int { kAll = 0, kRefusedAndRepaired = 1, kWrong = 2, kNotBuilt = 3 };

Options TestOptions() {
  Options o;
  o.create_if_missing = true;
  o.background_upkeep = false;
  return o;
}

EventBatch BatchOf(const char* producer, std::uint64_t sequence) {
  EventBatch batch;
  batch.producer = ProducerStamp{producer, 1, sequence};
  for (int i = 0; i < kEventsOfBatch; ++i) {
    const std::string id = producer + std::to_string(sequence) + "-" + std::to_string(i);
    batch.Add({.id = id, .customer = "acme", .service = "api"});
  }
  return batch;
}

bool IngestBatches(Database* db, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t sequence = first; sequence <= last; ++sequence) {
    for (const char* const producer : kProducers)
      if (!db->Ingest(BatchOf(producer, sequence))) return false;
  }
  return true;
}

/// Three lives, so that the list has changes of several; half of the events are sealed, or all.
bool Build(const std::string& path, bool is_all_sealed, bool is_killed) {
  for (std::uint64_t life = 1; life <= 2; ++life) {
    auto db = Database::Open(path, TestOptions());
    if (!db || !IngestBatches(&*db, 2 * life - 1, 2 * life) || !db->Seal().ok() ||
        !db->Close().ok())
      return false;
  }
  auto db = Database::Open(path, TestOptions());
  if (!db || !IngestBatches(&*db, 5, kBatchesOfProducer)) return false;
  if (is_all_sealed && !db->Seal().ok()) return false;
  if (is_killed) ::raise(SIGKILL);
  return db->Close().ok();
}

bool HasAll(Database* db) {
  const auto answer = db->Query(Query().Select("count"));
  if (!answer || answer->columns[0].integers[0] != kEvents) return false;
  for (const char* const producer : kProducers) {
    const auto reply = db->Ingest(BatchOf(producer, kBatchesOfProducer));
    if (!reply || !reply->replayed) return false;
  }
  return true;
}

bool IsRepairedWhole(const std::string& path, const std::string& out) {
  const auto report = Repair(path, out);
  if (!report || report->events_lost != 0 || !report->losses.empty()) return false;
  auto db = Database::Open(out, TestOptions());
  return db && HasAll(&*db);
}

Found OpenOrRepair(const std::string& path) {
  if (!IsRepairedWhole(path, path + "-repaired")) return kWrong;
  auto db = Database::Open(path, TestOptions());
  if (db) return HasAll(&*db) ? kAll : kWrong;
  if (db.error().code() != StatusCode::kCorruption) return kWrong;
  return IsRepairedWhole(path, path + "-repaired-later") ? kRefusedAndRepaired : kWrong;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Where each change ends.
std::vector<std::size_t> EndsOfChanges(const std::string& list) {
  LogTail tail("list", [&](std::uint64_t offset, std::size_t bytes, std::string* out) -> Status {
    *out = list.substr(std::min<std::size_t>(offset, list.size()), bytes);
    return {};
  });
  std::vector<std::size_t> ends;
  for (std::string change;;) {
    const auto step = tail.Next(&change);
    QUIPU_CHECK(step.has_value());
    if (*step == LogTail::Step::kEnd) return ends;
    ends.push_back(tail.offset());
  }
}

class ListDamage : public testing::Test {
 protected:
  void CutEverywhere(bool is_all_sealed, bool is_killed) {
    const std::uint64_t seed = TestSeed();
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
    Random random(seed);
    ASSERT_NO_FATAL_FAILURE(BuildStore(is_all_sealed, is_killed));
    const std::vector<std::size_t> ends = EndsOfChanges(list_);
    ASSERT_GT(ends.size(), 3u);
    std::vector<std::size_t> cuts = ends;
    for (std::size_t i = 1; i < ends.size(); ++i)
      cuts.push_back(ends[i - 1] + 1 + random.Below(ends[i] - ends[i - 1] - 1));
    if (IsFullSweep()) {
      cuts.resize(list_.size() + 1);
      std::iota(cuts.begin(), cuts.end(), std::size_t{0});
    }
    std::map<Found, int> tally;
    for (const std::size_t cut : cuts) {
      const Found found = OpenWith(list_.substr(0, cut));
      ++tally[found];
      EXPECT_TRUE(found == kAll || found == kRefusedAndRepaired)
          << "list cut to " << cut << " of " << list_.size() << " bytes: " << found;
    }
    std::cout << "QUIPU_SEED=" << seed << ": a list of " << ends.size() << " changes; all there "
              << tally[kAll] << ", refused and repaired " << tally[kRefusedAndRepaired] << "\n";
    EXPECT_GT(tally[kAll], 0);  // the whole list
    EXPECT_GT(tally[kRefusedAndRepaired], 0);
  }

 private:
  void BuildStore(bool is_all_sealed, bool is_killed) {
    store_ = scratch_.path() + "/store";
    const pid_t pid = fork();
    if (pid == 0) _exit(Build(store_, is_all_sealed, is_killed) ? kAll : kNotBuilt);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(is_killed ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                          : WIFEXITED(status) && WEXITSTATUS(status) == kAll);
    name_ = ReadFile(store_ + "/kv/CURRENT");
    ASSERT_TRUE(name_.ends_with('\n'));
    name_.pop_back();
    list_ = ReadFile(store_ + "/kv/" + name_);
  }

  Found OpenWith(const std::string& list) {
    const std::string path = scratch_.path() + "/case";
    for (const char* const folder : {"", "-repaired", "-repaired-later"})
      fs::remove_all(path + folder);
    fs::copy(store_, path, fs::copy_options::recursive);
    std::ofstream(path + "/kv/" + name_, std::ios::binary) << list;
    const pid_t pid = fork();
    if (pid == 0) _exit(OpenOrRepair(path));
    int status = 0;
    QUIPU_CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? static_cast<Found>(WEXITSTATUS(status)) : kWrong;
  }

  ScratchFolder scratch_{FolderInMemory()};
  std::string store_, name_, list_;
};

TEST_F(ListDamage, OfAClosedStore) { CutEverywhere(/*is_all_sealed=*/false, /*is_killed=*/false); }
TEST_F(ListDamage, OfAClosedStoreThatIsSealed) {
  CutEverywhere(/*is_all_sealed=*/true, /*is_killed=*/false);
}
TEST_F(ListDamage, OfAKilledStore) { CutEverywhere(/*is_all_sealed=*/false, /*is_killed=*/true); }

}  // namespace
}  // namespace quipu
