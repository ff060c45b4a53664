// kill -9, again and again. A child opens a real store (real files, RocksDB) and ingests from two
// threads while small thresholds keep sealing and merging busy; a third thread erases customers, compacts, sets a retention policy and
// runs it, archives, detaches and attaches. Before each call the child tells its parent what it is about to do, and after it what it was
// answered. The parent kills it at a random moment, reopens the store and holds what it finds against what it was told (kill_record.h):
//   (1) every event that was acknowledged is there, once, with its content, unless its customer was erased since or the policy took it;
//   (2) nothing is there that was not sent, was erased (an acknowledged erasure hides all that was acknowledged before it) or has expired;
//   (3) a batch or an erasure that was in flight is there as a whole or not at all;
//   (4) outcomes never claim an event twice; totals are those of the events, also of those of which only summaries are left, and
//       these are exact by customer and day.
// In every fifth cycle a second child opens, seals, compacts and does the other work and is killed too before the parent looks.
//
// QUIPU_KILL_CYCLES sets the number of cycles, QUIPU_SEED repeats the choices (the timing of a kill
// remains chance).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/test_seed.h"
#include "base/vfs.h"
#include "db/database_impl.h"
#include "tests/kill_record.h"
#include "tests/oracle.h"

namespace quipu {
namespace {

constexpr int kCyclesPerStore = 20;

/// The children and the parent live in May 2026, at the machine's pace.
class MayClock final : public Clock {
 public:
  TimeUs NowUs() override { return KillNow() + MonotonicUs() - start_us_; }
  std::int64_t MonotonicUs() override { return Clock::System()->MonotonicUs(); }

