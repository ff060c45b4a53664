// Answers from cells by dimension are those from raw rows, whatever happens to the store in between: seals, merges, archive moves, erasures, reopenings,
// sets that come and go, and building that is interrupted.
#include <gtest/gtest.h>

#include <iostream>

#include "base/test_seed.h"
#include "tests/oracle.h"
#include "tests/surroundings.h"
#include "tests/workload.h"

namespace quipu {
namespace {

constexpr std::array<const char*, 4> kDimensions = {"status", "path", "region", "user"};

class DimensionLife {
 public:
  explicit DimensionLife(std::uint64_t seed) : work_(seed), surroundings_(false) {
    options_ = RandomOptions(work_.random());
    options_.background_upkeep = work_.Chance(30);
    options_.hot_bytes_max = Options().hot_bytes_max;  // nobody may seal but the steps
    options_.create_if_missing = true;
    options_.future_bound_us = -1;
    Reopen();
    Ingest({work_.Founder()});
    for (int sets = 0; sets < 3; ++sets) Declare();
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) {
      Step();
      for (int n = 0; n < 4; ++n) Ask();
    }
    Build();
    for (int n = 0; n < 20; ++n) Ask();
    const auto verified = db_->Verify();
    ASSERT_TRUE(verified.has_value()) << verified.error().ToString();
    for (const VerifyProblem& p : verified->problems) ADD_FAILURE() << p.place << ": " << p.message;
  }
  [[nodiscard]] std::uint64_t from_cells() const { return from_cells_; }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }

 private:
  void Reopen() {
    db_.reset();
    auto db = surroundings_.Open(options_, work_.Below(1000) + 1);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    db_ = std::make_unique<Database>(*std::move(db));
  }

  void Ingest(const std::vector<Fact>& facts) {
    EventBatch batch;
    for (const Fact& f : facts) AddTo(&batch, f);
    const auto reply = db_->Ingest(batch);
    ASSERT_TRUE(reply.has_value()) << reply.error().ToString();
    for (const Fact& f : facts) customers_.push_back(f.customer);
  }

  void Step() {
    const std::uint64_t kind = work_.Below(100);
    if (kind < 35) {
      std::vector<Fact> facts = work_.Chance(15) ? work_.Burst(3000) : std::vector<Fact>();
      while (facts.size() < 200) facts.push_back(work_.NewFact());
      Ingest(facts);
    } else if (kind < 55) {
      ASSERT_TRUE(db_->Seal().ok());
    } else if (kind < 65) {
      Declare();
    } else if (kind < 70) {
      const auto sets = db_->Summaries();
      ASSERT_TRUE(sets.has_value());
      if (sets->empty()) return;
      ASSERT_TRUE(db_->DropSummary((*sets)[0].set).ok());
    } else if (kind < 80) {
      Build();
    } else if (kind < 86) {
      const Status merged = db_->Compact();
      ASSERT_TRUE(merged.ok()) << merged.ToString();
    } else if (kind < 90) {
      Reopen();
    } else if (kind < 94) {
      const std::string customer = customers_[work_.Below(customers_.size())];
      const auto erased = db_->Erase(customer);
      ASSERT_TRUE(erased.has_value() || erased.error().code() == StatusCode::kNotFound);
      Ask();  // while its rows are there still
      if (work_.Chance(30)) return;
      ASSERT_TRUE(db_->FinishErasures().ok());
    } else {
      const TimeUs now = surroundings_.clock().NowUs();
      const auto archived = db_->Archive({.before = MonthStart(MonthOf(now))});
      ASSERT_TRUE(archived.has_value()) << archived.error().ToString();
    }
  }

  void Declare() {
    SummarySet set;
    if (work_.Chance(30)) set.service = work_.Chance(50) ? "api" : "llm";
    for (std::uint64_t n = 1 + work_.Below(3); n > 0; --n)
      set.dimensions.emplace_back(kDimensions[work_.Below(work_.Chance(80) ? 3 : 4)]);
    if (work_.Chance(30)) set.measures = {"*"};
    if (work_.Chance(20)) set.measures = {};
    set.rows_min = static_cast<std::uint32_t>(1 + work_.Below(work_.Chance(50) ? 2 : 20));
    set.sketch_rows_min = static_cast<std::uint32_t>(1 + work_.Below(50));
    const Status declared = db_->DeclareSummary(set);
    ASSERT_TRUE(declared.ok() || declared.code() == StatusCode::kExhausted) << declared.ToString();
  }

  /// Sometimes stopped somewhere.
  void Build() {
    std::uint64_t left = work_.Chance(40) ? work_.Below(40) : ~std::uint64_t{0};
    const Status built =
        db_->BuildSummaries([&](std::uint64_t, std::uint64_t) { return left-- > 0; });
    ASSERT_TRUE(built.ok() || built.code() == StatusCode::kCancelled) << built.ToString();
  }

  QuerySpec Question() {
    for (;;) {
      QuerySpec question = work_.Question(true);
      if (work_.Chance(80)) question.customers.clear();
      if (work_.Chance(60)) {
        question.group_by = {kDimensions[work_.Below(4)]};
        if (work_.Chance(40)) question.group_by.emplace_back("service");
        question.order_by.clear();
        question.others = false;
      }
      if (work_.Chance(50)) question.exact = false;
      if (work_.Chance(40)) {
        static const std::array<const char*, 4> kAsked = {"count", "sum(quantity)", "avg(cost)",
                                                          "max(quantity)"};
        question.select = {*Aggregate::Parse(kAsked[work_.Below(4)])};
        question.order_by.clear();
        question.others = false;
      }
      if (!question.group_by.empty() || !question.filters.empty()) return question;
    }
  }

  void Ask() {
    QuerySpec question = Question();
    SCOPED_TRACE(Describe(question));
    question.explain = true;
    const auto answer = db_->Query(question);
    question.raw_only = true;
    const auto truth = db_->Query(question);
    // Background work between the two changes nothing of the answer.
    ASSERT_EQ(answer.has_value(), truth.has_value());
    ++asked_;
    if (!answer) {
      ASSERT_EQ(answer.error().ToString(), truth.error().ToString());
      return;
    }
    ASSERT_EQ(AnswerText(*answer), AnswerText(*truth));
    for (const ExplainedSource& source : answer->explanation->sources) {
      if (source.cells_by.empty()) continue;
      ++from_cells_;
      break;
    }
  }

  Workload work_;
  Surroundings surroundings_;
  Options options_;
  std::unique_ptr<Database> db_;
  std::vector<std::string> customers_;
  std::uint64_t asked_ = 0, from_cells_ = 0;
};

TEST(DimensionAnswers, AreThoseOfRawRows) {
  const std::uint64_t base = TestSeed();
  const char* given = std::getenv("QUIPU_ROUNDS");
  const std::uint64_t rounds = given != nullptr ? std::strtoull(given, nullptr, 10) : 6;
  std::uint64_t asked = 0, from_cells = 0;
  for (std::uint64_t seed = base; seed < base + rounds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed) + " QUIPU_ROUNDS=1");
    DimensionLife life(seed);
    life.Run(60);
    asked += life.asked();
    from_cells += life.from_cells();
  }
  std::cout << "QUIPU_SEED=" << base << ": " << asked << " questions, " << from_cells
            << " with cells by dimension\n";
  EXPECT_GT(from_cells, 0u);
}

}  // namespace
}  // namespace quipu
