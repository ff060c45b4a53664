// RocksDB with one key per event: (customer, time, id) -> the rest of the row. The store of a user who has a key-value engine
// and writes the questions as loops: a question about one customer reads that customer's range, any other reads everything.
// A repeat has the same key and overwrites itself.
#include <array>
#include <cstring>

#include "cli/try.h"
#include "usage/naive.h"
#include "usage/peers/library.h"
#include "usage/peers/peer.h"
#include "usage/process.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

constexpr std::size_t kBatchRows = 1000;
constexpr int kLz4 = 4, kZstd = 7;

struct Api {
  void* (*options_create)();
  void (*set_create_if_missing)(void*, unsigned char);
  void (*increase_parallelism)(void*, int);
  void (*set_compression)(void*, int);
  void (*set_bottommost_compression)(void*, int);
  void* (*open)(void*, const char*, char**);
  void (*close)(void*);
  void* (*writeoptions_create)();
  void (*set_sync)(void*, unsigned char);
  void* (*batch_create)();
  void (*batch_clear)(void*);
  void (*batch_put)(void*, const char*, std::size_t, const char*, std::size_t);
  void (*write)(void*, void*, void*, char**);
  void (*compact_range)(void*, const char*, std::size_t, const char*, std::size_t);
  void* (*readoptions_create)();
  void* (*create_iterator)(void*, void*);
  void (*iter_destroy)(void*);
  void (*iter_seek)(void*, const char*, std::size_t);
  unsigned char (*iter_valid)(void*);
  void (*iter_next)(void*);
  const char* (*iter_key)(void*, std::size_t*);
  const char* (*iter_value)(void*, std::size_t*);
};

/// Big endian, so that the order of keys is the order of events.
struct Key {
  std::array<std::uint8_t, 28> bytes{};
  Key(std::uint32_t customer, TimeUs time, std::uint64_t id_high, std::uint64_t id_low) {
    const std::uint32_t c = __builtin_bswap32(customer);
    const std::array<std::uint64_t, 3> rest = {__builtin_bswap64(static_cast<std::uint64_t>(time)),
                                               __builtin_bswap64(id_high),
                                               __builtin_bswap64(id_low)};
    std::memcpy(bytes.data(), &c, 4);
    std::memcpy(bytes.data() + 4, rest.data(), 24);
  }
  [[nodiscard]] const char* data() const { return reinterpret_cast<const char*>(bytes.data()); }
};

/// What is not in the key. The cost is given with the event and kept.
struct Value {
  std::uint64_t quantity_micro, cost_nano;
  std::uint32_t duration_ms, tokens;
  std::uint8_t endpoint, service, method, status, region;
  std::array<std::uint8_t, 3> unused;
};
static_assert(sizeof(Value) == 32);

WorkloadRow RowOf(const char* key, const char* value) {
  std::uint32_t customer = 0;
  std::array<std::uint64_t, 3> rest{};
  Value v{};
  std::memcpy(&customer, key, 4);
  std::memcpy(rest.data(), key + 4, 24);
  std::memcpy(&v, value, sizeof v);
  WorkloadRow row;
  row.customer = __builtin_bswap32(customer);
  row.time = static_cast<TimeUs>(__builtin_bswap64(rest[0]));
  row.id_high = __builtin_bswap64(rest[1]);
  row.id_low = __builtin_bswap64(rest[2]);
  row.quantity_micro = v.quantity_micro;
  row.duration_ms = v.duration_ms;
  row.tokens = v.tokens;
  row.endpoint = v.endpoint;
  row.service = v.service;
  row.method = v.method;
  row.status = v.status;
  row.region = v.region;
  return row;
}

class Keys {
 public:
  explicit Keys(const EngineTask& task) : task_(task), path_(task.dir + "/rocksdb") {}

