// No memory. The n-th allocation within the engine fails, for n = 1, 2, 3, ... until none does. What is promised (decision 0022):
//   a read     is kExhausted, and the next one is right: caches bear it.
//   a change   ends the process. Whatever was acknowledged before is there when the store is opened again, once.
//
// Allocations within RocksDB do not count: it does not bear them. Every n with QUIPU_SWEEP=full, a sample of the changes' otherwise.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <new>

#include "base/check.h"
#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"
#include "tests/oracle.h"
#include "tests/shell.h"
#include "tests/trace.h"

namespace {

std::atomic<std::int64_t> allocations_left{-1};  // before one fails; negative = none does
thread_local bool is_exempt = false;

}  // namespace

// Replaces the library's, for this program. The other forms call this one.
void* operator new(std::size_t bytes) {
  if (allocations_left.load(std::memory_order_relaxed) >= 0 && !is_exempt &&
      allocations_left.fetch_sub(1) == 0)
    throw std::bad_alloc();
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored \
    "-Wmismatched-new-delete"  // GCC looks through both and sees malloc and free
#endif
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr TimeUs kNow = 1'796'083'200 * kSecondUs;  // 2026-12-01
constexpr int kBatches = 6;

/// The key-value store is not ours.
class ExemptKv final : public KvStore {
 public:
  explicit ExemptKv(std::unique_ptr<KvStore> below) : below_(std::move(below)) {}
  ~ExemptKv() override {
    const Exempt now;
    below_.reset();
  }
  Status Write(const KvBatch& batch, bool sync) override {
    const Exempt now;
    return below_->Write(batch, sync);
  }
  Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
    const Exempt now;
    return below_->Get(space, key);
  }
  Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
    const Exempt now;
    return below_->Scan(space, from, visit);
  }
  Status Purge() override {
    const Exempt now;
    return below_->Purge();
  }
  Status Close() override {
    const Exempt now;
    return below_->Close();
  }

 private:
  struct Exempt {
    Exempt() { is_exempt = true; }
    ~Exempt() { is_exempt = false; }
  };
  std::unique_ptr<KvStore> below_;
};

bool IsFullSweep() {
  const char* sweep = std::getenv("QUIPU_SWEEP");
  return sweep != nullptr && std::string(sweep) == "full";
}

Options TestOptions() {
  Options o;
  o.create_if_missing = true;
  o.background_upkeep = false;
  o.future_bound_us = -1;
  o.merge_fan_in = 2;
  return o;
}

Result<std::unique_ptr<KvStore>> Exempted(Result<std::unique_ptr<KvStore>> below) {
  if (!below) return below.error();
  return std::unique_ptr<KvStore>(std::make_unique<ExemptKv>(*std::move(below)));
}

EventBatch BatchOf(int number) {
  EventBatch batch;
  for (int i = number * 20; i < number * 20 + 20; ++i) AddTo(&batch, TraceFact(i));
  return batch;
}

/// Three commits in two segments, two not sealed.
void Build(Database* db) {
  for (int b = 0; b < kBatches; ++b) {
    QUIPU_CHECK(db->Ingest(BatchOf(b)).has_value());
    if (b == 1 || b == 3) QUIPU_CHECK(db->Seal().ok());
  }
}

// ---- reads

class NoMemoryToRead : public testing::Test {
 protected:
  NoMemoryToRead() {
    Open();
    Build(&*db_);
  }
  void Open() {
    db_.reset();
    StoreEnvironment environment;
    environment.vfs = &memory_;
    environment.clock = &clock_;
    environment.random_seed = 3;
    environment.open_kv = [this](const std::string&) { return Exempted(kv_.Open()); };
    auto db = OpenDatabaseIn("/store", TestOptions(), environment);
    QUIPU_CHECK(db.has_value());
    db_.emplace(*std::move(db));
  }

  /// Each time in a store that was just opened: what is loaded at first use is loaded then. `read` says what it was told.
  void FailEach(const char* name, const std::function<std::string(const Database&)>& read) {
    const std::string right = read(*db_);
    std::int64_t n = 0, exhausted = 0;
    for (bool failed = true; failed; ++n) {
      Open();
      allocations_left = n;
      const std::string said = read(*db_);
      failed = allocations_left.exchange(-1) < 0;
      const bool is_exhausted = failed && said == "exhausted: out of memory";
      exhausted += is_exhausted;
      // The library's sorts do without a buffer if there is none.
      ASSERT_TRUE(said == right || is_exhausted) << name << " at allocation " << n << ": " << said;
      ASSERT_EQ(read(*db_), right) << name << " after allocation " << n << " failed";
    }
    std::cout << name << ": " << n - 1 << " allocations, without " << exhausted
              << " of them no answer\n";
    EXPECT_GT(exhausted, 3);
  }

  MemoryVfs memory_;
  MemoryKvDisk kv_;
  ManualClock clock_{kNow};
  std::optional<Database> db_;
};

/// The text of an answer; made without failing allocations, which are for the engine.
template <class T, class Text>
std::string Said(const Result<T>& answer, const Text& text) {
  const std::int64_t left = allocations_left.exchange(-1);
  std::string said = answer ? text(*answer) : answer.error().ToString();
  allocations_left = left;
  return said;
}

