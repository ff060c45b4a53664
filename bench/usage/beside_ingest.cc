#include "usage/beside_ingest.h"

#include <fmt/format.h>
#include <pthread.h>

#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <limits>
#include <thread>

#include "base/named_thread.h"
#include "cli/try.h"
#include "quipu/database.h"
#include "usage/child.h"
#include "usage/in_flight.h"
#include "usage/latency.h"
#include "usage/process.h"
#include "usage/quipu_side.h"
#include "usage/stopwatch.h"
#include "usage/text_file.h"

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kBatchRows = 1000;
constexpr std::uint32_t kHistoryDays = 89;
constexpr const char* kLiveDay = "2026-03-31";
constexpr double kQuestionsPerSecond = 400;
/// Of ingest, asked and not counted: who checks for repeats loads what it looks into with the first batches.
constexpr double kWarmUpSeconds = 2;
/// What is kept of an asked rate counts as kept: the clock is read at the last acknowledgement.
constexpr double kKept = 0.99;
constexpr const char* kKinds[] = {"daily_totals", "percentiles", "month_total", "control"};
constexpr std::size_t kControl = 3;
constexpr double kControlSeconds = 0.2e-3;

/// Of this thread.
double ProcessorSeconds() {
  timespec t{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Asks nothing: takes the processor for kControlSeconds.
void AskTheMachine() {
  const double until = ProcessorSeconds() + kControlSeconds;
  while (ProcessorSeconds() < until) {
  }
}

Query QueryFor(std::size_t kind, const std::string& customer) {
  Query q;
  q.Customer(customer);
  switch (kind) {
    case 0:
      return q.Select("count, sum(quantity), sum(cost)")
          .Between("2026-03-02", "2026-04-01")
          .Every("day")
          .GroupBy("service");
    case 1:
      return q.Select("p95(duration_ms), p99(duration_ms)")
          .Between("2026-03-02", "2026-04-01")
          .GroupBy("service");
    default:
      return q.Select("sum(quantity)").Service("api").Between("2026-03-01", "2026-04-01");
  }
}

/// Asks by the schedule until told to stop.
class Asker {
 public:
  Asker(const Database& db, const generate::WorkloadOptions& workload)
      : db_(db),
        log_customers_(std::log(static_cast<double>(workload.customers))),
        digits_(generate::CustomerDigits(workload.customers)),
        random_(workload.seed) {}

  Status AskFor(double seconds) {
    const Schedule schedule(Schedule::Clock::now(), kQuestionsPerSecond);
    const auto calls = static_cast<std::uint64_t>(seconds * kQuestionsPerSecond);
    for (std::uint64_t call = 0; call < calls; ++call) {
      const std::size_t kind = call % std::size(kKinds);
      const Query query = QueryFor(kind, NextCustomer());
      const auto due = schedule.WaitFor(call);
      const auto begun = Schedule::Clock::now();
      const double processor_before = ProcessorSeconds();
      if (kind == kControl) {
        AskTheMachine();
      } else {
        SERVER_TRY_ASSIGN(const ResultSet answer, db_.Query(query));
      }
      since_due_[kind].Add(MillisecondsSince(due));
      answering_[kind].Add(MillisecondsSince(begun));
      computing_[kind].Add((ProcessorSeconds() - processor_before) * 1e3);
    }
    return {};
  }

  /// As NAME_WHEN_p50_ms; answering times, which leave out the wait for the thread's turn, as NAME_WHEN_answering_p50_ms; the asking thread's time on a
  /// processor, which leaves out all waits (and what helpers did), as NAME_WHEN_processor_p50_ms.
  void Note(const std::string& when, EngineReport* report) const {
    for (std::size_t kind = 0; kind < std::size(kKinds); ++kind) {
      const std::string name = std::string(kKinds[kind]) + "_" + when;
      report->metrics[name + "_asked"] = static_cast<double>(since_due_[kind].count());
      for (const auto& [q, ms] : since_due_[kind].Summary())
        report->metrics[name + "_" + q + "_ms"] = ms;
      for (const auto& [q, ms] : answering_[kind].Summary())
        report->metrics[name + "_answering_" + q + "_ms"] = ms;
      for (const auto& [q, ms] : computing_[kind].Summary())
        report->metrics[name + "_processor_" + q + "_ms"] = ms;
    }
  }

 private:
  std::string NextCustomer() {
    std::string name;
    const double ordinal = std::exp(random_.NextUnit() * log_customers_);
    generate::AppendCustomer(static_cast<std::uint32_t>(ordinal), digits_, &name);
    return name;
  }

  const Database& db_;
  double log_customers_;
  int digits_;
  generate::SplitMix64 random_;
  Latencies since_due_[std::size(kKinds)], answering_[std::size(kKinds)],
      computing_[std::size(kKinds)];
};

/// Sends the rows at a fixed rate, in an open loop: a batch is sent when it is due, whatever became of those before it. Only the store's
/// own back-pressure can hold the writer up.
class PacedWriter {
 public:
  PacedWriter(Database* db, const RowFile& rows, double events_per_second)
      : db_(db), rows_(rows), per_second_(events_per_second) {}

  Status WriteFor(double seconds) {
    EventMaker maker(rows_);
    RowReader reader(rows_, kBatchRows);
    const auto start = Schedule::Clock::now();
    const Schedule schedule(start, per_second_ / kBatchRows);
    const auto batches = static_cast<std::uint64_t>(seconds * per_second_ / kBatchRows);
    for (std::uint64_t b = 0; b < batches; ++b) {
      const auto rows = reader.Next();
      EventBatch batch;
      for (const WorkloadRow& row : rows) maker.Add(row, &batch);
      const auto due = schedule.WaitFor(b);
      sent_ += rows.size();
      in_flight_.Begin();
      const Status sent = db_->IngestAsync(std::move(batch), [this, due](const auto& reply) {
        in_flight_.End(reply, MillisecondsSince(due));
      });
      if (!sent.ok()) in_flight_.End(sent, 0);
      lag_.Add(MillisecondsSince(due));
    }
    SERVER_TRY(in_flight_.Wait());
    achieved_ = static_cast<double>(sent_) * 1e3 / MillisecondsSince(start);
    return {};
  }

  Status Note(EngineReport* report) {
    if (in_flight_.accepted() + in_flight_.duplicates() != sent_)
      return Status::Internal(fmt::format(
          "of {} events sent {} were accepted and {} answered duplicate; the others were refused",
          sent_, in_flight_.accepted(), in_flight_.duplicates()));
    report->metrics["achieved_events_per_second"] = achieved_;
    report->metrics["rate_kept"] = achieved_ >= kKept * per_second_;
    report->metrics["sending_late_max_ms"] = lag_.Quantile(1);
    NoteAcknowledgements(in_flight_.acknowledged_ms(), report);
    return {};
  }
  [[nodiscard]] std::uint64_t accepted() const { return in_flight_.accepted(); }

 private:
  Database* db_;
  const RowFile& rows_;
  double per_second_;
  InFlight in_flight_{std::numeric_limits<std::size_t>::max()};
  Latencies lag_;
  std::uint64_t sent_ = 0;
  double achieved_ = 0;
};

Status CheckCount(const Database& db, std::uint64_t expected) {
  SERVER_TRY_ASSIGN(const ResultSet all, db.Query(Query().Select("count")));
  if (all.columns[0].Text(0) == std::to_string(expected)) return {};
  return Status::Internal(fmt::format("the store counts {} events; {} were accepted",
                                      all.columns[0].Text(0), expected));
}

/// In a process of its own, of a store that QuipuIngest left.
Result<EngineReport> AskBesideIngest(const EngineTask& task, const RowFile& live,
                                     const BenchmarkOptions& options) {
  EngineReport report;
  Options store_options = StoreOptions();
  store_options.ingest_nice = options.ingest_nice;
  SERVER_TRY_ASSIGN(Database db, Database::Open(task.dir + "/store", store_options));
  Asker warm_up(db, task.rows.workload), alone(db, task.rows.workload),
      beside(db, task.rows.workload);
  SERVER_TRY(warm_up.AskFor(1));
  SERVER_TRY(alone.AskFor(options.seconds / 2));
  alone.Note("alone", &report);
  PacedWriter writer(&db, live, options.beside_ingest);
  Status asked;
  const double cpu_before = CpuSeconds();
  const Stopwatch clock;
  std::thread asking([&] {
    asked = warm_up.AskFor(kWarmUpSeconds);
    if (asked.ok()) asked = beside.AskFor(options.seconds);
  });
  pthread_setname_np(asking.native_handle(), "asker");  // for profilers
  GiveWayInThisThread(options.ingest_nice);
  const Status written = writer.WriteFor(kWarmUpSeconds + options.seconds);
  asking.join();
  report.metrics["processors_used"] = (CpuSeconds() - cpu_before) / clock.Seconds();
  SERVER_TRY(written);
  SERVER_TRY(asked);
  beside.Note("beside", &report);
  SERVER_TRY(writer.Note(&report));
  SERVER_TRY_ASSIGN(const StoreInfo info, db.Info());
  report.metrics["segments"] = static_cast<double>(info.segments);
  report.metrics["unsealed_events"] = static_cast<double>(info.hot_events);
  report.metrics["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
  SERVER_TRY(CheckCount(db, task.rows.events() + writer.accepted()));
  SERVER_TRY(db.Close());
  return report;
}

std::string Table(const BenchmarkOptions& options, const std::map<std::string, double>& m) {
  std::string text = fmt::format(
      "{} events of history; {:.0f} events/s asked at nice {}, {:.0f} kept{}; a batch was sent at "
      "most {:.1f} ms late; acknowledged p50 {:.2f} ms, p99 {:.2f} ms; {:.2f} processors used\n\n"
      "milliseconds from when it was due                                      from when it was "
      "begun   "
      "on a processor\n"
      "{:<14}{:<8}{:>8}{:>10}{:>10}{:>10}{:>10}{:>14}{:>10}{:>10}{:>10}\n",
      options.workload.events, options.beside_ingest, options.ingest_nice,
      m.at("achieved_events_per_second"), m.at("rate_kept") != 0 ? "" : " (MISSED)",
      m.at("sending_late_max_ms"), m.at("ack_p50_ms"), m.at("ack_p99_ms"), m.at("processors_used"),
      "question", "ingest", "asked", "p50", "p99", "p99.9", "max", "p50", "p99", "p50", "p99");
  for (const char* kind : kKinds) {
    for (const char* when : {"alone", "beside"}) {
      const std::string name = std::string(kind) + "_" + when + "_";
      const auto of = [&](const std::string& what) { return m.at(name + what); };
      text += fmt::format(
          "{:<14}{:<8}{:>8.0f}{:>10.3f}{:>10.3f}{:>10.3f}{:>10.3f}{:>14.3f}{:>10.3f}{:>10.3f}{:>10."
          "3f}\n",
          kind, when, of("asked"), of("p50_ms"), of("p99_ms"), of("p999_ms"), of("max_ms"),
          of("answering_p50_ms"), of("answering_p99_ms"), of("processor_p50_ms"),
          of("processor_p99_ms"));
    }
  }
  return text;
}

std::string JsonText(const BenchmarkOptions& options, const std::map<std::string, double>& m) {
  const Machine machine = ThisMachine();
  json::object metrics;
  for (const auto& [name, value] : m) metrics[name] = value;
  return json::serialize(json::object{{"machine", {{"cpu", machine.cpu}, {"cpus", machine.cpus}}},
                                      {"workload",
                                       {{"history_events", options.workload.events},
                                        {"customers", options.workload.customers},
                                        {"seed", options.workload.seed},
                                        {"events_per_second", options.beside_ingest},
                                        {"seconds", options.seconds},
                                        {"ingest_nice", options.ingest_nice},
                                        {"questions_per_second", kQuestionsPerSecond}}},
                                      {"metrics", std::move(metrics)}}) +
         "\n";
}

Status Run(const BenchmarkOptions& options) {
  EngineTask task;
  task.dir = options.dir;
  generate::WorkloadOptions history = options.workload, live = options.workload;
  history.days = kHistoryDays;
  live.from = kLiveDay;
  live.days = 1;
  // Not the next number: the generator mixes seed and place (day, index) alike, so seed 1 at place 2 is the event of seed 2 at place 1.
  live.seed = options.workload.seed ^ (std::uint64_t{1} << 63);
  live.events =
      static_cast<std::uint64_t>(options.beside_ingest * (kWarmUpSeconds + options.seconds));
  std::error_code bad;
  fs::remove_all(options.dir, bad);
  fs::create_directories(options.dir, bad);
  SERVER_TRY_ASSIGN(task.rows, WriteRowFile(options.dir + "/history", history));
  SERVER_TRY_ASSIGN(const RowFile live_rows, WriteRowFile(options.dir + "/live", live));
  SERVER_TRY_ASSIGN(const EngineReport loaded, RunInChild("Quipu", QuipuIngest, task));
  (void)loaded;
  SERVER_TRY_ASSIGN(
      const EngineReport report,
      RunInChild(
          "Quipu", [&](const EngineTask& t) { return AskBesideIngest(t, live_rows, options); },
          task));
  std::fputs(Table(options, report.metrics).c_str(), stdout);
  return WriteText(options.json_file, JsonText(options, report.metrics));
}

}  // namespace

int RunBesideIngest(const BenchmarkOptions& options) { return EndRun(options, Run(options)); }

}  // namespace quipu::usage
