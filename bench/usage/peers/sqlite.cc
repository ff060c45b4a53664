// SQLite: the id is the primary key, so repeats are ignored; a transaction per 1,000 rows, synced. What a careful user would do
// without any other database. Decimals are whole numbers of a millionth and a billionth.
#include <algorithm>
#include <array>

#include "cli/try.h"
#include "usage/peers/library.h"
#include "usage/peers/peer.h"
#include "usage/peers/sql.h"
#include "usage/process.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

constexpr std::size_t kBatchRows = 1000;
constexpr int kRow = 100;  // SQLITE_ROW
constexpr int kDone = 101;
constexpr int kOpenReadWriteCreate = 6;

struct Api {
  const char* (*libversion)();
  int (*open)(const char*, void**, int flags, const char* vfs);
  int (*close)(void*);
  int (*exec)(void*, const char*, void*, void*, char**);
  int (*prepare)(void*, const char*, int bytes, void**, const char**);
  int (*step)(void*);
  int (*reset)(void*);
  int (*finalize)(void*);
  int (*bind_int64)(void*, int, long long);
  int (*bind_text)(void*, int, const char*, int, void*);
  int (*bind_blob)(void*, int, const void*, int, void*);
  int (*column_count)(void*);
  const unsigned char* (*column_text)(void*, int);
  const char* (*errmsg)(void*);
};

constexpr const char* kSchema = R"(create table ev(
  id blob primary key, ts integer, customer text, service text, endpoint text, method text, status text, region text,
  quantity integer, cost integer, duration_ms integer, tokens integer);
create index ev_customer on ev(customer, ts))";
constexpr const char* kInsert = "insert or ignore into ev values(?,?,?,?,?,?,?,?,?,?,?,?)";

std::vector<SqlQuestion> Questions() {
  const std::string thirty = "ts >= {from30_us} and ts < {to30_us}";
  const std::string month = "ts >= {from_month_us} and ts < {to_month_us}";
  const std::string day = "ts / 86400000000 * 86400";
  const auto quantiles = [&](const std::string& where, const std::vector<int>& percents) {
    std::string picks;
    for (const int p : percents) {
      picks +=
          ", max(case when i = (n * " + std::to_string(p) + " + 99) / 100 then duration_ms end)";
    }
    return "select service" + picks +
           " from (select service, duration_ms, row_number() over (partition by service order by "
           "duration_ms) i, count(*) over (partition by service) n from ev where " +
           where + thirty + ") group by service";
  };
  return {
      {Question::kQ1,
       "raw",
       "select " + day +
           " d, service, count(*), sum(quantity), sum(cost) from ev where customer = '{middling}' "
           "and " +
           thirty + " group by d, service",
       {0, 0, 0, 6, 9}},
      {Question::kQ2, "raw", quantiles("", {50, 95, 99})},
      {Question::kQ3, "raw", quantiles("customer = '{middling}' and ", {95, 99})},
      {Question::kQ3Largest, "raw", quantiles("customer = '{largest}' and ", {95, 99})},
      {Question::kQ4,
       "raw",
       "select d, service, q, c, q - lag(q) over (partition by service order by d) from (select " +
           day + " d, service, sum(quantity) q, sum(cost) c from ev group by d, service)",
       {0, 0, 6, 9, 6}},
      {Question::kQ5,
       "raw",
       "select ts / 3600000000 * 3600 h, sum(quantity) q from ev where service = 'api' group by h "
       "order by q desc, h limit 10",
       {0, 6}},
      {Question::kQ6,
       "raw",
       "select customer, sum(cost) c from ev where " + month +
           " group by customer order by c desc, customer limit 10",
       {0, 9}},
      {Question::kQ7, "raw",
       "select endpoint, count(*) n from ev where customer = '{largest}' and " + month +
           " group by endpoint order by n desc, endpoint limit 10"},
      {Question::kQ8,
       "raw",
       "select customer, service, count(*), sum(quantity), sum(cost) from ev where " + month +
           " group by customer, service",
       {0, 0, 0, 6, 9}},
      {Question::kQ9, "raw",
       "select endpoint, count(*), sum(status >= '500') from ev where ts >= {from_week_us} and ts "
       "< {to_week_us} "
       "group by endpoint"},
      {Question::kQ10, "raw", "select count(distinct customer) from ev where " + thirty},
      {Question::kQ11,
       "raw",
       "select sum(quantity), sum(cost), sum(tokens), printf('%.12f', avg(duration_ms)) from ev",
       {6, 9}},
      {Question::kQ12,
       "raw",
       "select service, ts, quantity, cost, duration_ms, tokens from ev where id = x'{event_hex}'",
       {0, 0, 6, 9}},
  };
}

