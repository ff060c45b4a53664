#include "usage/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "cli/try.h"
#include "usage/child.h"
#include "usage/entropy.h"
#include "usage/naive.h"
#include "usage/peers/peer.h"
#include "usage/quipu_side.h"
#include "usage/report.h"
#include "usage/stopwatch.h"
#include "usage/text_file.h"

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kAlwaysCheckedEvents = 2'000'000;
constexpr std::uint32_t kLateDays = 1096;  // 36 months

void Say(const std::string& what) { std::fprintf(stderr, "usagebench: %s\n", what.c_str()); }

/// Takes over metrics and answers of a further process of the same engine.
void MergeInto(EngineReport* report, const EngineReport& more) {
  for (const auto& [name, value] : more.metrics) {
    double& mine = report->metrics[name];
    mine = name == "resident_bytes_max" ? std::max(mine, value) : value;
  }
  report->answers.insert(report->answers.end(), more.answers.begin(), more.answers.end());
  if (!more.column_bytes.empty()) report->column_bytes = more.column_bytes;
  if (!more.archived_column_bytes.empty()) {
    report->archived_column_bytes = more.archived_column_bytes;
  }
}

/// Each way in which the engine answered, once more by itself in two processes that have just opened the store: with its files out of the
/// page cache, and in it. Keeps the best way's time; the answers are compared like all others.
Status AskFirst(const std::string& title, const RunEngine& engine, EngineTask task,
                EngineReport* report) {
  task.ingest = false;
  std::vector<std::pair<Question, std::string>> asked;
  for (const GivenAnswer& given : report->answers) {
    // Quipu's exact answers have no figure of their own here.
    if (given.way != "exact") asked.emplace_back(given.question, given.way);
  }
  for (const auto& [question, way] : asked) {
    for (const bool cold : {true, false}) {
      task.first_ask = FirstAsk{.question = question, .way = way, .cold = cold};
      SERVER_TRY_ASSIGN(EngineReport once, RunInChild(title, engine, task));
      const std::string metric = (cold ? kColdPrefix : kFirstPrefix) + MetricName(question);
      KeepBest(report, metric, once.metrics.at(metric));
      std::move(once.answers.begin(), once.answers.end(), std::back_inserter(report->answers));
    }
  }
  return {};
}

void NoteCostOfChecking(std::map<std::string, double>* m) {
  (*m)["dedupe_cost_percent"] =
      100 * (1 - (*m)["ingest_events_per_second"] / (*m)["ingest_unchecked_events_per_second"]);
  (*m)["dedupe_cpu_cost_percent"] =
      100 * (1 - (*m)["ingest_unchecked_cpu_us_per_event"] / (*m)["ingest_cpu_us_per_event"]);
}

class Benchmark {
 public:
  explicit Benchmark(const BenchmarkOptions& options) : options_(options) {}

  Status Run() {
    run_.machine = ThisMachine();
    run_.threads = options_.threads;
    run_.restart = options_.restart;
    run_.date = FormatTime(std::chrono::duration_cast<std::chrono::microseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count())
                    .substr(0, 10);
    SERVER_TRY(MakeRows());
    SERVER_TRY(RunQuipu());
    for (const Peer& peer : Peers()) {
      if (std::find(options_.peers.begin(), options_.peers.end(), peer.key) !=
          options_.peers.end()) {
        RunPeer(peer);
      }
    }
    // After the peers, whose processes start as copies of this one: it stays small until here.
    CheckQuipu();
    run_.entropy = EntropyOfColumns(run_.rows);
    return {};
  }
  [[nodiscard]] const BenchmarkRun& outcome() const { return run_; }
  [[nodiscard]] bool failed() const { return failed_ || !run_.disagreements.empty(); }

 private:
  Status MakeRows() {
    generate::WorkloadOptions workload = options_.workload;
    if (options_.late) {
      workload.days = kLateDays;
      workload.late_days_max = 0;
    }
    std::error_code bad;
    fs::create_directories(options_.dir, bad);
    SERVER_TRY_ASSIGN(run_.rows, WriteRowFile(options_.dir + "/rows", workload));
    Say(fmt::format("{} rows generated in {:.1f} s", run_.rows.rows, run_.rows.generate_seconds));
    SERVER_TRY_ASSIGN(subjects_, SubjectsOf(run_.rows));
    return {};
  }

  /// With a folder of the engine's own, empty unless only questions are asked.
  EngineTask TaskFor(const std::string& engine) {
    EngineTask task;
    task.rows = run_.rows;
    task.subjects = subjects_;
    task.dir = options_.dir + "/" + engine;
    task.peers_dir = options_.peers_dir;
    task.threads = options_.threads;
    task.runs = options_.runs;
    task.ingest = !options_.questions_only;
    task.questions = !options_.ingest_only;
    task.restart = options_.restart;
    std::error_code bad;
    if (task.ingest) fs::remove_all(task.dir, bad);
    fs::create_directories(task.dir, bad);
    return task;
  }

