// The engine against the oracle: random operations (ingest, seal, compact, erase, restart, power cut,
// questions, paging) over many option sets, on surroundings that check the order of writes and
// forget what was not synced. Every question is asked twice, with and without summaries; both
// answers must be byte-identical and agree with the oracle.
//
// QUIPU_SEED repeats a run, QUIPU_ROUNDS sets how many worlds are tried.
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <iostream>
#include <set>

#include "base/check.h"
#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"
#include "tests/oracle.h"
#include "tests/workload.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUIPU_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QUIPU_SANITIZED 1
#endif
#endif

namespace quipu {
namespace {

#ifdef QUIPU_SANITIZED
constexpr int kSlowness = 4;
#else
constexpr int kSlowness = 1;
#endif

int Rounds(int standard) {
  const char* given = std::getenv("QUIPU_ROUNDS");
  return given != nullptr ? std::atoi(given) : standard;
}

/// Where a store of a test lives: in memory with checked write order, or (real = true) in a folder
/// with RocksDB.
class Surroundings {
 public:
  explicit Surroundings(bool real) : real_(real), clock_(ParseTime("2026-12-01")->time_us) {
    if (!real_) return;
    std::string name = (std::filesystem::temp_directory_path() / "quipu_model_XXXXXX").string();
    QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~Surroundings() {
    std::error_code ignored;
    if (real_) std::filesystem::remove_all(folder_, ignored);
  }
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  /// Every opening gets its own OrderCheckingVfs: what a restart forgets, it forgets too.
  Result<Database> Open(const Options& options, std::uint64_t seed) {
    StoreEnvironment environment;
    order_.push_back(std::make_unique<OrderCheckingVfs>(real_ ? Vfs::Posix() : &memory_));
    environment.vfs = order_.back().get();
    environment.clock = &clock_;
    environment.random_seed = seed;
    if (!real_) environment.open_kv = [this](const std::string&) { return kv_.Open(); };
    return OpenDatabaseIn(real_ ? folder_ + "/store" : "/store", options, environment);
  }

  void PowerCut(Random& random) {
    // First: what the manifest holds from now on, no later file operation may contradict.
    kv_.PowerCut(random);
    memory_.PowerCut(random, static_cast<int>(random.Below(101)));
  }

  /// What a power cut left behind stands in the way of an erasure until somebody removes it.
  void EmptyQuarantine() {
    Vfs* const vfs = real_ ? Vfs::Posix() : static_cast<Vfs*>(&memory_);
    const std::string folder = (real_ ? folder_ + "/store" : "/store") + std::string("/quarantine");
    const auto names = vfs->List(folder);
    QUIPU_CHECK(names.has_value());
    for (const std::string& name : *names) QUIPU_CHECK(vfs->Unlink(JoinPath(folder, name)).ok());
  }

  ManualClock& clock() { return clock_; }
  [[nodiscard]] bool real() const { return real_; }

 private:
  bool real_;
  std::string folder_;
  ManualClock clock_;
  MemoryVfs memory_;
  MemoryKvDisk kv_;
  std::vector<std::unique_ptr<OrderCheckingVfs>> order_;
};

Options RandomOptions(Random& random) {
  const auto pick = [&](std::initializer_list<std::uint64_t> choices) {
    return *(choices.begin() + random.Below(choices.size()));
  };
  Options o;
  o.create_if_missing = true;
  o.durability = random.Below(3) == 0 ? Durability::kInterval : Durability::kSync;
  o.sync_interval_ms = 20;
  o.seal_bytes = pick({20'000, 300'000, 64u << 20});
  o.hot_bytes_max = std::max<std::uint64_t>(pick({100'000, 64u << 20}), 50'000);
  o.background_upkeep = random.Below(2) == 0;
  if (!o.background_upkeep) o.hot_bytes_max = 64u << 20;  // nobody would make room
  o.merge_fan_in = static_cast<std::uint32_t>(pick({2, 8}));
  o.merged_rows_max = pick({3000, 16u << 20});
  o.cache_bytes = pick({0, 10'000, 64u << 20});
  o.commit_bytes_max = static_cast<std::uint32_t>(pick({1, 1u << 20}));
  o.future_bound_us = -1;
  return o;
}

std::string Describe(const Options& o) {
  return "durability=" + std::to_string(static_cast<int>(o.durability)) +
         " seal_bytes=" + std::to_string(o.seal_bytes) +
         " hot_bytes_max=" + std::to_string(o.hot_bytes_max) +
         " background=" + std::to_string(o.background_upkeep) +
         " fan_in=" + std::to_string(o.merge_fan_in) +
         " merged_rows_max=" + std::to_string(o.merged_rows_max) +
         " cache=" + std::to_string(o.cache_bytes);
}

std::string Describe(const QuerySpec& q) {
  std::string text = "select";
  for (const Aggregate& a : q.select) text += " " + a.name;
  for (const auto& c : q.customers) text += " customer " + c;
  for (const auto& s : q.services) text += " service " + s;
  if (q.from) text += " from " + FormatTime(*q.from);
  if (q.to) text += " to " + FormatTime(*q.to);
  text += " unit " + std::to_string(static_cast<int>(q.window.unit)) + " " + q.window.zone;
  for (const auto& g : q.group_by) text += " by " + g;
  for (const Filter& f : q.filters) {
    text += " where " + f.column + " op" + std::to_string(static_cast<int>(f.op));
    for (const auto& v : f.values) text += " " + v;
  }
  for (const OrderBy& o : q.order_by)
    text += std::string(" order ") + (o.descending ? "-" : "") + o.column;
  return text + " limit " + std::to_string(q.limit) + (q.fill ? " fill" : "") +
         (q.exact ? " exact" : "");
}

/// One store, its oracle, and the operations on both.
class World {
 public:
  World(std::uint64_t seed, const Options& options, bool real)
      : work_(seed), options_(options), surroundings_(real) {
    Open();
  }

  [[nodiscard]] int summarised() const { return summarised_; }

  void Run(int steps) {
    Send({work_.Founder()}, false);
    ASSERT_TRUE(db_->Seal().ok());
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      Step();
      if (::testing::Test::HasFailure()) return;
    }
    ASSERT_NO_FATAL_FAILURE(CheckEverything());
  }

 private:
  void Open() {
    auto opened = surroundings_.Open(options_, 1 + work_.random().Next() / 2);
    ASSERT_TRUE(opened.has_value()) << opened.error().ToString();
    db_.emplace(*std::move(opened));
  }

  void Step() {
    surroundings_.clock().Advance(static_cast<std::int64_t>(work_.Below(200'000)));
    const std::uint64_t kind = work_.Below(100);
    if (kind < 30) return SendRandom();
    if (kind < 35) return Send(work_.Burst(1000 + work_.Below(5000)), false);
    if (kind < 39) return SendStamped();
    if (kind < 41) return SendRefused();
    if (kind < 47) {
      const Status status = db_->Seal();
      ASSERT_TRUE(status.ok()) << status.ToString();
      durable_seq_ = AsOf();
      return;
    }
    if (kind < 50) {
      const Status status = db_->Compact();
      ASSERT_TRUE(status.ok()) << status.ToString();
      return;
    }
    if (kind < 53) return Restart();
    if (kind < 56) return surroundings_.real() ? Restart() : PowerCut();
    if (kind < 59) return Erase();
    if (kind < 94) return Ask();
    Page();
  }

  std::uint64_t AsOf() {
    const auto info = db_->Info();
    QUIPU_CHECK(info.has_value());
    return info->as_of;
  }

  // ---- ingest

  void SendRandom() {
    std::vector<Fact> facts;
    bool partial = false;
    for (std::uint64_t n = 1 + work_.Below(work_.Chance(20) ? 2000 : 60); facts.size() < n;) {
      const std::uint64_t kind = work_.Below(100);
      if (kind < 8 && !sent_.empty()) {
        facts.push_back(sent_[work_.Below(sent_.size())]);
      } else if (kind < 12 && !sent_.empty()) {
        facts.push_back(work_.Contradict(sent_[work_.Below(sent_.size())]));
      } else if (kind < 14 && !facts.empty()) {
        facts.push_back(facts[work_.Below(facts.size())]);  // twice in one batch
      } else if (kind < 16) {
        facts.push_back(work_.Spoil(work_.NewFact()));
        partial = true;
      } else {
        facts.push_back(work_.NewFact());
      }
      Fact& last = facts.back();
      if (last.invalid || kind < 16) continue;
      if (work_.Chance(5)) last.time_given = false;
      if (work_.Chance(3)) last.id.clear();
    }
    Send(std::move(facts), partial);
  }

  EventBatch BatchOf(const std::vector<Fact>& facts, bool partial) {
    EventBatch batch;
    batch.partial = partial;
    for (const Fact& f : facts) AddTo(&batch, f);
    return batch;
  }

  void Send(std::vector<Fact> facts, bool partial) {
    const EventBatch batch = BatchOf(facts, partial);
    SendBatch(batch, std::move(facts));
  }

  void SendBatch(const EventBatch& batch, std::vector<Fact> facts) {
    const TimeUs now = surroundings_.clock().NowUs();
    const auto reply = db_->Ingest(batch);
    ASSERT_TRUE(reply.has_value()) << reply.error().ToString();
    EXPECT_FALSE(reply->replayed);
    for (const GeneratedId& g : reply->generated_ids) {
      ASSERT_LT(g.index, facts.size());
      EXPECT_TRUE(facts[g.index].id.empty());
      facts[g.index].id = g.id;
    }
    for (Fact& f : facts) {
      EXPECT_TRUE(f.invalid || !f.id.empty());
      if (!f.time_given) f.time = now;
    }
    const std::vector<Outcome> expected = oracle_.Ingest(facts, reply->seq);
    for (std::size_t i = 0; i < facts.size(); ++i) {
      ASSERT_EQ(static_cast<int>(reply->outcomes.at(i)), static_cast<int>(expected[i]))
          << "event " << i << " " << facts[i].id;
      if (expected[i] == Outcome::kAccepted && sent_.size() < 2000) sent_.push_back(facts[i]);
      if (expected[i] == Outcome::kAccepted && sent_.size() >= 2000)
        sent_[work_.Below(2000)] = facts[i];
    }
    EXPECT_EQ(reply->seq != 0, reply->Count(Outcome::kAccepted) > 0);
    EXPECT_EQ(reply->problems.size(), std::min<std::size_t>(100, reply->Count(Outcome::kInvalid)));
  }

  /// The next batch of a producer, then perhaps a replay of a recent one.
  void SendStamped() {
    std::vector<Fact> facts;
    for (std::uint64_t n = 1 + work_.Below(20); facts.size() < n;) {
      facts.push_back(work_.Chance(20) && !sent_.empty() ? sent_[work_.Below(sent_.size())]
                                                         : work_.NewFact());
    }
    EventBatch batch = BatchOf(facts, false);
    batch.producer = ProducerStamp{"p", epoch_, ++sequence_};
    const auto before = oracle_.size();
    ASSERT_NO_FATAL_FAILURE(SendBatch(batch, facts));
    recent_.push_back({std::move(batch), oracle_.size() - before});
    if (recent_.size() > 5) recent_.pop_front();
    if (work_.Chance(50)) Replay();
    if (work_.Chance(20)) {
      EventBatch gap = BatchOf({work_.NewFact()}, false);
      gap.producer = ProducerStamp{"p", epoch_, sequence_ + 2};
      EXPECT_EQ(db_->Ingest(gap).error().code(), StatusCode::kConflict);
    }
  }

  void Replay() {
    const Stamped& old = recent_[work_.Below(recent_.size())];
    const auto reply = db_->Ingest(old.batch);
    ASSERT_TRUE(reply.has_value()) << reply.error().ToString();
    EXPECT_TRUE(reply->replayed);
    EXPECT_EQ(reply->Count(Outcome::kAccepted), old.accepted);
  }

  /// One invalid event refuses a batch that is not partial.
  void SendRefused() {
    std::vector<Fact> facts = {work_.NewFact(), work_.Spoil(work_.NewFact()), work_.NewFact()};
    const auto before = AsOf();
    const auto reply = db_->Ingest(BatchOf(facts, false));
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(AsOf(), before);
  }

  // ---- erasure

  /// From the call on everything is as if there had been no event of the customer, whatever is done with the bytes and when.
  void Erase() {
    const std::string customer =
        sent_.empty() ? "nobody" : sent_[work_.Below(sent_.size())].customer;
    const auto erased = db_->Erase(customer);
    const std::size_t events = oracle_.Erase(customer);
    if (!erased) {  // not even a name: all of its events were duplicates or forgotten by a power cut
      ASSERT_EQ(erased.error().code(), StatusCode::kNotFound) << erased.error().ToString();
      ASSERT_EQ(events, 0u);
      return;
    }
    durable_seq_ = AsOf();
    CheckCount();
    ASSERT_NO_FATAL_FAILURE(Ask());
    if (work_.Chance(50)) FinishErasures();
  }

  void FinishErasures() {
    surroundings_.EmptyQuarantine();
    const Status status = db_->FinishErasures();
    ASSERT_TRUE(status.ok()) << status.ToString();
    const auto erasures = db_->Erasures();
    ASSERT_TRUE(erasures.has_value());
    for (const ErasureInfo& e : *erasures)
      EXPECT_TRUE(e.done.has_value()) << "erasure " << e.id << " waits for " << e.waits_for;
    CheckCount();
  }

  // ---- restarts

  void Restart() {
    if (work_.Chance(70)) {
      const Status status = db_->Close();
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
    db_.reset();
    ASSERT_NO_FATAL_FAILURE(Open());
    durable_seq_ = AsOf();
    CheckCount();
  }

  void PowerCut() {
    const std::uint64_t last = AsOf();
    surroundings_.PowerCut(work_.random());
    db_.reset();
    ASSERT_NO_FATAL_FAILURE(Open());
    const std::uint64_t now = AsOf();
    ASSERT_LE(now, last);
    ASSERT_GE(now, options_.durability == Durability::kSync ? last : durable_seq_);
    if (now < last) {  // interval mode: a suffix may be gone, and with it what a producer was told
      oracle_.ForgetAfter(now);
      sent_.clear();
      recent_.clear();
      ++epoch_;
      sequence_ = 0;
    }
    durable_seq_ = now;
    CheckCount();
  }

  void CheckCount() {
    const auto info = db_->Info();
    ASSERT_TRUE(info.has_value());
    ASSERT_EQ(info->events, oracle_.size());
  }

  // ---- questions

  void Ask() {
    const bool loose = work_.Chance(15);
    QuerySpec spec = work_.Question(loose);
    SCOPED_TRACE(Describe(spec));
    const auto answer = db_->Query(spec);
    const auto as_of = AsOf();
    spec.raw_only = true;
    const auto raw = db_->Query(spec);
    const auto expected = oracle_.Ask(spec);
    if (!expected) {
      EXPECT_EQ(expected.error().code(), StatusCode::kOutOfRange);
      EXPECT_EQ(answer.error().code(), StatusCode::kOutOfRange) << answer.error().ToString();
      EXPECT_EQ(raw.error().code(), StatusCode::kOutOfRange) << raw.error().ToString();
      return;
    }
    ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
    ASSERT_TRUE(raw.has_value()) << raw.error().ToString();
    ASSERT_EQ(answer->as_of, as_of);
    ASSERT_EQ(AnswerText(*answer), AnswerText(*raw));
    if (!loose) {
      ASSERT_EQ(Disagreement(*expected, *answer), "");
    }
    summarised_ += answer->stats.cells > 0;
  }

  /// Reads pages while the store changes below; everything that was there at the first page comes
  /// once.
  void Page() {
    EventQuery query = work_.EventQuestion();
    std::set<Hash128> expected;
    std::vector<const Fact*> order = oracle_.Events(query);
    // Paging through everything by sevens would only be slow.
    if (query.limit < 100 && order.size() > 2000) query.limit = 1000;
    for (const Fact* f : order) expected.insert(f->identity);
    std::tuple<TimeUs, Hash128> last{kTimeMin, {}};
    for (bool first = true; first || !query.cursor.empty(); first = false) {
      const auto page = db_->Events(query);
      ASSERT_TRUE(page.has_value()) << page.error().ToString();
      ASSERT_LE(page->events.size(), query.limit);
      ASSERT_TRUE(!page->events.empty() || page->next_cursor.empty());
      for (const StoredEvent& e : page->events) {
        const Fact* fact = oracle_.Find(e.customer, e.source, e.id);
        ASSERT_NE(fact, nullptr) << e.id;
        ASSERT_EQ(Difference(e, *fact), "");
        const std::tuple<TimeUs, Hash128> here{e.time, fact->identity};
        ASSERT_TRUE(first || last < here) << e.id << " is out of order";
        last = here;
        first = false;
        expected.erase(fact->identity);
      }
      query.cursor = page->next_cursor;
      if (query.cursor.empty() || !work_.Chance(30)) continue;
      ASSERT_NO_FATAL_FAILURE(Disturb());
    }
    ASSERT_TRUE(expected.empty()) << expected.size() << " events never came";
  }

  void Disturb() {
    switch (work_.Below(4)) {
      case 0:
        ASSERT_TRUE(db_->Seal().ok());
        break;
      case 1:
        ASSERT_TRUE(db_->Compact().ok());
        break;
      case 2:
        ASSERT_NO_FATAL_FAILURE(Restart());
        break;
      default:
        ASSERT_NO_FATAL_FAILURE(Send({work_.NewFact(), work_.NewFact()}, false));
    }
  }

  void CheckEverything() {
    ASSERT_NO_FATAL_FAILURE(CheckCount());
    ASSERT_TRUE(db_->Compact().ok());
    ASSERT_NO_FATAL_FAILURE(FinishErasures());
    const auto report = db_->Verify();
    ASSERT_TRUE(report.has_value()) << report.error().ToString();
    for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
    for (int i = 0; i < 10; ++i) ASSERT_NO_FATAL_FAILURE(Ask());
    EventQuery all;
    all.limit = 10'000;
    std::size_t n = 0;
    do {
      const auto page = db_->Events(all);
      ASSERT_TRUE(page.has_value()) << page.error().ToString();
      for (const StoredEvent& e : page->events) {
        const Fact* fact = oracle_.Find(e.customer, e.source, e.id);
        ASSERT_NE(fact, nullptr) << e.id;
        ASSERT_EQ(Difference(e, *fact), "");
        ++n;
      }
      all.cursor = page->next_cursor;
    } while (!all.cursor.empty());
    ASSERT_EQ(n, oracle_.size());
    std::uint64_t rows = 0;
    const auto partitions = db_->Partitions(true);
    ASSERT_TRUE(partitions.has_value());
    for (const PartitionInfo& p : *partitions) rows += p.rows;
    ASSERT_EQ(rows, oracle_.size());
  }

  struct Stamped {
    EventBatch batch;
    std::size_t accepted = 0;
  };

  Workload work_;
  Options options_;
  Surroundings surroundings_;
  std::optional<Database> db_;
  Oracle oracle_;
  std::vector<Fact> sent_;  // some of what is stored
  std::deque<Stamped> recent_;
  std::uint64_t epoch_ = 0, sequence_ = 0;
  std::uint64_t durable_seq_ = 0;
  int summarised_ = 0;
};

void RunWorlds(int rounds, int steps, bool real) {
  const std::uint64_t base = TestSeed();
  int summarised = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t seed = base + static_cast<std::uint64_t>(round);
    Random random(seed);
    const Options options = RandomOptions(random);
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " QUIPU_ROUNDS=1 " + Describe(options));
    World world(random.Next(), options, real);
    world.Run(steps);
    if (::testing::Test::HasFailure()) return;
    summarised += world.summarised();
  }
  // Comparing raw rows with raw rows would prove nothing.
  EXPECT_GT(summarised, 0) << "no answer came from a summary; QUIPU_SEED=" << base;
  std::cout << "QUIPU_SEED=" << base << ": " << summarised << " answers came from summaries\n";
}

TEST(Model, RandomOperationsInMemory) {
  RunWorlds(Rounds(std::max(2, 10 / kSlowness)), 160 / kSlowness, false);
}

TEST(Model, RandomOperationsOnRocksDb) {
  RunWorlds(Rounds(std::max(1, 2 / kSlowness)), 120 / kSlowness, true);
}

/// One trace, many layouts: the answers are byte-identical whatever the options were and whenever
/// seals and merges happened.
TEST(Model, SameAnswersUnderAllOptions) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Workload work(seed);
  std::vector<std::vector<Fact>> batches = {{work.Founder()}};
  for (int i = 0; i < 24 / kSlowness; ++i) {
    batches.push_back(i % 6 == 2 ? work.Burst(6000) : std::vector<Fact>());
    while (batches.back().size() < 300) batches.back().push_back(work.NewFact());
  }
  std::vector<QuerySpec> questions;
  for (int i = 0; i < 60 / kSlowness; ++i) questions.push_back(work.Question(true));
  std::vector<std::string> first;
  Random random(seed + 1);
  for (int k = 0; k < 6; ++k) {
    Options options = RandomOptions(random);
    SCOPED_TRACE(Describe(options));
    Surroundings surroundings(false);
    auto db = surroundings.Open(options, 7);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    for (const auto& facts : batches) {
      EventBatch batch;
      for (const Fact& f : facts) AddTo(&batch, f);
      ASSERT_TRUE(db->Ingest(batch).has_value());
      if (k == 0) continue;  // sealed in the background or never
      const bool seal = random.Below(3) == 0;
      const bool compact = random.Below(8) == 0;
      ASSERT_TRUE(!seal || db->Seal().ok());
      ASSERT_TRUE(!compact || db->Compact().ok());
    }
    ASSERT_TRUE(k < 5 || db->Compact().ok());
    for (std::size_t q = 0; q < questions.size(); ++q) {
      SCOPED_TRACE(Describe(questions[q]));
      const auto answer = db->Query(questions[q]);
      const std::string text = answer ? AnswerText(*answer) : answer.error().ToString();
      if (k == 0) {
        first.push_back(text);
      } else {
        ASSERT_EQ(text, first[q]);
      }
    }
  }
}

}  // namespace
}  // namespace quipu
