// Questions of any text to a small store: refused with a message, or answered the same from summaries and from rows.
//
// Input: lines "KEY TEXT": s = select, w = where, g = group by, e = every, f = from, t = to, c = customer, v = service, o = order by, z = exact, l = fill,
// a = as of, i = since, b = compare as of (there is a freeze "half").
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

Query Build(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.size() < 2) continue;
    const std::string_view word = line.substr(2);
    switch (line[0]) {
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
        query.Every(word.substr(0, word.find(' ')),
                    word.find(' ') == word.npos ? "UTC" : word.substr(word.find(' ') + 1));
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
      case 'a':
        query.AsOf(word);
        break;
      case 'i':
        query.Since(word);
        break;
      case 'b':
        query.CompareAsOf(word);
        break;
      case 'z':
        query.Exact();
        break;
      case 'l':
        query.Fill();
        break;
      default:
        break;
    }
  }
  return query;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  const Query query = Build(AsText({data, size}));
  if (!query.status().ok()) {
    QUIPU_CHECK(!query.status().message().empty());
    return 0;
  }
  QuerySpec spec = query.spec();
  spec.groups_max = 10'000;  // bounds the time of one input
  const auto answer = world.db->Query(spec);
  spec.raw_only = true;
  const auto raw = world.db->Query(spec);
  QUIPU_CHECK(answer.has_value() == raw.has_value());
  if (!answer) {
    QUIPU_CHECK(answer.error().code() == StatusCode::kInvalidArgument ||
                answer.error().code() == StatusCode::kOutOfRange ||
                answer.error().code() == StatusCode::kNotFound ||
                answer.error().code() == StatusCode::kExhausted);
    return 0;
  }
  QUIPU_CHECK(Text(*answer) == Text(*raw));
  return 0;
}
