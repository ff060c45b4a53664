// The twelve questions of the benchmark, as data: what is asked, of which customer and when, and what an answer looks like.
//
// Each engine asks in its own way (Quipu's queries, a dialect of SQL, a loop over keys) and gives an Answer in the columns
// named here, so that all can be compared cell by cell. Times are whole seconds since 1970 (Q12: microseconds), decimals are
// plain digits without zeros at the end, an absent value is "".
//
//   Q1          day, service, count, sum(quantity), sum(cost)            one middling customer, 30 days
//   Q2          service, p50, p95, p99 of duration_ms                    all customers, 30 days
//   Q3          service, p95, p99 of duration_ms                         one middling customer, 30 days
//   Q3_largest  the same for the largest customer
//   Q4          day, service, sum(quantity), sum(cost), change           all customers, all days
//   Q5          hour, sum(quantity)                                      ten highest hours of api
//   Q6          customer, sum(cost)                                      ten costliest of a month
//   Q7          endpoint, count                                          ten busiest of the largest customer, a month
//   Q8          customer, service, count, sum(quantity), sum(cost)       every bill of a month
//   Q9          endpoint, count, errors                                  a week; errors are status 500
//   Q10         distinct customers                                       30 days
//   Q11         sum(quantity), sum(cost), sum(tokens), avg(duration_ms)  everything
//   Q12         service, time, quantity, cost, duration_ms, tokens       one event, and proof that it was counted
//
// Ranking ties go to the smaller key. Quantiles are nearest rank: the ceil(q n)-th smallest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/decimal.h"
#include "usage/row_file.h"

namespace quipu::usage {

enum class Question : std::uint8_t {
  kQ1,
  kQ2,
  kQ3,
  kQ3Largest,
  kQ4,
  kQ5,
  kQ6,
  kQ7,
  kQ8,
  kQ9,
  kQ10,
  kQ11,
  kQ12
};
inline constexpr std::array<Question, 13> kQuestions = {
    Question::kQ1,  Question::kQ2,  Question::kQ3, Question::kQ3Largest, Question::kQ4,
    Question::kQ5,  Question::kQ6,  Question::kQ7, Question::kQ8,        Question::kQ9,
    Question::kQ10, Question::kQ11, Question::kQ12};

/// "Q3_largest"
std::string_view Name(Question question);
/// For people: "p95 and p99 of duration by service, the largest customer".
std::string_view Sentence(Question question);

/// Quantiles and distinct counts: Quipu has a default answer within stated bounds and an exact one.
bool Approximates(Question question);

/// A span of time as every dialect needs it.
struct Range {
  std::string from, to;  ///< "2026-03-01"; half open.
  TimeUs from_us = 0, to_us = 0;
};

/// What is asked about; derived from the workload.
struct Subjects {
  std::uint32_t middling = 0;  ///< Customers by number ...
  std::uint32_t largest = 1;
  std::string middling_name, largest_name;  ///< ... and by name.
  int customer_digits = 6;
  Range thirty_days, month, week;
  WorkloadRow event;  ///< Of Q12: one that was sent twice, if there is one.
};
Result<Subjects> SubjectsOf(const RowFile& file);

/// The rows that a question can need: a customer (absent = all) and a time range.
struct Scope {
  std::optional<std::uint32_t> customer;
  TimeUs from_us = kTimeMin, to_us = kTimeMax;
};
Scope ScopeOf(Question question, const Subjects& subjects);

using Row = std::vector<std::string>;
struct Answer {
  std::vector<Row> rows;
};

/// "1.500" -> "1.5"; text that is not a decimal with a point stays.
std::string Canonical(std::string text);

/// value x 10^-scale as canonical text.
std::string DecimalText(Int128 value, int scale);

/// How the columns of an answer are compared.
enum class Exactness : std::uint8_t {
  kExact,         ///< To the digit; averages to 10^-9 of their size.
  kQuipuDefault,  ///< Quantiles within 0.4 %, distinct counts within four standard errors of 1.63 %.
  kSketch,  ///< A peer's sketch: within 5 %; a guard against asking something else, not a promise.
};

/// Empty if the answers agree; otherwise the first differences as text, one a line.
std::string Differences(Question question, Exactness exactness, const Answer& expected,
                        const Answer& actual);

}  // namespace quipu::usage
