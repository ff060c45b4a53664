// The twelve questions as Quipu's queries.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "cli/try.h"
#include "quipu/database.h"
#include "usage/process.h"
#include "usage/quipu_side.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

Query QueryFor(Question question, const Subjects& s) {
  Query q;
  // A month of a million customers has more groups than the default allows.
  q.spec().groups_max = 20'000'000;
  q.spec().memory_bytes_max = 4ull << 30;
  const auto during = [&](const Range& range) -> Query& { return q.Between(range.from, range.to); };
  switch (question) {
    case Question::kQ1:
      return during(s.thirty_days)
          .Select("count, sum(quantity), sum(cost)")
          .Customer(s.middling_name)
          .Every("day")
          .GroupBy("service");
    case Question::kQ2:
      return during(s.thirty_days)
          .Select("p50(duration_ms), p95(duration_ms), p99(duration_ms)")
          .GroupBy("service");
    case Question::kQ3:
    case Question::kQ3Largest:
      return during(s.thirty_days)
          .Select("p95(duration_ms), p99(duration_ms)")
          .Customer(question == Question::kQ3 ? s.middling_name : s.largest_name)
          .GroupBy("service");
    case Question::kQ4:
      return q.Select("sum(quantity), sum(cost), change(sum(quantity))")
          .Every("day")
          .GroupBy("service");
    case Question::kQ5:
      return q.Select("sum(quantity)")
          .Service("api")
          .Every("hour")
          .OrderBy("-sum(quantity)")
          .Limit(10);
    case Question::kQ6:
      return during(s.month)
          .Select("sum(cost)")
          .GroupBy("customer")
          .OrderBy("-sum(cost)")
          .Limit(10);
    case Question::kQ7:
      return during(s.month)
          .Select("count")
          .Customer(s.largest_name)
          .GroupBy("endpoint")
          .OrderBy("-count")
          .Limit(10);
    case Question::kQ8:
      return during(s.month).Select("count, sum(quantity), sum(cost)").GroupBy("customer,service");
    case Question::kQ9:
      return during(s.week).Select("count").GroupBy("endpoint,status");
    case Question::kQ10:
      return during(s.thirty_days).Select("distinct(customer)");
    case Question::kQ11:
    case Question::kQ12:
      break;
  }
  return q.Select("sum(quantity), sum(cost), sum(tokens), avg(duration_ms)");
}

Answer TextOf(const ResultSet& result) {
  Answer answer;
  answer.rows.resize(result.rows());
  for (const ResultColumn& column : result.columns) {
    for (std::size_t row = 0; row < result.rows(); ++row) {
      answer.rows[row].push_back(column.type == ColumnType::kTime
                                     ? std::to_string(column.times[row] / kSecondUs)
                                     : column.Text(row));
    }
  }
  return answer;
}

/// (endpoint, status, count) -> (endpoint, count, errors).
Answer FoldErrors(const Answer& by_status) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> endpoints;
  for (const Row& row : by_status.rows) {
    const std::uint64_t count = std::stoull(row[2]);
    auto& [all, errors] = endpoints[row[0]];
    all += count;
    if (row[1] == "500") errors += count;
  }
  Answer answer;
  for (const auto& [endpoint, counts] : endpoints) {
    answer.rows.push_back({endpoint, std::to_string(counts.first), std::to_string(counts.second)});
  }
  return answer;
}

/// What Quipu gives back, before it is turned into text.
struct Reply {
  ResultSet table;
  FoundEvent found;  // Q12: FindEvent proves that the event was counted, and shows it
};

Answer TextOf(Question question, const Reply& reply) {
  if (question == Question::kQ9) return FoldErrors(TextOf(reply.table));
  if (question != Question::kQ12) return TextOf(reply.table);
  const StoredEvent& event = reply.found.event;
  return {{{event.service, std::to_string(event.time), event.quantity.ToString(),
            event.cost ? event.cost->ToString() : "", event.measures[0].second.ToString(),
            event.measures[1].second.ToString()}}};
}

class Asking {
 public:
  explicit Asking(const EngineTask& task) : task_(task) {
    EventMaker maker(task.rows);
    maker.Add(task.subjects.event, &wanted_);
  }

  Status AskAll(const Database& db, EngineReport* report) {
    for (const Question question : kQuestions) {
      SERVER_TRY(Measure(db, question, kDefault, MetricName(question), report));
      if (!Approximates(question)) continue;
      SERVER_TRY(Measure(db, question, kExact, std::string(Name(question)) + "_exact_ms", report));
    }
    return {};
  }

