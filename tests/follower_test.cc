// A follower beside a writer that is killed, again and again. A child opens a real store and ingests as fast as it can, while small thresholds keep
// seals and merges busy and a second thread compacts and archives. The parent kills it at a random moment and starts the next one; one
// follower lives through all of it and is asked all the time, and new ones are opened on the way.
//
// Event k is of customer k mod 7 and has quantity k. So the events up to some commit are 0 to n - 1 and nothing else exactly if there are n of
// them, the sum is n(n-1)/2 and the largest is n - 1; and every customer's share follows from n. That is checked for each answer:
//   (1) it is that of a prefix: from summaries, from raw rows, and page by page;
//   (2) as_of never goes back, and one as_of is always the same prefix, whoever is asked;
//   (3) the last child tells what it has committed and stops: the follower shows it, and how soon is printed (nothing is asserted on time but a
//       bound that only a follower that hangs would miss).
//
// QUIPU_FOLLOW_KILLS sets the number of kills (30: under a minute), QUIPU_SEED repeats the choices (the timing of a kill remains chance).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/test_seed.h"
#include "db/database_impl.h"

namespace quipu {
namespace {

constexpr std::uint64_t kCustomersHere = 7;
constexpr std::uint64_t kInFlightMax = 16;
constexpr std::int64_t kPatienceMs = 60'000;

/// Everybody lives in May 2026, at the machine's pace.
class MayClock final : public Clock {
 public:
  TimeUs NowUs() override {
    static const TimeUs start = ParseTime("2026-05-20T12:00:00Z")->time_us;
    return start + MonotonicUs() - start_us_;
  }
  std::int64_t MonotonicUs() override { return Clock::System()->MonotonicUs(); }

 private:
  const std::int64_t start_us_ = Clock::System()->MonotonicUs();
};

StoreEnvironment May() {
  static MayClock clock;
  StoreEnvironment environment;
  environment.clock = &clock;
  return environment;
}

// ---- the child

void Tell(int fd, const std::string& line) {
  if (write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
}

void ExitIfFailed(int fd, const char* what, const Status& status) {
  if (status.ok()) return;
  Tell(fd, std::string("E ") + what + ": " + status.ToString() + "\n");
  _exit(2);
}

void AddEvent(EventBatch* batch, std::uint64_t k) {
  static const TimeUs january = ParseTime("2026-01-01")->time_us;
  const std::string id = "e" + std::to_string(k),
                    customer = "c" + std::to_string(k % kCustomersHere);
  Event e;
  e.id = id;
  e.customer = customer;
  e.service = k % 3 == 0 ? "api" : "llm";
  // 139 days, to and fro: all months get some all the time.
  e.time = january + static_cast<TimeUs>(k * 7'919 % (139 * 86'400)) * kSecondUs;
  e.quantity = Decimal(static_cast<Int128>(k), 0);
  batch->Add(e);
}

Options WriterOptions() {
  Options o;
  o.create_if_missing = true;
  o.seal_bytes = 400'000;
  o.seal_after_ms = 40;
  o.merge_fan_in = 2;
  o.cache_bytes = 1 << 20;
  o.future_bound_us = -1;
  o.month_close_after_us = 25 * kDayUs;
  o.month_quiet_us = 0;
  return o;
}

Query PrefixQuery() { return quipu::Query().Select("count,sum(quantity),max(quantity)"); }

/// Compacts, archives and seals until the process ends.
void Keep(Database* db, int fd, std::uint64_t seed) {
  Random random(seed);
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random.Below(60)));
    const std::uint64_t kind = random.Below(3);
    if (kind == 0) ExitIfFailed(fd, "seal", db->Seal());
    if (kind == 1) ExitIfFailed(fd, "compact", db->Compact());
    if (kind == 2) {
      ArchiveRequest request;
      request.before = ParseTime(random.Below(2) == 0 ? "2026-02-01" : "2026-04-01")->time_us;
      ExitIfFailed(fd, "archive", db->Archive(request).error());
    }
  }
}