  Status RunQuipu() {
    const EngineTask task = TaskFor("quipu");
    run_.quipu = {.key = "quipu", .title = "Quipu", .report = EngineReport(), .absent = ""};
    EngineReport* report = &*run_.quipu.report;
    const auto run_part = [&](const char* what, const RunEngine& engine) -> Status {
      Say(fmt::format("Quipu: {}", what));
      SERVER_TRY_ASSIGN(const EngineReport part, RunInChild("Quipu", engine, task));
      MergeInto(report, part);
      return {};
    };
    if (task.ingest) SERVER_TRY(run_part("ingest", QuipuIngest));
    SERVER_TRY(run_part(task.questions ? "questions" : "cold open", QuipuQuestions));
    if (task.questions) {
      Say("Quipu: first questions, warm and cold");
      SERVER_TRY(AskFirst("Quipu", QuipuQuestions, task, report));
      SERVER_TRY(run_part("errors by endpoint from a summary by dimension", QuipuDeclared));
    }
    if (task.ingest) SERVER_TRY(run_part("single events", QuipuSingleEvents));
    if (task.ingest && task.questions) {
      SERVER_TRY(run_part("archive without ids", QuipuArchive));
      SERVER_TRY(run_part("ingest without the check for repeats", QuipuUncheckedIngest));
      SERVER_TRY(run_part("import of text", QuipuImport));
      NoteCostOfChecking(&report->metrics);
    }
    report->version = QUIPU_VERSION;
    report->durable = "yes";
    report->repeats = "yes, by (customer, source, id)";
    report->exact =
        "yes; quantiles within 0.4 % and distinct counts 1.6 % unless asked for exactly";
    return {};
  }

  void Disagree(const std::string& who, const GivenAnswer& given, const std::string& differences) {
    run_.disagreements.push_back(fmt::format("DISAGREEMENT: {} ({}) of {}\n{}",
                                             Name(given.question), given.way, who, differences));
  }

  [[nodiscard]] const Answer* QuipusAnswer(Question question) const {
    for (const GivenAnswer& given : run_.quipu.report->answers) {
      if (given.question == question && given.exactness == Exactness::kExact) return &given.answer;
    }
    return nullptr;
  }

  /// Quipu's default answers against its exact ones, and all of them against a plain loop.
  void CheckQuipu() {
    if (options_.ingest_only) return;
    const std::vector<GivenAnswer>& answers = run_.quipu.report->answers;
    for (const GivenAnswer& given : answers) {
      const std::string d =
          Differences(given.question, given.exactness, *QuipusAnswer(given.question), given.answer);
      if (!d.empty()) Disagree("Quipu and Quipu's exact answer", given, d);
    }
    if (run_.rows.workload.events > kAlwaysCheckedEvents && !options_.check) return;
    Say("a plain loop over the rows");
    const std::vector<Answer> truth = AnswerAllNaively(subjects_, run_.rows);
    for (const GivenAnswer& given : answers) {
      const std::string d =
          Differences(given.question, given.exactness,
                      truth[static_cast<std::size_t>(given.question)], given.answer);
      if (!d.empty()) Disagree("Quipu and a plain loop", given, d);
    }
  }

  void RunPeer(const Peer& peer) {
    EngineColumn column{.key = peer.key, .title = peer.title, .report = {}, .absent = ""};
    const EngineTask task = TaskFor(peer.key);
    Say(peer.title);
    const Stopwatch clock;
    Result<EngineReport> report = RunInChild(peer.title, peer.run, task);
    if (report && task.questions) {
      const Status first = AskFirst(peer.title, peer.run, task, &*report);
      if (!first.ok()) report = first;
    }
    if (report) {
      column.report = std::move(*report);
      for (const GivenAnswer& given : column.report->answers) CheckPeer(peer.title, given);
      Say(fmt::format("{} took {:.0f} s", peer.title, clock.Seconds()));
    } else {
      column.absent = std::string(report.error().message());
      // One that is not installed leaves a gap in the table; one that fails is a failure.
      failed_ = failed_ || report.error().code() != StatusCode::kNotFound;
      Say(fmt::format("{}: {}", peer.title, report.error().ToString()));
    }
    run_.peers.push_back(std::move(column));
    std::error_code bad;
    if (!options_.keep && !options_.questions_only) fs::remove_all(task.dir, bad);
  }

  void CheckPeer(const std::string& title, const GivenAnswer& given) {
    const Answer* expected = QuipusAnswer(given.question);
    const std::string d =
        expected == nullptr ? std::string("  Quipu gave no answer\n")
                            : Differences(given.question, given.exactness, *expected, given.answer);
    if (!d.empty()) Disagree("Quipu and " + title, given, d);
  }

  const BenchmarkOptions& options_;
  Subjects subjects_;
  BenchmarkRun run_;
  bool failed_ = false;
};

Status CheckPeers(const BenchmarkOptions& options) {
  for (const std::string& key : options.peers) {
    const auto& known = Peers();
    if (std::none_of(known.begin(), known.end(), [&](const Peer& p) { return p.key == key; })) {
      return Status::InvalidArgument("--peers: there is no peer called " + key);
    }
  }
  return {};
}

Status WriteOutcome(const BenchmarkOptions& options, const BenchmarkRun& run) {
  std::fputs(TableText(run).c_str(), stdout);
  SERVER_TRY(WriteText(options.json_file, JsonText(run)));
  return WriteText(options.markdown_file, MarkdownText(run));
}

}  // namespace

int EndRun(const BenchmarkOptions& options, const Status& status) {
  std::error_code bad;
  if (!options.keep && !options.questions_only) fs::remove_all(options.dir, bad);
  if (status.ok()) return 0;
  Say(status.ToString());
  return status.code() == StatusCode::kInvalidArgument ? 2 : 1;
}

int RunBenchmark(const BenchmarkOptions& options) {
  Status status = CheckPeers(options);
  if (!status.ok()) {
    Say(status.ToString());
    return 2;
  }
  Benchmark benchmark(options);
  status = benchmark.Run();
  if (status.ok()) status = WriteOutcome(options, benchmark.outcome());
  const int ended = EndRun(options, status);
  return ended == 0 && benchmark.failed() ? 1 : ended;
}

}  // namespace quipu::usage
