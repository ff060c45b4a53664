// Damage on disk. Real stores (real files, RocksDB) are built, with merged segments, sealed
// segments and unsealed commits. Then every file below the folder is damaged in every way of a
// list: bits flipped, a sector or a page zeroed, two of them swapped, one written over another, the bytes of another file, cut short,
// deleted. A child process opens each damaged copy
// and asks everything there is to ask; the truth comes from the oracle, never from the engine.
//   (1) Each answer is exact or an explicit error (of Open, a question, Ingest, Compact, or a
//       problem in the report of Verify). Never a smaller sum, never an event counted twice.
//   (2) The process never dies, except by an assertion inside RocksDB (Debian compiles it with
//       them), which cannot be caught and is counted.
//
// Four stores: `closed` (an orderly Close has flushed RocksDB), `killed` (SIGKILL, so that the
// unsealed commits are only in RocksDB's WAL), `young` (killed before anything was sealed: there
// are no segments whose presence could betray a lost kv/) and `settled` (killed, after a life: closed months split by customer, an
// archive folder, a service of which only summaries are left, an erasure that is not finished).
//
// QUIPU_SEED repeats the choices, QUIPU_VERBOSE prints every explicit error. QUIPU_SWEEP=full flips a bit of every byte and swaps every
// sector and page with another: a soak of hours.
//
// The children open with create_if_missing, as services do: a store whose damage makes it look like
// none must not turn into a new empty one.
//
// This process itself never opens a store: RocksDB's threads would not survive the forks.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "base/calendar.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/test_seed.h"
#include "db/database_impl.h"
#include "tests/corruption_truth.h"
#include "tests/oracle.h"
#include "tests/shell.h"
#include "tests/short_life.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFlipsPerFile = 12;
constexpr std::size_t kSectorBytes = 512;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kChildrenAtOnce = 4;  // they wait for fsync most of the time
/// A damaged length must not be believed: no child needs more memory than this.
constexpr rlim_t kChildMemoryMax = rlim_t{4} << 30;
constexpr unsigned kChildSecondsMax = 60;

/// How a child tells what it found.
enum Verdict : int { kExact = 0, kExplicitError = 1, kWrongAnswer = 2, kBuildFailed = 3 };

// ---- the child that asks

class Asker {
 public:
  void SetDatabase(const Database* db) { db_ = db; }

  void AskEverything(const Truth& truth) {
    for (const Question& q : truth.questions) {
      const auto answer = db_->Query(q.spec);
      if (!answer) {
        Error(q.name, answer.error());
      } else if (std::string d = Disagreement(q.expected, *answer); !d.empty()) {
        Wrong(q.name, d);
      }
    }
    PageThrough(truth);
    CheckCounts(truth.oracle.size());
  }

  void Verify() {
    const auto report = db_->Verify();
    if (!report) return Error("verify", report.error());
    for (const VerifyProblem& p : report->problems) Say("error: verify: " + p.place, p.message);
    failed_ = failed_ || !report->problems.empty();
  }

  void Error(const std::string& where, const Status& status) {
    failed_ = true;
    Say("error: " + where, status.ToString());
  }
  void Wrong(const std::string& where, const std::string& what) {
    wrong_ = true;
    Say("WRONG: " + where, what);
  }
  [[nodiscard]] Verdict verdict() const {
    return wrong_ ? kWrongAnswer : failed_ ? kExplicitError : kExact;
  }

 private:
  static void Say(const std::string& where, const std::string& what) {
    std::cerr << where << ": " << what << std::endl;
  }

  void PageThrough(const Truth& truth) {
    EventQuery query = truth.paging;
    query.limit = 500;
    std::size_t next = 0;
    do {
      const auto page = db_->Events(query);
      if (!page) return Error("events", page.error());
      for (const StoredEvent& e : page->events) {
        if (next == truth.events.size()) return Wrong("events", "more than there were");
        const std::string d = Difference(e, *truth.events[next++]);
        if (!d.empty()) return Wrong("events", d);
      }
      query.cursor = page->next_cursor;
    } while (!query.cursor.empty());
    if (next != truth.events.size()) Wrong("events", "only " + std::to_string(next));
  }

  void CheckCounts(std::size_t events) {
    const auto info = db_->Info();
    if (!info) {
      Error("info", info.error());
    } else if (info->events != events) {
      Wrong("info", std::to_string(info->events) + " events");
    }
    const auto partitions = db_->Partitions(/*by_customer=*/true);
    if (!partitions) return Error("partitions", partitions.error());
    std::uint64_t rows = 0;
    for (const PartitionInfo& p : *partitions) rows += p.rows;
    if (rows != events) Wrong("partitions", std::to_string(rows) + " rows");
  }

