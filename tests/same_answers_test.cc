#include <gtest/gtest.h>

#include "base/test_seed.h"
#include "tests/oracle.h"
#include "tests/surroundings.h"
#include "tests/workload.h"

namespace quipu {
namespace {

/// One trace, many layouts: the answers are byte-identical whatever the options were and whenever
/// seals and merges happened.
TEST(SameAnswers, UnderAllOptions) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Workload work(seed);
  std::vector<std::vector<Fact>> batches = {{work.Founder()}};
  for (int i = 0; i < 24; ++i) {
    batches.push_back(i % 6 == 2 ? work.Burst(6000) : std::vector<Fact>());
    while (batches.back().size() < 300) batches.back().push_back(work.NewFact());
  }
  std::vector<QuerySpec> questions;
  for (int i = 0; i < 60; ++i) questions.push_back(work.Question(true));
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
      questions[q].threads = random.Below(2) == 0 ? 0 : 4;
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
