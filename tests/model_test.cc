// The engine against the oracle: random operations (ingest, seal, compact, freeze, erase, retention, archive, detach, attach, restart, power cut, questions, paging) over
// many option sets and months that close and expire, on surroundings that check the order of writes and forget what was not synced. Every question is asked twice, with and
// without summaries, also about earlier states; both answers must be byte-identical and agree with the oracle, which also says which questions must be errors.
//
// QUIPU_SEED repeats a run, QUIPU_ROUNDS sets how many worlds are tried.
#include <gtest/gtest.h>

#include <deque>
#include <iostream>

#include "base/calendar.h"
#include "base/check.h"
#include "base/test_seed.h"
#include "tests/expected_events.h"
#include "tests/freeze_book.h"
#include "tests/oracle.h"
#include "tests/surroundings.h"
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

/// One store, its oracle, and the operations on both.
class World {
 public:
  World(std::uint64_t seed, const Options& options, bool real)
      : work_(seed), options_(options), surroundings_(real) {
    Open();
  }

  [[nodiscard]] int summarised() const { return summarised_; }
  [[nodiscard]] int refused() const { return refused_; }
  [[nodiscard]] int expired() const { return expired_; }
  [[nodiscard]] std::size_t too_late() const { return too_late_; }
  [[nodiscard]] int of_earlier_states() const { return of_earlier_states_; }
  [[nodiscard]] int reproduced() const { return freezes_.reproduced(); }

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
    if (kind < 50) return Compact();
    if (kind < 53) return Restart();
    if (kind < 56) return surroundings_.real() ? Restart() : PowerCut();
    if (kind < 59) return Erase();
    if (kind < 66) return Live();
    if (kind < 70) return Freeze();
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
      } else if (kind < 20 && !forgotten_.empty() && facts.size() < 40) {
        facts.push_back(forgotten_[work_.Below(forgotten_.size())]);
      } else {
        facts.push_back(work_.NewFact());
      }
      Fact& last = facts.back();
      if (last.invalid || kind < 20) continue;
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
    EventBatch batch = BatchOf(facts, partial);
    // Without a stamp little would come in once time has gone by. Events that were forgotten must not come in again.
    const bool sends_forgotten = std::any_of(facts.begin(), facts.end(), [&](const Fact& f) {
      const Fact* const fact = oracle_.Find(f.customer, f.source, f.id);
      return fact != nullptr && !fact->HasId();
    });
    if (!sends_forgotten && work_.Chance(40))
      batch.producer = ProducerStamp{"backfill", epoch_, ++backfill_sequence_};
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
      facts[g.index].id_given = false;
    }
    for (Fact& f : facts) {
      EXPECT_TRUE(f.invalid || !f.id.empty());
      if (!f.time_given) f.time = now;
    }
    const std::vector<Outcome> expected =
        oracle_.Ingest(facts, reply->seq, batch.producer.has_value(), reply->outcomes);
    too_late_ += reply->Count(Outcome::kTooLate);
    for (std::size_t i = 0; i < facts.size(); ++i) {
      ASSERT_EQ(static_cast<int>(reply->outcomes.at(i)), static_cast<int>(expected[i]))
          << "event " << i << " " << facts[i].id;
      if (expected[i] != Outcome::kAccepted) continue;
      facts[i].id_given = true;  // once it is known
      if (sent_.size() < 2000) sent_.push_back(facts[i]);
      if (sent_.size() >= 2000) sent_[work_.Below(2000)] = facts[i];
    }
    EXPECT_EQ(reply->seq != 0, reply->Count(Outcome::kAccepted) > 0);
    ASSERT_EQ(WrongFind(*db_, oracle_, facts[work_.Below(facts.size())]), "");
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

  void Compact() {
    if (const Status s = db_->Compact(); !s.ok()) FAIL() << s.ToString();
  }

  // ---- erasure

  /// From the call on everything is as if there had been no event of the customer, whatever is done with the bytes and when.
  void Erase() {
    const std::string customer =
        sent_.empty() ? "nobody" : sent_[work_.Below(sent_.size())].customer;
    const auto erased = db_->Erase(customer);
    const std::size_t events = oracle_.Erase(customer);
    has_erased_ = has_erased_ || erased.has_value();
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
    ASSERT_NO_FATAL_FAILURE(Attach());
    surroundings_.EmptyQuarantine();
    const Status status = db_->FinishErasures();
    ASSERT_TRUE(status.ok()) << status.ToString();
    oracle_.FinishErasures();
    const auto erasures = db_->Erasures();
    ASSERT_TRUE(erasures.has_value());
    for (const ErasureInfo& e : *erasures)
      EXPECT_TRUE(e.done.has_value()) << "erasure " << e.id << " waits for " << e.waits_for;
    CheckCount();
  }

  // ---- retention and archive

  /// Time goes by, and something of what it brings is done.
  void Live() {
    if (work_.Chance(60))
      surroundings_.clock().Advance(static_cast<std::int64_t>(1 + work_.Below(25)) * kDayUs);
    switch (work_.Below(6)) {
      case 0:
        return SetPolicy();
      case 1:
        return Retain();
      case 2:
        return Archive();
      case 3:
        return Detach();
      case 4:
        return Attach();
      default:
        return SetClass();
    }
  }

  void SetPolicy() {
    const RetentionPolicy policy = work_.AnyPolicy();
    const Status set = db_->SetRetention(policy);
    if (set.code() == StatusCode::kInvalidArgument) return;  // its steps contradict each other
    ASSERT_TRUE(set.ok()) << set.ToString();
    policy_ = policy;
    ASSERT_NO_FATAL_FAILURE(Retain());
  }

  void Retain() {
    const auto report = db_->Retain();
    ASSERT_TRUE(report.has_value()) << report.error().ToString();
    oracle_.Retain(policy_, surroundings_.clock().NowUs(), options_.identity_window_us,
                   !is_detached_);
    durable_seq_ = AsOf();
    ForgetExpired();
    expired_ += report->summarised_events + report->deleted_events > 0;
    CheckCount();
    ASSERT_NO_FATAL_FAILURE(Ask());
  }

  /// Events whose ids are not compared any more are only sent again as they were, and without a stamp.
  void ForgetExpired() {
    std::erase_if(sent_, [&](const Fact& f) {
      const Fact* const fact = oracle_.Find(f.customer, f.source, f.id);
      if (fact != nullptr && fact->HasId()) return false;
      if (f.time_given && forgotten_.size() < 2000) forgotten_.push_back(f);
      return true;
    });
  }

  void Archive() {
    const ArchiveRequest request = work_.AnyArchive();
    const auto report = db_->Archive(request);
    if (is_detached_) {
      ASSERT_EQ(report.error().code(), StatusCode::kConflict) << report.error().ToString();
      return;
    }
    ASSERT_TRUE(report.has_value()) << report.error().ToString();
    oracle_.Archive(request, surroundings_.clock().NowUs(), options_.identity_window_us);
    durable_seq_ = AsOf();
    ForgetExpired();
    CheckCount();
  }

  void Detach() {
    if (is_detached_) return;
    const Status detached = db_->DetachArchive();
    if (detached.code() == StatusCode::kNotFound) return;
    if (!oracle_.MayDetach(surroundings_.clock().NowUs(), options_.identity_window_us)) {
      ASSERT_EQ(detached.code(), StatusCode::kConflict) << detached.ToString();
      return;
    }
    // Rows of an erased customer lie in the folder until the job is done, and the oracle has forgotten them.
    if (has_erased_ && detached.code() == StatusCode::kConflict) return;
    ASSERT_TRUE(detached.ok()) << detached.ToString();
    is_detached_ = true;
    oracle_.Detach();
    ForgetExpired();
    ASSERT_NO_FATAL_FAILURE(Ask());
  }

  void Attach() {
    if (!is_detached_) return;
    const Status attached = db_->AttachArchive();
    ASSERT_TRUE(attached.ok()) << attached.ToString();
    is_detached_ = false;
    oracle_.Attach();
    CheckCount();
    ASSERT_NO_FATAL_FAILURE(Ask());
  }

  void SetClass() {
    if (sent_.empty()) return;
    const std::string customer = sent_[work_.Below(sent_.size())].customer;
    const std::string customer_class = work_.Chance(70) ? "free" : "";
    const Status set = db_->SetCustomerClass(customer, customer_class);
    if (set.code() == StatusCode::kNotFound) return;
    ASSERT_TRUE(set.ok()) << set.ToString();
    oracle_.SetClass(customer, customer_class);
  }

  // ---- freezes

  void Freeze() {
    if (work_.Chance(15)) return freezes_.Drop(&*db_, &work_);
    freezes_.Freeze(&*db_, oracle_, is_detached_, &work_);
    durable_seq_ = AsOf();
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
    freezes_.Check(*db_, oracle_, is_detached_);
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
      sequence_ = backfill_sequence_ = 0;
    }
    durable_seq_ = now;
    CheckCount();
    freezes_.Check(*db_, oracle_, is_detached_);
  }

  void CheckCount() {
    const auto info = db_->Info();
    ASSERT_TRUE(info.has_value());
    // Whose the rows in a detached folder are is not known: erased ones still count.
    ASSERT_GE(info->events, oracle_.size());
    ASSERT_TRUE(is_detached_ || info->events == oracle_.size())
        << info->events << " of " << oracle_.size();
  }

  // ---- questions

  void Ask() {
    const bool loose = work_.Chance(15);
    QuerySpec spec = work_.Question(loose);
    std::uint64_t as_of = 0;
    const auto part = freezes_.ChooseState(oracle_, AsOf(), &work_, &spec, &as_of);
    const Oracle& asked = part ? *part : oracle_;
    SCOPED_TRACE(Describe(spec) + ", as of " + spec.as_of.ToString() + ", since " +
                 spec.since.ToString());
    const auto answer = db_->Query(spec);
    if (IsStateRefused(spec, answer.error())) return;
    spec.raw_only = true;
    const auto raw = db_->Query(spec);  // a merge in the background may come between the two
    if (options_.background_upkeep && IsStateRefused(spec, raw.error())) return;
    const auto expected = asked.Ask(spec);
    if (!expected) {
      EXPECT_EQ(expected.error().code(), StatusCode::kOutOfRange);
      EXPECT_EQ(answer.error().code(), StatusCode::kOutOfRange) << answer.error().ToString();
      EXPECT_EQ(raw.error().code(), StatusCode::kOutOfRange) << raw.error().ToString();
      return;
    }
    if (IsTooLarge(spec, *expected, answer.error(), raw.error())) return;
    spec.raw_only = false;
    const bool is_answered = IsReached(asked.ReachOf(spec), answer.error());
    spec.raw_only = true;
    const bool is_raw = IsReached(asked.ReachOf(spec), raw.error());
    if (!is_answered || ::testing::Test::HasFailure()) return;
    ASSERT_EQ(answer->as_of, as_of);
    if (expected->is_ambiguous) return;
    if (is_raw) {
      ASSERT_EQ(AnswerText(*answer), AnswerText(*raw));
    }
    ASSERT_EQ(loose ? "" : Disagreement(*expected, *answer), "");
    summarised_ += answer->stats.cells > 0;
    of_earlier_states_ += !spec.as_of.IsNow() || !spec.since.IsNow();
  }

  bool IsReached(Reach reach, const Status& status) {
    refused_ += status.ok() ? 0 : 1;
    return quipu::IsReached(reach, status);
  }

  /// Reads pages while the store changes below; everything that was there at the first page comes
  /// once.
  void Page() {
    EventQuery query = work_.EventQuestion();
    std::uint64_t frozen = 0;
    const bool is_frozen = work_.Chance(40) && freezes_.Choose(&work_, &query.as_of, &frozen);
    const Oracle then = is_frozen ? oracle_.Part(0, frozen) : Oracle();
    const Oracle& asked = is_frozen ? then : oracle_;
    ExpectedEvents expected(asked, query);
    // Paging through everything by sevens would only be slow.
    if (query.limit < 100 && expected.size() > 2000) query.limit = 1000;
    // Without ids it is the place that decides between events of one instant, and an erasure that is under way may change it.
    if (expected.nameless() > 0 && has_erased_) query.limit = 10'000;
    EventPlace last{kTimeMin, {}};
    for (bool first = true; first || !query.cursor.empty(); first = false) {
      const auto page = db_->Events(query);
      if (first && !IsReached(asked.ReachOf(query), page.error())) return;
      ASSERT_TRUE(page.has_value()) << page.error().ToString();
      ASSERT_LE(page->events.size(), query.limit);
      ASSERT_TRUE(!page->events.empty() || page->next_cursor.empty());
      for (const StoredEvent& e : page->events) {
        ASSERT_EQ(expected.Take(e), "");
        const EventPlace here = expected.PlaceOf(e);
        const bool in_order = e.id.empty() ? std::get<TimeUs>(last) <= e.time : last < here;
        ASSERT_TRUE(first || in_order) << e.id << " is out of order";
        last = here;
        first = false;
      }
      query.cursor = page->next_cursor;
      if (query.cursor.empty() || !work_.Chance(30)) continue;
      ASSERT_NO_FATAL_FAILURE(Disturb());
    }
    ASSERT_EQ(expected.size(), 0u) << "events never came";
  }

  void Disturb() {
    switch (work_.Below(4)) {
      case 0:
        ASSERT_TRUE(db_->Seal().ok());
        break;
      case 1:
        ASSERT_NO_FATAL_FAILURE(Compact());
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
    ASSERT_NO_FATAL_FAILURE(Compact());
    ASSERT_NO_FATAL_FAILURE(FinishErasures());
    const auto report = db_->Verify();
    ASSERT_TRUE(report.has_value()) << report.error().ToString();
    for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
    for (int i = 0; i < 10; ++i) ASSERT_NO_FATAL_FAILURE(Ask());
    freezes_.Check(*db_, oracle_, is_detached_);
    ASSERT_NO_FATAL_FAILURE(ReadAll());
    std::uint64_t rows = 0;
    const auto partitions = db_->Partitions(true);
    ASSERT_TRUE(partitions.has_value());
    for (const PartitionInfo& p : *partitions) rows += p.rows;
    ASSERT_EQ(rows, oracle_.size());
  }

  void ReadAll() {
    EventQuery all;
    all.limit = 10'000;
    if (!IsReached(oracle_.ReachOf(all), db_->Events(all).error())) return;
    ExpectedEvents expected(oracle_, all);
    do {
      const auto page = db_->Events(all);
      ASSERT_TRUE(page.has_value()) << page.error().ToString();
      for (const StoredEvent& e : page->events) ASSERT_EQ(expected.Take(e), "");
      all.cursor = page->next_cursor;
    } while (!all.cursor.empty());
    ASSERT_EQ(expected.size(), 0u) << "events never came";
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
  std::vector<Fact> sent_;       // some of what is stored
  std::vector<Fact> forgotten_;  // some of what was, and cannot be compared
  std::deque<Stamped> recent_;
  std::uint64_t epoch_ = 0, sequence_ = 0, backfill_sequence_ = 0;
  std::uint64_t durable_seq_ = 0;
  RetentionPolicy policy_;
  bool has_erased_ = false;
  bool is_detached_ = false;
  FreezeBook freezes_;
  int summarised_ = 0, refused_ = 0, expired_ = 0, of_earlier_states_ = 0;
  std::size_t too_late_ = 0;
};

void RunWorlds(int rounds, int steps, bool real) {
  const std::uint64_t base = TestSeed();
  int summarised = 0, refused = 0, expired = 0, of_earlier_states = 0, reproduced = 0;
  std::size_t too_late = 0;
  // Comparing raw rows with raw rows would prove nothing: the few worlds of a slow build go on until a summary answers.
  for (int round = 0; round < rounds || (summarised == 0 && round < rounds + 20); ++round) {
    const std::uint64_t seed = base + static_cast<std::uint64_t>(round);
    Random random(seed);
    const Options options = RandomOptions(random);
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " QUIPU_ROUNDS=1 " + Describe(options));
    World world(random.Next(), options, real);
    world.Run(steps);
    if (::testing::Test::HasFailure()) return;
    summarised += world.summarised();
    refused += world.refused();
    expired += world.expired();
    too_late += world.too_late();
    of_earlier_states += world.of_earlier_states();
    reproduced += world.reproduced();
  }
  EXPECT_GT(summarised, 0) << "no answer came from a summary; QUIPU_SEED=" << base;
  std::cout << "QUIPU_SEED=" << base << ": " << summarised << " answers came from summaries, "
            << refused << " questions reached for what had expired or was detached, " << expired
            << " runs of a policy took something, " << too_late << " events came too late, "
            << of_earlier_states << " questions were about earlier states, " << reproduced
            << " answers of freezes were reproduced\n";
}

TEST(Model, RandomOperationsInMemory) {
  RunWorlds(Rounds(std::max(2, 10 / kSlowness)), 160 / kSlowness, false);
}

TEST(Model, RandomOperationsOnRocksDb) {
  RunWorlds(Rounds(std::max(1, 2 / kSlowness)), 120 / kSlowness, true);
}

}  // namespace
}  // namespace quipu