/// Ingests as fast as it goes, until it is killed or has committed `events` more; then tells where it stands and waits to be killed.
[[noreturn]] void RunWriter(const std::string& path, std::uint64_t events, std::uint64_t seed,
                            int fd) {
  auto opened = OpenDatabaseIn(path, WriterOptions(), May());
  ExitIfFailed(fd, "open", opened.error());
  Database& db = *opened;
  const auto found = db.Query(PrefixQuery());
  ExitIfFailed(fd, "query", found.error());
  std::uint64_t next = static_cast<std::uint64_t>(found->columns[0].integers[0]);
  const std::uint64_t end = events == 0 ? ~std::uint64_t{0} : next + events;
  Tell(fd, "O\n");
  std::thread keeper([&] { Keep(&db, fd, seed + 1); });
  Random random(seed);
  std::atomic<std::uint64_t> in_flight{0};
  while (next < end) {
    if (in_flight.load() >= kInFlightMax) {
      std::this_thread::yield();
      continue;
    }
    EventBatch batch;
    for (std::uint64_t n = 1 + random.Below(300); n > 0 && next < end; --n)
      AddEvent(&batch, next++);
    in_flight.fetch_add(1);
    ExitIfFailed(fd, "submit", db.IngestAsync(std::move(batch), [&, fd](Result<IngestReply> reply) {
      ExitIfFailed(fd, "ingest", reply.error());
      if (reply->Count(Outcome::kAccepted) != reply->outcomes.size())
        ExitIfFailed(fd, "ingest", Status::Internal("an event was not accepted"));
      in_flight.fetch_sub(1);
    }));
  }
  while (in_flight.load() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto last = db.Query(PrefixQuery());
  ExitIfFailed(fd, "query", last.error());
  Tell(fd, "Q " + std::to_string(last->as_of) + " " + std::to_string(next) + "\n");
  for (;;) pause();
}

// ---- the parent

/// Holds every answer against the pattern. Safe from several threads.
class Prefixes {
 public:
  /// Events 0 to n - 1 are all that is there as of `as_of`.
  void See(std::uint64_t as_of, std::uint64_t n) {
    const std::lock_guard lock(mutex_);
    const auto [known, is_new] = seen_.emplace(as_of, n);
    ASSERT_EQ(known->second, n) << "two answers as of commit " << as_of;
    if (known != seen_.begin()) {
      ASSERT_LE(std::prev(known)->second, n) << as_of;
    }
    if (std::next(known) != seen_.end()) {
      ASSERT_GE(std::next(known)->second, n) << as_of;
    }
  }
  [[nodiscard]] std::size_t size() const { return seen_.size(); }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> seen_;
};

/// One follower and whoever asks it, one after another.
class Asker {
 public:
  Asker(const std::string& path, Prefixes* prefixes) : prefixes_(prefixes) {
    auto follower = OpenFollowerIn(path, {}, May());
    if (follower) db_.emplace(*std::move(follower));
    opened_ = follower.error();
  }
  [[nodiscard]] const Status& opened() const { return opened_; }
  [[nodiscard]] const Database& db() const { return *db_; }

  void Ask(Random* random) {
    switch (random->Below(8)) {
      case 0:
        return AskByCustomer(/*raw=*/true);
      case 1:
      case 2:
        return AskByCustomer(/*raw=*/false);
      case 3:
        return AskEvents(random);
      default:
        return AskTotal(random->Below(4) == 0);
    }
  }
  void AskTotal(bool raw) {
    QuerySpec spec = PrefixQuery().spec();
    spec.raw_only = raw;
    const auto answer = db_->Query(spec);
    ASSERT_TRUE(answer) << answer.error().ToString();
    ASSERT_EQ(answer->rows(), 1u);
    const auto n = static_cast<std::uint64_t>(answer->columns[0].integers[0]);
    if (n > 0) {
      ASSERT_EQ(answer->columns[1].Text(0), std::to_string(n * (n - 1) / 2)) << n;
      ASSERT_EQ(answer->columns[2].Text(0), std::to_string(n - 1));
    }
    ASSERT_NO_FATAL_FAILURE(See(answer->as_of, n, answer->staleness_us));
  }
  [[nodiscard]] std::uint64_t as_of() const { return as_of_; }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }
  [[nodiscard]] std::int64_t stalest_us() const { return stalest_us_; }

 private:
  void AskByCustomer(bool raw) {
    QuerySpec spec = quipu::Query().Select("count,sum(quantity)").GroupBy("customer").spec();
    spec.raw_only = raw;
    const auto answer = db_->Query(spec);
    ASSERT_TRUE(answer) << answer.error().ToString();
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < answer->rows(); ++i)
      n += static_cast<std::uint64_t>(answer->columns[1].integers[i]);
    for (std::size_t i = 0; i < answer->rows(); ++i) {
      const std::uint64_t c = std::stoull(answer->columns[0].Text(i).substr(1));
      const std::uint64_t count = (n - c + kCustomersHere - 1) / kCustomersHere;
      ASSERT_EQ(static_cast<std::uint64_t>(answer->columns[1].integers[i]), count) << n << " " << c;
      ASSERT_EQ(answer->columns[2].Text(i),
                std::to_string(count * c + kCustomersHere * (count * (count - 1) / 2)));
    }
    ASSERT_NO_FATAL_FAILURE(See(answer->as_of, n, answer->staleness_us));
  }
  /// An event that was seen is found, and a page has events of the prefix only.
  void AskEvents(Random* random) {
    if (n_ == 0) return;
    const std::uint64_t k = random->Below(n_);
    const auto found =
        db_->FindEvent("c" + std::to_string(k % kCustomersHere), "", "e" + std::to_string(k));
    ASSERT_TRUE(found) << "event " << k << " of " << n_ << ": " << found.error().ToString();
    ASSERT_EQ(found->event.quantity.ToString(), std::to_string(k));
    EventQuery query;
    query.limit = 1'000;
    query.customers = {"c" + std::to_string(random->Below(kCustomersHere))};
    const auto page = db_->Events(query);
    ASSERT_TRUE(page) << page.error().ToString();
    const auto answer = db_->Query(PrefixQuery());
    ASSERT_TRUE(answer) << answer.error().ToString();
    for (const StoredEvent& e : page->events)
      ASSERT_LT(std::stoll(e.quantity.ToString()), answer->columns[0].integers[0]);
    ASSERT_GE(answer->as_of, page->as_of);
  }
  void See(std::uint64_t as_of, std::uint64_t n, std::optional<std::int64_t> staleness_us) {
    ASSERT_GE(as_of, as_of_) << "as_of went back";
    ASSERT_GE(n, n_);
    ASSERT_TRUE(staleness_us.has_value());
    as_of_ = as_of;
    n_ = n;
    ++asked_;
    stalest_us_ = std::max(stalest_us_, *staleness_us);
    ASSERT_NO_FATAL_FAILURE(prefixes_->See(as_of, n));
  }

  Prefixes* prefixes_;
  std::optional<Database> db_;
  Status opened_;
  std::uint64_t as_of_ = 0, n_ = 0, asked_ = 0;
  std::int64_t stalest_us_ = 0;
};

