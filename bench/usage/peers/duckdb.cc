// DuckDB: one table in order of arrival (nearly time order) and an hourly rollup beside it. Ingest is the appender, a chunk of
// 2,048 rows at a time, one transaction in all: nothing is durable before its end.
#include <fmt/format.h>

#include <array>

#include "cli/try.h"
#include "usage/peers/duckdb_api.h"
#include "usage/peers/peer.h"
#include "usage/peers/sql.h"
#include "usage/process.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

using duckdb::Api;
using duckdb::Handle;
using duckdb::HugeInt;

constexpr std::size_t kChunkRows = 2048;

constexpr const char* kTable = R"(create table ev(
  id uuid, ts timestamp, customer varchar, service varchar, endpoint varchar, method varchar, status varchar,
  region varchar, quantity decimal(18,6), cost decimal(18,9), duration_ms integer, tokens integer))";
constexpr const char* kRollup = R"(create table rollup as
  select customer, service, date_trunc('hour', ts) as h, count(*) as n, sum(quantity)::decimal(18,6) as quantity,
    sum(cost)::decimal(18,9) as cost, sum(tokens)::bigint as tokens, sum(duration_ms)::bigint as duration_ms
  from ev group by all order by h)";

const std::string kThirtyDays = "{t} >= '{from30}' and {t} < '{to30}'";
const std::string kMonth = "{t} >= '{from_month}' and {t} < '{to_month}'";

/// Those that the rollup can answer, too.
std::vector<SqlQuestion> SumQuestions() {
  std::vector<SqlQuestion> q;
  const auto add = [&](Question question, const std::string& sql) {
    AddBothWays(question, sql, "count(*)", &q);
  };
  add(Question::kQ1,
      "select epoch(d)::bigint, service, n, q, c from (select date_trunc('day', {t}) as d, "
      "service, "
      "{count} as n, sum(quantity) as q, sum(cost) as c from {table} where customer = '{middling}' "
      "and " +
          kThirtyDays + " group by all)");
  add(Question::kQ4,
      "select epoch(d)::bigint, service, q, c, q - lag(q) over (partition by service order by d) "
      "from (select date_trunc('day', {t}) as d, service, sum(quantity) as q, sum(cost) as c "
      "from {table} group by all)");
  add(Question::kQ5,
      "select epoch(h)::bigint, q from (select date_trunc('hour', {t}) as h, sum(quantity) as q "
      "from {table} where service = 'api' group by all order by q desc, h limit 10)");
  add(Question::kQ6, "select customer, sum(cost) as c from {table} where " + kMonth +
                         " group by customer order by c desc, customer limit 10");
  add(Question::kQ8,
      "select customer, service, {count}, sum(quantity), sum(cost) from {table} where " + kMonth +
          " group by all");
  add(Question::kQ10, "select count(distinct customer) from {table} where " + kThirtyDays);
  add(Question::kQ11,
      "select sum(quantity), sum(cost), sum(tokens), sum(duration_ms) / {count} from {table}");
  return q;
}

std::vector<SqlQuestion> Questions() {
  const std::string thirty = "ts >= '{from30}' and ts < '{to30}'";
  const auto quantiles = [&](const std::string& select, const std::string& where,
                             const std::string& function, const std::string& list) {
    return "select service, " + select + " from (select service, " + function + "(duration_ms, " +
           list + ") as q from ev where " + where + thirty + " group by service)";
  };
  const auto q2 = [&](const std::string& function) {
    return quantiles("q[1], q[2], q[3]", "", function, "[0.5, 0.95, 0.99]");
  };
  const auto q3 = [&](const std::string& who) {
    return quantiles("q[1], q[2]", "customer = '" + who + "' and ", "quantile_disc",
                     "[0.95, 0.99]");
  };
  std::vector<SqlQuestion> questions = SumQuestions();
  const std::vector<SqlQuestion> others = {
      {Question::kQ2, "raw", q2("quantile_disc")},
      {Question::kQ2, "sketch", q2("approx_quantile")},
      {Question::kQ3, "raw", q3("{middling}")},
      {Question::kQ3Largest, "raw", q3("{largest}")},
      {Question::kQ7, "raw",
       "select endpoint, count(*) as n from ev where customer = '{largest}' and "
       "ts >= '{from_month}' and ts < '{to_month}' group by endpoint order by n desc, endpoint "
       "limit 10"},
      {Question::kQ9, "raw",
       "select endpoint, count(*), count(*) filter (status >= '500') from ev where "
       "ts >= '{from_week}' and ts < '{to_week}' group by endpoint"},
      {Question::kQ12, "raw",
       "select service, epoch_us(ts), quantity, cost, duration_ms, tokens from ev where "
       "customer = '{event_customer}' and ts = make_timestamp({event_us}) and id = '{event_id}'"}};
  questions.insert(questions.end(), others.begin(), others.end());
  return questions;
}