class Sqlite : public SqlEngine {
 public:
  explicit Sqlite(const EngineTask& task) : task_(task), file_(task.dir + "/sqlite.db") {}
  ~Sqlite() override { Close(); }

  Status Load() {
    SERVER_TRY_ASSIGN(Library library, Library::Load({"libsqlite3.so.0", "libsqlite3.so"},
                                                     "'apt-get install libsqlite3-0' fetches it"));
    library.Bind("sqlite3_libversion", &api_.libversion);
    library.Bind("sqlite3_open_v2", &api_.open);
    library.Bind("sqlite3_close_v2", &api_.close);
    library.Bind("sqlite3_exec", &api_.exec);
    library.Bind("sqlite3_prepare_v2", &api_.prepare);
    library.Bind("sqlite3_step", &api_.step);
    library.Bind("sqlite3_reset", &api_.reset);
    library.Bind("sqlite3_finalize", &api_.finalize);
    library.Bind("sqlite3_bind_int64", &api_.bind_int64);
    library.Bind("sqlite3_bind_text", &api_.bind_text);
    library.Bind("sqlite3_bind_blob", &api_.bind_blob);
    library.Bind("sqlite3_column_count", &api_.column_count);
    library.Bind("sqlite3_column_text", &api_.column_text);
    library.Bind("sqlite3_errmsg", &api_.errmsg);
    return library.Complete();
  }

  Status Open() override {
    if (api_.open(file_.c_str(), &db_, kOpenReadWriteCreate, nullptr) != 0) return Error("open");
    return Run("pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-262144");
  }
  void Close() {
    if (db_ != nullptr) api_.close(db_);
    db_ = nullptr;
  }

  Status Run(const std::string& sql) {
    return api_.exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == 0 ? Status() : Error(sql);
  }

  Status Execute(const std::string& sql) override {
    result_.rows.clear();
    void* statement = nullptr;
    if (api_.prepare(db_, sql.c_str(), -1, &statement, nullptr) != 0) return Error(sql);
    int state = api_.step(statement);
    for (; state == kRow; state = api_.step(statement)) {
      Row& row = result_.rows.emplace_back();
      for (int c = 0; c < api_.column_count(statement); ++c) {
        const unsigned char* text = api_.column_text(statement, c);
        row.emplace_back(text != nullptr ? reinterpret_cast<const char*>(text) : "");
      }
    }
    api_.finalize(statement);
    return state == kDone ? Status() : Error(sql);
  }
  Answer LastResult() override { return std::move(result_); }

  /// Every row, repeats too; the time of each transaction.
  Status InsertAll(std::vector<double>* acknowledged_ms) {
    void* insert = nullptr;
    if (api_.prepare(db_, kInsert, -1, &insert, nullptr) != 0) return Error(kInsert);
    RowReader reader(task_.rows, kBatchRows);
    Status status;
    for (auto rows = reader.Next(); !rows.empty() && status.ok(); rows = reader.Next()) {
      const Stopwatch clock;
      status = Run("begin immediate");
      for (const WorkloadRow& row : rows) {
        BindRow(insert, row);
        if (status.ok() && api_.step(insert) != kDone) status = Error(kInsert);
        api_.reset(insert);
      }
      if (status.ok()) status = Run("commit");
      acknowledged_ms->push_back(clock.Seconds() * 1e3);
    }
    api_.finalize(insert);
    return status;
  }