  const Database* db_ = nullptr;
  bool failed_ = false, wrong_ = false;
};

Options StoreOptions() {
  Options o;
  o.create_if_missing = true;
  o.background_upkeep = false;
  o.cache_bytes = 1 << 20;
  o.future_bound_us = -1;
  o.segment_bytes_target = 30'000;  // a closed month has several files
  o.month_quiet_us = 0;
  // Damaged stores are asked for repeats of any age.
  o.identity_window_us = 4000 * kDayUs;
  return o;
}

Result<Database> OpenStore(const std::string& path, const Options& options = StoreOptions()) {
  static ManualClock clock(SettledNow());
  StoreEnvironment environment;
  environment.clock = &clock;
  return OpenDatabaseIn(path, options, environment);
}

EventBatch MakeBatch(std::size_t first, std::size_t end) {
  EventBatch batch;
  for (std::size_t i = first; i < end; ++i) AddTo(&batch, MakeFact(i));
  return batch;
}

/// All events once more, which must all be known, and the next one, which is new.
void IngestAgain(Database* db, const Truth& truth, Asker* asker) {
  EventBatch batch;
  for (const std::size_t i : truth.repeated) AddTo(&batch, MakeFact(i));
  AddTo(&batch, MakeFact(truth.sent));
  batch.producer = ProducerStamp{"again", 1, 1};  // some month may have lost its ids
  const auto reply = db->Ingest(batch);
  if (!reply) return asker->Error("ingest", reply.error());
  for (std::size_t i = 0; i < reply->outcomes.size(); ++i) {
    const Outcome expected = i < truth.repeated.size() ? Outcome::kDuplicate : Outcome::kAccepted;
    if (reply->outcomes[i] == expected) continue;
    return asker->Wrong("ingest", "event " + std::to_string(i) + " has outcome " +
                                      std::to_string(static_cast<int>(reply->outcomes[i])));
  }
}

/// What was written since is still there when the store is opened again.
void Reopen(const std::string& path, const Truth& after, Asker* asker) {
  const auto db = OpenStore(path);
  if (!db) return asker->Error("open again", db.error());
  asker->SetDatabase(&*db);
  asker->AskEverything(after);
}

/// `before` is the truth about the store, `after` with one more event.
Verdict Examine(const std::string& path, const Truth& before, const Truth& after) {
  Asker asker;
  auto db = OpenStore(path);
  if (!db) {
    asker.Error("open", db.error());
    // Who is refused tries again: a first attempt (in which RocksDB tidies) must not clear the way.
    Reopen(path, before, &asker);
    return asker.verdict();
  }
  asker.SetDatabase(&*db);
  asker.AskEverything(before);
  asker.Verify();
  // Writing on must not launder the damage. Once an error was seen, it may be refused, too.
  const bool sound = asker.verdict() == kExact;
  if (sound) {
    IngestAgain(&*db, before, &asker);
    if (const Status s = db->Compact(); !s.ok()) asker.Error("compact", s);
    if (const Status s = db->FinishErasures(); !s.ok()) asker.Error("finish erasures", s);
    if (asker.verdict() == kExact) asker.AskEverything(after);
  }
  const bool ingested = asker.verdict() == kExact;
  if (const Status s = db->Close(); !s.ok()) asker.Error("close", s);
  if (!sound || ingested) Reopen(path, sound ? after : before, &asker);
  return asker.verdict();
}

// ---- the child that builds

/// Ingests the facts [first, end) in `commits` commits.
bool IngestRange(Database* db, std::size_t first, std::size_t end, std::size_t commits) {
  static std::uint64_t sequence = 0;  // of this process, which builds one store
  const std::size_t step = (end - first + commits - 1) / commits;
  for (; first < end; first += step) {
    const std::size_t stop = std::min(first + step, end);
    EventBatch batch = MakeBatch(first, stop);
    // Events of months whose ids were dropped are taken of producers only.
    batch.producer = ProducerStamp{"builder", 1, ++sequence};
    const auto reply = db->Ingest(batch);
    if (!reply || reply->Count(Outcome::kAccepted) != stop - first) return false;
  }
  return true;
}