class DuckDb : public SqlEngine {
 public:
  explicit DuckDb(const EngineTask& task) : task_(task), file_(task.dir + "/duckdb.db") {}
  ~DuckDb() override { Close(); }

  Status Load() {
    SERVER_TRY_ASSIGN(Library library, Library::Load({task_.peers_dir + "/libduckdb.so"},
                                                     "'make peers' fetches it"));
    return duckdb::BindAll(&library, &api_);
  }

  Status Open() override {
    Handle config = nullptr;
    api_.create_config(&config);
    api_.set_config(config, "threads", std::to_string(task_.threads).c_str());
    api_.set_config(config, "memory_limit", "12GB");
    char* error = nullptr;
    if (api_.open_ext(file_.c_str(), &database_, config, &error) != 0) {
      return Status::IoError(std::string("DuckDB: ") + (error != nullptr ? error : "no database"));
    }
    if (api_.connect(database_, &connection_) != 0) return Status::IoError("DuckDB: no connection");
    return {};
  }

  void Close() {
    ForgetResult();
    if (connection_ != nullptr) api_.disconnect(&connection_);
    if (database_ != nullptr) api_.close(&database_);
  }

  Status Execute(const std::string& sql) override {
    ForgetResult();
    has_result_ = true;
    if (api_.query(connection_, sql.c_str(), &result_) == 0) return {};
    const char* error = api_.result_error(&result_);
    return Status::Internal(std::string("DuckDB: ") + (error != nullptr ? error : "") + "\n" + sql);
  }

  Answer LastResult() override {
    Answer answer;
    const std::uint64_t rows = api_.row_count(&result_);
    const std::uint64_t columns = api_.column_count(&result_);
    for (std::uint64_t r = 0; r < rows; ++r) {
      Row& row = answer.rows.emplace_back();
      for (std::uint64_t c = 0; c < columns; ++c) {
        char* text = api_.value_varchar(&result_, c, r);
        row.emplace_back(text != nullptr ? text : "");
        if (text != nullptr) api_.free(text);
      }
    }
    return answer;
  }

  /// Without repeats: they would be counted twice.
  Status Append() {
    Handle appender = nullptr;
    if (api_.appender_create(connection_, nullptr, "ev", &appender) != 0) {
      return Status::Internal("DuckDB: no appender");
    }
    MakeChunk();
    RowReader reader(task_.rows, kChunkRows);
    Status status;
    for (auto rows = reader.Next(); !rows.empty() && status.ok(); rows = reader.Next()) {
      FillChunk(rows);
      if (api_.append_data_chunk(appender, chunk_) != 0) {
        status = Status::Internal(std::string("DuckDB: ") + api_.appender_error(appender));
      }
    }
    if (api_.appender_destroy(&appender) != 0 && status.ok()) {
      status = Status::Internal("DuckDB: the appender's rows were refused");
    }
    api_.destroy_data_chunk(&chunk_);
    return status;
  }

  [[nodiscard]] std::string Version() const { return api_.library_version(); }
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  void ForgetResult() {
    if (has_result_) api_.destroy_result(&result_);
    has_result_ = false;
  }

  void MakeChunk() {
    std::array<Handle, 12> types = {};
    for (Handle& type : types) type = api_.create_logical_type(duckdb::kVarchar);
    types[0] = api_.create_logical_type(duckdb::kUuid);
    types[1] = api_.create_logical_type(duckdb::kTimestamp);
    types[8] = api_.create_decimal_type(18, 6);
    types[9] = api_.create_decimal_type(18, 9);
    types[10] = types[11] = api_.create_logical_type(duckdb::kInteger);
    chunk_ = api_.create_data_chunk(types.data(), types.size());
  }

