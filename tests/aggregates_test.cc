// Every aggregate and everything derived from one, against the oracle: random events, zones with DST days and +05:45, filters and groups, on a store
// whose events are hot, sealed, partly both, merged and archived. Each question is asked with and without summaries; both answers must be
// byte-identical and equal the oracle's to the last digit.
//
// QUIPU_SEED repeats a run, QUIPU_ROUNDS sets how many stores are tried.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>

#include "base/calendar.h"
#include "base/check.h"
#include "base/test_seed.h"
#include "tests/oracle.h"
#include "tests/surroundings.h"
#include "tests/workload.h"

namespace quipu {
namespace {

constexpr std::array<const char*, 12> kForms = {
    "",           "change", "change_percent", "rate",   "cumulative", "share",
    "moving_avg", "peak",   "peak_time",      "before", "growth",     "growth_percent"};
constexpr int kQuestionsMax = 2000;  // until every form was answered

int Rounds() {
  const char* given = std::getenv("QUIPU_ROUNDS");
  return given != nullptr ? std::atoi(given) : 2;
}

/// Random questions with derived aggregates.
class Asker {
 public:
  explicit Asker(Workload* work) : work_(*work) {}

  /// `form`: one of kForms that must be in it, or any.
  QuerySpec Question(std::optional<std::size_t> form = {}) {
    QuerySpec spec = work_.Question();
    spec.select.clear();
    spec.order_by.clear();
    spec.exact = true;  // what is derived from an approximation has no truth to compare with
    SetRange(&spec);
    spec.others =
        spec.window.unit == WindowUnit::kNone && !spec.group_by.empty() && work_.Chance(40);
    if (spec.others && spec.limit == 0) spec.limit = 1 + work_.Below(5);
    for (std::uint64_t n = 1 + work_.Below(3); spec.select.size() < n;) {
      const std::string text = Text(spec, spec.select.empty() ? form : std::nullopt);
      auto aggregate = Aggregate::Parse(text);
      QUIPU_CHECK(aggregate.has_value());
      const bool again = std::any_of(spec.select.begin(), spec.select.end(),
                                     [&](const Aggregate& a) { return a.name == text; });
      if (!again) spec.select.push_back(*std::move(aggregate));
    }
    if (work_.Chance(60)) {
      const Aggregate& a = spec.select[work_.Below(spec.select.size())];
      spec.order_by.push_back({a.name, work_.Chance(60)});
    }
    return spec;
  }

 private:
  void SetRange(QuerySpec* spec) {
    const bool is_long =
        spec->window.unit != WindowUnit::kHour && spec->window.unit != WindowUnit::kMinute;
    if (!spec->to || (is_long && work_.Chance(40))) {
      spec->from = FloorTo(ParseTime("2026-02-25")->time_us + Random(25 * kDayUs), kHourUs);
      spec->to = *spec->from + kHourUs + Random(is_long ? 25 * kDayUs : 5 * kHourUs);
      if (work_.Chance(50)) spec->from = *spec->from + Random(kHourUs);
      if (*spec->from > *spec->to) std::swap(spec->from, spec->to);
    }
    if (is_long && work_.Chance(15)) spec->from.reset();
    spec->compare_from = FloorTo(ParseTime("2026-02-19")->time_us + Random(20 * kDayUs), kHourUs);
    spec->compare_to = *spec->compare_from + Random(15 * kDayUs);
  }

  TimeUs Random(TimeUs width) {
    return static_cast<TimeUs>(work_.Below(static_cast<std::uint64_t>(width)));
  }

  std::string Plain() {
    static const std::array<const char*, 22> texts = {
        "count",
        "count(bytes)",
        "sum(cost)",
        "sum(bytes)",
        "sum(quantity)",
        "avg(duration_ms)",
        "min(bytes)",
        "max(tokens)",
        "first(tokens)",
        "latest(bytes)",
        "distinct(customer)",
        "distinct(user)",
        "p95(duration_ms)",
        "median(bytes)",
        "time_weighted_sum(tokens)",
        "time_weighted_avg(tokens)",
        "time_weighted_sum(duration_ms, region)",
        "time_weighted_avg(duration_ms, status, user)",
        "max_concurrency(tokens, s)",
        "avg_concurrency(tokens, min)",
        "max_concurrency(duration_ms)",
        "avg_concurrency(bytes, us)"};
    return texts[work_.Below(texts.size())];
  }