 private:
  const std::int64_t start_us_ = Clock::System()->MonotonicUs();
};

Options StoreOptions() {
  Options o;
  o.create_if_missing = true;
  o.seal_bytes = 150'000;
  o.seal_after_ms = 40;
  o.merge_fan_in = 2;
  o.cache_bytes = 1 << 20;
  o.future_bound_us = -1;
  // March is closed, April and May are not.
  o.month_close_after_us = 25 * kDayUs;
  o.month_quiet_us = 0;
  o.retention_check_ms = 50;
  return o;
}

Result<Database> OpenStore(const std::string& path, const Options& options) {
  static MayClock clock;
  StoreEnvironment environment;
  environment.clock = &clock;
  return OpenDatabaseIn(path, options, environment);
}

// ---- the child

void Tell(int fd, const std::string& line) {
  // At most PIPE_BUF bytes: a kill leaves the whole line or nothing of it.
  QUIPU_CHECK(line.size() <= 4096);
  if (write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
}

/// What must not fail has failed.
void TellIfFailed(int fd, const char* what, const Status& status) {
  if (status.ok()) return;
  Tell(fd, std::string("E ") + what + ": " + status.ToString().substr(0, 2000) + "\n");
  _exit(2);
}

void Send(Database* db, int fd, int stream, std::size_t first, std::size_t count, bool again,
          std::uint64_t sequence) {
  const std::string range =
      std::to_string(stream) + " " + std::to_string(first) + " " + std::to_string(count);
  EventBatch batch;
  for (std::size_t i = first; i < first + count; ++i) AddTo(&batch, KillFact(stream, i));
  if (sequence != 0) batch.producer = ProducerStamp{"producer", 1, sequence};
  Tell(fd, (again ? "T " : "S ") + range + "\n");
  const auto reply = db->Ingest(batch);
  TellIfFailed(fd, "ingest", reply.error());
  if (again && sequence != 0 && !reply->replayed) {
    Tell(fd, "E a stamped batch was not recognised as a replay\n");
    _exit(2);
  }
  std::string outcomes;
  for (const Outcome o : reply->outcomes) outcomes += static_cast<char>('0' + static_cast<int>(o));
  Tell(fd, (reply->replayed ? "R " : "A ") + range + " " + outcomes + "\n");
}

/// Does one of the things that change a store without adding to it.
void Keep(Database* db, int fd, Random* random) {
  const std::uint64_t kind = random->Below(100);
  if (kind < 40) {
    const std::size_t customer = random->Below(kKillCustomers);
    Tell(fd, "X " + std::to_string(customer) + "\n");
    const Status erased = db->Erase("c" + std::to_string(customer)).error();
    if (erased.code() != StatusCode::kNotFound) TellIfFailed(fd, "erase", erased);
    Tell(fd, "Y " + std::to_string(customer) + "\n");
  } else if (kind < 46) {
    TellIfFailed(fd, "finish erasures", db->FinishErasures());
  } else if (kind < 52) {
    TellIfFailed(fd, "compact", db->Compact());
  } else if (kind < 70) {
    TellIfFailed(fd, "retain", db->Retain().error());
  } else if (kind < 85) {
    ArchiveRequest request;
    request.before = ParseTime(random->Below(2) == 0 ? "2026-02-01" : "2026-04-01")->time_us;
    const Status archived = db->Archive(request).error();
    // While it is detached.
    if (archived.code() != StatusCode::kConflict) TellIfFailed(fd, "archive", archived);
  } else if (kind < 92) {
    const Status detached = db->DetachArchive();
    if (detached.code() != StatusCode::kNotFound) TellIfFailed(fd, "detach", detached);
  } else {
    const Status attached = db->AttachArchive();
    if (attached.code() != StatusCode::kNotFound) TellIfFailed(fd, "attach", attached);
  }
}

void SetPolicy(Database* db, int fd) {
  Tell(fd, "P\n");
  TellIfFailed(fd, "set retention", db->SetRetention(KillPolicy()));
}

Database OpenOrExit(const std::string& path, int fd) {
  auto db = OpenStore(path, StoreOptions());
  TellIfFailed(fd, "open", db.error());
  return *std::move(db);
}

/// Ingests until killed. Stream 0: batches of any size, now and then an old range again. Stream 1:
/// stamped batches.
[[noreturn]] void RunWriter(const std::string& path, int fd, std::size_t next,
                            std::uint64_t sequence, std::uint64_t seed) {
  Database db = OpenOrExit(path, fd);
  std::thread stamped([&] {
    Random random(seed + 1);
    for (std::uint64_t s = sequence;; ++s) {
      const std::size_t first = (s - 1) * kStampedBatch;
      Send(&db, fd, 1, first, kStampedBatch, false, s);
      if (random.Below(4) == 0) Send(&db, fd, 1, first, kStampedBatch, true, s);
    }
  });
  std::thread keeper([&] {
    Random random(seed + 2);
    if (random.Below(5) == 0) SetPolicy(&db, fd);
    for (;;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random.Below(5)));
      Keep(&db, fd, &random);
    }
  });
  Random random(seed);
  for (;;) {
    const std::size_t count = 1 + random.Below(200);
    if (next > 200 && random.Below(5) == 0) {
      Send(&db, fd, 0, random.Below(next - count), count, true, 0);
    } else {
      Send(&db, fd, 0, next, count, false, 0);
      next += count;
    }
  }
}

[[noreturn]] void RunKeeper(const std::string& path, int fd, std::uint64_t seed) {
  Database db = OpenOrExit(path, fd);
  Random random(seed);
  if (random.Below(5) == 0) SetPolicy(&db, fd);
  for (;;) Keep(&db, fd, &random);
}

// ---- the parent

class KillTest {
 public:
  explicit KillTest(std::uint64_t seed) : random_(seed) {
    std::string name = (std::filesystem::temp_directory_path() / "quipu_kill_XXXXXX").string();
    QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~KillTest() {
    if (::testing::Test::HasFailure()) {
      std::cout << "what was found is kept in " << folder_ << std::endl;
      return;
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  KillTest(const KillTest&) = delete;
  KillTest& operator=(const KillTest&) = delete;

  void Cycle(int cycle) {
    if (cycle % kCyclesPerStore == 0) StartStore(cycle);
    const auto number = [&] { return std::to_string(random_.Next() >> 1); };
    ASSERT_NO_FATAL_FAILURE(
        RunAndKill({"--writer", path_, std::to_string(record_.next(0)),
                    std::to_string(record_.next(1) / kStampedBatch + 1), number()},
                   5 + random_.Below(220)));
    if (random_.Below(5) == 0) {
      ASSERT_NO_FATAL_FAILURE(RunAndKill({"--keeper", path_, number()}, 20 + random_.Below(100)));
    }
    ASSERT_NO_FATAL_FAILURE(Look(cycle));
  }

  [[nodiscard]] const KillRecord& record() const { return record_; }
  [[nodiscard]] std::size_t summarised() const { return summarised_; }

 private:
  void StartStore(int cycle) {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    path_ = folder_ + "/store" + std::to_string(cycle / kCyclesPerStore);
    record_.StartStore();
  }

  /// Starts this program as a child, listens for `ms` milliseconds, kills it and hears the rest.
  void RunAndKill(std::vector<std::string> arguments, std::uint64_t ms) {
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
    arguments.insert(arguments.begin(), "crash_kill_child");
    arguments.push_back(std::to_string(STDOUT_FILENO));
    std::vector<char*> argv;
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      dup2(fds[1], STDOUT_FILENO);
      execv("/proc/self/exe", argv.data());
      _exit(127);
    }
    close(fds[1]);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    std::string heard;
    bool ended = false;
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                            deadline - std::chrono::steady_clock::now())
                            .count();
      if (left <= 0) break;
      pollfd wait{fds[0], POLLIN, 0};
      if (poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
      if (!ReadSome(fds[0], &heard)) {
        ended = true;
        break;
      }
    }
    kill(pid, SIGKILL);
    while (ReadSome(fds[0], &heard)) {
    }
    close(fds[0]);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_FALSE(ended) << "the child ended by itself, status " << status;
    std::istringstream lines(heard);
    for (std::string line; std::getline(lines, line);) ASSERT_EQ(record_.Hear(line), "");
  }

  static bool ReadSome(int fd, std::string* out) {
    char buffer[65536];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n > 0) out->append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

  void Look(int cycle) {
    Options options = StoreOptions();
    options.background_upkeep = false;
    auto db = OpenStore(path_, options);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    ASSERT_NO_FATAL_FAILURE(Attach(&*db));
    seen_ = {std::vector<bool>(record_.sent(0)), std::vector<bool>(record_.sent(1))};
    ASSERT_NO_FATAL_FAILURE(ReadEvents(*db));
    ASSERT_EQ(record_.Compare(seen_), "");
    ASSERT_NO_FATAL_FAILURE(CheckTotals(*db));
    if (cycle % kCyclesPerStore == kCyclesPerStore - 1) {
      ASSERT_NO_FATAL_FAILURE(Finish(&*db));
    }
    ASSERT_TRUE(db->Close().ok());
  }

  static void Attach(Database* db) {
    const auto archives = db->Archives();
    ASSERT_TRUE(archives.has_value()) << archives.error().ToString();
    for (const ArchiveInfo& archive : *archives) {
      if (archive.attached) continue;
      const Status attached = db->AttachArchive(archive.folder);
      ASSERT_TRUE(attached.ok()) << attached.ToString();
    }
  }

  /// The store at the end of its life: erasures end, nothing is damaged, and what is left is what was there.
  void Finish(Database* db) {
    // What a kill left half written stands in the way of an erasure until somebody removes it.
    for (const char* folder : {"/quarantine", "/archive/quarantine"}) {
      if (!std::filesystem::exists(path_ + folder)) continue;
      for (const auto& file : std::filesystem::directory_iterator(path_ + folder))
        std::filesystem::remove(file.path());
    }
    const Status finished = db->FinishErasures();
    ASSERT_TRUE(finished.ok()) << finished.ToString();
    const auto erasures = db->Erasures();
    ASSERT_TRUE(erasures.has_value());
    for (const ErasureInfo& e : *erasures)
      EXPECT_TRUE(e.done.has_value()) << "erasure " << e.id << " waits for " << e.waits_for;
    const auto report = db->Verify();
    ASSERT_TRUE(report.has_value()) << report.error().ToString();
    for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
    ASSERT_NO_FATAL_FAILURE(CheckTotals(*db));
  }

  /// Fills seen_.
  void ReadEvents(const Database& db) {
    EventQuery query;
    query.limit = 10'000;
    query.services = {"api", "llm", "storage", "debug"};
    ASSERT_NO_FATAL_FAILURE(ReadPages(db, query));
    query.services = {"trace"};
    query.from = KillExpiryEnd();
    ASSERT_NO_FATAL_FAILURE(ReadPages(db, query));
    for (const char* month : {"2026-01-01", "2026-02-01"}) {
      query.from = ParseTime(month)->time_us;
      query.to = MonthStart(MonthOf(*query.from) + 1);
      if (db.Events(query).error().code() == StatusCode::kOutOfRange) {
        ASSERT_TRUE(record_.policy_told());
        SeeBySibling(*query.from, *query.to);
      } else {
        ASSERT_NO_FATAL_FAILURE(ReadPages(db, query));
      }
      ASSERT_NO_FATAL_FAILURE(CheckTraces(db, *query.from, *query.to));
    }
  }

  void ReadPages(const Database& db, EventQuery query) {
    do {
      const auto page = db.Events(query);
      ASSERT_TRUE(page.has_value()) << page.error().ToString();
      for (const StoredEvent& e : page->events) {
        const auto found = FindKillEvent(e.id);
        ASSERT_TRUE(found.has_value()) << e.id;
        const auto [which, index] = *found;
        ASSERT_LT(index, seen_[which].size()) << e.id << " was never sent";
        ASSERT_FALSE(seen_[which][index]) << e.id << " is there twice";
        ASSERT_EQ(Difference(e, KillFact(which, index)), "");
        seen_[which][index] = true;
      }
      query.cursor = page->next_cursor;
    } while (!query.cursor.empty());
  }

  /// Rows that have expired share the fate of the first event of their customer in their batch, which cannot expire.
  void SeeBySibling(TimeUs from, TimeUs to) {
    for (std::size_t i = 0; i < seen_[1].size(); ++i) {
      const Fact f = KillFact(1, i);
      if (f.service != "trace" || f.time < from || f.time >= to) continue;
      const std::size_t batch = i / kStampedBatch * kStampedBatch;
      seen_[1][i] = seen_[1][batch + (i - batch) % 5];
      summarised_ += seen_[1][i];
    }
  }

  struct Sums {
    std::int64_t count = 0;
    Total tokens, cost;
    void Add(const Fact& f) {
      ++count;
      tokens.Add(f.measures.at("tokens"));
      if (f.cost) cost.Add(*f.cost);
    }
    [[nodiscard]] std::string Text() const {
      return std::to_string(count) + " " + cost.ToDecimal()->ToString() + " " +
             tokens.ToDecimal()->ToString();
    }
  };

  /// By customer and day, from rows or from the summaries that are left of them.
  void CheckTraces(const Database& db, TimeUs from, TimeUs to) {
    std::map<std::pair<TimeUs, std::string>, Sums> expected;
    for (std::size_t i = 0; i < seen_[1].size(); ++i) {
      const Fact f = KillFact(1, i);
      if (f.service == "trace" && seen_[1][i] && f.time >= from && f.time < to)
        expected[{FloorTo(f.time, kDayUs), f.customer}].Add(f);
    }
    if (expected.empty()) return;
    const auto answer = db.Query(Query()
                                     .Select("count, sum(cost), sum(tokens)")
                                     .Service("trace")
                                     .From(FormatTime(from))
                                     .To(FormatTime(to))
                                     .Every("day")
                                     .GroupBy("customer"));
    ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
    ASSERT_EQ(answer->rows(), expected.size());
    for (std::size_t row = 0; row < answer->rows(); ++row) {
      const auto text = [&](const char* column) { return answer->Find(column)->Text(row); };
      const std::string cell = text("window_start") + " " + text("customer");
      const auto it = expected.find(
          {answer->Find("window_start")->times[row], answer->Find("customer")->Text(row)});
      ASSERT_NE(it, expected.end()) << cell;
      const std::string cost = text("sum(cost)").empty() ? "0" : text("sum(cost)");
      ASSERT_EQ(text("count") + " " + cost + " " + text("sum(tokens)"), it->second.Text()) << cell;
    }
  }

  void CheckTotals(const Database& db) {
    Sums sums;
    Total quantity;
    for (int w = 0; w < 2; ++w) {
      for (std::size_t i = 0; i < seen_[w].size(); ++i) {
        if (!seen_[w][i]) continue;
        const Fact f = KillFact(w, i);
        sums.Add(f);
        quantity.Add(f.quantity);
      }
    }
    const auto answer = db.Query(Query().Select("count, sum(cost), sum(tokens), sum(quantity)"));
    if (sums.count == 0 && !answer.has_value()) return;  // names that no event has yet
    ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
    ASSERT_EQ(answer->rows(), 1u);
    const auto& c = answer->columns;
    ASSERT_EQ(c[0].integers[0], sums.count);
    if (sums.count == 0) return;
    ASSERT_EQ(c[0].Text(0) + " " + c[1].Text(0) + " " + c[2].Text(0), sums.Text());
    ASSERT_EQ(c[3].Text(0), quantity.ToDecimal()->ToString());
    const auto info = db.Info();
    ASSERT_TRUE(info.has_value());
    ASSERT_EQ(static_cast<std::int64_t>(info->events), sums.count);
  }

  Random random_;
  std::string folder_, path_;
  KillRecord record_;
  std::vector<std::vector<bool>> seen_;
  std::size_t summarised_ = 0;
};

TEST(CrashKill, NothingAcknowledgedIsLostAndNothingIsCountedTwice) {
  const std::uint64_t seed = TestSeed();
  const char* given = std::getenv("QUIPU_KILL_CYCLES");
  const int cycles = given != nullptr ? std::atoi(given) : 500;
  std::cout << "QUIPU_SEED=" << seed << " QUIPU_KILL_CYCLES=" << cycles << std::endl;
  KillTest test(seed);
  for (int i = 0; i < cycles; ++i) {
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " cycle " + std::to_string(i));
    test.Cycle(i);
    if (::testing::Test::HasFailure()) return;
  }
  const KillRecord& r = test.record();
  std::cout << cycles << " cycles, " << r.acknowledged()
            << " events acknowledged; batches in flight: " << r.in_flight_kept() << " kept whole, "
            << r.in_flight_lost() << " not there; " << r.erasures()
            << " erasures acknowledged, in flight " << r.erasures_kept() << " done, "
            << r.erasures_lost() << " not; " << r.expired() << " events deleted by the policy, "
            << test.summarised() << " looks at an event that is in summaries only" << std::endl;
  EXPECT_GT(r.acknowledged(), 0u);
  EXPECT_TRUE(cycles < 100 || (r.erasures() > 0 && r.expired() > 0 && test.summarised() > 0));
}

}  // namespace

[[noreturn]] void RunChild(const std::vector<std::string>& a) {
  signal(SIGPIPE, SIG_IGN);
  const int fd = std::stoi(a.back());
  if (a[1] == "--keeper") RunKeeper(a[2], fd, std::stoull(a[3]));
  RunWriter(a[2], fd, std::stoull(a[3]), std::stoull(a[4]), std::stoull(a[5]));
}

}  // namespace quipu

int main(int argc, char** argv) {
  if (argc > 2 && std::string(argv[0]) == "crash_kill_child") quipu::RunChild({argv, argv + argc});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