  Status Load() {
    SERVER_TRY_ASSIGN(Library library, Library::Load({"librocksdb.so.7.8", "librocksdb.so"},
                                                     "'apt-get install librocksdb7.8' fetches it"));
    library.Bind("rocksdb_options_create", &api_.options_create);
    library.Bind("rocksdb_options_set_create_if_missing", &api_.set_create_if_missing);
    library.Bind("rocksdb_options_increase_parallelism", &api_.increase_parallelism);
    library.Bind("rocksdb_options_set_compression", &api_.set_compression);
    library.Bind("rocksdb_options_set_bottommost_compression", &api_.set_bottommost_compression);
    library.Bind("rocksdb_open", &api_.open);
    library.Bind("rocksdb_close", &api_.close);
    library.Bind("rocksdb_writeoptions_create", &api_.writeoptions_create);
    library.Bind("rocksdb_writeoptions_set_sync", &api_.set_sync);
    library.Bind("rocksdb_writebatch_create", &api_.batch_create);
    library.Bind("rocksdb_writebatch_clear", &api_.batch_clear);
    library.Bind("rocksdb_writebatch_put", &api_.batch_put);
    library.Bind("rocksdb_write", &api_.write);
    library.Bind("rocksdb_compact_range", &api_.compact_range);
    library.Bind("rocksdb_readoptions_create", &api_.readoptions_create);
    library.Bind("rocksdb_create_iterator", &api_.create_iterator);
    library.Bind("rocksdb_iter_destroy", &api_.iter_destroy);
    library.Bind("rocksdb_iter_seek", &api_.iter_seek);
    library.Bind("rocksdb_iter_valid", &api_.iter_valid);
    library.Bind("rocksdb_iter_next", &api_.iter_next);
    library.Bind("rocksdb_iter_key", &api_.iter_key);
    library.Bind("rocksdb_iter_value", &api_.iter_value);
    return library.Complete();
  }

  Status Open() {
    void* options = api_.options_create();
    api_.set_create_if_missing(options, 1);
    api_.increase_parallelism(options, task_.threads);
    api_.set_compression(options, kLz4);
    api_.set_bottommost_compression(options, kZstd);
    char* error = nullptr;
    db_ = api_.open(options, path_.c_str(), &error);
    read_options_ = api_.readoptions_create();
    return error == nullptr ? Status() : Status::IoError(std::string("RocksDB: ") + error);
  }
  void Close() {
    if (db_ != nullptr) api_.close(db_);
    db_ = nullptr;
  }

  Status WriteAll(std::vector<double>* acknowledged_ms) {
    void* options = api_.writeoptions_create();
    api_.set_sync(options, 1);
    void* batch = api_.batch_create();
    RowReader reader(task_.rows, kBatchRows);
    for (auto rows = reader.Next(); !rows.empty(); rows = reader.Next()) {
      api_.batch_clear(batch);
      for (const WorkloadRow& row : rows) Put(batch, row);
      const Stopwatch clock;
      char* error = nullptr;
      api_.write(db_, options, batch, &error);
      if (error != nullptr) return Status::IoError(std::string("RocksDB: ") + error);
      acknowledged_ms->push_back(clock.Seconds() * 1e3);
    }
    return {};
  }

  void Compact() { api_.compact_range(db_, nullptr, 0, nullptr, 0); }

  /// Every event that the scope can hold.
  void Scan(const Scope& scope, const std::function<void(const WorkloadRow&)>& take) {
    void* it = api_.create_iterator(db_, read_options_);
    const Key first(scope.customer.value_or(0), scope.customer ? scope.from_us : 0, 0, 0);
    const Key end(scope.customer.value_or(0), scope.to_us, 0, 0);
    for (api_.iter_seek(it, first.data(), first.bytes.size()); api_.iter_valid(it) != 0;
         api_.iter_next(it)) {
      std::size_t key_bytes = 0, value_bytes = 0;
      const char* key = api_.iter_key(it, &key_bytes);
      if (scope.customer && std::memcmp(key, end.data(), end.bytes.size()) >= 0) break;
      take(RowOf(key, api_.iter_value(it, &value_bytes)));
    }
    api_.iter_destroy(it);
  }

