#include "usage/growth.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>

#include "cli/try.h"
#include "quipu/database.h"
#include "usage/child.h"
#include "usage/log_log_plot.h"
#include "usage/process.h"
#include "usage/quipu_side.h"
#include "usage/stopwatch.h"
#include "usage/text_file.h"

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uint32_t kSmallestDays = 36;                // March and a few days before it
constexpr std::uint32_t kDaysMax = 3660;                   // of the workload
constexpr TimeUs kHistoryEnd = 1'775'001'600 * kSecondUs;  // 2026-04-01
constexpr int kRuns = 51;
constexpr const char* kOpen = "open, files not in the page cache";

struct GrowthQuestion {
  const char* name;
  bool fixed;  // asks about a range that does not grow
  Query query;
};

std::vector<GrowthQuestion> QuestionsOf(const Subjects& s) {
  std::vector<GrowthQuestion> questions;
  const auto add = [&](const char* name, const std::string& select) -> Query& {
    questions.push_back({name, true, {}});
    return questions.back().query.Select(select).Between(s.thirty_days.from, s.thirty_days.to);
  };
  const std::string totals = "count, sum(quantity), sum(cost)";
  add("totals: a customer's days", totals)
      .Customer(s.middling_name)
      .Every("day")
      .GroupBy("service");
  add("totals: the largest customer's days", totals)
      .Customer(s.largest_name)
      .Every("day")
      .GroupBy("service");
  add("totals: all, by service", totals).GroupBy("service");
  add("trend: all, by day and service", "sum(quantity), sum(cost), change(sum(quantity))")
      .Every("day")
      .GroupBy("service");
  add("trend: a customer by day", "sum(quantity), change(sum(quantity))")
      .Customer(s.middling_name)
      .Every("day");
  add("peaks: ten highest hours of api", "sum(quantity)")
      .Service("api")
      .Every("hour")
      .OrderBy("-sum(quantity)")
      .Limit(10);
  add("peaks: the largest customer's hour", "peak(sum(quantity), hour)").Customer(s.largest_name);
  const std::string quantiles = "p50(duration_ms), p95(duration_ms), p99(duration_ms)";
  add("percentiles: all, by service", quantiles).GroupBy("service");
  add("percentiles: a customer", quantiles).Customer(s.middling_name).GroupBy("service");
  add("percentiles: the largest customer", quantiles).Customer(s.largest_name).GroupBy("service");
  add("ranking: ten costliest customers", "sum(cost)")
      .GroupBy("customer")
      .OrderBy("-sum(cost)")
      .Limit(10);
  add("raw rows: errors by endpoint", "count")
      .Between(s.week.from, s.week.to)
      .GroupBy("endpoint,status");
  questions.push_back({"everything: four sums", false, {}});
  questions.back().query.Select("sum(quantity), sum(cost), sum(tokens), avg(duration_ms)");
  return questions;
}

/// In a process of its own, of the store that QuipuHistory left. Metrics by the names of the questions.
Result<EngineReport> AskGrowth(const EngineTask& task) {
  const std::string path = task.dir + "/store";
  EngineReport report;
  DropFromCache(path);
  const Stopwatch opening;
  SERVER_TRY_ASSIGN(Database db, Database::Open(path, StoreOptions()));
  report.metrics[kOpen] = opening.Seconds() * 1e3;
  for (const GrowthQuestion& question : QuestionsOf(task.subjects)) {
    ResultSet answer;
    SERVER_TRY_ASSIGN(report.metrics[question.name], MedianMs(kRuns, [&]() -> Status {
                        SERVER_TRY_ASSIGN(answer, db.Query(question.query));
                        return {};
                      }));
    if (answer.rows() == 0) return Status::Internal(std::string("no answer: ") + question.name);
  }
  SERVER_TRY(db.Close());
  return report;
}

struct Measured {
  std::uint64_t events = 0;
  std::uint32_t days = 0;
  double bytes_per_event = 0;
  std::map<std::string, double> ms;  // by question
};

Result<Measured> MeasureSize(const BenchmarkOptions& options, std::uint64_t events) {
  EngineTask task;
  task.dir = options.dir;
  generate::WorkloadOptions workload = options.workload;
  workload.events = events;
  SERVER_TRY_ASSIGN(workload.days, DaysOfHistory(events, options.growth.front()));
  workload.from = FormatTime(kHistoryEnd - workload.days * kDayUs).substr(0, 10);
  std::error_code bad;
  fs::remove_all(options.dir, bad);
  fs::create_directories(options.dir, bad);
  SERVER_TRY_ASSIGN(task.rows, WriteRowFile(options.dir + "/rows", workload));
  SERVER_TRY_ASSIGN(task.subjects, SubjectsOf(task.rows));
  std::fprintf(stderr, "usagebench: %zu events, %u days: ingest\n",
               static_cast<std::size_t>(events), workload.days);
  SERVER_TRY_ASSIGN(const EngineReport stored, RunInChild("Quipu", QuipuHistory, task));
  SERVER_TRY_ASSIGN(EngineReport report, RunInChild("Quipu", AskGrowth, task));
  return Measured{events, workload.days, stored.metrics.at("bytes_per_event"),
                  std::move(report.metrics)};
}

