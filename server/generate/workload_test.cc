#include "generate/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "import/csv.h"
#include "import/ndjson.h"

namespace quipu::generate {
namespace {

std::string Text(const WorkloadOptions& options, TextFormat format = TextFormat::kNdjson) {
  std::string text;
  const Status s = Generate(options, format, [&](std::string_view block, std::uint64_t) {
    text += block;
    return true;
  });
  EXPECT_TRUE(s.ok()) << s.ToString();
  return text;
}

TEST(Workload, SameSeedSameBytes) {
  const WorkloadOptions options{.events = 5000, .customers = 100, .seed = 3};
  EXPECT_EQ(Text(options), Text(options));
  WorkloadOptions other = options;
  other.seed = 4;
  EXPECT_NE(Text(options), Text(other));
}

TEST(Workload, GoldenFirstLine) {
  const std::string text = Text({.events = 100, .customers = 10'000, .seed = 1});
  EXPECT_EQ(
      text.substr(0, text.find('\n')),
      R"({"id":"f6119d3d-8787-4874-ba04-8d813803e1ae","time":"2026-01-01T06:19:48.728128Z",)"
      R"("customer":"cus_000055","service":"database","quantity":1,"cost":0.0001,)"
      R"("dimensions":{"endpoint":"/api/v1/r8","method":"GET","status":"404","region":"us-east"},)"
      R"("measures":{"duration_ms":25,"tokens":20}})");
}

/// What an event says, apart from its order of dimensions.
std::string Described(const Event& e) {
  std::ostringstream out;
  out << e.id << ' ' << *e.time << ' ' << e.customer << ' ' << e.service << ' '
      << e.quantity.ToString() << ' ' << e.cost->ToString();
  std::map<std::string_view, std::string> named;
  for (const auto& d : e.dimensions) named[d.name] = d.value;
  for (const auto& m : e.measures) named[m.name] = m.value.ToString();
  for (const auto& [name, value] : named) out << ' ' << name << '=' << value;
  return out.str();
}

std::vector<std::string> Parsed(const std::string& text,
                                std::unique_ptr<import::RecordParser> parser) {
  std::vector<std::string> events;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    import::ParsedEvent p;
    p.Clear();
    const auto taken = parser->Take(line, &p);
    EXPECT_TRUE(taken.has_value()) << line;
    if (taken && *taken == import::Taken::kEvent) events.push_back(Described(p.event));
  }
  return events;
}

TEST(Workload, CsvSaysWhatNdjsonSays) {
  const WorkloadOptions options{.events = 3000, .customers = 100, .seed = 3};
  const auto events = Parsed(Text(options), import::MakeNdjsonParser());
  EXPECT_GE(events.size(), options.events);
  EXPECT_EQ(events, Parsed(Text(options, TextFormat::kCsv), import::MakeCsvParser({})));
}

TEST(Workload, ShapeOfTheReference) {
  constexpr std::uint64_t kEvents = 200'000;
  const std::string text = Text({.events = kEvents, .customers = 10'000, .seed = 1});
  auto parser = import::MakeNdjsonParser();
  std::map<std::string, std::string> by_id;
  std::map<std::string, std::uint64_t> services, statuses, customers;
  std::uint64_t lines = 0, again = 0, late = 0;
  TimeUs latest = kTimeMin, first = kTimeMax;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line); ++lines) {
    import::ParsedEvent p;
    auto taken = parser->Take(line, &p);
    ASSERT_TRUE(taken.has_value()) << line;
    ASSERT_TRUE(import::CheckEvent(p, {}).ok());
    const auto [it, fresh] = by_id.emplace(p.event.id, line);
    if (!fresh) {
      ++again;
      EXPECT_EQ(it->second, line);
      continue;
    }
    late += *p.event.time < latest;
    latest = std::max(latest, *p.event.time);
    first = std::min(first, *p.event.time);
    ++services[std::string(p.event.service)];
    ++customers[std::string(p.event.customer)];
    ++statuses[std::string(p.event.dimensions[2].value)];
  }
  EXPECT_EQ(by_id.size(), kEvents);
  const auto share = [&](std::uint64_t n) { return static_cast<double>(n) / kEvents; };
  EXPECT_NEAR(share(again), 0.005, 0.001);
  EXPECT_NEAR(share(late), 0.01, 0.002);
  EXPECT_NEAR(share(services["api"]), 0.55, 0.01);
  EXPECT_NEAR(share(services["storage"]), 0.04, 0.005);
  EXPECT_NEAR(share(statuses["500"]), 0.01, 0.002);
  EXPECT_NEAR(share(customers["cus_000001"]), 0.0753, 0.005);
  EXPECT_GE(first, *ParseTimeInZone("2026-01-01", "UTC"));
  EXPECT_LT(latest, *ParseTimeInZone("2026-04-01", "UTC"));
}

TEST(Workload, OptionsOutOfRangeAndStopping) {
  const auto go_on = [](std::string_view, std::uint64_t) { return true; };
  EXPECT_FALSE(Generate({.events = 0}, TextFormat::kNdjson, go_on).ok());
  EXPECT_FALSE(Generate({.customers = 1}, TextFormat::kNdjson, go_on).ok());
  EXPECT_FALSE(Generate({.days = 0}, TextFormat::kNdjson, go_on).ok());
  EXPECT_FALSE(Generate({.events = 1'000'000'000, .days = 1}, TextFormat::kNdjson, go_on).ok());
  EXPECT_FALSE(Generate({.from = "2026-01-01T10:00"}, TextFormat::kNdjson, go_on).ok());
  const Status stopped = Generate({.events = 100}, TextFormat::kNdjson,
                                  [](std::string_view, std::uint64_t) { return false; });
  EXPECT_EQ(stopped.code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace quipu::generate