 private:
  void Put(void* batch, const WorkloadRow& row) {
    const Key key(row.customer, row.time, row.id_high, row.id_low);
    const Value value = {
        row.quantity_micro, row.cost_nano(), row.duration_ms, row.tokens, row.endpoint,
        row.service,        row.method,      row.status,      row.region, {}};
    api_.batch_put(batch, key.data(), key.bytes.size(), reinterpret_cast<const char*>(&value),
                   sizeof value);
  }

  const EngineTask& task_;
  std::string path_;
  Api api_{};
  void* db_ = nullptr;
  void* read_options_ = nullptr;
};

Status Ingest(const EngineTask& task, Keys* db, EngineReport* report) {
  SERVER_TRY(db->Open());
  std::vector<double> acknowledged_ms;
  const std::uint64_t written_before = WrittenBytes();
  const auto rows = static_cast<double>(task.rows.rows);
  const Stopwatch clock;
  SERVER_TRY(db->WriteAll(&acknowledged_ms));
  report->metrics["ingest_events_per_second"] = rows / clock.Seconds();
  db->Compact();
  report->metrics["ingest_and_merge_events_per_second"] = rows / clock.Seconds();
  db->Close();
  NoteAcknowledgements(&acknowledged_ms, report);
  const auto bytes = static_cast<double>(DiskBytes(task.dir));
  report->metrics["bytes_per_event"] = bytes / static_cast<double>(task.rows.events());
  report->metrics["write_amplification_with_compact"] =
      static_cast<double>(WrittenBytes() - written_before) / bytes;
  return {};
}

Status Ask(const EngineTask& task, Keys* db, EngineReport* report) {
  for (const Question question : kQuestions) {
    const Scope scope = ScopeOf(question, task.subjects);
    Answer answer;
    SERVER_TRY_ASSIGN(const double ms, MedianMs(task.runs, [&]() -> Status {
                        answer = AnswerNaively(question, task.subjects,
                                               [&](const auto& take) { db->Scan(scope, take); });
                        return {};
                      }));
    KeepBest(report, MetricName(question), ms);
    if (Approximates(question)) {
      KeepBest(report, std::string(Name(question)) + "_exact_ms", ms);
    }
    report->answers.push_back({question, "scan", Exactness::kExact, std::move(answer)});
  }
  return {};
}

Status AskFirst(const EngineTask& task, Keys* db, EngineReport* report) {
  const Question question = task.first_ask->question;
  const Scope scope = ScopeOf(question, task.subjects);
  Answer answer;
  const auto ask = [&]() -> Status {
    answer =
        AnswerNaively(question, task.subjects, [&](const auto& take) { db->Scan(scope, take); });
    return {};
  };
  SERVER_TRY(NoteFirstAsk(
      *task.first_ask, task.dir, [&] { return db->Open(); }, ask, report));
  report->answers.push_back({question, "scan", Exactness::kExact, std::move(answer)});
  return {};
}

}  // namespace

Result<EngineReport> RunRocksDbKeys(const EngineTask& task) {
  Keys db(task);
  SERVER_TRY(db.Load());
  EngineReport report;
  report.version = "7.8";
  report.durable = "yes";
  report.repeats = "yes: the same key";
  report.exact = "yes";
  report.note = "one key per event; synced batches of 1,000; LZ4, zstd at the bottom";
  if (task.ingest) SERVER_TRY(Ingest(task, &db, &report));
  if (task.first_ask) {
    SERVER_TRY(AskFirst(task, &db, &report));
  } else if (task.questions) {
    DropFromCache(task.dir);
    const Stopwatch opening;
    SERVER_TRY(db.Open());
    report.metrics["cold_open_ms"] = opening.Seconds() * 1e3;
    SERVER_TRY(Ask(task, &db, &report));
  }
  report.metrics["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
  return report;
}

}  // namespace quipu::usage
