// No memory. The n-th allocation within the engine fails, for n = 1, 2, 3, ... until none does. What is promised (decision 0022):
//   a read     is kExhausted, and the next one is right: caches bear it.
//   a change   ends the process. Whatever was acknowledged before is there when the store is opened again, once.
//
// Allocations within RocksDB do not count: it does not bear them. Every n with QUIPU_SWEEP=full, a sample otherwise; changes begin with
// n = QUIPU_ALLOCATION, if it is set.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

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
#include "segment/dictionary_cache.h"
#include "segment/page_cache.h"
#include "tests/oracle.h"
#include "tests/shell.h"
#include "tests/short_life.h"
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
  Status ReleaseOldFiles() override {
    const Exempt now;
    return below_->ReleaseOldFiles();
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

Result<std::unique_ptr<KvStore>> Exempted(Result<std::unique_ptr<KvStore>> below) {
  if (!below) return below.error();
  return std::unique_ptr<KvStore>(std::make_unique<ExemptKv>(*std::move(below)));
}

/// Three commits in two segments, two not sealed.
void Build(Database* db) {
  for (int b = 0; b < kLifeBatches; ++b) {
    QUIPU_CHECK(db->Ingest(LifeBatch(b)).has_value());
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
    auto db = OpenDatabaseIn("/store", LifeOptions(), environment);
    QUIPU_CHECK(db.has_value());
    db_.emplace(*std::move(db));
  }

  /// Each time in a store that was just opened: what is loaded at first use is loaded then. `read` says what it was told.
  void FailEach(const char* name, const std::function<std::string(const Database&)>& read) {
    const std::string right = read(*db_);
    std::int64_t n = 0, exhausted = 0;
    for (bool failed = true; failed; n += IsFullSweep() ? 1 : 1 + n / 50) {
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
    std::cout << name << ": fewer than " << n << " allocations, without " << exhausted
              << " of them there was no answer\n";
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

/// What it had taken over in part, when memory ended, it takes over anew.
TEST_F(NoMemoryToRead, AFollowerGoesOnWithTheNextLook) {
  StoreEnvironment environment;
  environment.vfs = &memory_;
  environment.clock = &clock_;
  environment.follow_kv = [this](const std::string&) { return kv_.Follow(); };
  FollowerOptions options;
  options.refresh_ms = 3'600'000;  // looks only when it is asked
  const auto count = [](const Database& db) {
    return db.Query(Query().Select("count"))->columns[0].integers[0];
  };
  std::int64_t n = 0, exhausted = 0;
  int next = kLifeBatches * 20;
  for (bool failed = true; failed; n += IsFullSweep() ? 1 : 1 + n / 20) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    auto follower = OpenFollowerIn("/store", options, environment);
    ASSERT_TRUE(follower.has_value()) << follower.error().ToString();
    EventBatch batch;
    AddTo(&batch, TraceFact(next++));
    ASSERT_TRUE(db_->Ingest(batch).has_value());
    if (n % 3 == 0) {
      ASSERT_TRUE(db_->Seal().ok());
    }
    allocations_left = n;
    const auto caught_up = follower->CatchUp();
    failed = allocations_left.exchange(-1) < 0;
    ASSERT_TRUE(caught_up || (failed && caught_up.error().code() == StatusCode::kExhausted))
        << caught_up.error().ToString();
    exhausted += caught_up ? 0 : 1;
    clock_.Advance(kSecondUs);
    ASSERT_EQ(*follower->CatchUp(), db_->Info()->as_of);
    ASSERT_EQ(count(*follower), count(*db_));
  }
  EXPECT_GT(exhausted, 3);
}

// ---- caches: an entry is in all of a cache's structures, or what is there of it does no harm

/// Calls `insert` for 0, 1, ... below `entries`; the n-th allocation fails. False if there were fewer.
bool InsertWithout(std::int64_t n, std::uint64_t entries,
                   const std::function<void(std::uint64_t)>& insert) {
  allocations_left = n;
  bool failed = false;
  for (std::uint64_t i = 0; i < entries; ++i) {
    try {
      insert(i);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  }
  return allocations_left.exchange(-1) < 0 && failed;
}

TEST(NoMemoryToCache, PagesAreFoundOrNotAndCountedOnce) {
  constexpr std::uint64_t kPages = 100, kBytesMax = 40'000;
  const auto page = std::make_shared<const std::string>(300, 'x');
  std::int64_t n = 0;
  for (bool failed = true; failed; ++n) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    PageCache cache(kBytesMax);
    failed = InsertWithout(n, kPages, [&](std::uint64_t i) { cache.Insert(i % 3, i, page); });
    // Everything goes on: entries go and come, each page is found or inserted again.
    for (std::uint64_t i = 0; i < kPages; ++i) ASSERT_EQ(cache.Insert(i % 3, i, page), page);
    ASSERT_LE(cache.bytes(), kBytesMax);
    ASSERT_GT(cache.bytes(), kBytesMax / 2);
    for (std::uint64_t segment = 0; segment < 3; ++segment) cache.Forget(segment);
    ASSERT_EQ(cache.bytes(), 0u);
    for (std::uint64_t i = 0; i < kPages; ++i) ASSERT_EQ(cache.Find(i % 3, i), nullptr);
  }
  EXPECT_GT(n, 200);
}

TEST(NoMemoryToCache, IdentitiesAreFoundOrNotAndCountedOnce) {
  const auto prefix = [] {
    auto made = std::make_shared<IdentityPrefix>(IdentityShape(1));
    made->Seal();
    return made;
  }();
  const std::uint64_t one = prefix->bytes();
  std::int64_t n = 0;
  for (bool failed = true; failed; ++n) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    IdentityCache cache(5 * one);
    failed = InsertWithout(n, 20, [&](std::uint64_t i) { cache.Insert(i % 9, prefix); });
    std::uint64_t found = 0;
    for (std::uint64_t i = 0; i < 9; ++i) found += cache.Find(i) != nullptr;
    ASSERT_EQ(cache.bytes(), found * one);
    for (std::uint64_t i = 0; i < 9; ++i) cache.Forget(i);
    ASSERT_EQ(cache.bytes(), 0u);
  }
  EXPECT_GT(n, 10);
}

TEST(NoMemoryToCache, DictionariesStayWithinTheBound) {
  constexpr std::uint64_t kDictionaries = 60;  // twice the bound
  std::vector<DictionaryPtr> dictionaries;
  for (std::uint64_t i = 0; i < kDictionaries; ++i) {
    StringList strings;
    strings.Reserve(1, 1 << 20);
    strings.Add(std::to_string(i));
    dictionaries.push_back(std::make_shared<const StringList>(std::move(strings)));
  }
  std::int64_t n = 0;
  for (bool failed = true; failed; ++n) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    DictionaryCache cache;
    const auto insert = [&](std::uint64_t i) {
      ASSERT_EQ(cache.Insert(i, dictionaries[i]), dictionaries[i]);
    };
    failed = InsertWithout(n, kDictionaries / 2, insert);
    for (std::uint64_t i = kDictionaries / 2; i < kDictionaries; ++i) insert(i);
    for (std::uint64_t i = kDictionaries / 2; i < kDictionaries; ++i) insert(i);
    std::uint64_t found = 0;
    for (std::uint64_t i = 0; i < kDictionaries; ++i)
      if (const DictionaryPtr kept = cache.Find(i)) found += kept->bytes();
    ASSERT_EQ(found, cache.bytes());
    ASSERT_LE(found, DictionaryCache::kBytesMax);
  }
  EXPECT_GT(n, 50);
}

// ---- changes

/// Changes a store in a child, in which the n-th allocation of the change fails; how it ended. kNothingFailed is acknowledged if there are fewer.
Ending ChangeWithout(std::int64_t n, const std::string& path,
                     const std::function<bool(Database*, const Acknowledge&)>& change) {
  return RunToTheEnd([&](const Acknowledge& acknowledge) {
    StoreEnvironment environment;
    environment.random_seed = 3;
    environment.open_kv = [](const std::string& kv) { return Exempted(OpenRocksKv(kv)); };
    auto db = OpenDatabaseIn(path, LifeOptions(), environment);
    if (!db) return false;
    allocations_left = n;
    const bool well = change(&*db, acknowledge);
    if (allocations_left.exchange(-1) >= 0) acknowledge(kNothingFailed);
    return well;
  });
}

/// It ends at once, or goes well: the library's sorts do without a buffer if there is none.
void ExpectEndedOrWell(const Ending& ending) {
  ASSERT_TRUE(ending.went_well ||
              (WIFSIGNALED(ending.status) && WTERMSIG(ending.status) == SIGABRT))
      << ending.status;
}

TEST(NoMemoryToChange, ToCloseIsOne) {
  const ScratchFolder scratch(FolderInMemory());
  std::int64_t n = 0;
  for (bool is_over = false; !is_over; ++n) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    const Ending ending =
        ChangeWithout(n, scratch.path() + "/store",
                      [](Database* db, const Acknowledge&) { return db->Close().ok(); });
    ASSERT_NO_FATAL_FAILURE(ExpectEndedOrWell(ending));
    is_over = ending.acknowledged.contains(kNothingFailed);
  }
  EXPECT_GT(n, 1);
}

