// Questions of any text to a small store: refused with a message, or answered the same from summaries and from rows. Pages of events and of sessions
// within the same scope hold as many events as are counted, in order.
//
// Input: lines "KEY TEXT": s = select, w = where, g = group by, e = every, f = from, t = to, c = customer, v = service, o = order by, n = limit, x = others,
// a = compare with, z = exact, l = fill; q = as of, i = since, y = compare as of (there is a freeze "half"); p = a cursor of pages, b = what sessions go by,
// d = their gap in microseconds.
#include <charconv>
#include <memory>

#include "base/vfs_testing.h"
#include "db/database_impl.h"
#include "fuzz/rows.h"

namespace {

using namespace quipu;

/// 400 events of two months, half of them sealed.
struct World {
  MemoryVfs vfs;
  MemoryKvDisk disk;
  std::unique_ptr<Database> db;
  World() {
    Options options;
    options.create_if_missing = true;
    options.background_upkeep = false;
    options.future_bound_us = -1;
    StoreEnvironment environment;
    environment.vfs = &vfs;
    environment.random_seed = 1;
    environment.open_kv = [this](const std::string&) { return disk.Open(); };
    auto opened = OpenDatabaseIn("/q", options, environment);
    QUIPU_CHECK(opened.has_value());
    db = std::make_unique<Database>(*std::move(opened));
    for (int half = 0; half < 2; ++half) {
      QUIPU_CHECK(db->Ingest(MakeEvents(half * 200)).has_value());
      if (half == 0) QUIPU_CHECK(db->Freeze("half").has_value());  // which seals
    }
  }
  static EventBatch MakeEvents(int first) {
    EventBatch batch;
    for (int i = first; i < first + 200; ++i) {
      const std::string id = "e" + std::to_string(i), customer = "c" + std::to_string(i % 3);
      Event e;
      e.id = id;
      e.customer = customer;
      e.service = i % 5 == 0 ? "storage" : "api";
      e.time = MonthStart(fuzz::kMonth) + i * 3 * kHourUs;
      e.quantity = Decimal(i % 7);
      if (i % 4 != 0) e.cost = Decimal(i * 31 % 997, 3);
      e.dimensions = {{"region", i % 2 == 0 ? "eu" : "us"}};
      e.measures = {{"tokens", Decimal(i * 13 % 977)}};
      batch.Add(e);
    }
    return batch;
  }
};

std::string Text(const ResultSet& answer) {
  std::string text;
  for (const ResultColumn& column : answer.columns) {
    text += column.name + ":";
    for (std::size_t i = 0; i < answer.rows(); ++i) text += column.Text(i) + ",";
  }
  return text;
}

struct Asked {
  Query query;
  SessionQuery sessions;
  std::string cursor;
};

template <class Number>
Number NumberOf(std::string_view text, Number otherwise) {
  Number number = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::pair<std::string_view, std::string_view> Halves(std::string_view text) {
  const std::size_t blank = text.find(' ');
  if (blank == text.npos) return {text, ""};
  return {text.substr(0, blank), text.substr(blank + 1)};
}

void Take(char key, std::string_view word, Asked* asked) {
  Query& query = asked->query;
  const auto [first, second] = Halves(word);
  switch (key) {
    case 's':
      query.Select(word);
      break;
    case 'w':
      query.Where(word);
      break;
    case 'g':
      query.GroupBy(word);
      break;
    case 'e':
      query.Every(first, second.empty() ? "UTC" : second);
      break;
    case 'f':
      query.From(word);
      break;
    case 't':
      query.To(word);
      break;
    case 'c':
      query.Customer(word);
      break;
    case 'v':
      query.Service(word);
      break;
    case 'o':
      query.OrderBy(word);
      break;
    case 'n':
      query.Limit(NumberOf<std::uint64_t>(word, 0));
      break;
    case 'x':
      query.Others();
      break;
    case 'a':
      query.CompareWith(first, second);
      break;
    case 'q':
      query.AsOf(word);
      break;
    case 'i':
      query.Since(word);
      break;
    case 'y':
      query.CompareAsOf(word);
      break;
    case 'z':
      query.Exact();
      break;
    case 'l':
      query.Fill();
      break;
    case 'p':
      asked->cursor = word;
      break;
    case 'b':
      asked->sessions.session_by = word;
      break;
    case 'd':
      asked->sessions.gap_us = NumberOf<std::int64_t>(word, kMinuteUs);
      break;
    default:
      break;
  }
}

Asked Build(std::string_view text) {
  Asked asked;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty()) Take(line[0], line.size() < 2 ? "" : line.substr(2), &asked);
  }
  return asked;
}

