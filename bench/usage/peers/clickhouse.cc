// ClickHouse inside the process (chDB): a MergeTree by month, sorted by customer, service and time, and an AggregatingMergeTree
// rollup by customer, service and hour. Ingest reads one file in ClickHouse's own Native format, made before the clock starts.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "cli/try.h"
#include "usage/peers/library.h"
#include "usage/peers/peer.h"
#include "usage/peers/sql.h"
#include "usage/process.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

/// The part of chDB's C API that is used here.
struct Api {
  void** (*connect)(int argc, char** argv);
  void (*close)(void** connection);
  void* (*query)(void* connection, const char* sql, std::size_t sql_bytes, const char* format,
                 std::size_t format_bytes);
  char* (*buffer)(void* result);
  std::size_t (*length)(void* result);
  const char* (*error)(void* result);
  void (*destroy)(void* result);
};

constexpr const char* kTable = R"(create table ev (
  id FixedString(16), ts DateTime64(6, 'UTC'), customer LowCardinality(String), service LowCardinality(String),
  endpoint LowCardinality(String), method LowCardinality(String), status LowCardinality(String), region LowCardinality(String),
  quantity Decimal64(6), cost Decimal64(9), duration_ms UInt32, tokens UInt32
) engine = MergeTree partition by toYYYYMM(ts) order by (customer, service, ts))";
constexpr const char* kRollup = R"(create table rollup (
  customer LowCardinality(String), service LowCardinality(String), h DateTime('UTC'), n SimpleAggregateFunction(sum, UInt64),
  quantity SimpleAggregateFunction(sum, Decimal(38, 6)), cost SimpleAggregateFunction(sum, Decimal(38, 9)),
  tokens SimpleAggregateFunction(sum, UInt64), duration_ms SimpleAggregateFunction(sum, UInt64)
) engine = AggregatingMergeTree partition by toYYYYMM(h) order by (customer, service, h))";
constexpr const char* kFillRollup =
    R"(insert into rollup select customer, service, toStartOfHour(ts) as h, count(),
  sum(quantity), sum(cost), sum(tokens), sum(duration_ms) from ev group by customer, service, h)";

/// Rows as blocks of ClickHouse's Native format: for each column its name, its type and its values.
class NativeFile {
 public:
  static Status Write(const EngineTask& task, const std::string& path) {
    NativeFile native(task);
    std::FILE* out = std::fopen(path.c_str(), "wb");
    if (out == nullptr) return Status::IoError("cannot be written: " + path);
    RowReader reader(task.rows, kBlockRows);
    bool good = true;
    for (auto rows = reader.Next(); !rows.empty() && good; rows = reader.Next()) {
      const std::string& block = native.Block(rows);
      good = std::fwrite(block.data(), 1, block.size(), out) == block.size();
    }
    good = std::fclose(out) == 0 && good;
    return good ? Status() : Status::IoError("cannot be written: " + path);
  }

 private:
  static constexpr std::size_t kBlockRows = 65'536;
  explicit NativeFile(const EngineTask& task) : digits_(task.subjects.customer_digits) {}