  void FillChunk(std::span<const WorkloadRow> rows) {
    api_.data_chunk_reset(chunk_);
    std::array<Handle, 12> vectors = {};
    for (std::size_t c = 0; c < vectors.size(); ++c) {
      vectors[c] = api_.data_chunk_get_vector(chunk_, c);
    }
    const auto data = [&]<class T>(std::size_t column, T*) {
      return static_cast<T*>(api_.vector_get_data(vectors[column]));
    };
    auto* id = data(0, static_cast<HugeInt*>(nullptr));
    auto* time = data(1, static_cast<std::int64_t*>(nullptr));
    auto* quantity = data(8, static_cast<std::int64_t*>(nullptr));
    auto* cost = data(9, static_cast<std::int64_t*>(nullptr));
    auto* duration = data(10, static_cast<std::int32_t*>(nullptr));
    auto* tokens = data(11, static_cast<std::int32_t*>(nullptr));
    std::uint64_t n = 0;
    for (const WorkloadRow& row : rows) {
      if (row.again) continue;
      id[n] = {row.id_low, static_cast<std::int64_t>(row.id_high ^ (std::uint64_t{1} << 63))};
      time[n] = row.time;
      quantity[n] = static_cast<std::int64_t>(row.quantity_micro);
      cost[n] = static_cast<std::int64_t>(row.cost_nano());
      duration[n] = static_cast<std::int32_t>(row.duration_ms);
      tokens[n] = static_cast<std::int32_t>(row.tokens);
      customer_.clear();
      generate::AppendCustomer(row.customer, task_.subjects.customer_digits, &customer_);
      const std::array<std::string_view, 6> texts = {customer_,
                                                     generate::ServiceName(row.service),
                                                     generate::EndpointName(row.endpoint),
                                                     generate::MethodName(row.method),
                                                     generate::StatusName(row.status),
                                                     generate::RegionName(row.region)};
      for (std::size_t t = 0; t < texts.size(); ++t) {
        api_.vector_assign_string(vectors[2 + t], n, texts[t].data(), texts[t].size());
      }
      ++n;
    }
    api_.data_chunk_set_size(chunk_, n);
  }

  const EngineTask& task_;
  std::string file_;
  Api api_{};
  Handle database_ = nullptr, connection_ = nullptr, chunk_ = nullptr;
  duckdb::QueryResult result_;
  bool has_result_ = false;
  std::string customer_;
};

Status Ingest(const EngineTask& task, DuckDb* db, EngineReport* report) {
  const auto events = static_cast<double>(task.rows.events());
  SERVER_TRY(db->Open());
  SERVER_TRY(db->Execute(kTable));
  const std::uint64_t written_before = WrittenBytes();
  const Stopwatch clock;
  SERVER_TRY(db->Append());
  report->metrics["ingest_events_per_second"] = events / clock.Seconds();
  SERVER_TRY(db->Execute("checkpoint"));
  report->metrics["ingest_and_merge_events_per_second"] = events / clock.Seconds();
  const auto table_bytes = static_cast<double>(DiskBytes(db->file()));
  report->metrics["write_amplification"] =
      static_cast<double>(WrittenBytes() - written_before) / table_bytes;
  report->metrics["bytes_per_event"] = table_bytes / events;
  SERVER_TRY(db->Execute(kRollup));
  SERVER_TRY(db->Execute("checkpoint"));
  report->metrics["rollup_bytes_per_event"] =
      (static_cast<double>(DiskBytes(db->file())) - table_bytes) / events;
  const std::string without_ids = task.dir + "/without_ids.db";
  SERVER_TRY(db->Execute("attach '" + without_ids + "' as without_ids"));
  SERVER_TRY(db->Execute("create table without_ids.ev as select * exclude (id) from ev"));
  SERVER_TRY(db->Execute("checkpoint without_ids"));
  SERVER_TRY(db->Execute("detach without_ids"));
  report->metrics["bytes_per_event_without_ids"] =
      static_cast<double>(DiskBytes(without_ids)) / events;
  db->Close();
  return {};
}

}  // namespace

Result<std::unique_ptr<SqlEngine>> LoadDuckDb(const EngineTask& task) {
  auto engine = std::make_unique<DuckDb>(task);
  SERVER_TRY(engine->Load());
  return std::unique_ptr<SqlEngine>(std::move(engine));
}

Result<EngineReport> RunDuckDb(const EngineTask& task) {
  DuckDb db(task);
  SERVER_TRY(db.Load());
  EngineReport report;
  report.version = db.Version();
  report.durable = "no: at the end of the load";
  report.repeats = "no: it was given none";
  report.exact = "yes (quantile_disc); approx_quantile timed, too";
  report.note = "C API, appender with chunks of 2,048 rows in one transaction";
  if (task.ingest) SERVER_TRY(Ingest(task, &db, &report));
  SERVER_TRY(AskColdInSql(task, Questions(), &db, &report));
  return report;
}

}  // namespace quipu::usage
