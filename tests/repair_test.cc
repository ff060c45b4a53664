// `quipu repair` of stores whose key-value part is damaged: real files, RocksDB, and what its own repair can do. Stores are built by a process that
// is killed or closes them; then each file of kv/ is damaged in every way of a list, or several at once, and a child repairs a copy and looks:
//   (1) Nothing in the damaged store was changed.
//   (2) Every event of the new store is one that was sent, exact and once; their number is the one reported.
//   (3) Saved and lost are together what was sent, if the report says that it is exact. If anything is missing, the report says so.
//   (4) Sent again, all that is missing counts and nothing counts twice; the store is sound, and answers as if nothing had happened.
//   (5) Segments are not damaged here, so no sealed event is ever lost. Nor is anything if only RocksDB's lists of files are damaged.
//
// QUIPU_SEED repeats the choices. This process opens no store: RocksDB's threads would not survive the forks.
#include "quipu/repair.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>

#include "base/check.h"
#include "base/hash.h"
#include "base/test_seed.h"
#include "db/database_impl.h"
#include "store/kv.h"
#include "tests/corruption_truth.h"
#include "tests/shell.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSealed = 900, kHot = 300, kEvents = kSealed + kHot;
constexpr std::size_t kEventsOfCommit = 60;
constexpr std::size_t kFlipsPerFile = 6;
constexpr std::size_t kPageBytes = 4096;
constexpr unsigned kChildSecondsMax = 60;

/// Exit status of a child.
enum Verdict : int { kAllSaved = 0, kSomeLost = 1, kNothingLeft = 2, kWrong = 3, kNotBuilt = 4 };

Options TestOptions() {
  Options o;
  o.create_if_missing = true;
  o.background_upkeep = false;
  o.future_bound_us = -1;
  o.identity_window_us = 4000 * kDayUs;
  return o;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  QUIPU_CHECK(out.good());
}

/// Hashes of everything below a folder, by name; but for LOCK, in which the holder's number stands.
std::map<std::string, std::uint64_t> Contents(const fs::path& folder) {
  std::map<std::string, std::uint64_t> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != "LOCK")
      contents[entry.path().string()] = Hash64(ReadFile(entry.path()));
  return contents;
}

// ---- the child that builds

bool IngestRange(Database* db, std::size_t first, std::size_t end) {
  for (; first < end; first += kEventsOfCommit) {
    EventBatch batch;
    for (std::size_t i = first; i < std::min(end, first + kEventsOfCommit); ++i)
      AddTo(&batch, MakeFact(i));
    if (!db->Ingest(batch)) return false;
  }
  return true;
}

using Build = std::function<bool(const std::string& path)>;

/// Everything sealed is in tables of RocksDB, the rest in its log, or (is_closed) in tables, too.
bool BuildUsual(const std::string& path, bool is_closed) {
  {
    auto db = Database::Open(path, TestOptions());
    if (!db || !IngestRange(&*db, 0, kSealed / 3) || !db->Seal().ok()) return false;
    if (!IngestRange(&*db, kSealed / 3, kSealed) || !db->Seal().ok()) return false;
    if (!db->SetCustomerClass("whale", "gold").ok() || !db->Close().ok()) return false;
  }
  auto db = Database::Open(path, TestOptions());
  if (!db || !IngestRange(&*db, kSealed, kEvents)) return false;
  if (is_closed) return db->Close().ok();
  raise(SIGKILL);
  return false;
}

/// Tables that are older than the segments: what they say is not true any more, but for the log.
bool BuildBehindTables(const std::string& path) {
  {
    auto db = Database::Open(path, TestOptions());
    if (!db || !IngestRange(&*db, 0, kSealed / 2) || !db->Seal().ok()) return false;
    if (!IngestRange(&*db, kSealed / 2, kSealed) || !db->Close().ok()) return false;
  }
  auto db = Database::Open(path, TestOptions());
  if (!db || !db->Seal().ok() || !db->Compact().ok()) return false;
  if (!IngestRange(&*db, kSealed, kEvents)) return false;
  raise(SIGKILL);
  return false;
}