  std::string Text(const QuerySpec& spec, std::optional<std::size_t> wanted) {
    const std::string plain = Plain();
    static const std::array<const char*, 4> agos = {"", ", day", ", week", ", month"};
    static const std::array<const char*, 3> units = {", minute", ", hour", ", day"};
    const bool is_short = spec.window.unit == WindowUnit::kHour;
    const std::size_t form = wanted ? *wanted : work_.Below(kForms.size());
    std::string option;
    if (form == 1 || form == 2) option = agos[work_.Below(4)];
    if (form == 6) option = ", " + std::to_string(2 + work_.Below(9));
    if (form == 7 || form == 8) option = units[is_short ? 0 : 1 + work_.Below(2)];
    return form == 0 ? plain : std::string(kForms[form]) + "(" + plain + option + ")";
  }

  Workload& work_;
};

/// What holds for a time has a value in each minute of it: 1,440 a day and group, which may be more than groups_max.
bool CountsMinutes(const QuerySpec& spec) {
  const auto counts = [&](const Aggregate& a) {
    const bool is_peak = a.derived == Derived::kPeak || a.derived == Derived::kPeakTime;
    const WindowUnit unit = is_peak ? a.peak_unit : spec.window.unit;
    const bool lasts =
        a.function == Function::kTimeWeightedSum || a.function == Function::kTimeWeightedAvg ||
        a.function == Function::kMaxConcurrency || a.function == Function::kAvgConcurrency;
    return unit == WindowUnit::kMinute && lasts;
  };
  return std::any_of(spec.select.begin(), spec.select.end(), counts);
}

class Aggregates : public testing::Test {
 protected:
  void Open(std::uint64_t seed) {
    work_.emplace(seed);
    asker_.emplace(&*work_);
    oracle_ = {};
    surroundings_.emplace(false);
    ::quipu::Random random(seed);
    Options options = RandomOptions(random);
    options.background_upkeep = false;
    auto db = surroundings_->Open(options, 7);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    db_.emplace(*std::move(db));
    Send({work_->Founder()});
  }

  void Send(const std::vector<Fact>& facts) {
    EventBatch batch;
    for (const Fact& f : facts) AddTo(&batch, f);
    batch.producer = ProducerStamp{"p", 1, ++sequence_};
    const auto reply = db_->Ingest(batch);
    ASSERT_TRUE(reply.has_value()) << reply.error().ToString();
    oracle_.Ingest(facts, reply->seq, true);
  }

  void SendSome() {
    for (int i = 0; i < 3; ++i) {
      std::vector<Fact> facts = i == 1 ? work_->Burst(120) : std::vector<Fact>();
      while (facts.size() < 200) facts.push_back(work_->NewFact());
      for (Fact& f : facts) f.measures.erase("credit");
      ASSERT_NO_FATAL_FAILURE(Send(facts));
    }
  }

  void Ask(int questions) {
    for (int i = 0; i < questions; ++i) ASSERT_NO_FATAL_FAILURE(Ask(asker_->Question()));
  }

