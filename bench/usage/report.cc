#include "usage/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "usage/metric.h"

namespace quipu::usage {
namespace {

namespace json = boost::json;

std::optional<double> ValueOf(const EngineColumn& column, std::string_view metric) {
  if (!column.report) return std::nullopt;
  const auto it = column.report->metrics.find(std::string(metric));
  if (it == column.report->metrics.end()) return std::nullopt;
  return it->second;
}

/// One metric over all engines.
struct Line {
  const Metric* metric = nullptr;
  std::optional<double> quipu;
  std::vector<std::optional<double>> peers;
  std::optional<double> ratio;  ///< Quipu / the best peer.
  bool peer_is_better = false;
};

Line LineOf(const BenchmarkRun& run, const Metric& metric) {
  Line line;
  line.metric = &metric;
  line.quipu = ValueOf(run.quipu, metric.name);
  std::optional<double> best;
  for (const EngineColumn& peer : run.peers) {
    const std::optional<double> value = ValueOf(peer, metric.name);
    line.peers.push_back(value);
    if (!value) continue;
    const bool higher = metric.better == Better::kHigher;
    if (!best || (higher ? *value > *best : *value < *best)) best = value;
  }
  if (metric.better == Better::kNeither || !best || !line.quipu || *best == 0) return line;
  line.ratio = *line.quipu / *best;
  line.peer_is_better = metric.better == Better::kHigher ? *line.ratio < 1 : *line.ratio > 1;
  return line;
}

/// 1234567 -> "1,234,567"; small numbers with three digits.
std::string Number(double value) {
  if (std::abs(value) < 1000 && value == std::floor(value)) return fmt::format("{:.0f}", value);
  if (std::abs(value) < 10) return fmt::format("{:.3g}", value);
  if (std::abs(value) < 1000) return fmt::format("{:.1f}", value);
  std::string text = fmt::format("{:.0f}", value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

std::string NumberOrNothing(const std::optional<double>& value) {
  return value ? Number(*value) : "-";
}

std::vector<std::vector<std::string>> Cells(const BenchmarkRun& run) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> head = {"metric", "unit", "Quipu"};
  for (const EngineColumn& peer : run.peers) head.push_back(peer.title);
  head.insert(head.end(), {"Quipu / best peer", ""});
  rows.push_back(head);
  for (const Metric& metric : Metrics()) {
    const Line line = LineOf(run, metric);
    const bool known = line.quipu || std::any_of(line.peers.begin(), line.peers.end(),
                                                 [](const auto& v) { return v.has_value(); });
    if (!known) continue;
    std::vector<std::string> row = {std::string(metric.name), std::string(metric.unit),
                                    NumberOrNothing(line.quipu)};
    for (const auto& peer : line.peers) row.push_back(NumberOrNothing(peer));
    row.push_back(line.ratio ? fmt::format("{:.3g}", *line.ratio) : "-");
    row.emplace_back(line.peer_is_better ? "peer is better" : "");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string WorkloadLine(const BenchmarkRun& run) {
  const generate::WorkloadOptions& w = run.rows.workload;
  return fmt::format(
      "{} events of {} customers over {} days from {}, seed {}; {} of them sent twice; 1 % late by "
      "up to {}",
      Number(static_cast<double>(w.events)), Number(static_cast<double>(w.customers)), w.days,
      w.from, w.seed, Number(static_cast<double>(run.rows.repeats)),
      w.late_days_max == 0 ? "the whole time" : fmt::format("{} days", w.late_days_max));
}

std::string MachineLine(const BenchmarkRun& run) {
  return fmt::format("{}, {} CPUs, {:.1f} GB, {}; load average at the start {:.2f}",
                     run.machine.cpu, run.machine.cpus,
                     static_cast<double>(run.machine.memory_bytes) / 1e9, run.machine.kernel,
                     run.machine.load_average);
}

/// What is not a column of the workload, in the order in which it is shown.
constexpr const char* kNotColumns[] = {"identity index", "directory",       "summaries",
                                       "footers",        "key-value store", "other files",
                                       "unfilled blocks"};

/// The columns, what Quipu has besides, and the sum of each.
std::vector<std::vector<std::string>> EntropyCells(const BenchmarkRun& run) {
  const double events = static_cast<double>(run.rows.events());
  using Bytes = std::map<std::string, double>;
  std::vector<const Bytes*> engines;
  std::vector<std::string> head = {"column", "entropy", "Quipu", "Quipu, archived without ids"};
  const Bytes nothing;
  const EngineReport* const quipu = run.quipu.report ? &*run.quipu.report : nullptr;
  engines.push_back(quipu != nullptr ? &quipu->column_bytes : &nothing);
  engines.push_back(quipu != nullptr ? &quipu->archived_column_bytes : &nothing);
  for (const EngineColumn& peer : run.peers) {
    engines.push_back(peer.report ? &peer.report->column_bytes : &nothing);
    head.push_back(peer.title);
  }
  std::vector<std::vector<std::string>> rows = {head};
  const auto add = [&](const std::string& column, const std::string& entropy) {
    std::vector<std::string> row = {column, entropy};
    for (const Bytes* bytes : engines) {
      const auto it = bytes->find(column);
      row.push_back(it == bytes->end() ? "-" : fmt::format("{:.3f}", it->second / events));
    }
    rows.push_back(std::move(row));
  };
  double entropy_sum = 0;
  for (const ColumnEntropy& entropy : run.entropy) {
    add(entropy.column, fmt::format("{:.3f}", entropy.bytes));
    entropy_sum += entropy.bytes;
  }
  for (const char* name : kNotColumns) add(name, "-");
  std::vector<std::string> sums = {"sum", fmt::format("{:.3f}", entropy_sum)};
  for (const Bytes* bytes : engines) {
    double sum = 0;
    for (const auto& [name, value] : *bytes) sum += value;
    sums.push_back(bytes->empty() ? "-" : fmt::format("{:.3f}", sum / events));
  }
  rows.push_back(std::move(sums));
  return rows;
}

std::string Aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      line += c < 2 ? fmt::format("{:<{}}  ", row[c], widths[c])
                    : fmt::format("{:>{}}  ", row[c], widths[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Markdown(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    text += fmt::format("| {} |\n", fmt::join(rows[r], " | "));
    if (r != 0) continue;
    text += "|";
    for (std::size_t c = 0; c < rows[0].size(); ++c) text += c == 0 ? "---|" : "--:|";
    text += "\n";
  }
  return text;
}

std::vector<const EngineColumn*> Engines(const BenchmarkRun& run) {
  std::vector<const EngineColumn*> engines = {&run.quipu};
  for (const EngineColumn& peer : run.peers) engines.push_back(&peer);
  return engines;
}

std::vector<std::vector<std::string>> PromiseCells(const BenchmarkRun& run) {
  std::vector<std::vector<std::string>> rows = {
      {"engine", "version", "durable at acknowledgement", "repeats removed", "exact", "notes"}};
  for (const EngineColumn* engine : Engines(run)) {
    if (engine->report) {
      const EngineReport& r = *engine->report;
      rows.push_back({engine->title, r.version, r.durable, r.repeats, r.exact, r.note});
    } else {
      rows.push_back({engine->title, "-", "-", "-", "-", engine->absent});
    }
  }
  return rows;
}

json::value JsonNumber(const std::optional<double>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::object EngineJson(const EngineColumn& engine) {
  if (!engine.report) return {{"absent", engine.absent}};
  const EngineReport& r = *engine.report;
  json::object columns;
  for (const auto& [name, bytes] : r.column_bytes) columns[name] = bytes;
  json::object archived;
  for (const auto& [name, bytes] : r.archived_column_bytes) archived[name] = bytes;
  return {{"archived_column_bytes", std::move(archived)},
          {"version", r.version},
          {"durable", r.durable},
          {"repeats", r.repeats},
          {"exact", r.exact},
          {"note", r.note},
          {"column_bytes", std::move(columns)}};
}

}  // namespace

std::string TableText(const BenchmarkRun& run) {
  std::string text =
      fmt::format("{}\n{}\n\n{}", WorkloadLine(run), MachineLine(run), Aligned(Cells(run)));
  if (!run.entropy.empty()) {
    text += "\nbytes an event, by column\n" + Aligned(EntropyCells(run));
  }
  for (const std::string& disagreement : run.disagreements) text += "\n" + disagreement;
  return text;
}

std::string MarkdownText(const BenchmarkRun& run) {
  std::string text = fmt::format(
      "# Results of usagebench\n\nWritten by usagebench (`make bench`); see [README.md](README.md) "
      "for what is "
      "run and how. Times hold for one run on one "
      "machine: quote ratios.\n\n- Date: {}\n- Machine: {}\n- Workload: {}\n- Threads given to "
      "peers: {}; every question: a warm-up, then "
      "the median of at least five (fewer where one takes seconds){}\n- Answers: {}\n\n",
      run.date, MachineLine(run), WorkloadLine(run), run.threads,
      run.restart ? "; the store was closed and opened half-way" : "",
      run.disagreements.empty() ? "all engines agree on every question"
                                : "ENGINES DISAGREE, see the output of the run");
  text += Markdown(Cells(run));
  text += "\n## What each engine promises in this run\n\n" + Markdown(PromiseCells(run));
  if (!run.entropy.empty()) {
    text +=
        "\n## Bytes an event, by column\n\nBeside the order-0 entropy of the column (time: of a "
        "set of times by customer and service). Quipu's rows add up to every byte on disk: what is "
        "not a "
        "column is below the columns. Customers and services are in its directory; the codes and "
        "the "
        "dictionary of a dimension are together. ClickHouse's columns are its data files without "
        "marks.\n\n" +
        Markdown(EntropyCells(run));
  }
  text += "\n## What the metrics mean\n\n";
  for (const Metric& metric : Metrics()) {
    if (!metric.meaning.empty()) text += fmt::format("- `{}`: {}\n", metric.name, metric.meaning);
  }
  for (const Question question : kQuestions) {
    text += fmt::format("- `{}`: {}\n", MetricName(question), Sentence(question));
  }
  return text;
}

std::string JsonText(const BenchmarkRun& run) {
  json::array metrics;
  for (const Metric& metric : Metrics()) {
    const Line line = LineOf(run, metric);
    json::object peers;
    for (std::size_t i = 0; i < run.peers.size(); ++i) {
      peers[run.peers[i].key] = JsonNumber(line.peers[i]);
    }
    metrics.push_back({{"name", metric.name},
                       {"unit", metric.unit},
                       {"quipu", JsonNumber(line.quipu)},
                       {"peers", std::move(peers)},
                       {"ratio_to_best", JsonNumber(line.ratio)},
                       {"peer_is_better", line.peer_is_better}});
  }
  json::object engines;
  for (const EngineColumn* engine : Engines(run)) engines[engine->key] = EngineJson(*engine);
  json::object entropy;
  for (const ColumnEntropy& column : run.entropy) entropy[column.column] = column.bytes;
  json::array disagreements;
  for (const std::string& text : run.disagreements) disagreements.emplace_back(text);
  const generate::WorkloadOptions& w = run.rows.workload;
  const json::object all = {{"machine",
                             {{"cpu", run.machine.cpu},
                              {"cpus", run.machine.cpus},
                              {"memory_bytes", run.machine.memory_bytes},
                              {"kernel", run.machine.kernel},
                              {"load_average", run.machine.load_average}}},
                            {"date", run.date},
                            {"workload",
                             {{"events", w.events},
                              {"customers", w.customers},
                              {"seed", w.seed},
                              {"days", w.days},
                              {"from", w.from},
                              {"late_days_max", w.late_days_max},
                              {"rows", run.rows.rows},
                              {"repeats", run.rows.repeats},
                              {"threads", run.threads},
                              {"restart", run.restart}}},
                            {"metrics", std::move(metrics)},
                            {"engines", std::move(engines)},
                            {"entropy_bytes_per_event", std::move(entropy)},
                            {"disagreements", std::move(disagreements)}};
  return json::serialize(all) + "\n";
}

}  // namespace quipu::usage
