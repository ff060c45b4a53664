#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "base/test_seed.h"
#include "tests/oracle.h"
#include "tests/reducer.h"
#include "tests/sim_trial.h"
#include "tests/sim_world.h"
#include "tests/surroundings.h"
#include "tests/trace.h"
#include "tests/workload.h"

namespace quipu {
namespace {

/// Batches of new events, and what is asked about them.
struct Usage {
  std::vector<std::vector<Fact>> batches;
  std::vector<QuerySpec> questions;
};

Usage MakeUsage(std::uint64_t seed) {
  Workload work(seed);
  Usage usage;
  usage.batches = {{work.Founder()}};
  for (int i = 0; i < 24; ++i) {
    usage.batches.push_back(i % 6 == 2 ? work.Burst(6000) : std::vector<Fact>());
    while (usage.batches.back().size() < 300) usage.batches.back().push_back(work.NewFact());
  }
  for (int i = 0; i < 60; ++i) usage.questions.push_back(work.Question(true));
  return usage;
}

EventBatch BatchOf(const std::vector<Fact>& facts) {
  EventBatch batch;
  for (const Fact& f : facts) AddTo(&batch, f);
  return batch;
}

std::string Answer(const Database& db, const QuerySpec& question) {
  const auto answer = db.Query(question);
  return answer ? AnswerText(*answer) : answer.error().ToString();
}

/// One trace, many layouts: the answers are byte-identical whatever the options were and whenever
/// seals and merges happened.
TEST(SameAnswers, UnderAllOptions) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const auto [batches, questions] = MakeUsage(seed);
  std::vector<std::string> first;
  Random random(seed + 1);
  for (int k = 0; k < 6; ++k) {
    Options options = RandomOptions(random);
    SCOPED_TRACE(Describe(options));
    Surroundings surroundings(false);
    auto db = surroundings.Open(options, 7);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    for (const auto& facts : batches) {
      ASSERT_TRUE(db->Ingest(BatchOf(facts)).has_value());
      if (k == 0) continue;  // sealed in the background or never
      const bool seal = random.Below(3) == 0;
      const bool compact = random.Below(8) == 0;
      ASSERT_TRUE(!seal || db->Seal().ok());
      ASSERT_TRUE(!compact || db->Compact().ok());
    }
    ASSERT_TRUE(k < 5 || db->Compact().ok());
    for (std::size_t q = 0; q < questions.size(); ++q) {
      SCOPED_TRACE(Describe(questions[q]));
      QuerySpec question = questions[q];
      question.threads = random.Below(2) == 0 ? 0 : 4;
      const std::string text = Answer(*db, question);
      if (k == 0) {
        first.push_back(text);
      } else {
        ASSERT_EQ(text, first[q]);
      }
    }
  }
}

/// The same events from one caller, from several at once, and while others ask.
TEST(SameAnswers, FromAnyNumberOfThreads) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const Usage usage = MakeUsage(seed);
  Random random(seed + 1);
  std::vector<std::string> first;
  for (const std::size_t callers : {1, 2, 5}) {
    SCOPED_TRACE(std::to_string(callers) + " callers");
    Options options = RandomOptions(random);
    options.background_upkeep = true;
    options.seal_bytes = 100'000;
    Surroundings surroundings(false);
    auto db = surroundings.Open(options, 7);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    ASSERT_TRUE(db->Ingest(BatchOf(usage.batches[0])).has_value());  // the names of all columns
    std::atomic<std::size_t> next{1};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (std::size_t c = 0; c < callers; ++c) {
      threads.emplace_back([&] {
        for (std::size_t i = next++; i < usage.batches.size(); i = next++)
          failed += db->Ingest(BatchOf(usage.batches[i])).has_value() ? 0 : 1;
      });
    }
    for (std::size_t q = 0; callers > 1 && q < 20; ++q)
      failed += Answer(*db, usage.questions[q]).empty() ? 1 : 0;
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(failed, 0);
    for (std::size_t q = 0; q < usage.questions.size(); ++q) {
      SCOPED_TRACE(Describe(usage.questions[q]));
      const std::string text = Answer(*db, usage.questions[q]);
      if (callers == 1) first.push_back(text);
      ASSERT_EQ(text, first[q]);
    }
  }
}

