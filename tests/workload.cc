#include "tests/workload.h"

#include <array>

#include "base/calendar.h"
#include "base/check.h"

namespace quipu {
namespace {

constexpr std::array<const char*, 4> kServices = {"api", "llm", "storage", "bandwidth"};
constexpr std::array<const char*, 4> kMeasures = {"tokens", "duration_ms", "bytes", "credit"};
constexpr std::array<const char*, 4> kDimensions = {"status", "path", "region", "user"};
constexpr std::array<const char*, 5> kZones = {"UTC", "Europe/Berlin", "Asia/Kathmandu",
                                               "America/New_York", "Australia/Lord_Howe"};
constexpr std::array<const char*, 5> kStatuses = {"200", "404", "500", "", "301"};
constexpr std::array<const char*, 4> kRegions = {"eu-west", "us-east", "eu-north", "Zürich"};
constexpr const char* kWhale = "whale";

TimeUs At(const char* text) { return ParseTime(text)->time_us; }

/// Instants around which events gather: DST days, month ends, the day of the bursts.
const std::vector<TimeUs>& Landmarks() {
  static const std::vector<TimeUs> landmarks = {
      At("2026-03-29T01:00:00Z"), At("2026-03-08T07:00:00Z"), At("2026-10-25T01:00:00Z"),
      At("2026-11-01T06:00:00Z"), At("2026-03-01T00:00:00Z"), At("2026-03-31T22:00:00Z"),
      At("2026-03-10T10:00:00Z"), At("2026-04-04T15:00:00Z")};
  return landmarks;
}

}  // namespace

TimeUs Workload::AnyTime() {
  const auto jitter = [&](TimeUs width) {
    return static_cast<TimeUs>(Below(static_cast<std::uint64_t>(width)));
  };
  const std::uint64_t kind = Below(100);
  if (kind < 45) return Landmarks()[Below(Landmarks().size())] - 6 * kHourUs + jitter(12 * kHourUs);
  if (kind < 50)
    return Landmarks()[Below(Landmarks().size())] + static_cast<TimeUs>(Below(3)) -
           1;  // at the very edge
  if (kind < 55) return FloorTo(At("2026-03-01") + jitter(30 * kDayUs), kHourUs);  // many ties
  if (kind < 57) return At("2025-12-31T12:00:00Z") + jitter(kDayUs);
  return At("2026-02-20") + jitter(60 * kDayUs);
}

Decimal Workload::AnyNumber() {
  const auto sign = Chance(10) ? -1 : 1;
  const std::uint64_t kind = Below(100);
  if (kind < 50) return Decimal(sign * static_cast<std::int64_t>(Below(2000)));
  if (kind < 70)
    return Decimal(sign * static_cast<Int128>(Below(1'000'000)), static_cast<int>(Below(7)));
  if (kind < 80) return Decimal(0);
  if (kind < 90) return Decimal(sign * static_cast<Int128>(Below(1'000'000'000'000)), 4);
  return Decimal(sign * static_cast<Int128>(random_.Next() >> 1), static_cast<int>(Below(10)));
}

std::string Workload::AnyCustomer() {
  if (Chance(25)) return kWhale;
  if (Chance(5)) return "Käufer & Söhne";
  return "c" + std::to_string(Below(700));
}

std::string Workload::AnyService() { return kServices[Below(kServices.size())]; }

void Workload::Dress(Fact* fact) {
  fact->quantity = Chance(70) ? Decimal(1) : AnyNumber();
  if (Chance(60))
    fact->cost = Chance(90) ? Decimal(static_cast<Int128>(Below(100'000)), 6) : AnyNumber();
  if (Chance(80)) fact->measures["tokens"] = Decimal(static_cast<std::int64_t>(Below(8192)));
  if (Chance(70))
    fact->measures["duration_ms"] = Decimal(static_cast<Int128>(1 + Below(1u << Below(20))), 3);
  if (Chance(30)) fact->measures["bytes"] = AnyNumber();
  // Near the ends of what may be stored: sums of these leave 128 bits at times.
  if (Chance(1)) {
    const Int128 most =
        static_cast<Int128>(9'999'999'999) * 10'000'000'000 + 9'999'999'999;  // 10^20 - 1
    fact->measures["credit"] = Chance(70)
                                   ? Decimal((Chance(50) ? 1 : -1) * most, 0)
                                   : Decimal(static_cast<Int128>(Below(1'000'000)) * 2 + 1, 18);
  }
  if (Chance(90)) fact->dimensions["status"] = kStatuses[Below(kStatuses.size())];
  if (Chance(60))
    fact->dimensions["path"] = "/v1/" + std::to_string(Below(20)) + (Chance(20) ? "/items" : "");
  if (Chance(50)) fact->dimensions["region"] = kRegions[Below(kRegions.size())];
  if (Chance(40)) fact->dimensions["user"] = "u" + std::to_string(Below(3000));
}

Fact Workload::Founder() {
  Fact fact = NewFact();
  fact.time = At("2026-02-20");
  for (const char* m : kMeasures) fact.measures[m] = Decimal(125, 2);
  for (const char* d : kDimensions) fact.dimensions[d] = "founder";
  fact.cost = Decimal(1, 6);
  return fact;
}

Fact Workload::NewFact() {
  Fact fact;
  fact.id = (Chance(50) ? "req-" : "0198c0de-") + std::to_string(next_id_++);
  if (Chance(20)) fact.source = "edge" + std::to_string(Below(3));
  fact.customer = AnyCustomer();
  fact.service = AnyService();
  fact.time = AnyTime();
  Dress(&fact);
  return fact;
}

std::vector<Fact> Workload::Burst(std::size_t n) {
  const TimeUs start = At("2026-03-10T10:00:00Z") + static_cast<TimeUs>(Below(3)) * kHourUs;
  const std::string service = kServices[Below(2)];
  std::vector<Fact> facts;
  for (std::size_t i = 0; i < n; ++i) {
    Fact fact = NewFact();
    fact.customer = kWhale;
    fact.service = service;
    fact.time = start + static_cast<TimeUs>(Below(kHourUs));
    facts.push_back(std::move(fact));
  }
  return facts;
}

Fact Workload::Contradict(Fact fact) {
  switch (Below(4)) {
    case 0:
      fact.quantity = *Decimal::Add(fact.quantity, Decimal(1, 3));
      break;
    case 1:
      fact.cost = fact.cost ? std::nullopt : std::optional(Decimal(0));
      break;  // absent is not 0
    case 2:
      fact.dimensions["status"] += "x";
      break;
    default: {
      const auto it = fact.measures.find("bytes");
      if (it == fact.measures.end()) {
        fact.measures["bytes"] = Decimal(0);
      } else {
        fact.measures.erase(it);
      }
    }
  }
  return fact;
}

Fact Workload::Spoil(Fact fact) {
  fact.invalid = true;
  switch (Below(5)) {
    case 0:
      fact.customer.clear();
      break;
    case 1:
      fact.service = "\xFF";
      break;
    case 2:
      fact.quantity = Decimal(static_cast<Int128>(10'000'000'000) * 10'000'000'000, 0);
      break;  // 10^20
    case 3:
      fact.dimensions["customer"] = "reserved";
      break;
    default:
      fact.id.assign(257, 'i');
  }
  return fact;
}

std::string Workload::AnyAggregate() {
  static const std::array<const char*, 6> measures = {"quantity",    "cost",  "tokens",
                                                      "duration_ms", "bytes", "credit"};
  const std::string m = measures[Chance(92) ? Below(5) : 5];
  switch (Below(12)) {
    case 0:
    case 1:
      return "count";
    case 2:
      return "count(" + m + ")";
    case 3:
    case 4:
      return "sum(" + m + ")";
    case 5:
      return "avg(" + m + ")";
    case 6:
      return "min(" + m + ")";
    case 7:
      return "max(" + m + ")";
    case 8:
      return (Chance(50) ? "first(" : "latest(") + m + ")";
    case 9:
      return std::string("distinct(") +
             (Chance(50)   ? "customer"
              : Chance(30) ? "service"
                           : kDimensions[Below(4)]) +
             ")";
    case 10:
      return "median(" + m + ")";
    default: {
      static const std::array<const char*, 5> quantiles = {"p95(", "p99(", "p99.9(", "p100(",
                                                           "p1("};
      return quantiles[Below(quantiles.size())] + m + ")";
    }
  }
}

Filter Workload::AnyFilter() {
  const auto parse = [](const std::string& text) {
    auto filter = Filter::Parse(text);
    QUIPU_CHECK(filter.has_value());
    return *std::move(filter);
  };
  const std::string number = AnyNumber().ToString();
  switch (Below(12)) {
    case 0:
      return parse("status=404");
    case 1:
      return parse("status!=200");
    case 2:
      return parse("status in 500,404");
    case 3:
      return parse("path^=/v1/1");
    case 4:
      return parse("region!=eu-west");
    case 5:
      return parse("customer=whale");
    case 6:
      return parse("customer^=c1");
    case 7:
      return parse("service in api,llm");
    case 8:
      return parse("tokens>=" + std::to_string(Below(8192)));
    case 9:
      return parse("cost<" + number);
    case 10:
      return parse(Chance(50) ? "bytes!=0" : "bytes=0");
    default:
      return parse("quantity" + std::string(Chance(50) ? "<=" : ">") + number);
  }
}

void Workload::AskForTime(QuerySpec* spec) {
  const std::uint64_t unit = Below(100);
  spec->window.zone = kZones[Below(kZones.size())];
  spec->window.unit = unit < 25   ? WindowUnit::kNone
                      : unit < 45 ? WindowUnit::kHour
                      : unit < 70 ? WindowUnit::kDay
                      : unit < 80 ? WindowUnit::kWeek
                      : unit < 95 ? WindowUnit::kMonth
                                  : WindowUnit::kMinute;
  if (spec->window.unit == WindowUnit::kNone) spec->window.zone = "UTC";
  const bool small =
      spec->window.unit == WindowUnit::kHour || spec->window.unit == WindowUnit::kMinute;
  if (small || Chance(60)) {
    TimeUs from = AnyTime();
    if (Chance(30)) from = FloorTo(from, kDayUs);
    const TimeUs width = spec->window.unit == WindowUnit::kMinute ? 6 * kHourUs
                         : small                                  ? 5 * kDayUs
                                                                  : 45 * kDayUs;
    TimeUs to = from + static_cast<TimeUs>(Below(static_cast<std::uint64_t>(width)));
    if (Chance(30)) to = FloorTo(to, kHourUs) + kHourUs;
    if (small || Chance(85)) spec->from = from;
    if (small || Chance(85)) spec->to = to;
  }
}

void Workload::AskForOrder(QuerySpec* spec, bool loose) {
  std::vector<std::string> columns = spec->group_by;
  if (spec->window.unit != WindowUnit::kNone) columns.push_back("window_start");
  for (const Aggregate& a : spec->select) {
    const bool exact =
        spec->exact || (a.function != Function::kQuantile && a.function != Function::kDistinct);
    if (exact || loose) columns.push_back(a.name);
  }
  while (!columns.empty() && spec->order_by.size() < 2 && Chance(60)) {
    spec->order_by.push_back({columns[Below(columns.size())], Chance(50)});
  }
}

QuerySpec Workload::Question(bool loose) {
  QuerySpec spec;
  AskForTime(&spec);
  for (std::uint64_t n = 1 + Below(4); spec.select.size() < n;) {
    std::string text = AnyAggregate();
    if (spec.window.unit != WindowUnit::kNone && Chance(20))
      text = (Chance(50) ? "change(" : "change_percent(") + text + ")";
    bool again = false;
    for (const Aggregate& a : spec.select) again = again || a.name == text;
    if (again) continue;
    auto aggregate = Aggregate::Parse(text);
    QUIPU_CHECK(aggregate.has_value());
    spec.select.push_back(*std::move(aggregate));
  }
  if (Chance(30)) {
    for (std::uint64_t n = 1 + Below(3); n > 0; --n)
      spec.customers.push_back(Chance(40) ? kWhale : AnyCustomer());
  }
  if (Chance(30)) spec.services.push_back(AnyService());
  if (Chance(45))
    spec.group_by.push_back(Chance(40)   ? "service"
                            : Chance(30) ? "customer"
                                         : kDimensions[Below(4)]);
  if (!spec.group_by.empty() && spec.group_by[0] != "service" && Chance(20))
    spec.group_by.push_back("service");
  if (Chance(30)) spec.filters.push_back(AnyFilter());
  if (!spec.filters.empty() && Chance(30)) spec.filters.push_back(AnyFilter());
  spec.exact = Chance(15);
  // Filling every minute or hour of every group would only be slow.
  const bool small =
      spec.window.unit == WindowUnit::kHour || spec.window.unit == WindowUnit::kMinute;
  spec.fill =
      spec.window.unit != WindowUnit::kNone && Chance(25) && (!small || spec.group_by.empty());
  AskForOrder(&spec, loose);
  if (Chance(25)) spec.limit = 1 + Below(20);
  return spec;
}

EventQuery Workload::EventQuestion() {
  EventQuery query;
  if (Chance(40)) query.customers.push_back(Chance(50) ? kWhale : AnyCustomer());
  if (Chance(30)) query.services.push_back(AnyService());
  if (Chance(50)) query.from = AnyTime();
  if (query.from && Chance(60)) query.to = *query.from + static_cast<TimeUs>(Below(20 * kDayUs));
  if (Chance(40)) query.filters.push_back(AnyFilter());
  static const std::array<std::uint32_t, 4> limits = {7, 100, 1000, 10'000};
  query.limit = limits[Below(limits.size())];
  return query;
}

RetentionPolicy Workload::AnyPolicy() {
  RetentionPolicy policy;
  const auto days = [&] {
    static constexpr std::array<std::uint32_t, 6> kDays = {0, 0, 40, 100, 260, 320};
    return kDays[Below(kDays.size())];
  };
  for (std::uint64_t n = Below(4); policy.rules.size() < n;) {
    RetentionRule& rule = policy.rules.emplace_back();
    rule.name = "rule " + std::to_string(policy.rules.size());
    if (Chance(60)) rule.service = NewFact().service;
    if (Chance(30)) rule.customer_class = "free";
    rule.keep_raw_days = days();
    rule.archive_after_days = days();
    rule.keep_summaries_days = Chance(30) ? days() : 0;
    rule.delete_after_days = Chance(30) ? days() : 0;
  }
  policy.archive_keeps_ids = Chance(50);
  return policy;
}

ArchiveRequest Workload::AnyArchive() {
  ArchiveRequest request;
  static constexpr std::array<const char*, 4> kTimes = {"2026-01-01", "2026-03-01", "2026-03-20",
                                                        "2026-11-01"};
  request.before = ParseTime(kTimes[Below(kTimes.size())])->time_us;
  request.drop_ids = Chance(30);
  return request;
}

}  // namespace quipu