/// Nothing was ever sealed or flushed.
bool BuildYoung(const std::string& path) {
  auto db = Database::Open(path, TestOptions());
  if (!db || !IngestRange(&*db, 0, kHot)) return false;
  raise(SIGKILL);
  return false;
}

// ---- the child that repairs

class Repairer {
 public:
  Repairer(std::string damaged, std::string out, std::size_t sent)
      : damaged_(std::move(damaged)), out_(std::move(out)), sent_(sent) {}

  Verdict Run(const Truth& truth) {
    const auto before = Contents(damaged_);
    const auto report = Repair(damaged_, out_);
    const auto after = Contents(damaged_);
    for (const auto& [file, hash] : after)
      if (!before.contains(file) || before.at(file) != hash) Wrong("was changed: " + file);
    if (after.size() < before.size()) Wrong("files of the damaged store are gone");
    if (fs::exists(out_ + ".kv-rebuilt")) Wrong("the copy of kv/ is still there");
    if (!report) {
      std::cerr << report.error().ToString() << std::endl;
      return report.error().code() == StatusCode::kCorruption && !is_wrong_ ? kNothingLeft : kWrong;
    }
    for (const VerifyProblem& p : report->problems) Say("problem: " + p.place, p.message);
    for (const RepairLoss& l : report->losses) Say("lost: " + l.place, l.why);
    auto db = Database::Open(out_, TestOptions());
    if (!db) return Wrong(db.error().ToString());
    ReadEvents(*db);
    CheckReport(*report);
    if (!is_wrong_) SendAgain(&*db, truth);
    return is_wrong_ ? kWrong : saved_ == sent_ ? kAllSaved : kSomeLost;
  }

 private:
  static void Say(const std::string& where, const std::string& what) {
    std::cerr << where << ": " << what << std::endl;
  }
  Verdict Wrong(const std::string& what) {
    is_wrong_ = true;
    Say("WRONG", what);
    return kWrong;
  }

  void ReadEvents(const Database& db) {
    std::map<std::pair<std::string, std::string>, std::size_t> by_id;  // (source, id)
    std::vector<Fact> facts;
    for (std::size_t i = 0; i < sent_; ++i) {
      facts.push_back(MakeFact(i));
      by_id[{facts[i].source, facts[i].id}] = i;
    }
    there_.resize(sent_, false);
    EventQuery query;
    query.limit = 500;
    do {
      const auto page = db.Events(query);
      if (!page) return static_cast<void>(Wrong("events: " + page.error().ToString()));
      for (const StoredEvent& e : page->events) {
        const auto found = by_id.find({e.source, e.id});
        if (found == by_id.end() || there_[found->second])
          return static_cast<void>(Wrong("event " + e.id + " was not sent, or is there twice"));
        if (const std::string d = Difference(e, facts[found->second]); !d.empty()) Wrong(d);
        there_[found->second] = true;
        ++saved_;
      }
      query.cursor = page->next_cursor;
    } while (!query.cursor.empty());
  }

  void CheckReport(const RepairReport& report) {
    std::uint64_t told = 0;
    for (const RepairLoss& loss : report.losses) told += loss.rows.value_or(0);
    const std::string text = std::to_string(report.events_saved) + " saved, " +
                             std::to_string(report.events_lost) + " lost (" + std::to_string(told) +
                             " by line)" + (report.is_exact ? ", exact" : ", not exact") +
                             "; there are " + std::to_string(saved_) + " of " +
                             std::to_string(sent_);
    Say("report", text);
    if (report.events_saved != saved_ || report.events_without_ids != 0) Wrong(text);
    if (report.is_exact && saved_ + report.events_lost != sent_) Wrong(text);
    if (saved_ < sent_ && report.losses.empty()) Wrong("nothing is said of a loss: " + text);
    if (report.is_exact && saved_ < sent_ && told != report.events_lost) Wrong(text);
  }