TEST(NoMemoryToChange, EndsTheProcessAndLosesNothing) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  const ScratchFolder scratch(FolderInMemory());
  const std::string path = scratch.path() + "/store";
  // A caller's memory is not the engine's.
  const auto make_batch = [](int number) {
    const std::int64_t left = allocations_left.exchange(-1);
    EventBatch batch = LifeBatch(number);
    allocations_left = left;
    return batch;
  };
  int ended = 0;
  std::int64_t n = static_cast<std::int64_t>(random.Below(20));
  if (const char* const first = std::getenv("QUIPU_ALLOCATION")) n = std::atoll(first);
  for (;; n += IsFullSweep() ? 1 : 1 + static_cast<std::int64_t>(random.Below(900))) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    fs::remove_all(path);
    const Ending ending = ChangeWithout(n, path, [&](Database* db, const Acknowledge& acknowledge) {
      return LiveShortly(db, make_batch, acknowledge);
    });
    ASSERT_NO_FATAL_FAILURE(ExpectEndedOrWell(ending));
    std::set<int> acknowledged = ending.acknowledged;
    const bool is_over = acknowledged.erase(kNothingFailed) == 1;
    ASSERT_EQ(WrongAfter(path, acknowledged), "");
    ended += !ending.went_well;
    if (is_over) break;
  }
  std::cout << "QUIPU_SEED=" << seed << ": " << n << " allocations, " << ended
            << " processes ended by one that failed\n";
  EXPECT_GT(ended, 5);
}

}  // namespace
}  // namespace quipu
