#include "usage/question.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace quipu::usage {
namespace {

constexpr int kDifferencesMax = 10;

struct Described {
  std::string_view name, sentence;
  bool ranked;  // the order of its rows is part of the answer
};
constexpr std::array<Described, kQuestions.size()> kDescribed = {{
    {"Q1", "daily count, quantity and cost by service, one middling customer, 30 days", false},
    {"Q2", "p50, p95, p99 of duration by service, all customers, 30 days", false},
    {"Q3", "p95, p99 of duration by service, one middling customer, 30 days", false},
    {"Q3_largest", "the same for the largest customer", false},
    {"Q4", "daily totals by service and their change, all days", false},
    {"Q5", "ten highest hours of api", true},
    {"Q6", "ten costliest customers of a month", true},
    {"Q7", "ten busiest endpoints of the largest customer, a month", true},
    {"Q8", "the bill of every customer by service, a month", false},
    {"Q9", "error rate by endpoint, a week", false},
    {"Q10", "distinct customers, 30 days", false},
    {"Q11", "sums of quantity, cost, tokens and the average duration, everything", false},
    {"Q12", "one event by id, and whether it was counted", false},
}};
const Described& Describe(Question q) { return kDescribed[static_cast<std::size_t>(q)]; }

Result<Range> MakeRange(std::string from, std::string to) {
  auto start = ParseTimeInZone(from, "UTC");
  auto end = ParseTimeInZone(to, "UTC");
  if (!start) return start.error();
  if (!end) return end.error();
  return Range{std::move(from), std::move(to), *start, *end};
}

/// The most by which a cell may differ, relative to the expected one; 0 = text must be equal.
double Tolerance(Question q, Exactness exactness, std::size_t column) {
  if (q == Question::kQ11 && column == 3) return 1e-9;
  if (exactness == Exactness::kExact) return 0;
  const bool quantile =
      (q == Question::kQ2 || q == Question::kQ3 || q == Question::kQ3Largest) && column > 0;
  if (!quantile && q != Question::kQ10) return 0;
  if (exactness == Exactness::kSketch) return 0.05;
  return quantile ? 0.004 : 4 * 0.0163;
}

bool CellsAgree(const std::string& expected, const std::string& actual, double tolerance) {
  if (expected == actual) return true;
  if (tolerance == 0 || expected.empty() || actual.empty()) return false;
  const double e = std::strtod(expected.c_str(), nullptr);
  const double a = std::strtod(actual.c_str(), nullptr);
  return std::abs(e - a) <= tolerance * std::abs(e);
}

}  // namespace

std::string_view Name(Question question) { return Describe(question).name; }
std::string_view Sentence(Question question) { return Describe(question).sentence; }

bool Approximates(Question q) {
  return q == Question::kQ2 || q == Question::kQ3 || q == Question::kQ3Largest ||
         q == Question::kQ10;
}

Result<Subjects> SubjectsOf(const RowFile& file) {
  Subjects s;
  const std::uint64_t customers = file.workload.customers;
  s.customer_digits = generate::CustomerDigits(customers);
  s.middling = customers > 246 ? 123 : static_cast<std::uint32_t>(customers / 2);
  generate::AppendCustomer(s.middling, s.customer_digits, &s.middling_name);
  generate::AppendCustomer(s.largest, s.customer_digits, &s.largest_name);
  auto thirty_days = MakeRange("2026-03-01", "2026-03-31");
  auto month = MakeRange("2026-03-01", "2026-04-01");
  auto week = MakeRange("2026-03-02", "2026-03-09");
  if (!thirty_days || !month || !week) return Status::Internal("a constant date was refused");
  s.thirty_days = *thirty_days;
  s.month = *month;
  s.week = *week;
  ForEachRow(file, true, [&](const WorkloadRow& row) {
    const bool in_month = row.time >= s.month.from_us && row.time < s.month.to_us;
    if (s.event.time == 0 || (row.again && in_month && !s.event.again)) s.event = row;
  });
  return s;
}

Scope ScopeOf(Question question, const Subjects& s) {
  switch (question) {
    case Question::kQ1:
    case Question::kQ3:
      return {s.middling, s.thirty_days.from_us, s.thirty_days.to_us};
    case Question::kQ2:
    case Question::kQ10:
      return {std::nullopt, s.thirty_days.from_us, s.thirty_days.to_us};
    case Question::kQ3Largest:
      return {s.largest, s.thirty_days.from_us, s.thirty_days.to_us};
    case Question::kQ4:
    case Question::kQ5:
    case Question::kQ11:
      return {};
    case Question::kQ6:
    case Question::kQ8:
      return {std::nullopt, s.month.from_us, s.month.to_us};
    case Question::kQ7:
      return {s.largest, s.month.from_us, s.month.to_us};
    case Question::kQ9:
      return {std::nullopt, s.week.from_us, s.week.to_us};
    case Question::kQ12:
      return {s.event.customer, s.event.time, s.event.time + 1};
  }
  return {};
}

std::string Canonical(std::string text) {
  const bool decimal = text.find('.') != std::string::npos &&
                       text.find_first_not_of("+-0123456789.") == std::string::npos;
  if (!decimal) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string DecimalText(Int128 value, int scale) { return Decimal(value, scale).ToString(); }

std::string Differences(Question question, Exactness exactness, const Answer& expected,
                        const Answer& actual) {
  std::vector<Row> e = expected.rows;
  std::vector<Row> a = actual.rows;
  if (!Describe(question).ranked) {
    std::sort(e.begin(), e.end());
    std::sort(a.begin(), a.end());
  }
  std::string found;
  if (e.size() != a.size()) {
    found += fmt::format("  {} rows expected, {} found\n", e.size(), a.size());
  }
  int differences = 0;
  for (std::size_t r = 0; r < std::min(e.size(), a.size()); ++r) {
    bool agree = e[r].size() == a[r].size();
    for (std::size_t c = 0; agree && c < e[r].size(); ++c) {
      agree = CellsAgree(e[r][c], a[r][c], Tolerance(question, exactness, c));
    }
    if (agree) continue;
    if (++differences > kDifferencesMax) break;
    found += fmt::format("  row {}: expected [{}], found [{}]\n", r, fmt::join(e[r], ", "),
                         fmt::join(a[r], ", "));
  }
  return found;
}

}  // namespace quipu::usage