TEST_F(NoMemoryToRead, IsExhaustedAndTheNextReadIsRight) {
  const QuerySpec sums =
      Query().Select("count, sum(tokens), p95(duration_ms)").GroupBy("customer").spec();
  const QuerySpec rows = Query()
                             .Select("count, latest(cost)")
                             .GroupBy("status")
                             .Where("tokens>=100")
                             .OrderBy("-count")
                             .spec();
  for (const QuerySpec& spec : {sums, rows}) {
    ASSERT_NO_FATAL_FAILURE(FailEach("query", [&](const Database& db) {
      return Said(db.Query(spec), [](const ResultSet& r) { return AnswerText(r); });
    }));
  }
  ASSERT_NO_FATAL_FAILURE(FailEach("events", [](const Database& db) {
    EventQuery query;
    query.limit = 30;
    return Said(db.Events(query), [](const EventPage& p) {
      std::string text;
      for (const StoredEvent& e : p.events) text += e.customer + "/" + e.id + " ";
      return text;
    });
  }));
  ASSERT_NO_FATAL_FAILURE(FailEach("find", [](const Database& db) {
    const Fact fact = [] {
      const std::int64_t left = allocations_left.exchange(-1);
      Fact known = TraceFact(7);
      allocations_left = left;
      return known;
    }();
    return Said(db.FindEvent(fact.customer, fact.source, fact.id),
                [&](const FoundEvent& f) { return Difference(f.event, fact) + "found"; });
  }));
  ASSERT_NO_FATAL_FAILURE(FailEach("partitions", [](const Database& db) {
    return Said(db.Partitions(true), [](const std::vector<PartitionInfo>& all) {
      std::string text;
      for (const PartitionInfo& p : all)
        text += p.month + " " + p.customer + " " + std::to_string(p.rows) + "; ";
      return text;
    });
  }));
  ASSERT_NO_FATAL_FAILURE(FailEach("verify", [](const Database& db) {
    return Said(db.Verify(), [](const VerifyReport& r) {
      return std::to_string(r.rows) + " rows, " + std::to_string(r.problems.size()) + " problems";
    });
  }));
}

// ---- changes

struct Acknowledged {
  std::uint8_t batches = 0;
  bool done = false;
};

/// In a child: a life of which allocation `n` fails. What was acknowledged goes through the pipe, a byte each.
[[noreturn]] void LiveUntilNoMemory(const std::string& path, std::int64_t n, int pipe) {
  signal(SIGABRT, SIG_DFL);
  StoreEnvironment environment;
  environment.random_seed = 3;
  environment.open_kv = [](const std::string& kv) { return Exempted(OpenRocksKv(kv)); };
  auto db = OpenDatabaseIn(path, TestOptions(), environment);
  if (!db) _exit(2);
  allocations_left = n;
  for (int b = 0; b < kBatches; ++b) {
    const std::int64_t left = allocations_left.exchange(-1);
    const EventBatch batch = BatchOf(b);  // a caller's memory is not the engine's
    allocations_left = left;
    if (!db->Ingest(batch)) _exit(2);
    if (write(pipe, "a", 1) != 1) _exit(2);
    if (b % 2 == 1 && !db->Seal().ok()) _exit(2);
    if (b == kBatches - 1 && !db->Compact().ok()) _exit(2);
  }
  _exit(allocations_left.exchange(-1) >= 0 ? 0 : 3);
}

/// In a child: is what was acknowledged there? One batch more may be.
int Check(const std::string& path, int acknowledged) {
  auto db = Database::Open(path, TestOptions());
  if (!db) return acknowledged == 0 ? 0 : 1;
  const auto answer = db->Query(Query().Select("count"));
  if (!answer) return 2;
  const std::int64_t rows = answer->columns[0].integers[0];
  const bool right = rows == acknowledged * 20 || rows == acknowledged * 20 + 20;
  // And everything can be sent again.
  std::int64_t accepted = rows;
  for (int b = 0; b < kBatches; ++b) {
    const auto reply = db->Ingest(BatchOf(b));
    if (!reply) return 3;
    accepted += static_cast<std::int64_t>(reply->Count(Outcome::kAccepted));
  }
  return right && accepted == kBatches * 20 ? 0 : 4;
}

int WaitFor(pid_t pid) {
  int status = 0;
  QUIPU_CHECK(waitpid(pid, &status, 0) == pid);
  return status;
}

TEST(NoMemoryToChange, EndsTheProcessAndLosesNothing) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  const ScratchFolder scratch(FolderInMemory());
  (void)TraceFact(1);  // the table is made before
  int ended = 0;
  std::int64_t n = static_cast<std::int64_t>(random.Below(20));
  for (;; n += IsFullSweep() ? 1 : 1 + static_cast<std::int64_t>(random.Below(300))) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    const std::string path = scratch.path() + "/store";
    fs::remove_all(path);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t life = fork();
    if (life == 0) {
      (void)!std::freopen("/dev/null", "w", stderr);
      LiveUntilNoMemory(path, n, ends[1]);
    }
    close(ends[1]);
    int acknowledged = 0;
    for (char a = 0; read(ends[0], &a, 1) == 1;) ++acknowledged;
    close(ends[0]);
    const int status = WaitFor(life);
    const bool finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ASSERT_TRUE(finished || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)) << status;
    ended += !finished;
    const pid_t check = fork();
    if (check == 0) _exit(Check(path, acknowledged));
    const int found = WaitFor(check);
    ASSERT_TRUE(WIFEXITED(found) && WEXITSTATUS(found) == 0)
        << "status " << found << " after " << acknowledged << " batches";
    if (finished) break;
  }
  std::cout << "QUIPU_SEED=" << seed << ": " << n << " allocations, " << ended
            << " processes ended by one that failed\n";
  EXPECT_GT(ended, 5);
}

}  // namespace
}  // namespace quipu