bool BuildSegments(const std::string& path, const Recipe& recipe) {
  auto db = OpenStore(path);
  if (!db) return false;
  bool ok = true;
  for (std::size_t i = 0; i < 3 && ok; ++i) {
    ok =
        IngestRange(&*db, recipe.merged * i / 3, recipe.merged * (i + 1) / 3, 2) && db->Seal().ok();
  }
  ok = ok && db->Compact().ok();
  for (std::size_t i = 0; i < 2 && ok; ++i) {
    ok = IngestRange(&*db, recipe.merged + recipe.sealed * i / 2,
                     recipe.merged + recipe.sealed * (i + 1) / 2, 2) &&
         db->Seal().ok();
  }
  return db->Close().ok() && ok;
}

/// Takes the store through a life.
bool Settle(const std::string& path) {
  Options options = StoreOptions();
  options.identity_window_us = kDayUs;  // months may expire
  auto db = OpenStore(path, options);
  if (!db) return false;
  const auto expired = db->SetRetention(SettledPolicy()).ok()
                           ? db->Retain()
                           : Result<RetentionReport>(Status::Internal("no policy"));
  const auto archived = db->Archive({.before = ParseTime("2026-04-01")->time_us});
  const bool ok = expired && expired->summarised_events > 0 && archived &&
                  archived->archived_events > 0 && db->Erase(kErased).has_value();
  return db->Close().ok() && ok;
}

Verdict Build(const std::string& path, const Recipe& recipe) {
  if (recipe.merged != 0 && !BuildSegments(path, recipe)) return kBuildFailed;
  if (recipe.settled && !Settle(path)) return kBuildFailed;
  auto db = OpenStore(path);
  if (!db) return kBuildFailed;
  if (!IngestRange(&*db, recipe.events() - recipe.hot, recipe.events(), 7)) return kBuildFailed;
  if (recipe.killed) raise(SIGKILL);
  return db->Close().ok() ? kExact : kBuildFailed;
}

// ---- processes

/// Runs `work` in a child whose exit status is its verdict and whose standard error is `log`.
template <class Work>
pid_t Start(const std::string& log, const Work& work) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const rlimit no_core{0, 0}, memory{kChildMemoryMax, kChildMemoryMax};
  const bool ready = std::freopen(log.c_str(), "w", stderr) != nullptr &&
                     setrlimit(RLIMIT_CORE, &no_core) == 0 && setrlimit(RLIMIT_AS, &memory) == 0;
  alarm(kChildSecondsMax);
  _exit(ready ? work() : kBuildFailed);
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  QUIPU_CHECK(out.good());
}

// ---- damage

struct Damage {
  std::string kind;                  // a column of the table
  std::string place;                 // for the report
  std::optional<std::string> bytes;  // what the file holds then; none = deleted
};

void AddFlips(const std::string& bytes, Random* random, std::vector<Damage>* all) {
  const std::size_t size = bytes.size();
  std::set<std::size_t> offsets;
  if (size != 0) offsets = {0, size - 1};
  const std::size_t wanted = IsFullSweep() ? size : std::min(size, kFlipsPerFile);
  for (std::size_t i = 0; IsFullSweep() && i < size; ++i) offsets.insert(i);
  while (offsets.size() < wanted) offsets.insert(random->Below(size));
  for (const std::size_t offset : offsets) {
    std::string flipped = bytes;
    const unsigned bit = static_cast<unsigned>(random->Below(8));
    flipped[offset] = static_cast<char>(static_cast<unsigned char>(flipped[offset]) ^ (1u << bit));
    all->push_back({"flip", "bit " + std::to_string(bit) + " of byte " + std::to_string(offset),
                    std::move(flipped)});
  }
}

/// A block of the file is zeroed, changes places with another, or is written over another (a misdirected write).
void AddBlocks(const std::string& bytes, std::size_t block, const std::string& kind, Random* random,
               std::vector<Damage>* all) {
  const std::size_t blocks = (bytes.size() + block - 1) / block;
  const std::size_t tries = IsFullSweep() ? blocks : std::min<std::size_t>(blocks, 1);
  for (std::size_t i = 0; i < tries; ++i) {
    const std::size_t first = (IsFullSweep() ? i : random->Below(blocks)) * block;
    const std::size_t length = std::min(block, bytes.size() - first);
    const std::string place = "at byte " + std::to_string(first);
    std::string damaged = bytes;
    damaged.replace(first, length, length, '\0');
    all->push_back({kind, place, damaged});
    const std::size_t whole = bytes.size() / block;  // blocks of full length
    if (whole < 2 || length != block) continue;
    const std::size_t other = (first / block + 1 + random->Below(whole - 1)) % whole * block;
    damaged = bytes;
    damaged.replace(other, block, bytes, first, block);
    all->push_back({"misdirect", place + " over byte " + std::to_string(other), damaged});
    damaged.replace(first, block, bytes, other, block);
    all->push_back({"swap", place + " with byte " + std::to_string(other), damaged});
  }
}