  /// As one who asks Q9 all day would have it, and as the rollups of peers.
  Status AskDeclared(Database* db, EngineReport* report) {
    constexpr std::uint32_t kEventsANumber = 4;
    const SummarySet set{
        .dimensions = {"endpoint", "status"}, .measures = {}, .rows_min = kEventsANumber};
    const Stopwatch building;
    SERVER_TRY(db->DeclareSummary(set));
    SERVER_TRY(db->BuildSummaries());
    report->metrics["Q9_declared_build_seconds"] = building.Seconds();
    SERVER_TRY_ASSIGN(const std::vector<SummarySetInfo> sets, db->Summaries());
    SERVER_TRY_ASSIGN(const StoreInfo info, db->Info());
    report->metrics["Q9_declared_bytes_per_event"] =
        static_cast<double>(sets.at(0).bytes) / static_cast<double>(info.events);
    return Measure(*db, Question::kQ9, kDeclared, "Q9_declared_ms", report);
  }

  Status AskFirst(const std::string& path, EngineReport* report) {
    const FirstAsk& first = *task_.first_ask;
    std::optional<Database> db;
    Reply reply;
    SERVER_TRY(NoteFirstAsk(
        first, path,
        [&]() -> Status {
          SERVER_TRY_ASSIGN(Database opened, Database::Open(path, StoreOptions()));
          db.emplace(std::move(opened));
          return {};
        },
        [&] { return Ask(*db, first.question, first.way, &reply); }, report));
    NoteAnswer(first.question, first.way, reply, report);
    return db->Close();
  }

 private:
  static constexpr const char* kDefault = "default";
  static constexpr const char* kExact = "exact";
  static constexpr const char* kDeclared = "by dimension";

  Status Ask(const Database& db, Question question, const std::string& way, Reply* reply) const {
    if (question == Question::kQ12) {
      const Event event = wanted_.At(0);
      SERVER_TRY_ASSIGN(reply->found, db.FindEvent(event.customer, event.source, event.id));
      return {};
    }
    Query query = QueryFor(question, task_.subjects);
    if (way == kExact) query.Exact();
    SERVER_TRY_ASSIGN(reply->table, db.Query(query));
    return {};
  }

  Status Measure(const Database& db, Question question, const std::string& way,
                 const std::string& metric, EngineReport* report) const {
    Reply reply;
    SERVER_TRY_ASSIGN(report->metrics[metric],
                      MedianMs(task_.runs, [&] { return Ask(db, question, way, &reply); }));
    NoteAnswer(question, way, reply, report);
    return {};
  }

  static void NoteAnswer(Question question, const std::string& way, const Reply& reply,
                         EngineReport* report) {
    const bool approximate = way == kDefault && Approximates(question);
    report->answers.push_back({question, way,
                               approximate ? Exactness::kQuipuDefault : Exactness::kExact,
                               TextOf(question, reply)});
  }

  const EngineTask& task_;
  EventBatch wanted_;
};

}  // namespace

Result<EngineReport> QuipuQuestions(const EngineTask& task) {
  EngineReport report;
  const std::string path = task.dir + "/store";
  if (task.first_ask) {
    SERVER_TRY(Asking(task).AskFirst(path, &report));
    return report;
  }
  DropFromCache(path);
  const Stopwatch opening;
  SERVER_TRY_ASSIGN(Database db, Database::Open(path, StoreOptions()));
  report.metrics["cold_open_ms"] = opening.Seconds() * 1e3;
  if (task.questions) SERVER_TRY(Asking(task).AskAll(db, &report));
  report.metrics["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
  SERVER_TRY(db.Close());
  return report;
}

Result<EngineReport> QuipuDeclared(const EngineTask& task) {
  const std::string path = task.dir + "/declared";
  std::error_code bad;
  std::filesystem::copy(task.dir + "/store", path, std::filesystem::copy_options::recursive, bad);
  if (bad) return Status::IoError("the store cannot be copied: " + bad.message());
  EngineReport report;
  SERVER_TRY_ASSIGN(Database db, Database::Open(path, StoreOptions()));
  SERVER_TRY(Asking(task).AskDeclared(&db, &report));
  SERVER_TRY(db.Close());
  std::filesystem::remove_all(path, bad);
  return report;
}

}  // namespace quipu::usage