class Writer {
 public:
  Writer(const std::string& path, std::uint64_t events, std::uint64_t seed) {
    int fds[2];
    QUIPU_CHECK(pipe2(fds, O_CLOEXEC) == 0);
    std::vector<std::string> arguments = {
        "follower_child",       "--writer",           path,
        std::to_string(events), std::to_string(seed), std::to_string(STDOUT_FILENO)};
    std::vector<char*> argv;
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    pid_ = fork();
    QUIPU_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      dup2(fds[1], STDOUT_FILENO);
      execv("/proc/self/exe", argv.data());
      _exit(127);
    }
    close(fds[1]);
    fd_ = fds[0];
  }
  /// Kills it; "" unless it had an error to tell.
  std::string Kill() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::string heard;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(fd_, buffer, sizeof buffer)) > 0;)
      heard.append(buffer, static_cast<std::size_t>(n));
    close(fd_);
    return heard.starts_with("E ") ? heard : "";
  }
  /// What it tells next; waits for it.
  std::string Hear() {
    std::string heard;
    char c = 0;
    while (read(fd_, &c, 1) == 1 && c != '\n') heard += c;
    return heard;
  }
  /// Has it something to tell?
  [[nodiscard]] bool HasTold() const {
    pollfd told{fd_, POLLIN, 0};
    return poll(&told, 1, 0) > 0;
  }

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
};

std::int64_t KillsOf() {
  const char* given = std::getenv("QUIPU_FOLLOW_KILLS");
  return given != nullptr ? std::stoll(given) : 30;
}