  void Varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) block_ += static_cast<char>(value | 0x80);
    block_ += static_cast<char>(value);
  }
  void Text(std::string_view text) {
    Varint(text.size());
    block_ += text;
  }
  template <class T>
  void Plain(T value) {
    block_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  /// A column: its head, then `each` for every row that is no repeat.
  template <class Each>
  void Column(std::string_view name, std::string_view type, std::span<const WorkloadRow> rows,
              const Each& each) {
    Text(name);
    Text(type);
    for (const WorkloadRow& row : rows) {
      if (!row.again) each(row);
    }
  }

  const std::string& Block(std::span<const WorkloadRow> rows) {
    block_.clear();
    std::uint64_t n = 0;
    for (const WorkloadRow& row : rows) n += !row.again;
    Varint(12);
    Varint(n);
    Column("id", "FixedString(16)", rows, [&](const WorkloadRow& r) {
      Plain(__builtin_bswap64(r.id_high));
      Plain(__builtin_bswap64(r.id_low));
    });
    Column("ts", "DateTime64(6, 'UTC')", rows, [&](const WorkloadRow& r) { Plain(r.time); });
    Column("customer", "String", rows, [&](const WorkloadRow& r) {
      text_.clear();
      generate::AppendCustomer(r.customer, digits_, &text_);
      Text(text_);
    });
    Column("service", "String", rows,
           [&](const WorkloadRow& r) { Text(generate::ServiceName(r.service)); });
    Column("endpoint", "String", rows,
           [&](const WorkloadRow& r) { Text(generate::EndpointName(r.endpoint)); });
    Column("method", "String", rows,
           [&](const WorkloadRow& r) { Text(generate::MethodName(r.method)); });
    Column("status", "String", rows,
           [&](const WorkloadRow& r) { Text(generate::StatusName(r.status)); });
    Column("region", "String", rows,
           [&](const WorkloadRow& r) { Text(generate::RegionName(r.region)); });
    Column("quantity", "Decimal(18, 6)", rows,
           [&](const WorkloadRow& r) { Plain(r.quantity_micro); });
    Column("cost", "Decimal(18, 9)", rows, [&](const WorkloadRow& r) { Plain(r.cost_nano()); });
    Column("duration_ms", "UInt32", rows, [&](const WorkloadRow& r) { Plain(r.duration_ms); });
    Column("tokens", "UInt32", rows, [&](const WorkloadRow& r) { Plain(r.tokens); });
    return block_;
  }

  int digits_;
  std::string block_, text_;
};

/// Nearest rank is the ceil(q n)-th smallest; quantilesExact takes the element floor(q n), counted from 0. They are the same unless q n is whole,
/// so the level is asked a little lower (by less than 1 / n for any n here).
constexpr const char* kQ2Levels = "0.499999999999, 0.949999999999, 0.989999999999";
constexpr const char* kQ3Levels = "0.949999999999, 0.989999999999";

/// Half open, in the time zone of the columns.
std::string During(const std::string& range) {
  const auto at = [](const std::string& end) { return "toDateTime('{" + end + "}', 'UTC')"; };
  return "{t} >= " + at("from" + range) + " and {t} < " + at("to" + range);
}

/// Those that the rollup can answer, too.
std::vector<SqlQuestion> SumQuestions() {
  std::vector<SqlQuestion> q;
  const auto add = [&](Question question, const std::string& sql) {
    AddBothWays(question, sql, "count()", &q);
  };
  add(Question::kQ1,
      "select toUnixTimestamp(toStartOfDay({t})) as d, service, {count}, sum(quantity), sum(cost) "
      "from {table} where customer = '{middling}' and " +
          During("30") + " group by d, service");
  add(Question::kQ4,
      "select d, service, q, c, if(rn = 1, null, q - before) from (select d, service, q, c, "
      "lagInFrame(q) over w as before, row_number() over w as rn from (select "
      "toUnixTimestamp(toStartOfDay({t})) as d, service, sum(quantity) as q, sum(cost) as c "
      "from {table} group by d, service) window w as (partition by service order by d "
      "rows between unbounded preceding and current row))");
  add(Question::kQ5,
      "select toUnixTimestamp(toStartOfHour({t})) as hour, sum(quantity) as q from {table} "
      "where service = 'api' group by hour order by q desc, hour limit 10");
  add(Question::kQ6, "select customer, sum(cost) as c from {table} where " + During("_month") +
                         " group by customer order by c desc, customer limit 10");
  add(Question::kQ8,
      "select customer, service, {count}, sum(quantity), sum(cost) from {table} where " +
          During("_month") + " group by customer, service");
  add(Question::kQ10, "select uniqExact(customer) from {table} where " + During("30"));
  add(Question::kQ11,
      "select sum(quantity), sum(cost), sum(tokens), sum(duration_ms) / {count} from {table}");
  return q;
}

