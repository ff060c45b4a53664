// kill -9, again and again. A child opens a real store (real files, RocksDB) and ingests from two
// threads while small thresholds keep sealing and merging busy. Before each batch it tells its
// parent what it is about to send, and after Ingest has returned what it was answered. The parent
// kills it at a random moment, reopens the store and holds what it finds against what it was told:
//   (1) every event that was acknowledged is there, once, with its content;
//   (2) nothing is there that was not sent;
//   (3) a batch that was in flight is there as a whole or not at all;
//   (4) outcomes never claim an event twice; totals are those of the events.
// In every fifth cycle a second child opens, seals and compacts and is killed too before the parent
// looks.
//
// QUIPU_KILL_CYCLES sets the number of cycles, QUIPU_SEED repeats the choices (the timing of a kill
// remains chance).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/test_seed.h"
#include "tests/oracle.h"

namespace quipu {
namespace {

constexpr std::size_t kStampedBatch = 50;
constexpr int kCyclesPerStore = 50;

/// Event `index` of a stream; what parent and child both know.
Fact MakeFact(int stream, std::size_t index) {
  Fact f;
  f.id = std::to_string(stream) + "-" + std::to_string(index);
  f.customer = "c" + std::to_string(index * 31 % 40);
  f.service = index % 3 == 0 ? "api" : "llm";
  f.time =
      ParseTime("2026-03-01")->time_us + static_cast<TimeUs>(index * 7'919'000'003 % (60 * kDayUs));
  f.quantity = Decimal(static_cast<std::int64_t>(index % 7) + 1);
  if (index % 4 != 0) f.cost = Decimal(static_cast<Int128>(index % 1000), 6);
  f.measures["tokens"] = Decimal(static_cast<std::int64_t>(index % 977));
  f.dimensions["status"] = index % 5 == 0 ? "500" : "200";
  return f;
}

Options StoreOptions() {
  Options o;
  o.create_if_missing = true;
  o.seal_bytes = 150'000;
  o.seal_after_ms = 40;
  o.merge_fan_in = 2;
  o.cache_bytes = 1 << 20;
  o.future_bound_us = -1;
  return o;
}

// ---- the child

void Tell(int fd, const std::string& line) {
  // At most PIPE_BUF bytes: a kill leaves the whole line or nothing of it.
  QUIPU_CHECK(line.size() <= 4096);
  if (write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
}

void Send(Database* db, int fd, int stream, std::size_t first, std::size_t count, bool again,
          std::uint64_t sequence) {
  const std::string range =
      std::to_string(stream) + " " + std::to_string(first) + " " + std::to_string(count);
  EventBatch batch;
  for (std::size_t i = first; i < first + count; ++i) AddTo(&batch, MakeFact(stream, i));
  if (sequence != 0) batch.producer = ProducerStamp{"producer", 1, sequence};
  if (!again) Tell(fd, "S " + range + "\n");
  const auto reply = db->Ingest(batch);
  if (!reply) {
    Tell(fd, "E ingest: " + reply.error().ToString().substr(0, 2000) + "\n");
    _exit(2);
  }
  if (again && sequence != 0 && !reply->replayed) {
    Tell(fd, "E a stamped batch was not recognised as a replay\n");
    _exit(2);
  }
  std::string outcomes;
  for (const Outcome o : reply->outcomes) outcomes += static_cast<char>('0' + static_cast<int>(o));
  Tell(fd, (again ? "R " : "A ") + range + " " + outcomes + "\n");
}

/// Ingests until killed. Stream 0: batches of any size, now and then an old range again. Stream 1:
/// stamped batches.
int RunWriter(const std::string& path, int fd, std::size_t next, std::uint64_t sequence,
              std::uint64_t seed) {
  auto db = Database::Open(path, StoreOptions());
  if (!db) {
    Tell(fd, "E open: " + db.error().ToString().substr(0, 2000) + "\n");
    return 2;
  }
  std::thread stamped([&] {
    Random random(seed + 1);
    for (std::uint64_t s = sequence;; ++s) {
      const std::size_t first = (s - 1) * kStampedBatch;
      Send(&*db, fd, 1, first, kStampedBatch, false, s);
      if (random.Below(4) == 0) Send(&*db, fd, 1, first, kStampedBatch, true, s);
    }
  });
  Random random(seed);
  for (;;) {
    const std::size_t count = 1 + random.Below(200);
    if (next > 200 && random.Below(5) == 0) {
      Send(&*db, fd, 0, random.Below(next - count), count, true, 0);
    } else {
      Send(&*db, fd, 0, next, count, false, 0);
      next += count;
    }
  }
}

int RunReopener(const std::string& path, int fd) {
  auto db = Database::Open(path, StoreOptions());
  if (!db) {
    Tell(fd, "E reopen: " + db.error().ToString().substr(0, 2000) + "\n");
    return 2;
  }
  for (;;) {
    const Status status = db->Compact();
    if (!status.ok()) {
      Tell(fd, "E compact: " + status.ToString().substr(0, 2000) + "\n");
      return 2;
    }
  }
}

// ---- the parent

struct Stream {
  std::vector<bool> stored;  // by index, as of the last look into the store
  std::vector<bool> acked;   // by index, ever
  std::size_t sent = 0;      // indexes below it were or are being sent
  std::size_t next = 0;      // the first that was not acknowledged
  bool in_flight = false;    // [next, sent) is one batch of which nothing was heard
};

class KillTest {
 public:
  explicit KillTest(std::uint64_t seed) : random_(seed) {
    std::string name = (std::filesystem::temp_directory_path() / "quipu_kill_XXXXXX").string();
    QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~KillTest() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  KillTest(const KillTest&) = delete;
  KillTest& operator=(const KillTest&) = delete;

  void Cycle(int cycle) {
    if (cycle % kCyclesPerStore == 0) StartStore(cycle);
    const auto number = [&] { return std::to_string(random_.Next() >> 1); };
    ASSERT_NO_FATAL_FAILURE(
        RunAndKill({"--writer", path_, std::to_string(streams_[0].next),
                    std::to_string(streams_[1].next / kStampedBatch + 1), number()},
                   5 + random_.Below(196)));
    if (random_.Below(5) == 0) {
      ASSERT_NO_FATAL_FAILURE(RunAndKill({"--reopener", path_}, random_.Below(80)));
    }
    ASSERT_NO_FATAL_FAILURE(Look(cycle));
  }

  [[nodiscard]] std::size_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::size_t in_flight_kept() const { return in_flight_kept_; }
  [[nodiscard]] std::size_t in_flight_lost() const { return in_flight_lost_; }

 private:
  void StartStore(int cycle) {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    path_ = folder_ + "/store" + std::to_string(cycle / kCyclesPerStore);
    streams_[0] = {};
    streams_[1] = {};
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
    for (std::string line; std::getline(lines, line);) ASSERT_NO_FATAL_FAILURE(Hear(line));
  }

  static bool ReadSome(int fd, std::string* out) {
    char buffer[65536];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n > 0) out->append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

  void Hear(const std::string& line) {
    ASSERT_FALSE(line.empty());
    ASSERT_NE(line[0], 'E') << line;
    std::istringstream in(line.substr(1));
    std::size_t which = 0, first = 0, count = 0;
    std::string outcomes;
    in >> which >> first >> count >> outcomes;
    ASSERT_LT(which, 2u);
    Stream& s = streams_[which];
    if (line[0] == 'S') {
      ASSERT_EQ(first, s.next);
      s.in_flight =
          first >= s.sent;  // a range that was in flight before may be cut differently now
      s.sent = std::max(s.sent, first + count);
      return;
    }
    ASSERT_EQ(outcomes.size(), count);
    if (s.acked.size() < first + count) s.acked.resize(first + count);
    for (std::size_t i = first; i < first + count; ++i) {
      // A replay of a stamped batch is told what the batch was told; else what is stored is a
      // duplicate.
      const bool was_stored = line[0] == 'R' || (i < s.stored.size() && s.stored[i]);
      ASSERT_EQ(outcomes[i - first], was_stored && which == 0 ? '1' : '0') << line;
      acknowledged_ += !s.acked[i];
      s.acked[i] = true;
    }
    if (line[0] == 'A') {
      s.next = first + count;
      s.in_flight = false;
    }
  }

  void Look(int cycle) {
    Options options = StoreOptions();
    options.background_upkeep = false;
    auto db = Database::Open(path_, options);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    for (Stream& s : streams_) s.stored.assign(s.sent, false);
    std::size_t events = 0;
    ASSERT_NO_FATAL_FAILURE(ReadEvents(*db, &events));
    for (int w = 0; w < 2; ++w) {
      Stream& s = streams_[w];
      for (std::size_t i = 0; i < s.acked.size(); ++i) {
        ASSERT_TRUE(!s.acked[i] || s.stored[i])
            << "acknowledged event " << w << "-" << i << " is lost";
      }
      if (!s.in_flight) continue;
      const auto kept =
          std::count(s.stored.begin() + static_cast<std::ptrdiff_t>(s.next), s.stored.end(), true);
      ASSERT_TRUE(kept == 0 || static_cast<std::size_t>(kept) == s.sent - s.next)
          << "half a batch: " << kept << " of " << s.sent - s.next;
      (kept == 0 ? in_flight_lost_ : in_flight_kept_) += 1;
      s.in_flight = false;
    }
    ASSERT_NO_FATAL_FAILURE(CheckTotals(*db, events));
    if (cycle % kCyclesPerStore == kCyclesPerStore - 1) {
      const auto report = db->Verify();
      ASSERT_TRUE(report.has_value()) << report.error().ToString();
      for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
    }
    ASSERT_TRUE(db->Close().ok());
  }

  void ReadEvents(const Database& db, std::size_t* events) {
    EventQuery query;
    query.limit = 10'000;
    do {
      const auto page = db.Events(query);
      ASSERT_TRUE(page.has_value()) << page.error().ToString();
      for (const StoredEvent& e : page->events) {
        const std::size_t dash = e.id.find('-');
        ASSERT_NE(dash, std::string::npos) << e.id;
        const int which = std::stoi(e.id.substr(0, dash));
        const std::size_t index = std::stoull(e.id.substr(dash + 1));
        ASSERT_TRUE(which == 0 || which == 1) << e.id;
        Stream& s = streams_[which];
        ASSERT_LT(index, s.sent) << e.id << " was never sent";
        ASSERT_FALSE(s.stored[index]) << e.id << " is there twice";
        ASSERT_EQ(Difference(e, MakeFact(which, index)), "");
        s.stored[index] = true;
        ++*events;
      }
      query.cursor = page->next_cursor;
    } while (!query.cursor.empty());
  }

  void CheckTotals(const Database& db, std::size_t events) {
    Total tokens, cost, quantity;
    for (int w = 0; w < 2; ++w) {
      for (std::size_t i = 0; i < streams_[w].stored.size(); ++i) {
        if (!streams_[w].stored[i]) continue;
        const Fact f = MakeFact(w, i);
        tokens.Add(f.measures.at("tokens"));
        quantity.Add(f.quantity);
        if (f.cost) cost.Add(*f.cost);
      }
    }
    const auto answer = db.Query(Query().Select("count, sum(quantity), sum(cost), sum(tokens)"));
    if (events == 0 && !answer.has_value()) return;  // names that no event has yet
    ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
    ASSERT_EQ(answer->rows(), 1u);
    ASSERT_EQ(answer->columns[0].integers[0], static_cast<std::int64_t>(events));
    if (events == 0) return;
    ASSERT_EQ(answer->columns[1].Text(0), quantity.ToDecimal()->ToString());
    ASSERT_EQ(answer->columns[2].Text(0), cost.ToDecimal()->ToString());
    ASSERT_EQ(answer->columns[3].Text(0), tokens.ToDecimal()->ToString());
  }

  Random random_;
  std::string folder_, path_;
  Stream streams_[2];
  std::size_t acknowledged_ = 0, in_flight_kept_ = 0, in_flight_lost_ = 0;
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
  std::cout << test.acknowledged()
            << " events acknowledged; batches in flight: " << test.in_flight_kept()
            << " kept whole, " << test.in_flight_lost() << " not there" << std::endl;
  EXPECT_GT(test.acknowledged(), 0u);
}

}  // namespace

int RunChild(const std::vector<std::string>& a) {
  signal(SIGPIPE, SIG_IGN);
  const int fd = std::stoi(a.back());
  if (a[1] == "--reopener") return RunReopener(a[2], fd);
  return RunWriter(a[2], fd, std::stoull(a[3]), std::stoull(a[4]), std::stoull(a[5]));
}

}  // namespace quipu

int main(int argc, char** argv) {
  if (argc > 2 && std::string(argv[0]) == "crash_kill_child")
    return quipu::RunChild({argv, argv + argc});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