  [[nodiscard]] std::string Version() const { return api_.libversion(); }

 private:
  Status Error(const std::string& what) {
    return Status::Internal(std::string("SQLite: ") + api_.errmsg(db_) + "\n" + what);
  }

  /// The texts live until the next call: SQLite is told not to copy them.
  void BindRow(void* insert, const WorkloadRow& row) {
    const auto text = [&](int at, std::string_view value) {
      api_.bind_text(insert, at, value.data(), static_cast<int>(value.size()), nullptr);
    };
    id_ = {__builtin_bswap64(row.id_high), __builtin_bswap64(row.id_low)};
    customer_.clear();
    generate::AppendCustomer(row.customer, task_.subjects.customer_digits, &customer_);
    api_.bind_blob(insert, 1, id_.data(), 16, nullptr);
    api_.bind_int64(insert, 2, row.time);
    text(3, customer_);
    text(4, generate::ServiceName(row.service));
    text(5, generate::EndpointName(row.endpoint));
    text(6, generate::MethodName(row.method));
    text(7, generate::StatusName(row.status));
    text(8, generate::RegionName(row.region));
    api_.bind_int64(insert, 9, static_cast<long long>(row.quantity_micro));
    api_.bind_int64(insert, 10, static_cast<long long>(row.cost_nano()));
    api_.bind_int64(insert, 11, row.duration_ms);
    api_.bind_int64(insert, 12, row.tokens);
  }

  const EngineTask& task_;
  std::string file_;
  Api api_{};
  void* db_ = nullptr;
  Answer result_;
  std::array<std::uint64_t, 2> id_{};
  std::string customer_;
};

Status Ingest(const EngineTask& task, Sqlite* db, EngineReport* report) {
  SERVER_TRY(db->Open());
  SERVER_TRY(db->Run(kSchema));
  std::vector<double> acknowledged_ms;
  const std::uint64_t written_before = WrittenBytes();
  const auto rows = static_cast<double>(task.rows.rows);
  const Stopwatch clock;
  SERVER_TRY(db->InsertAll(&acknowledged_ms));
  report->metrics["ingest_events_per_second"] = rows / clock.Seconds();
  SERVER_TRY(db->Run("pragma wal_checkpoint(truncate)"));
  report->metrics["ingest_and_merge_events_per_second"] = rows / clock.Seconds();
  SERVER_TRY(db->Execute("select count(*) from ev"));
  const std::string counted = db->LastResult().rows.at(0).at(0);
  if (counted != std::to_string(task.rows.events())) {
    return Status::Internal("SQLite has " + counted + " events");
  }
  db->Close();
  NoteAcknowledgements(&acknowledged_ms, report);
  const auto bytes = static_cast<double>(DiskBytes(task.dir));
  report->metrics["duplicates_caught"] = static_cast<double>(task.rows.repeats);
  report->metrics["bytes_per_event"] = bytes / static_cast<double>(task.rows.events());
  report->metrics["write_amplification"] =
      static_cast<double>(WrittenBytes() - written_before) / bytes;
  return {};
}

}  // namespace

Result<EngineReport> RunSqlite(const EngineTask& task) {
  Sqlite db(task);
  SERVER_TRY(db.Load());
  EngineReport report;
  report.version = db.Version();
  report.durable = "yes";
  report.repeats = "yes, by id";
  report.exact = "yes";
  report.note = "a transaction per 1,000 rows, WAL, synchronous=full, 256 MB cache";
  if (task.ingest) SERVER_TRY(Ingest(task, &db, &report));
  SERVER_TRY(AskColdInSql(task, Questions(), &db, &report));
  return report;
}

}  // namespace quipu::usage