std::vector<SqlQuestion> Questions() {
  std::vector<SqlQuestion> questions = SumQuestions();
  const auto of_events = [&](Question question, const std::string& way, std::string sql) {
    for (std::size_t at = sql.find("{t}"); at != std::string::npos; at = sql.find("{t}")) {
      sql.replace(at, 3, "ts");
    }
    questions.push_back({question, way, std::move(sql)});
  };
  const auto q2 = [](const std::string& function, const std::string& levels) {
    return "select service, q[1], q[2], q[3] from (select service, " + function + "(" + levels +
           ")(duration_ms) as q from ev where " + During("30") + " group by service)";
  };
  const auto q3 = [](const std::string& who) {
    return std::string("select service, q[1], q[2] from (select service, quantilesExact(") +
           kQ3Levels + ")(duration_ms) as q from ev where customer = '" + who + "' and " +
           During("30") + " group by service)";
  };
  of_events(Question::kQ2, "raw", q2("quantilesExact", kQ2Levels));
  of_events(Question::kQ2, "sketch", q2("quantilesTDigest", "0.5, 0.95, 0.99"));
  of_events(Question::kQ3, "raw", q3("{middling}"));
  of_events(Question::kQ3Largest, "raw", q3("{largest}"));
  of_events(Question::kQ7, "raw",
            "select endpoint, count() as n from ev where customer = '{largest}' and " +
                During("_month") + " group by endpoint order by n desc, endpoint limit 10");
  of_events(Question::kQ9, "raw",
            "select endpoint, count(), countIf(status >= '500') from ev where " + During("_week") +
                " group by endpoint");
  of_events(Question::kQ10, "sketch", "select uniq(customer) from ev where " + During("30"));
  of_events(
      Question::kQ12, "raw",
      "select service, toUnixTimestamp64Micro(ts), quantity, cost, duration_ms, tokens from ev "
      "where customer = '{event_customer}' and ts = fromUnixTimestamp64Micro({event_us}, 'UTC') "
      "and id = unhex('{event_hex}')");
  return questions;
}

class ClickHouse : public SqlEngine {
 public:
  explicit ClickHouse(const EngineTask& task) : task_(task), path_(task.dir + "/clickhouse") {}

  Status Load() {
    SERVER_TRY_ASSIGN(Library library, Library::Load({task_.peers_dir + "/libchdb.so"},
                                                     "'make peers' fetches it", true));
    library.Bind("chdb_connect", &api_.connect);
    library.Bind("chdb_close_conn", &api_.close);
    library.Bind("chdb_query_n", &api_.query);
    library.Bind("chdb_result_buffer", &api_.buffer);
    library.Bind("chdb_result_length", &api_.length);
    library.Bind("chdb_result_error", &api_.error);
    library.Bind("chdb_destroy_query_result", &api_.destroy);
    return library.Complete();
  }

  Status Open() override {
    std::string program = "clickhouse";
    std::string path = "--path=" + path_;
    std::array<char*, 2> arguments = {program.data(), path.data()};
    connection_ = api_.connect(static_cast<int>(arguments.size()), arguments.data());
    if (connection_ == nullptr) return Status::IoError("ClickHouse: no connection");
    return Execute(
        fmt::format("set max_threads = {}, max_insert_threads = {}", task_.threads, task_.threads));
  }

  void Close() {
    if (connection_ != nullptr) api_.close(connection_);
    connection_ = nullptr;
  }

  Status Execute(const std::string& sql) override {
    constexpr std::string_view kFormat = "TabSeparated";
    text_.clear();
    void* result = api_.query(*connection_, sql.data(), sql.size(), kFormat.data(), kFormat.size());
    if (result == nullptr) return Status::Internal("ClickHouse: no result\n" + sql);
    const char* error = api_.error(result);
    Status status;
    if (error != nullptr) {
      status = Status::Internal(std::string("ClickHouse: ") + error + "\n" + sql);
    } else if (const char* buffer = api_.buffer(result)) {
      text_.assign(buffer, api_.length(result));
    }
    api_.destroy(result);
    return status;
  }

