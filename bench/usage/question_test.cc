// The comparison must be able to say no, and the plain loop must be right where a person can follow it.
#include "usage/question.h"

#include <gtest/gtest.h>

#include "usage/naive.h"

namespace quipu::usage {
namespace {

TEST(Differences, OrderCountsOnlyInRankings) {
  const Answer one = {{{"a", "1"}, {"b", "2"}}};
  const Answer other = {{{"b", "2"}, {"a", "1"}}};
  EXPECT_EQ(Differences(Question::kQ8, Exactness::kExact, one, other), "");
  EXPECT_NE(Differences(Question::kQ6, Exactness::kExact, one, other), "");
}

TEST(Differences, NoticesValuesRowsAndColumns) {
  const Answer right = {{{"api", "10", "20"}}};
  EXPECT_EQ(Differences(Question::kQ3, Exactness::kExact, right, right), "");
  EXPECT_NE(Differences(Question::kQ3, Exactness::kExact, right, {{{"api", "10", "21"}}}), "");
  EXPECT_NE(Differences(Question::kQ3, Exactness::kExact, right, {{{"api", "10"}}}), "");
  EXPECT_NE(Differences(Question::kQ3, Exactness::kExact, right, {}), "");
  EXPECT_NE(Differences(Question::kQ3, Exactness::kExact, right, {{{"api", "10", ""}}}), "");
}

TEST(Differences, ToleranceOnlyWhereAnAnswerMayApproximate) {
  const Answer exact = {{{"api", "1000", "1000"}}};
  const Answer close = {{{"api", "1003", "997"}}};
  const Answer far = {{{"api", "1005", "997"}}};
  EXPECT_EQ(Differences(Question::kQ3, Exactness::kQuipuDefault, exact, close), "");
  EXPECT_NE(Differences(Question::kQ3, Exactness::kQuipuDefault, exact, far), "");
  EXPECT_EQ(Differences(Question::kQ3, Exactness::kSketch, exact, far), "");
  EXPECT_NE(Differences(Question::kQ3, Exactness::kExact, exact, close), "");
  EXPECT_NE(Differences(Question::kQ7, Exactness::kQuipuDefault, exact, close), "");
}

TEST(Canonical, DecimalsInLowestTerms) {
  EXPECT_EQ(Canonical("1.500"), "1.5");
  EXPECT_EQ(Canonical("20.000"), "20");
  EXPECT_EQ(Canonical("-0.000"), "0");
  EXPECT_EQ(Canonical("200"), "200");
  EXPECT_EQ(Canonical("/api/v1.10"), "/api/v1.10");
  EXPECT_EQ(Canonical(""), "");
}

/// A hundred events of customer 7: durations 1..100, half of them api, one an error, on two days of March 2026.
class NaiveTest : public testing::Test {
 protected:
  static constexpr TimeUs kMarch = 1'772'323'200 * kSecondUs;  // 2026-03-01
  NaiveTest() {
    subjects_.middling = 7;
    subjects_.middling_name = "cus_000007";
    subjects_.thirty_days = {"2026-03-01", "2026-03-31", kMarch, kMarch + 30 * kDayUs};
    subjects_.month = {"2026-03-01", "2026-04-01", kMarch, kMarch + 31 * kDayUs};
    subjects_.week = {"2026-03-01", "2026-03-08", kMarch, kMarch + 7 * kDayUs};
    for (std::uint32_t i = 1; i <= 100; ++i) {
      WorkloadRow row;
      row.id_low = i;
      row.customer = 7;
      row.service = i % 2 == 0 ? 0 : 5;
      row.time = kMarch + (i <= 50 ? 0 : kDayUs) + i;
      row.quantity_micro = 1'500'000;
      row.duration_ms = i;
      row.tokens = 2;
      row.endpoint = 3;
      row.status = i == 1 ? 3 : 0;
      rows_.push_back(row);
    }
    rows_.push_back(rows_.front());
    rows_.back().time = kMarch - 1;  // before every range
    subjects_.event = rows_[9];
  }
  std::vector<Row> Ask(Question question) {
    return AnswerNaively(question, subjects_,
                         [&](const auto& take) {
                           for (const WorkloadRow& row : rows_) take(row);
                         })
        .rows;
  }
  Subjects subjects_;
  std::vector<WorkloadRow> rows_;
};

TEST_F(NaiveTest, QuantilesAreNearestRank) {
  // api has 2, 4 .. 100: the 48th and the 50th of 50; storage has 1, 3 .. 99.
  const std::vector<Row> expected = {{"api", "96", "100"}, {"storage", "95", "99"}};
  EXPECT_EQ(Ask(Question::kQ3), expected);
}

TEST_F(NaiveTest, DaysSumsAndChanges) {
  const std::vector<Row> q1 = {{"1772323200", "api", "25", "37.5", "0.00375"},
                               {"1772409600", "api", "25", "37.5", "0.00375"},
                               {"1772323200", "storage", "25", "37.5", "0.00375"},
                               {"1772409600", "storage", "25", "37.5", "0.00375"}};
  EXPECT_EQ(Ask(Question::kQ1), q1);
  // Q4 is of everything: the event before March is a day of its own.
  const std::vector<Row> q4 = {{"1772323200", "api", "37.5", "0.00375", ""},
                               {"1772409600", "api", "37.5", "0.00375", "0"},
                               {"1772236800", "storage", "1.5", "0.00015", ""},
                               {"1772323200", "storage", "37.5", "0.00375", "36"},
                               {"1772409600", "storage", "37.5", "0.00375", "0"}};
  EXPECT_EQ(Ask(Question::kQ4), q4);
}

TEST_F(NaiveTest, ErrorsDistinctAndOneEvent) {
  EXPECT_EQ(Ask(Question::kQ9), (std::vector<Row>{{"/api/v1/r3", "100", "1"}}));
  EXPECT_EQ(Ask(Question::kQ10), (std::vector<Row>{{"1"}}));
  EXPECT_EQ(Ask(Question::kQ6), (std::vector<Row>{{"cus_000007", "0.015"}}));
  const Row one = {"api", std::to_string(kMarch + 10), "1.5", "0.00015", "10", "2"};
  EXPECT_EQ(Ask(Question::kQ12), std::vector<Row>{one});
}

}  // namespace
}  // namespace quipu::usage