std::vector<Damage> DamagesOf(const std::string& bytes, Random* random) {
  std::vector<Damage> all;
  const std::size_t size = bytes.size();
  AddFlips(bytes, random, &all);
  AddBlocks(bytes, kSectorBytes, "sector", random, &all);
  AddBlocks(bytes, kPageBytes, "page", random, &all);
  const std::pair<const char*, std::size_t> cuts[] = {
      {"cut 1", 1}, {"cut 40", 40}, {"cut half", size / 2}, {"cut all", size}};
  for (const auto& [kind, cut] : cuts) {
    if (cut <= size) all.push_back({kind, "", bytes.substr(0, size - cut)});
  }
  // What changed nothing is no damage (zeros over zeros, all of nothing).
  std::erase_if(all, [&](const Damage& d) { return *d.bytes == bytes; });
  all.push_back({"delete", "", std::nullopt});
  return all;
}

/// A row of the table: what the file is for.
std::string FileKind(const fs::path& relative) {
  const std::string name = relative.filename().string();
  const std::string folder = relative.parent_path().string();
  if (folder == "segments") return "segment";
  if (folder == "archive") return "archive";
  if (folder != "kv") return relative.string().substr(0, relative.string().find('-'));
  if (relative.extension() == ".log") return "kv WAL";
  if (relative.extension() == ".sst") return "kv sst";
  return "kv " + name.substr(0, name.find_first_of(".-"));
}

bool HasRocksAssertion(const std::string& said) {
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("rocksdb::") != std::string::npos && line.find("Assertion") != std::string::npos)
      return true;
  }
  return false;
}

struct Tally {
  std::size_t exact = 0, error = 0, rocks_assert = 0;
};

class CorruptionTest {
 public:
  explicit CorruptionTest(std::uint64_t seed) : random_(seed) {}