  void Ask(QuerySpec spec) {
    SCOPED_TRACE(Describe(spec));
    const auto answer = db_->Query(spec);
    if (!answer && answer.error().code() == StatusCode::kInvalidArgument) {
      ++refused_;
      return;
    }
    if (!answer && answer.error().code() == StatusCode::kExhausted) {
      ASSERT_TRUE(CountsMinutes(spec)) << answer.error().ToString();
      ++refused_;
      return;
    }
    const auto expected = oracle_.Ask(spec);
    if (!expected) {  // too many digits
      ASSERT_EQ(answer.error().code(), StatusCode::kOutOfRange) << answer.error().ToString();
      return;
    }
    ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
    ASSERT_EQ(Disagreement(*expected, *answer), "");
    spec.raw_only = true;
    const auto raw = db_->Query(spec);
    ASSERT_TRUE(raw.has_value()) << raw.error().ToString();
    ASSERT_EQ(AnswerText(*answer), AnswerText(*raw));
    ++answered_;
    summarised_ += answer->stats.cells > 0;
    others_ += answer->has_others;
    for (const Aggregate& a : spec.select) ++asked_[static_cast<std::size_t>(a.derived)];
  }

  /// Until every form was answered, and summaries and a row of others were in an answer: what chance has left out, or refused.
  void AskForTheRest() {
    for (int i = 0; i < kQuestionsMax; ++i) {
      const auto missing = std::find(asked_.begin(), asked_.end(), 0);
      if (missing == asked_.end() && summarised_ > 0 && others_ > 0) return;
      std::optional<std::size_t> form;
      if (missing != asked_.end()) form = static_cast<std::size_t>(missing - asked_.begin());
      ASSERT_NO_FATAL_FAILURE(Ask(asker_->Question(form)));
    }
    for (std::size_t form = 0; form < asked_.size(); ++form)
      EXPECT_GT(asked_[form], 0) << "never answered: " << kForms[form];
    EXPECT_GT(summarised_, 0);
    EXPECT_GT(others_, 0);
  }

  /// Everything that a store goes through, with questions on the way.
  void Play(std::uint64_t seed) {
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " QUIPU_ROUNDS=1");
    sequence_ = 0;
    asked_ = {};
    summarised_ = others_ = 0;
    db_.reset();
    ASSERT_NO_FATAL_FAILURE(Open(seed));
    ASSERT_NO_FATAL_FAILURE(SendSome());
    ASSERT_NO_FATAL_FAILURE(Ask(20));  // hot
    ASSERT_TRUE(db_->Seal().ok());
    ASSERT_NO_FATAL_FAILURE(Ask(20));  // sealed
    ASSERT_NO_FATAL_FAILURE(SendSome());
    ASSERT_NO_FATAL_FAILURE(Ask(20));  // both
    ASSERT_TRUE(db_->Compact().ok());
    ASSERT_NO_FATAL_FAILURE(Ask(20));  // merged
    ArchiveRequest request;
    request.before = ParseTime("2026-03-20")->time_us;
    const auto archived = db_->Archive(request);
    ASSERT_TRUE(archived.has_value()) << archived.error().ToString();
    ASSERT_NO_FATAL_FAILURE(Ask(20));  // archived
    ASSERT_NO_FATAL_FAILURE(AskForTheRest());
  }