/// The names in the order of the table.
std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const GrowthQuestion& question : QuestionsOf({})) names.emplace_back(question.name);
  names.emplace_back(kOpen);
  return names;
}

std::string TableText(const std::vector<Measured>& sizes) {
  std::string text = fmt::format("{:<38}", "median ms");
  for (const Measured& size : sizes) text += fmt::format("{:>14}", size.events);
  text += "   largest / smallest\n";
  for (const std::string& name : Names()) {
    text += fmt::format("{:<38}", name);
    for (const Measured& size : sizes) text += fmt::format("{:>14.4g}", size.ms.at(name));
    text += fmt::format("{:>12.2f}\n", sizes.back().ms.at(name) / sizes.front().ms.at(name));
  }
  return text;
}

std::string CsvText(const std::vector<Measured>& sizes) {
  std::string text = "question,events,days,median_ms\n";
  for (const std::string& name : Names()) {
    for (const Measured& size : sizes) {
      text += fmt::format("\"{}\",{},{},{:.4g}\n", name, size.events, size.days, size.ms.at(name));
    }
  }
  return text;
}

std::string JsonText(const BenchmarkOptions& options, const std::vector<Measured>& sizes) {
  const Machine machine = ThisMachine();
  json::array all;
  for (const Measured& size : sizes) {
    json::object ms;
    for (const auto& [name, value] : size.ms) ms[name] = value;
    all.push_back({{"events", size.events},
                   {"days", size.days},
                   {"bytes_per_event", size.bytes_per_event},
                   {"median_ms", std::move(ms)}});
  }
  return json::serialize(json::object{{"machine", {{"cpu", machine.cpu}, {"cpus", machine.cpus}}},
                                      {"label", options.label},
                                      {"customers", options.workload.customers},
                                      {"seed", options.workload.seed},
                                      {"sizes", std::move(all)}}) +
         "\n";
}

std::string Plot(const BenchmarkOptions& options, const std::vector<Measured>& sizes) {
  LogLogPlot plot;
  plot.title = "The same questions about one month, as the history before it grows";
  plot.subtitle = fmt::format("{} customers, {} to {} days; warm, median of {}{}{}",
                              options.workload.customers, sizes.front().days, sizes.back().days,
                              kRuns, options.label.empty() ? "" : "; ", options.label);
  plot.x_label = "events stored";
  plot.y_label = "ms";
  for (const GrowthQuestion& question : QuestionsOf({})) {
    LogLogPlot::Series& series = plot.series.emplace_back();
    series.label = question.name;
    for (const Measured& size : sizes) {
      series.points.emplace_back(static_cast<double>(size.events), size.ms.at(question.name));
    }
  }
  return SvgOf(plot);
}

Status Run(const BenchmarkOptions& options) {
  if (!std::is_sorted(options.growth.begin(), options.growth.end())) {
    return Status::InvalidArgument("--growth: sizes go from the smallest to the largest");
  }
  for (const std::uint64_t events : options.growth) {
    SERVER_TRY_ASSIGN(const std::uint32_t days, DaysOfHistory(events, options.growth.front()));
    (void)days;
  }
  std::vector<Measured> sizes;
  for (const std::uint64_t events : options.growth) {
    SERVER_TRY_ASSIGN(Measured size, MeasureSize(options, events));
    sizes.push_back(std::move(size));
    std::fputs(TableText(sizes).c_str(), stdout);
    std::fflush(stdout);
  }
  SERVER_TRY(WriteText(options.csv_file, CsvText(sizes)));
  SERVER_TRY(WriteText(options.json_file, JsonText(options, sizes)));
  return WriteText(options.svg_file, options.svg_file.empty() ? "" : Plot(options, sizes));
}

}  // namespace

Result<std::uint32_t> DaysOfHistory(std::uint64_t events, std::uint64_t smallest) {
  if (smallest == 0 || events * kSmallestDays % smallest != 0) {
    return Status::InvalidArgument(
        fmt::format("--growth: {} events are no whole number of days if {} are {}", events,
                    smallest, kSmallestDays));
  }
  const std::uint64_t days = events * kSmallestDays / smallest;
  if (days > kDaysMax) {
    return Status::InvalidArgument(fmt::format(
        "--growth: {} events would be {} days; {} is the most (a hundred times the smallest fits)",
        events, days, kDaysMax));
  }
  return static_cast<std::uint32_t>(days);
}

int RunGrowth(const BenchmarkOptions& options) { return EndRun(options, Run(options)); }

}  // namespace quipu::usage