/// A way in which a trace can be played.
struct Way {
  const char* name;
  WorldSetup setup;
};

std::vector<Way> WaysOf(std::uint64_t seed) {
  using Engine = WorldSetup::Engine;
  return {
      {"the layers", {.options_seed = seed + 1}},
      {"the layers, another schedule", {.options_seed = seed + 2, .schedule_seed = seed + 3}},
      {"a database",
       {.engine = Engine::kDatabase, .options_seed = seed + 4, .schedule_seed = seed + 5}},
      {"a database with upkeep in the background and batches in flight",
       {.engine = Engine::kDatabaseInFlight, .options_seed = seed + 6, .schedule_seed = seed + 7}},
      {"the same over RocksDB",
       {.engine = Engine::kDatabaseInFlight, .real = true, .options_seed = seed + 8}}};
}

/// "" or the first question that two ways answer differently; also what a world finds by itself.
std::string CompareWays(const Trace& trace, const Way& a, const Way& b, std::size_t* compared) {
  const WorldReport x = Play(trace, a.setup);
  if (!x.failure.empty()) return std::string(a.name) + ": " + x.failure;
  const WorldReport y = Play(trace, b.setup);
  if (!y.failure.empty()) return std::string(b.name) + ": " + y.failure;
  if (x.answers.size() != y.answers.size()) return "another number of answers";
  for (std::size_t i = 0; i < x.answers.size(); ++i) {
    if (x.answers[i] == "?" || y.answers[i] == "?") continue;
    ++*compared;
    if (x.answers[i] == y.answers[i]) continue;
    return "question " + std::to_string(i) + ": " + a.name + " says " + x.answers[i] + ", " +
           b.name + " says " + y.answers[i];
  }
  return "";
}

/// One trace with everything that may happen to a store (but crashes), played in many ways: options, threads, restarts, and when seals
/// and merges happen. The answers are byte-identical.
TEST(SameAnswers, WhateverHappensInBetween) {
  const std::uint64_t base = TestSeed();
  const char* given = std::getenv("QUIPU_ROUNDS");
  const std::uint64_t rounds = given != nullptr ? std::strtoull(given, nullptr, 10) : 12;
  std::size_t compared = 0;
  for (std::uint64_t seed = base; seed < base + rounds && !HasFailure(); ++seed) {
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " QUIPU_ROUNDS=1");
    const Trace trace = RandomTrace(seed, 80, {.erases_at_once = true});
    const std::vector<Way> ways = WaysOf(seed);
    for (std::size_t w = 1; w < ways.size() && !HasFailure(); ++w) {
      const auto check = [&](const Trace& t) {
        return CompareWays(t, ways[0], ways[w], &compared);
      };
      const std::string difference = check(trace);
      if (difference.empty()) continue;
      const Reduction least = Reduce(trace, check, 300);
      ADD_FAILURE() << difference << "\nreduced to:\n" << AsTest(least.trace, least.failure);
    }
  }
  std::cout << "QUIPU_SEED=" << base << ": " << compared << " pairs of answers compared\n";
  EXPECT_GT(compared, rounds);
}

/// The reducer shrinks what this test would find: planted here is a check that takes a question about a store with a merge for a failure.
TEST(SameAnswers, ADifferenceIsReduced) {
  const Trace trace = RandomTrace(TestSeed(), 120, {.erases_at_once = true});
  const auto check = [&](const Trace& t) -> std::string {
    const WorldReport report = Play(t);
    const bool merges = std::any_of(t.ops.begin(), t.ops.end(),
                                    [](const Op& op) { return op.kind == OpKind::kCompact; });
    return report.failure.empty() && merges && !report.answers.empty() ? "planted" : "";
  };
  Trace failing = trace;
  failing.ops.push_back({OpKind::kCompact, {0}});
  failing.ops.push_back({OpKind::kAsk, {5}});
  const Reduction least = Reduce(failing, check, 600);
  EXPECT_EQ(least.trace.ops.size(), 2u) << Print(least.trace);
}

}  // namespace
}  // namespace quipu