class FollowerKill : public testing::Test {
 protected:
  FollowerKill() {
    std::string name = (std::filesystem::temp_directory_path() / "quipu_follow_XXXXXX").string();
    QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    path_ = folder_ + "/store";
  }
  ~FollowerKill() override {
    if (HasFailure()) {
      std::cout << "what was found is kept in " << folder_ << std::endl;
      return;
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  /// A store with something in it.
  void Create() {
    auto db = OpenDatabaseIn(path_, WriterOptions(), May());
    ASSERT_TRUE(db) << db.error().ToString();
    EventBatch batch;
    for (std::uint64_t k = 0; k < 10; ++k) AddEvent(&batch, k);
    ASSERT_TRUE(db->Ingest(batch));
    ASSERT_TRUE(db->Close().ok());
  }
  /// The follower shows what the writer has told, and how soon.
  void CatchUpAtTheEnd(std::uint64_t seed) {
    Writer writer(path_, 300'000, seed);
    ASSERT_EQ(writer.Hear(), "O");
    std::istringstream told(writer.Hear());
    const auto start = std::chrono::steady_clock::now();
    std::string word;
    std::uint64_t as_of = 0, n = 0;
    told >> word >> as_of >> n;
    ASSERT_EQ(word, "Q") << told.str();
    std::int64_t ms = 0;
    do {
      ASSERT_NO_FATAL_FAILURE(asker_->AskTotal(false));
      ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start)
               .count();
      ASSERT_LT(ms, kPatienceMs) << "the follower does not arrive at commit " << as_of;
    } while (asker_->as_of() < as_of);
    prefixes_.See(as_of, n);
    std::cout << "caught up with a quiet writer after " << ms << " ms\n";
    ASSERT_EQ(writer.Kill(), "");
  }

  std::string folder_, path_;
  Prefixes prefixes_;
  std::optional<Asker> asker_;
};

TEST_F(FollowerKill, AnswersArePrefixesThroughKillsAndRestarts) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  ASSERT_NO_FATAL_FAILURE(Create());
  asker_.emplace(path_, &prefixes_);
  ASSERT_TRUE(asker_->opened().ok()) << asker_->opened().ToString();
  std::uint64_t opened_beside = 0;
  for (std::int64_t kills = KillsOf(); kills > 0; --kills) {
    Writer writer(path_, 0, random.Next() >> 1);
    // Most are killed at work, some while they open the store.
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(random.Below(300));
    bool is_opening = random.Below(5) != 0;
    while (is_opening || std::chrono::steady_clock::now() < end) {
      if (is_opening && writer.HasTold()) {
        ASSERT_EQ(writer.Hear(), "O");
        is_opening = false;
        end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20 + random.Below(400));
      }
      ASSERT_NO_FATAL_FAILURE(asker_->Ask(&random));
      if (random.Below(60) != 0) continue;
      Asker beside(path_, &prefixes_);
      ASSERT_TRUE(beside.opened().ok()) << beside.opened().ToString();
      ASSERT_NO_FATAL_FAILURE(beside.Ask(&random));
      ++opened_beside;
    }
    ASSERT_EQ(writer.Kill(), "");
    ASSERT_NO_FATAL_FAILURE(asker_->AskTotal(false));
  }
  ASSERT_NO_FATAL_FAILURE(CatchUpAtTheEnd(random.Next() >> 1));
  ASSERT_NO_FATAL_FAILURE(asker_->AskTotal(true));
  std::cout << asker_->asked() << " answers of " << prefixes_.size() << " commits, as of commit "
            << asker_->as_of() << " at last; the stalest " << asker_->stalest_us() / 1000 << " ms; "
            << opened_beside << " followers were opened beside the writer\n";
  // And the store is as sound as if nobody had looked.
  auto db = OpenDatabaseIn(path_, WriterOptions(), May());
  ASSERT_TRUE(db) << db.error().ToString();
  const auto report = db->Verify();
  ASSERT_TRUE(report) << report.error().ToString();
  for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
}

}  // namespace
}  // namespace quipu

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() == 6 && arguments[1] == "--writer") {
    quipu::RunWriter(arguments[2], std::stoull(arguments[3]), std::stoull(arguments[4]),
                     std::stoi(arguments[5]));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