  void SendAgain(Database* db, const Truth& truth) {
    EventBatch batch;
    for (std::size_t i = 0; i < sent_; ++i) AddTo(&batch, MakeFact(i));
    const auto reply = db->Ingest(batch);
    if (!reply) return static_cast<void>(Wrong("send again: " + reply.error().ToString()));
    for (std::size_t i = 0; i < sent_; ++i) {
      if (reply->outcomes[i] == (there_[i] ? Outcome::kDuplicate : Outcome::kAccepted)) continue;
      return static_cast<void>(Wrong("event " + std::to_string(i) + " has outcome " +
                                     std::to_string(static_cast<int>(reply->outcomes[i]))));
    }
    for (const bool is_compacted : {false, true}) {
      if (is_compacted && !db->Compact().ok()) Wrong("compact");
      for (const Question& q : truth.questions) {
        const auto answer = db->Query(q.spec);
        const std::string d =
            answer ? Disagreement(q.expected, *answer) : answer.error().ToString();
        if (!d.empty()) Wrong(q.name + ": " + d);
      }
    }
    const auto verified = db->Verify();
    if (!verified || !verified->problems.empty()) Wrong("the repaired store is not sound");
    if (!db->Close().ok()) Wrong("close");
  }

  const std::string damaged_, out_;
  const std::size_t sent_;
  std::vector<bool> there_;
  std::size_t saved_ = 0;
  bool is_wrong_ = false;
};

// ---- damage

/// What is done to the folder kv/.
struct Damage {
  std::string file, kind;  // for the table
  std::function<void(const fs::path& kv)> apply;
};

std::string FileKind(const fs::path& file) {
  if (file.extension() == ".log" || file.extension() == ".sst") return file.extension();
  const std::string name = file.filename().string();
  return name.substr(0, name.find('-'));
}

std::function<void(const fs::path&)> Put(const std::string& name, std::string bytes) {
  return [=](const fs::path& kv) { WriteFile(kv / name, bytes); };
}

std::vector<Damage> DamagesOf(const std::string& name, const std::string& bytes, Random* random) {
  const std::string kind = FileKind(name);
  std::vector<Damage> all;
  all.push_back({kind, "delete", [=](const fs::path& kv) { fs::remove(kv / name); }});
  if (bytes.empty()) return all;
  all.push_back({kind, "empty", Put(name, "")});
  all.push_back({kind, "cut", Put(name, bytes.substr(0, random->Below(bytes.size())))});
  const bool is_data = kind == ".log" || kind == ".sst" || kind == "MANIFEST" || kind == "CURRENT";
  for (std::size_t i = 0; i < (is_data ? kFlipsPerFile : 1); ++i) {
    std::string flipped = bytes;
    char& byte = flipped[random->Below(bytes.size())];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1u << random->Below(8)));
    all.push_back({kind, "flip", Put(name, flipped)});
  }
  std::string zeroed = bytes;
  const std::size_t page = random->Below(bytes.size()) / kPageBytes * kPageBytes;
  const std::size_t length = std::min(kPageBytes, bytes.size() - page);
  zeroed.replace(page, length, length, '\0');
  all.push_back({kind, "zero page", Put(name, zeroed)});
  return all;
}

/// Removes the files of these kinds.
Damage Without(const std::vector<std::string>& kinds) {
  std::string name;
  for (const std::string& kind : kinds) name += (name.empty() ? "" : "+") + kind;
  return {name, "delete", [=](const fs::path& kv) {
            std::vector<fs::path> gone;
            for (const auto& entry : fs::directory_iterator(kv)) {
              if (std::find(kinds.begin(), kinds.end(), FileKind(entry.path())) != kinds.end())
                gone.push_back(entry.path());
            }
            for (const fs::path& path : gone) fs::remove(path);
          }};
}

class KvRepair : public testing::Test {
 protected:
  KvRepair() { std::cout << "QUIPU_SEED=" << seed_ << std::endl; }

  void BuildStore(bool is_killed, std::size_t sent, const Build& build) {
    sent_ = sent;
    truth_ = {};
    LearnTruth({.name = "", .merged = sent, .sealed = 0, .hot = 0, .killed = false}, sent, &truth_);
    store_ = scratch_.path() + "/store";
    const pid_t pid = fork();
    if (pid == 0) _exit(build(store_) ? kAllSaved : kNotBuilt);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(is_killed ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                          : WIFEXITED(status) && WEXITSTATUS(status) == kAllSaved)
        << status;
    for (const auto& entry : fs::directory_iterator(store_ + "/kv")) {
      const std::string name = entry.path().filename();
      if (name != "LOCK" && !name.starts_with("LOG.old")) files_.push_back(name);
    }
    std::sort(files_.begin(), files_.end());
  }

