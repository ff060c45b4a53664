// The three record parsers on good lines, bad lines and mutated lines.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "import/combined.h"
#include "import/csv.h"
#include "import/ndjson.h"
#include "import/record.h"

namespace quipu::import {
namespace {

std::string Find(const Event& event, std::string_view name) {
  for (const Dimension& d : event.dimensions) {
    if (d.name == name) return std::string(d.value);
  }
  return "(absent)";
}

std::string FindMeasure(const Event& event, std::string_view name) {
  for (const Measure& m : event.measures) {
    if (m.name == name) return m.value.ToString();
  }
  return "(absent)";
}

std::string Error(RecordParser& parser, std::string_view line) {
  ParsedEvent parsed;
  auto taken = parser.Take(line, &parsed);
  return taken ? "(no error)" : std::string(taken.error().message());
}

testing::AssertionResult Has(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << text << "\" lacks \"" << part << '"';
}

TEST(Ndjson, EveryField) {
  auto parser = MakeNdjsonParser();
  ParsedEvent p;
  auto taken = parser->Take(
      R"( {"id":"e\u00e9\"1","source":"s","time":"2026-03-01T10:20:30.123456Z","customer":"acme","service":"api",)"
      R"("quantity":0.000001 ,"cost":"12.50","dimensions":{"path":"/a","empty":""},"measures":{"big":99999999999999999999,)"
      R"("text":"-0.25","e":1e3,"none":null}} )",
      &p);
  ASSERT_TRUE(taken.has_value()) << taken.error().ToString();
  EXPECT_EQ(*taken, Taken::kEvent);
  EXPECT_EQ(p.event.id, "e\xc3\xa9\"1");
  EXPECT_EQ(p.event.source, "s");
  EXPECT_EQ(FormatTime(*p.event.time), "2026-03-01T10:20:30.123456Z");
  EXPECT_EQ(p.event.quantity.ToString(), "0.000001");
  EXPECT_TRUE(p.has_quantity);
  EXPECT_EQ(p.event.cost->ToString(), "12.5");
  EXPECT_EQ(Find(p.event, "path"), "/a");
  EXPECT_EQ(Find(p.event, "empty"), "");
  EXPECT_EQ(FindMeasure(p.event, "big"), "99999999999999999999");
  EXPECT_EQ(FindMeasure(p.event, "text"), "-0.25");
  EXPECT_EQ(FindMeasure(p.event, "e"), "1000");
  EXPECT_EQ(FindMeasure(p.event, "none"), "(absent)");
  EXPECT_TRUE(CheckEvent(p, {}).ok());
}

TEST(Ndjson, AbsentFieldsStayAbsent) {
  auto parser = MakeNdjsonParser();
  ParsedEvent p;
  ASSERT_TRUE(parser->Take(R"({"customer":"c","service":"s","dimensions":null})", &p));
  EXPECT_TRUE(p.event.id.empty());
  EXPECT_FALSE(p.event.time || p.event.cost || p.has_quantity);
  EXPECT_EQ(p.event.quantity, Decimal(1));
  EXPECT_TRUE(Has(std::string(CheckEvent(p, {}).message()), "time is missing"));
  EXPECT_EQ(*parser->Take("  ", &p), Taken::kNothing);
}

TEST(Ndjson, BadLinesSayWhatIsWrong) {
  auto parser = MakeNdjsonParser();
  EXPECT_TRUE(Has(Error(*parser, R"({"custommer":"c"})"), "unknown key \"custommer\""));
  EXPECT_TRUE(Has(Error(*parser, R"({"id":"a","id":"b"})"), "twice"));
  EXPECT_TRUE(Has(Error(*parser, R"({"id":7})"),
                  "id is 7, which is not a string; put it in double quotes"));
  EXPECT_TRUE(Has(Error(*parser, R"({"quantity":"many"})"), "quantity is \"many\""));
  EXPECT_TRUE(Has(Error(*parser, R"({"quantity":1abc})"), "1abc"));
  EXPECT_TRUE(Has(Error(*parser, R"({"quantity":01})"), "01"));
  EXPECT_TRUE(Has(Error(*parser, R"({"cost":1e30})"), "too many digits"));
  EXPECT_TRUE(Has(Error(*parser, R"({"measures":{"a":true}})"),
                  "measure a is true, which is not a number"));
  EXPECT_TRUE(Has(Error(*parser, R"({"measures":{"a":[1]}})"), "not a number"));
  EXPECT_TRUE(Has(Error(*parser, R"({"dimensions":["a"]})"), "not an object"));
  EXPECT_TRUE(Has(Error(*parser, R"({"time":"yesterday"})"), "yesterday"));
  for (const char* bad : {"[]", "7", "{", R"({"id":"a")", R"({"id" "a"})", R"({"id":"a"} x)",
                          R"({"id":"a"}{})", "{\"id\":\"\xff\"}", "{\"id\":\"a\nb\"}",
                          R"({"id":"\q"})", R"({"id":nul})", R"({"id":"a",})"}) {
    EXPECT_NE(Error(*parser, bad), "(no error)") << bad;
  }
  EXPECT_EQ(Error(*parser, R"({"id":"fine after errors"})"), "(no error)");
}

TEST(Csv, MapQuotesAndAbsence) {
  auto map = ParseAssignments({"time=when,measure:tokens=n", "dimension:note=note"}, "--map");
  ASSERT_TRUE(map.has_value());
  auto parser = MakeCsvParser(*map);
  ParsedEvent p;
  EXPECT_EQ(*parser->Take("\xef\xbb\xbfwhen,n,note,other", &p), Taken::kNothing);
  EXPECT_EQ(parser->TakeNotice(), "columns left out: other");
  EXPECT_EQ(parser->TakeNotice(), "");
  ASSERT_EQ(*parser->Take(R"(2023-11-16 18:17:03.9799609,4808,"a ""b"", c",x)", &p), Taken::kEvent);
  EXPECT_EQ(FormatTime(*p.event.time), "2023-11-16T18:17:03.979960Z");
  EXPECT_TRUE(p.time_truncated);
  EXPECT_EQ(FindMeasure(p.event, "tokens"), "4808");
  EXPECT_EQ(Find(p.event, "note"), "a \"b\", c");
  p.Clear();
  ASSERT_EQ(*parser->Take(R"(2023-11-16,,"",)", &p), Taken::kEvent);
  EXPECT_EQ(FindMeasure(p.event, "tokens"), "(absent)");
  EXPECT_EQ(Find(p.event, "note"), "(absent)");
}

TEST(Csv, RecordOverSeveralLines) {
  auto parser = MakeCsvParser({});
  ParsedEvent p;
  ASSERT_EQ(*parser->Take("customer,dimension:text,service", &p), Taken::kNothing);
  EXPECT_EQ(*parser->Take(R"(c,"one)", &p), Taken::kMore);
  EXPECT_EQ(*parser->Take(R"(two ""x"", y)", &p), Taken::kMore);
  EXPECT_EQ(*parser->Take("", &p), Taken::kMore);
  EXPECT_EQ(*parser->Take(R"(end",s)", &p), Taken::kEvent);
  EXPECT_EQ(Find(p.event, "text"), "one\ntwo \"x\", y\n\nend");
  EXPECT_EQ(p.event.service, "s");
  EXPECT_TRUE(parser->Finish().ok());
  EXPECT_EQ(*parser->Take(R"(c,"open)", &p), Taken::kMore);
  EXPECT_FALSE(parser->Finish().ok());
}

TEST(Csv, BadHeadersAndRows) {
  auto lost = MakeCsvParser(*ParseAssignments({"time=WHEN"}, "--map"));
  EXPECT_TRUE(Has(Error(*lost, "a,b"), "no such column; it has a, b"));
  EXPECT_TRUE(lost->unusable());
  auto unnamed = MakeCsvParser({});
  EXPECT_TRUE(Has(Error(*unnamed, "a,b"), "--map"));
  auto parser = MakeCsvParser({});
  EXPECT_EQ(Error(*parser, "customer,quantity"), "(no error)");
  EXPECT_TRUE(Has(Error(*parser, "a,1,2"), "3 cells where the header has 2"));
  EXPECT_TRUE(Has(Error(*parser, "a,x"), "quantity is \"x\""));
  EXPECT_TRUE(Has(Error(*parser, "a\"b,1"), "double quote inside"));
  EXPECT_TRUE(Has(Error(*parser, "\"a\"b,1"), "goes on after its closing quote"));
  EXPECT_FALSE(parser->unusable());
  EXPECT_EQ(Error(*parser, "a,1"), "(no error)");
}

TEST(Combined, TypicalLine) {
  auto parser = MakeCombinedParser();
  ParsedEvent p;
  ASSERT_EQ(
      *parser->Take(
          R"(83.149.9.216 - frank [17/May/2015:10:05:03 +0200] "GET /a.png?x=1 HTTP/1.1" 200 203023 )"
          R"x("http://h/\"q\"" "Mozilla/5.0 (X; \\ Y)")x",
          &p),
      Taken::kEvent);
  EXPECT_EQ(p.event.customer, "83.149.9.216");
  EXPECT_EQ(p.event.service, "web");
  EXPECT_EQ(p.event.quantity, Decimal(1));
  EXPECT_EQ(FormatTime(*p.event.time), "2015-05-17T08:05:03Z");
  EXPECT_EQ(Find(p.event, "method"), "GET");
  EXPECT_EQ(Find(p.event, "path"), "/a.png?x=1");
  EXPECT_EQ(Find(p.event, "protocol"), "HTTP/1.1");
  EXPECT_EQ(Find(p.event, "status"), "200");
  EXPECT_EQ(Find(p.event, "referrer"), "http://h/\"q\"");
  EXPECT_EQ(Find(p.event, "agent"), "Mozilla/5.0 (X; \\ Y)");
  EXPECT_EQ(FindMeasure(p.event, "bytes"), "203023");
}

TEST(Combined, AbsentOddAndCutFields) {
  auto parser = MakeCombinedParser();
  ParsedEvent p;
  ASSERT_EQ(*parser->Take(
                R"(::1 - - [17/May/2015:10:05:03 +0000] "GET /a b HTTP/1.1" 404 - "-" "-")", &p),
            Taken::kEvent);
  EXPECT_EQ(Find(p.event, "path"), "GET /a b HTTP/1.1");
  EXPECT_EQ(Find(p.event, "method"), "(absent)");
  EXPECT_EQ(FindMeasure(p.event, "bytes"), "(absent)");
  EXPECT_EQ(Find(p.event, "referrer"), "(absent)");
  EXPECT_EQ(Find(p.event, "agent"), "(absent)");
  p.Clear();
  ASSERT_EQ(*parser->Take("h - - [17/May/2015:10:05:03 +0000] \"-\" 408 0 \"r\xff\" \"cut off", &p),
            Taken::kEvent);
  EXPECT_EQ(Find(p.event, "path"), "(absent)");
  EXPECT_EQ(Find(p.event, "referrer"), "r\\xff");
  EXPECT_EQ(Find(p.event, "agent"), "cut off");
  p.Clear();
  ASSERT_EQ(*parser->Take(R"(h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5)", &p),
            Taken::kEvent);  // "common" format
  EXPECT_EQ(FindMeasure(p.event, "bytes"), "5");
}

TEST(Combined, BadLinesSayWhatIsWrong) {
  auto parser = MakeCombinedParser();
  EXPECT_TRUE(Has(Error(*parser, "nonsense"), "no [time]"));
  EXPECT_TRUE(
      Has(Error(*parser, "h - - [17/Mai/2015:10:05:03 +0000] \"GET / H\" 200 1"), "17/Mai"));
  EXPECT_TRUE(Has(Error(*parser, "h - - [31/Feb/2015:10:05:03 +0000] \"GET / H\" 200 1"),
                  "does not exist"));
  EXPECT_TRUE(Has(Error(*parser, "h - - [17/May/2015:10:05:03 +0000] GET / 200 1"), "request"));
  EXPECT_TRUE(Has(Error(*parser, "h - - [17/May/2015:10:05:03 +0000] \"GET / H\" OK 1"), "status"));
  EXPECT_TRUE(
      Has(Error(*parser, "h - - [17/May/2015:10:05:03 +0000] \"GET / H\" 200 many"), "size"));
}

TEST(Constants, FillOrReplace) {
  auto set = ParseAssignments({"service=other,dimension:note=a,b,measure:m=1"}, "--set");
  ASSERT_TRUE(set.has_value());
  ASSERT_EQ(set->size(), 3u);
  EXPECT_EQ((*set)[1].value, "a,b");
  for (const bool replace : {false, true}) {
    auto constants = Constants::Make(*set, replace);
    ASSERT_TRUE(constants.has_value());
    ParsedEvent p;
    p.event.service = "own";
    p.event.measures.push_back({"m", 5});
    constants->Apply(&p);
    EXPECT_EQ(p.event.service, replace ? "other" : "own");
    EXPECT_EQ(FindMeasure(p.event, "m"), replace ? "1" : "5");
    EXPECT_EQ(Find(p.event, "note"), "a,b");
  }
  EXPECT_FALSE(Constants::Make(*ParseAssignments({"cost=x"}, "--set"), false).has_value());
  EXPECT_FALSE(ParseAssignments({"colour=red"}, "--set").has_value());
  EXPECT_FALSE(ParseAssignments({"id=a", "id=b"}, "--set").has_value());
}

TEST(CheckEvent, RulesOfTheModel) {
  ParsedEvent p;
  p.event.id = "i";
  p.event.customer = "c";
  p.event.service = "s";
  p.event.time = 1000;
  EXPECT_TRUE(CheckEvent(p, {}).ok());
  EXPECT_TRUE(CheckEvent(p, 1000).ok());
  EXPECT_FALSE(CheckEvent(p, 999).ok());
  const std::string long_name(257, 'x');
  p.event.customer = long_name;
  EXPECT_TRUE(Has(std::string(CheckEvent(p, {}).message()), "257 bytes"));
  p.event.customer = "c";
  p.event.measures = {{"cost", 1}};
  EXPECT_FALSE(CheckEvent(p, {}).ok());
  p.event.measures = {{"m", 1}, {"m", 1}};
  EXPECT_FALSE(CheckEvent(p, {}).ok());
  p.event.measures.clear();
  const std::string long_value(4097, 'x');
  p.event.dimensions = {{"d", long_value}};
  EXPECT_FALSE(CheckEvent(p, {}).ok());
  p.event.dimensions.assign(65, {"d", "v"});
  EXPECT_TRUE(Has(std::string(CheckEvent(p, {}).message()), "65 dimensions"));
}

/// Mutated lines must be taken or refused, never crash; what is taken must satisfy the parser's own promises.
TEST(Parsers, MutatedLines) {
  const char* given = std::getenv("QUIPU_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> good = {
      R"({"id":"a","time":"2026-03-01T10:20:30Z","customer":"c","service":"s","cost":1.5,"dimensions":{"a":"b"},"measures":{"m":1}})",
      R"(c,"a ""b""",s,2026-03-01)",
      R"(1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /\"x HTTP/1.1" 200 12 "r" "a\\b")"};
  static constexpr std::string_view kNasty = "\"\\{}[]:,-+.eE019 \n\t\x01\xff\xc3";
  auto csv = MakeCsvParser({});
  ParsedEvent p;
  ASSERT_TRUE(csv->Take("customer,dimension:a,service,time", &p));
  auto ndjson = MakeNdjsonParser();
  auto combined = MakeCombinedParser();
  int taken_events = 0;
  for (int round = 0; round < 60'000; ++round) {
    const std::size_t which = random() % 3;
    std::string line = good[which];
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      const std::size_t at = random() % line.size();
      switch (random() % 4) {
        case 0:
          line[at] = kNasty[random() % kNasty.size()];
          break;
        case 1:
          line.insert(at, 1, kNasty[random() % kNasty.size()]);
          break;
        case 2:
          line.erase(at, 1 + random() % 5);
          break;
        default:
          line.insert(at, line.substr(random() % line.size(), random() % 8));
          break;
      }
      if (line.empty()) line = "x";
    }
    RecordParser& parser = which == 0 ? *ndjson : which == 1 ? *csv : *combined;
    p.Clear();
    auto taken = parser.Take(line, &p);
    if (!taken) {
      EXPECT_FALSE(taken.error().message().empty());
      continue;
    }
    if (*taken != Taken::kEvent) continue;
    ++taken_events;
    std::size_t bytes = p.event.customer.size() + p.event.service.size();
    for (const Dimension& d : p.event.dimensions) {
      for (const char c : d.value) bytes += c != '\0';
    }
    EXPECT_LE(bytes, 4 * line.size() + 100);
  }
  EXPECT_GT(taken_events, 10'000);
}

}  // namespace
}  // namespace quipu::import