  std::optional<Workload> work_;
  std::optional<Asker> asker_;
  std::optional<Surroundings> surroundings_;
  std::optional<Database> db_;
  Oracle oracle_;
  std::uint64_t sequence_ = 0;
  int refused_ = 0, answered_ = 0;
  // Of this round:
  int summarised_ = 0, others_ = 0;
  std::array<int, kForms.size()> asked_{};
};

TEST_F(Aggregates, AreWhatTheOracleSaysInEveryLayout) {
  const std::uint64_t base = TestSeed();
  for (int round = 0; round < Rounds(); ++round)
    ASSERT_NO_FATAL_FAILURE(Play(base + static_cast<std::uint64_t>(round)));
  std::cout << Rounds() << " stores, " << answered_ << " questions answered, " << refused_
            << " refused" << std::endl;
}

// ---- what such a run has found, by itself

Fact At(const std::string& id, const char* time, std::map<std::string, Decimal> measures = {}) {
  Fact f;
  f.id = id;
  f.time = ParseTime(time)->time_us;
  f.customer = "found";
  f.service = "api";
  f.measures = std::move(measures);
  return f;
}

QuerySpec Hourly(const char* select, const char* from, const char* to) {
  const Query query = Query().Select(select).Customer("found").Every("hour").Between(from, to);
  QUIPU_CHECK(query.status().ok());
  return query.spec();
}

/// A level of 0 is 0 in a row that is there for another aggregate.
TEST_F(Aggregates, ALevelOfZeroIsNotAbsent) {
  ASSERT_NO_FATAL_FAILURE(Open(1));
  ASSERT_NO_FATAL_FAILURE(
      Send({At("1", "2026-03-10T10:00:00Z", {{"tokens", 5}}),
            At("2", "2026-03-10T11:00:00Z", {{"tokens", 0}}), At("3", "2026-03-10T13:30:00Z")}));
  const QuerySpec spec = Hourly("count, time_weighted_sum(tokens), time_weighted_avg(tokens)",
                                "2026-03-10", "2026-03-11");
  ASSERT_NO_FATAL_FAILURE(Ask(spec));
  const auto answer = db_->Query(spec);
  ASSERT_TRUE(answer.has_value());
  const std::size_t last = answer->rows() - 1;  // 13 o'clock
  EXPECT_EQ(answer->Find("count")->Text(last), "1");
  EXPECT_EQ(answer->Find("time_weighted_sum(tokens)")->Text(last), "0");
  EXPECT_EQ(answer->Find("time_weighted_avg(tokens)")->Text(last), "0");
}

/// The 30th of March is compared with the 28th of February, an hour of which lies before that of the range's first window.
TEST_F(Aggregates, AMonthAgoMayLieBeforeThatOfTheFirstWindow) {
  ASSERT_NO_FATAL_FAILURE(Open(1));
  std::vector<Fact> facts;
  for (int i = 0; i < 7; ++i)
    facts.push_back(At(std::to_string(i), i < 2 ? "2026-02-28T03:30:00Z" : "2026-03-30T03:30:00Z"));
  ASSERT_NO_FATAL_FAILURE(Send(facts));
  const QuerySpec spec =
      Hourly("count, change(count, month)", "2026-03-29T05:00", "2026-04-01T00:00");
  ASSERT_NO_FATAL_FAILURE(Ask(spec));
  const auto answer = db_->Query(spec);
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->rows(), 1u);
  EXPECT_EQ(answer->Find("change(count, month)")->Text(0), "3");
}

/// Levels and overlaps read what was before the range, and nothing that came after it.
TEST_F(Aggregates, WhatLiesBehindTheRangeNeedNotBeThere) {
  ASSERT_NO_FATAL_FAILURE(Open(1));
  ASSERT_NO_FATAL_FAILURE(Send({At("1", "2026-01-10T10:00:00Z", {{"tokens", 5}}),
                                At("2", "2026-01-10T12:00:00Z", {{"tokens", 3}}),
                                At("3", "2026-02-05T12:00:00Z", {{"tokens", 9}})}));
  ASSERT_TRUE(db_->Seal().ok());
  surroundings_->clock().Advance(400 * kDayUs);  // nobody needs the months' ids
  for (const auto& [before, folder] :
       {std::pair("2026-02-01", "/january"), std::pair("2026-03-01", "/february")}) {
    const auto archived = db_->Archive({.before = ParseTime(before)->time_us, .folder = folder});
    ASSERT_TRUE(archived.has_value()) << archived.error().ToString();
    ASSERT_GT(archived->archived_events, 0u);
  }
  const QuerySpec spec = Hourly(
      "time_weighted_sum(tokens), time_weighted_avg(tokens), max_concurrency(tokens, h), "
      "avg_concurrency(tokens, h)",
      "2026-01-10", "2026-01-11");
  const auto before = db_->Query(spec);
  ASSERT_TRUE(before.has_value()) << before.error().ToString();
  const Status detached = db_->DetachArchive("/february");
  ASSERT_TRUE(detached.ok()) << detached.ToString();
  const auto after = db_->Query(spec);
  ASSERT_TRUE(after.has_value()) << after.error().ToString();
  EXPECT_EQ(AnswerText(*after), AnswerText(*before));
}

}  // namespace
}  // namespace quipu