  /// Damages a copy of the store and has a child repair it.
  Verdict Try(const Damage& damage) {
    const std::string damaged = scratch_.path() + "/damaged", out = scratch_.path() + "/out";
    for (const std::string& folder : {damaged, out}) fs::remove_all(folder);
    fs::copy(store_, damaged, fs::copy_options::recursive);
    damage.apply(damaged + "/kv");
    const std::string log = scratch_.path() + "/said";
    std::cout << std::flush;  // else the child says it, too
    const pid_t pid = fork();
    if (pid == 0) {
      if (std::freopen(log.c_str(), "w", stderr) == nullptr) _exit(kNotBuilt);
      alarm(kChildSecondsMax);
      _exit(Repairer(damaged, out, sent_).Run(truth_));
    }
    int status = 0;
    QUIPU_CHECK(waitpid(pid, &status, 0) == pid);
    const std::string what =
        damage.file + ": " + damage.kind + "\n" + ReadFile(log).substr(0, 3000);
    if (std::getenv("QUIPU_VERBOSE") != nullptr) std::cout << what << std::endl;
    if (!WIFEXITED(status)) {
      ADD_FAILURE() << "the repair died of signal " << WTERMSIG(status) << ": " << what;
      return kWrong;
    }
    const auto verdict = static_cast<Verdict>(WEXITSTATUS(status));
    EXPECT_LT(verdict, kWrong) << what;
    ++tally_[damage.file + " " + damage.kind][verdict];
    return verdict;
  }
  void TryEach() {
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
    ASSERT_EQ(Try({"nothing", "", [](const fs::path&) {}}), kAllSaved);
    for (const std::string& name : files_) {
      for (const Damage& d : DamagesOf(name, ReadFile(fs::path(store_) / "kv" / name), &random_)) {
        const Verdict verdict = Try(d);
        const bool is_list = d.file != ".log" && d.file != ".sst";
        EXPECT_TRUE(verdict == kAllSaved || !is_list) << d.file << ": " << d.kind;
      }
    }
    for (const auto& [what, verdicts] : tally_) {
      std::cout << what << ":";
      const char* const words[] = {" all saved ", " some lost ", " nothing left "};
      for (const auto& [verdict, times] : verdicts) std::cout << words[verdict] << times;
      std::cout << "\n";
    }
  }

  const std::uint64_t seed_ = TestSeed();
  Random random_{seed_};
  ScratchFolder scratch_{FolderInMemory()};
  std::string store_;
  std::vector<std::string> files_;
  std::size_t sent_ = 0;
  Truth truth_;
  std::map<std::string, std::map<Verdict, int>> tally_;
};

TEST_F(KvRepair, OfAKilledStore) {
  ASSERT_NO_FATAL_FAILURE(
      BuildStore(true, kEvents, [](const std::string& p) { return BuildUsual(p, false); }));
  ASSERT_NO_FATAL_FAILURE(TryEach());
  EXPECT_EQ(Try(Without({"CURRENT", "MANIFEST"})), kAllSaved);
  EXPECT_EQ(Try(Without({"CURRENT", "MANIFEST", "OPTIONS", "IDENTITY", "LOG"})), kAllSaved);
  EXPECT_EQ(Try(Without({"CURRENT", ".log"})), kSomeLost);
  EXPECT_EQ(Try(Without({"MANIFEST", ".sst"})), kAllSaved);  // the log has what no segment has
  EXPECT_EQ(Try(Without({".log", ".sst", "CURRENT", "MANIFEST"})), kSomeLost);
}

TEST_F(KvRepair, OfAClosedStore) {
  ASSERT_NO_FATAL_FAILURE(
      BuildStore(false, kEvents, [](const std::string& p) { return BuildUsual(p, true); }));
  ASSERT_NO_FATAL_FAILURE(TryEach());
  EXPECT_EQ(Try(Without({"CURRENT", "MANIFEST"})), kAllSaved);
  EXPECT_EQ(Try(Without({".sst"})), kSomeLost);
}