  Answer LastResult() override {
    Answer answer;
    std::string_view left = text_;
    while (!left.empty()) {
      std::string_view line = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(left.size(), line.size() + 1));
      Row& row = answer.rows.emplace_back();
      for (;;) {
        const std::string_view cell = line.substr(0, line.find('\t'));
        row.emplace_back(cell == "\\N" ? std::string_view() : cell);
        if (cell.size() == line.size()) break;
        line.remove_prefix(cell.size() + 1);
      }
    }
    return answer;
  }

  /// A query with one number.
  Result<double> NumberOf(const std::string& sql) {
    SERVER_TRY(Execute(sql));
    return std::strtod(text_.c_str(), nullptr);
  }

 private:
  const EngineTask& task_;
  std::string path_;
  Api api_{};
  void** connection_ = nullptr;
  std::string text_;
};

Status MeasureSizes(const EngineTask& task, ClickHouse* db, EngineReport* report) {
  const auto events = static_cast<double>(task.rows.events());
  const std::string parts = "select sum(bytes_on_disk) from system.parts where active and table = ";
  SERVER_TRY_ASSIGN(const double table, db->NumberOf(parts + "'ev'"));
  SERVER_TRY_ASSIGN(const double rollup, db->NumberOf(parts + "'rollup'"));
  SERVER_TRY(
      db->Execute("select column, sum(column_bytes_on_disk) from system.parts_columns where active "
                  "and table = 'ev' group by column"));
  for (const Row& row : db->LastResult().rows) {
    // Small parts keep all columns in one file: then there is nothing to tell apart.
    if (row[1] == "0") continue;
    report->column_bytes[row[0] == "ts" ? "time" : row[0]] = std::strtod(row[1].c_str(), nullptr);
  }
  report->metrics["bytes_per_event"] = table / events;
  if (const auto id = report->column_bytes.find("id"); id != report->column_bytes.end()) {
    report->metrics["bytes_per_event_without_ids"] = (table - id->second) / events;
  }
  report->metrics["rollup_bytes_per_event"] = rollup / events;
  return {};
}

Status Ingest(const EngineTask& task, ClickHouse* db, EngineReport* report) {
  const std::string rows = std::filesystem::absolute(task.dir + "/rows.native").string();
  SERVER_TRY(NativeFile::Write(task, rows));
  SERVER_TRY(db->Open());
  SERVER_TRY(db->Execute(kTable));
  SERVER_TRY(db->Execute(kRollup));
  const auto events = static_cast<double>(task.rows.events());
  const std::uint64_t written_before = WrittenBytes();
  const Stopwatch clock;
  SERVER_TRY(db->Execute("insert into ev select * from file('" + rows + "', 'Native')"));
  report->metrics["ingest_events_per_second"] = events / clock.Seconds();
  SERVER_TRY(db->Execute("optimize table ev final"));
  report->metrics["ingest_and_merge_events_per_second"] = events / clock.Seconds();
  const auto written = static_cast<double>(WrittenBytes() - written_before);
  SERVER_TRY(db->Execute(kFillRollup));
  SERVER_TRY(db->Execute("optimize table rollup final"));
  SERVER_TRY(MeasureSizes(task, db, report));
  report->metrics["write_amplification_with_compact"] =
      written / (report->metrics["bytes_per_event"] * events);
  db->Close();
  std::error_code bad;
  std::filesystem::remove(rows, bad);
  return {};
}

}  // namespace

Result<std::unique_ptr<SqlEngine>> LoadClickHouse(const EngineTask& task) {
  auto engine = std::make_unique<ClickHouse>(task);
  SERVER_TRY(engine->Load());
  return std::unique_ptr<SqlEngine>(std::move(engine));
}

Result<EngineReport> RunClickHouse(const EngineTask& task) {
  ClickHouse db(task);
  SERVER_TRY(db.Load());
  EngineReport report;
  report.durable = "no: without fsync";
  report.repeats = "no: it was given none";
  report.exact = "yes (quantilesExact, uniqExact); sketches timed, too";
  report.note = "chDB; one insert from a file in Native format";
  if (task.ingest) SERVER_TRY(Ingest(task, &db, &report));
  SERVER_TRY(AskColdInSql(task, Questions(), &db, &report));
  SERVER_TRY(db.Execute("select version()"));
  report.version = db.LastResult().rows.at(0).at(0);
  return report;
}

}  // namespace quipu::usage
