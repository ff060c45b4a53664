#include "tests/corruption_truth.h"

#include <array>
#include <cstdio>

#include "base/check.h"

namespace quipu {
namespace {

std::string MakeId(std::size_t index) {
  std::array<char, 64> text{};
  switch (index % 4) {
    case 0:
      std::snprintf(text.data(), text.size(), "0c0ffee00c0ffee0%016zx", index);
      break;
    case 1:
      std::snprintf(text.data(), text.size(), "5eed0000-cafe-4bad-9bdd-%012zx", index);
      break;
    case 2:
      std::snprintf(text.data(), text.size(), "019ca7c0-%04zx-7abc-8def-0123456789ab", index);
      break;
    default:
      std::snprintf(text.data(), text.size(), "e%zu", index);
  }
  return text.data();
}

void Expect(Truth* truth, std::string name, const Query& query, bool raw_only = false) {
  QUIPU_CHECK(query.status().ok());
  Question q{std::move(name), query.spec(), {}};
  q.spec.raw_only = raw_only;
  QUIPU_CHECK(truth->oracle.ReachOf(q.spec) != Reach::kError);
  auto answer = truth->oracle.Ask(q.spec);
  QUIPU_CHECK(answer.has_value());
  q.expected = *answer;
  truth->questions.push_back(std::move(q));
}

void LearnFacts(const Recipe& recipe, std::size_t events, Truth* truth) {
  std::vector<Fact> facts;
  for (std::size_t i = 0; i < events; ++i) facts.push_back(MakeFact(i));
  const std::size_t settled = recipe.settled ? recipe.events() - recipe.hot : 0;
  const auto end_of_settled = facts.begin() + static_cast<std::ptrdiff_t>(settled);
  truth->sent = events;
  truth->oracle.Ingest({facts.begin(), end_of_settled}, 1);
  if (recipe.settled) {
    truth->oracle.Retain(SettledPolicy(), SettledNow(), 0, true);
    truth->oracle.Erase(kErased);
  }
  truth->oracle.Ingest({end_of_settled, facts.end()}, 2, /*stamped=*/true);
  for (std::size_t i = 0; i < events; ++i) {
    const bool is_forgotten =
        i < settled && (facts[i].service == kExpiring || facts[i].customer == kErased);
    if (!is_forgotten) truth->repeated.push_back(i);
  }
}

/// Questions that need single events.
void ExpectOfRows(const std::string& sums, const Query& by_month, Truth* truth) {
  Expect(truth, "totals from raw rows", Query().Select(sums), true);
  Expect(truth, "by service and month from raw rows", by_month, true);
  Expect(truth, "by customer and day in a zone",
         Query()
             .Select("count, sum(cost), min(tokens), max(tokens), latest(quantity), p95(tokens)")
             .Every("day", "Europe/Berlin")
             .GroupBy("customer"));
  Expect(truth, "failures by endpoint",
         Query()
             .Select("count, sum(tokens), sum(duration_ms), distinct(customer)")
             .GroupBy("endpoint")
             .Where("status=500"));
  Expect(truth, "hours of one customer",
         Query()
             .Select("count, sum(quantity), max(duration_ms)")
             .Customer("whale")
             .Between("2026-03-10", "2026-04-10")
             .Every("hour"));
}

}  // namespace

TimeUs SettledNow() { return ParseTime("2026-09-01")->time_us; }

RetentionPolicy SettledPolicy() {
  return {{{.name = "expires", .service = kExpiring, .keep_raw_days = 30}}};
}

Fact MakeFact(std::size_t index) {
  Fact f;
  f.id = MakeId(index);
  f.source = index % 3 == 0 ? "edge" : "";
  f.customer = index % 3 == 0 ? "whale" : "c" + std::to_string(index * 31 % 23);
  f.service = index % 5 == 0 ? "storage" : index % 2 == 0 ? "api" : "llm";
  f.time =
      ParseTime("2026-03-01")->time_us + static_cast<TimeUs>(index * 7'919'000'003 % (60 * kDayUs));
  f.quantity = Decimal(static_cast<std::int64_t>(index % 7) + 1);
  if (index % 4 != 0) f.cost = Decimal(static_cast<Int128>(index * 7919 % 100'003), 6);
  f.measures["tokens"] = Decimal(static_cast<std::int64_t>(index * 13 % 977));
  if (index % 6 == 0) f.measures["duration_ms"] = Decimal(static_cast<Int128>(index % 509), 2);
  f.dimensions["status"] = index % 5 == 0 ? "500" : "200";
  if (index % 7 != 0) f.dimensions["endpoint"] = "/v1/" + std::to_string(index % 11);
  return f;
}

void LearnTruth(const Recipe& recipe, std::size_t events, Truth* truth) {
  LearnFacts(recipe, events, truth);
  const std::string sums = "count, sum(quantity), sum(cost), sum(tokens), count(cost)";
  const Query by_month = Query().Select(sums).Every("month").GroupBy("service");
  Expect(truth, "totals", Query().Select(sums));
  Expect(truth, "by service and month", by_month);
  Expect(truth, "by customer and day",
         Query().Select("count, sum(cost), max(tokens)").Every("day").GroupBy("customer"));
  if (recipe.settled) {
    truth->paging.services = {"api", "llm"};
    Expect(truth, "rows of services that keep them",
           Query().Select(sums).Service("api").Service("llm").GroupBy("endpoint"));
  } else {
    ExpectOfRows(sums, by_month, truth);
  }
  truth->events = truth->oracle.Events(truth->paging);
}

}  // namespace quipu