/// A refusal must blame the question.
void CheckRefusal(const Status& status) {
  QUIPU_CHECK(status.code() == StatusCode::kInvalidArgument ||
              status.code() == StatusCode::kOutOfRange || status.code() == StatusCode::kNotFound ||
              status.code() == StatusCode::kExhausted);
  QUIPU_CHECK(!status.message().empty());
}

/// The scope that a question, pages and sessions have in common.
template <class Scoped>
Scoped Scope(const QuerySpec& spec, Scoped scoped) {
  scoped.customers = spec.customers;
  scoped.services = spec.services;
  scoped.from = spec.from;
  scoped.to = spec.to;
  scoped.filters = spec.filters;
  scoped.as_of = spec.as_of;
  scoped.since = spec.since;
  return scoped;
}

void TurnPages(const Database& db, const QuerySpec& spec, const std::string& cursor) {
  EventQuery pages = Scope(spec, EventQuery());
  pages.cursor = cursor;
  if (!cursor.empty()) {
    if (const auto page = db.Events(pages); !page) CheckRefusal(page.error());
    pages.cursor.clear();
  }
  pages.limit = 1 + static_cast<std::uint32_t>(spec.limit % 150);
  std::uint64_t events = 0;
  TimeUs last = kTimeMin;
  do {
    const auto page = db.Events(pages);
    if (!page) return CheckRefusal(page.error());
    for (const StoredEvent& event : page->events) {
      QUIPU_CHECK(event.time >= last);
      last = event.time;
      ++events;
    }
    pages.cursor = page->next_cursor;
  } while (!pages.cursor.empty());
  const auto count = db.Query(Scope(spec, Query().Select("count").spec()));
  QUIPU_CHECK(count.has_value() && count->rows() == 1);
  QUIPU_CHECK(static_cast<std::uint64_t>(count->columns[0].integers[0]) == events);
}

void TurnSessions(const Database& db, const QuerySpec& spec, SessionQuery query) {
  query = Scope(spec, std::move(query));
  query.exact = spec.exact;
  query.limit = 1 + static_cast<std::uint32_t>(spec.limit % 150);
  const auto totals = db.TotalSessions(query);
  if (!totals) return CheckRefusal(totals.error());
  std::uint64_t sessions = 0, requests = 0;
  do {
    const auto page = db.Sessions(query);
    QUIPU_CHECK(page.has_value());
    sessions += page->sessions.size();
    for (const Session& session : page->sessions) requests += session.requests;
    query.cursor = page->next_cursor;
  } while (!query.cursor.empty());
  QUIPU_CHECK(sessions == totals->sessions && requests == totals->requests);
}

void Ask(const Database& db, QuerySpec spec) {
  spec.groups_max = 10'000;  // bounds the time of one input
  const auto answer = db.Query(spec);
  spec.raw_only = true;
  const auto raw = db.Query(spec);
  QUIPU_CHECK(answer.has_value() == raw.has_value());
  if (!answer) return CheckRefusal(answer.error());
  QUIPU_CHECK(Text(*answer) == Text(*raw));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  const Asked asked = Build(AsText({data, size}));
  if (!asked.query.status().ok()) {
    QUIPU_CHECK(!asked.query.status().message().empty());
    return 0;
  }
  const QuerySpec& spec = asked.query.spec();
  Ask(*world.db, spec);
  TurnPages(*world.db, spec, asked.cursor);
  TurnSessions(*world.db, spec, asked.sessions);
  return 0;
}