  void Run(const Recipe& recipe) {
    recipe_ = recipe;
    before_ = {};
    after_ = {};
    LearnTruth(recipe, recipe.events(), &before_);
    LearnTruth(recipe, recipe.events() + 1, &after_);
    store_ = scratch_.path() + "/" + recipe.name;
    ASSERT_NO_FATAL_FAILURE(BuildStore());
    Launch("", {"none", "", std::nullopt});  // the control: without damage every answer is exact
    WaitForOne();
    ASSERT_EQ(TallyOf("(undamaged)", "none").exact, ++controls_);
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(store_)) {
      if (entry.is_regular_file() && entry.path().filename() != "LOCK")
        files.push_back(fs::relative(entry.path(), store_));
    }
    std::sort(files.begin(), files.end());
    ASSERT_GT(files.size(), 4u);
    for (const fs::path& file : files) {
      for (Damage& d : DamagesOf(ReadFile(store_ / file), &random_)) Launch(file, std::move(d));
      // The next file of its kind in its place.
      const auto other = std::find_if(files.begin(), files.end(), [&](const fs::path& f) {
        return f > file && FileKind(f) == FileKind(file);
      });
      if (other != files.end())
        Launch(file, {"other file", other->string(), ReadFile(store_ / *other)});
    }
    while (!running_.empty()) WaitForOne();
  }

  void Print() const {
    std::set<std::string> kinds;
    for (const auto& [file, row] : tallies_) {
      for (const auto& [kind, tally] : row) kinds.insert(kind);
    }
    std::cout << std::left << std::setw(16) << "exact/error";
    for (const std::string& kind : kinds) std::cout << std::setw(12) << kind;
    std::cout << "\n";
    std::size_t cases = 0, asserts = 0;
    for (const auto& [file, row] : tallies_) {
      std::cout << std::setw(16) << file;
      for (const std::string& kind : kinds) {
        const auto it = row.find(kind);
        if (it == row.end()) {
          std::cout << std::setw(12) << "-";
          continue;
        }
        const Tally& t = it->second;
        std::ostringstream cell;
        cell << t.exact << "/" << t.error;
        if (t.rocks_assert != 0) cell << "+" << t.rocks_assert << "A";
        std::cout << std::setw(12) << cell.str();
        cases += t.exact + t.error + t.rocks_assert;
        asserts += t.rocks_assert;
      }
      std::cout << "\n";
    }
    std::cout << cases << " cases without a failure, " << asserts
              << " ended by an assertion inside RocksDB (A)" << std::endl;
  }

  [[nodiscard]] const Tally& TallyOf(const std::string& file, const std::string& damage) {
    return tallies_[file][damage];
  }

 private:
  struct Case {
    fs::path file;
    Damage damage;
    std::string folder, log;
  };

  void BuildStore() {
    const std::string log = scratch_.path() + "/build.txt";
    const pid_t pid = Start(log, [&] { return Build(store_.string(), recipe_); });
    ASSERT_GT(pid, 0);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    if (recipe_.killed) {
      ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << ReadFile(log);
    } else {
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << ReadFile(log);
    }
  }

  void Launch(const fs::path& file, Damage damage) {
    if (running_.size() == kChildrenAtOnce) WaitForOne();
    const std::string folder = scratch_.path() + "/case" + std::to_string(next_case_++);
    fs::copy(store_, folder, fs::copy_options::recursive);
    if (damage.bytes) {
      WriteFile(folder / file, *damage.bytes);
    } else if (!file.empty()) {
      QUIPU_CHECK(fs::remove(folder / file));
    }
    damage.bytes.reset();
    const std::string log = folder + ".txt";
    const pid_t pid = Start(log, [&] { return Examine(folder, before_, after_); });
    QUIPU_CHECK(pid > 0);
    running_[pid] = {file, std::move(damage), folder, log};
  }

  void WaitForOne() {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    const auto it = running_.find(pid);
    QUIPU_CHECK(it != running_.end());
    const Case c = std::move(it->second);
    running_.erase(it);
    Judge(c, status, ReadFile(c.log));
    fs::remove_all(c.folder);
    fs::remove(c.log);
  }

  void Judge(const Case& c, int status, const std::string& said) {
    const std::string kind = c.file.empty() ? "(undamaged)" : FileKind(c.file);
    const std::string what = recipe_.name + ": " + c.file.string() + ": " + c.damage.kind + " " +
                             c.damage.place + "\n" + said.substr(0, 1500);
    Tally& tally = tallies_[kind][c.damage.kind];
    if (WIFEXITED(status) && WEXITSTATUS(status) == kExact) {
      ++tally.exact;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == kExplicitError) {
      ++tally.error;
      if (std::getenv("QUIPU_VERBOSE") != nullptr) std::cout << what << std::endl;
    } else if (WIFEXITED(status)) {
      ADD_FAILURE() << (WEXITSTATUS(status) == kWrongAnswer ? "wrong answer: "
                                                            : "the child did not start: ")
                    << what;
    } else if (WTERMSIG(status) == SIGABRT && HasRocksAssertion(said)) {
      ++tally.rocks_assert;
      std::cout << "assertion inside RocksDB: " << what << std::endl;
    } else {
      ADD_FAILURE() << "died of signal " << WTERMSIG(status) << ": " << what;
    }
  }

  Random random_;
  ScratchFolder scratch_;
  Recipe recipe_{};
  Truth before_, after_;
  fs::path store_;
  std::size_t next_case_ = 0, controls_ = 0;
  std::map<pid_t, Case> running_;
  std::map<std::string, std::map<std::string, Tally>> tallies_;  // by kind of file and of damage
};

TEST(Corruption, EveryAnswerIsExactOrAnError) {
  const std::uint64_t seed = TestSeed();
  std::cout << "QUIPU_SEED=" << seed << std::endl;
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  CorruptionTest test(seed);
  const Recipe recipes[] = {{"closed", 1200, 1100, 700, false},
                            {"killed", 1200, 1100, 700, true},
                            {"young", 0, 0, 700, true},
                            {"settled", 1200, 600, 200, true, true}};
  for (const Recipe& recipe : recipes) {
    test.Run(recipe);
    if (HasFatalFailure()) break;
  }
  test.Print();
  // The test has seen what it is about: all kinds of files, and damage that matters.
  for (const char* file : {"segment", "archive", "kv WAL", "kv sst", "kv MANIFEST", "kv CURRENT"}) {
    EXPECT_GT(test.TallyOf(file, "delete").error + test.TallyOf(file, "flip").error, 0u) << file;
  }
  EXPECT_EQ(test.TallyOf("segment", "delete").exact, 0u);
  EXPECT_EQ(test.TallyOf("segment", "swap").exact, 0u);
  EXPECT_EQ(test.TallyOf("segment", "other file").exact, 0u);
}

}  // namespace
}  // namespace quipu
