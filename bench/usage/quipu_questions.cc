// The twelve questions as Quipu's queries.
#include <fmt/format.h>

#include <algorithm>
#include <map>

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

class Asking {
 public:
  Asking(const EngineTask& task, Database* db, EngineReport* report)
      : task_(task), db_(db), report_(report) {}

  Status AskAll() {
    for (const Question question : kQuestions) {
      if (question == Question::kQ12) {
        SERVER_TRY(AskForOneEvent());
        continue;
      }
      if (Approximates(question)) {
        SERVER_TRY(Ask(question, "default", Exactness::kQuipuDefault, MetricName(question)));
        SERVER_TRY(
            Ask(question, "exact", Exactness::kExact, std::string(Name(question)) + "_exact_ms"));
      } else {
        SERVER_TRY(Ask(question, "default", Exactness::kExact, MetricName(question)));
      }
    }
    return {};
  }

 private:
  Status Ask(Question question, const std::string& way, Exactness exactness,
             const std::string& metric) {
    Query query = QueryFor(question, task_.subjects);
    if (way == "exact") query.Exact();
    ResultSet result;
    SERVER_TRY_ASSIGN(report_->metrics[metric], MedianMs(task_.runs, [&]() -> Status {
                        SERVER_TRY_ASSIGN(result, db_->Query(query));
                        return {};
                      }));
    Answer answer = TextOf(result);
    if (question == Question::kQ9) answer = FoldErrors(answer);
    report_->answers.push_back({question, way, exactness, std::move(answer)});
    return {};
  }

  /// FindEvent proves that it was counted, and shows it.
  Status AskForOneEvent() {
    const WorkloadRow& row = task_.subjects.event;
    EventMaker maker(task_.rows);
    EventBatch batch;
    maker.Add(row, &batch);
    const Event wanted = batch.At(0);
    FoundEvent found;
    SERVER_TRY_ASSIGN(
        report_->metrics[MetricName(Question::kQ12)], MedianMs(task_.runs, [&]() -> Status {
          SERVER_TRY_ASSIGN(found, db_->FindEvent(wanted.customer, wanted.source, wanted.id));
          return {};
        }));
    const StoredEvent& event = found.event;
    Answer answer;
    answer.rows.push_back({event.service, std::to_string(event.time), event.quantity.ToString(),
                           event.cost ? event.cost->ToString() : "",
                           event.measures[0].second.ToString(),
                           event.measures[1].second.ToString()});
    report_->answers.push_back({Question::kQ12, "default", Exactness::kExact, std::move(answer)});
    return {};
  }

  const EngineTask& task_;
  Database* db_;
  EngineReport* report_;
};

}  // namespace

Result<EngineReport> QuipuQuestions(const EngineTask& task) {
  EngineReport report;
  const std::string path = task.dir + "/store";
  DropFromCache(path);
  const Stopwatch opening;
  SERVER_TRY_ASSIGN(Database db, Database::Open(path, StoreOptions()));
  report.metrics["cold_open_ms"] = opening.Seconds() * 1e3;
  if (task.questions) SERVER_TRY(Asking(task, &db, &report).AskAll());
  report.metrics["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
  SERVER_TRY(db.Close());
  return report;
}

}  // namespace quipu::usage