/// Tables that know less than the segments: rows that come back with them are not counted twice.
TEST_F(KvRepair, OfAStoreWhoseTablesAreBehind) {
  ASSERT_NO_FATAL_FAILURE(BuildStore(true, kEvents, BuildBehindTables));
  ASSERT_NO_FATAL_FAILURE(TryEach());
  EXPECT_EQ(Try(Without({".log"})), kSomeLost);
  EXPECT_EQ(Try(Without({".log", "CURRENT", "MANIFEST"})), kSomeLost);
  EXPECT_EQ(Try(Without({"CURRENT", "MANIFEST"})), kAllSaved);
}

/// Without a segment that would speak for itself.
TEST_F(KvRepair, OfAYoungStore) {
  ASSERT_NO_FATAL_FAILURE(BuildStore(true, kHot, BuildYoung));
  ASSERT_NO_FATAL_FAILURE(TryEach());
  EXPECT_EQ(Try(Without({"CURRENT", "MANIFEST"})), kAllSaved);
  EXPECT_EQ(Try(Without({".log"})), kNothingLeft);
}

/// A copy that an interrupted repair has left behind must not make a second one believe that kv/ is gone.
TEST_F(KvRepair, AfterAnInterruptedOne) {
  ASSERT_NO_FATAL_FAILURE(
      BuildStore(true, kEvents, [](const std::string& p) { return BuildUsual(p, false); }));
  const std::string left = scratch_.path() + "/out.kv-rebuilt";
  fs::create_directory(left);
  WriteFile(left + "/CURRENT", "MANIFEST-000007\n");
  const auto refused = Repair(store_, scratch_.path() + "/out");
  EXPECT_EQ(refused.error().code(), StatusCode::kAlreadyExists) << refused.error().ToString();
  EXPECT_NE(refused.error().message().find("out.kv-rebuilt"), std::string::npos);
  EXPECT_FALSE(fs::exists(scratch_.path() + "/out"));
}

/// "" or what went wrong. An archive whose disk is not there is no damage: its rows are neither saved nor lost, and come back with it.
std::string RepairWithoutItsArchive(const std::string& path, const std::string& out) {
  const std::string archive = path + ".archive", away = path + ".away";
  {
    auto db = Database::Open(path, TestOptions());
    if (!db || !IngestRange(&*db, 0, kSealed) || !db->Seal().ok()) return "build";
    const auto archived =
        db->Archive({.before = ParseTime("2026-04-01")->time_us, .folder = archive});
    if (!archived || archived->archived_events == 0) return "archive";
    if (!db->Close().ok()) return "close";
  }
  fs::rename(archive, away);
  const auto report = Repair(path, out);
  if (!report) return report.error().ToString();
  if (!report->problems.empty() || !report->losses.empty()) return "it is taken for damage";
  if (!report->is_exact || report->events_lost != 0) return "rows are taken as lost";
  if (report->events_saved == 0 || report->events_saved >= kSealed) return "rows saved";
  auto db = Database::Open(out, TestOptions());
  if (!db) return db.error().ToString();
  if (db->Query(Query().Select("count"))) return "a question is answered without it";
  fs::rename(away, archive);
  if (const Status attached = db->AttachArchive(archive); !attached.ok())
    return attached.ToString();
  const auto answer = db->Query(Query().Select("count"));
  if (!answer) return answer.error().ToString();
  if (answer->columns[0].integers[0] != kSealed) return answer->columns[0].Text(0) + " events";
  const auto verified = db->Verify();
  return verified && verified->problems.empty() ? "" : "not sound";
}

TEST_F(KvRepair, AnArchiveThatIsNotThereIsNotDamage) {
  const std::string said = scratch_.path() + "/said";
  const pid_t pid = fork();
  if (pid == 0) {
    WriteFile(said, RepairWithoutItsArchive(scratch_.path() + "/store", scratch_.path() + "/out"));
    _exit(kAllSaved);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(ReadFile(said), "");
}

}  // namespace
}  // namespace quipu
