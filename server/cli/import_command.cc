#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "import/importer.h"
#include "output/plain_text.h"
#include "output/printer.h"
#include "progress/progress.h"

namespace quipu::cli {
namespace {

constexpr const char* kFooter = R"(Formats:
  ndjson    {"id","source"?,"time","customer","service","quantity"?,"cost"?,"dimensions":{},"measures":{}}
  csv       a header row; --map TARGET=COLUMN says what is what (default: columns named like a target)
  combined  Apache/Nginx access logs: customer = client address, service = web, measure bytes,
            dimensions method, path, protocol, status, referrer, agent
  Without --format the ending decides: .ndjson .jsonl .csv .log, also with .gz or .zst behind it.
  gzip and zstd are recognised by their content, also on standard input.
TARGET: id source time customer service quantity cost dimension:NAME measure:NAME
  --set gives what a line does not say; for combined logs it replaces what the line says.

Every line gets an identity, so importing again never counts twice. A line without an id is
identified by the content of the file up to it: import a grown file again and only the new lines
are added. Do not edit the middle of a file that was imported without ids: every later line
would become another event.

The first bad line ends the import; everything before it is stored. With --keep-going bad lines
are reported and skipped. The exit status is 1 if any line was bad, in conflict or too late.
An event is too late when its id cannot be compared any more, because retention or the archive has
dropped ids of its month and service. If it was never counted, import it with --producer.
--producer stamps the batches 1, 2, 3... in an epoch, a new one for each run. An epoch older than
the last one is refused. The same --producer-epoch again repeats that run: its last few batches are
answered as they were then, without looking at their lines; more than those are refused.

Examples:
  quipu import S events.ndjson.zst
  quipu import S access.log --format combined --set dimension:site=www
  quipu import S trace.csv --map time=TIMESTAMP,measure:tokens=Tokens --set customer=azure,service=llm
  zcat old/*.gz | quipu import S - --format combined --keep-going)";

struct Flags {
  std::string dir;
  std::vector<std::string> files;
  std::string format;
  std::vector<std::string> map, set;
  std::size_t batch = 1000;
  std::string producer;
  std::optional<std::uint64_t> producer_epoch;
  bool keep_going = false;
  std::uint64_t errors_max = 20;
  std::string durability = "sync";
  std::optional<double> future_bound_s;
  std::size_t threads = 0;  // 0 = one per processor
  bool stats = false;
  bool json = false;
};

/// More parse no faster than the store takes the events.
constexpr std::size_t kParsersMax = 8;

std::size_t Parsers(std::size_t asked) {
  if (asked != 0) return asked;
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kParsersMax);
}

Result<import::ImportOptions> ToOptions(const Flags& flags) {
  import::ImportOptions options;
  if (!flags.format.empty()) {
    auto format = import::ParseFormat(flags.format);
    if (!format) return format.error().WithContext("--format");
    options.format = *format;
  }
  auto map = import::ParseAssignments(flags.map, "--map");
  if (!map) return map.error();
  auto constants = import::ParseAssignments(flags.set, "--set");
  if (!constants) return constants.error();
  // Parsed once here so that a bad constant is a usage error, not a failure of the first file.
  if (auto checked = import::Constants::Make(*constants, false); !checked) return checked.error();
  options.map = *std::move(map);
  options.constants = *std::move(constants);
  options.batch_events = flags.batch;
  options.producer = flags.producer;
  // A run that reuses an epoch is answered from the store's memory of the earlier run, whatever its lines say. So the
  // default is an epoch of its own: the time of the start.
  options.producer_epoch = flags.producer_epoch.value_or(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count()));
  options.keep_going = flags.keep_going;
  options.errors_shown_max = flags.errors_max;
  options.parsers = Parsers(flags.threads);
  if (flags.future_bound_s) {
    options.future_bound_us = static_cast<std::int64_t>(*flags.future_bound_s * 1e6);
  }
  const auto csv = [](const std::optional<import::Format>& f) { return f == import::Format::kCsv; };
  for (const std::string& file : flags.files) {
    const auto format = options.format ? options.format : import::GuessFormat(file);
    if (!format) {
      return Status::InvalidArgument(
          fmt::format("{} does not say what is inside; add --format ndjson, csv or combined",
                      file == "-" ? "standard input" : "the name " + output::Visible(file)));
    }
    if (!options.map.empty() && !csv(format)) {
      return Status::InvalidArgument(
          fmt::format("--map is for csv, but {} is read as another format", file));
    }
  }
  return options;
}

/// Size of all files together; absent if one of them is a pipe.
std::optional<std::uint64_t> TotalBytes(const std::vector<std::string>& files) {
  std::uint64_t total = 0;
  for (const std::string& file : files) {
    struct stat info {};
    if (file == "-" || ::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
    total += static_cast<std::uint64_t>(info.st_size);
  }
  return total;
}

/// Each stage's work in per cent of the time it had, and which of them the others waited for.
struct Stages {
  double read = 0, parse = 0, store = 0;
  const char* bound_by = "parse";
};

Stages Judge(const import::ImportTimes& times, std::size_t parsers, double seconds) {
  const double all = std::max(seconds, 1e-9) / 100;
  Stages stages;
  stages.read = times.stages.read_s / all;
  stages.parse = times.stages.parse_s / all / static_cast<double>(parsers);
  stages.store = times.store_s / all;
  if (times.store_s > times.starved_s) {
    stages.bound_by = "store";
  } else if (stages.read > stages.parse) {
    stages.bound_by = "read";
  }
  return stages;
}

std::string StagesText(const Stages& s, std::size_t parsers, bool json) {
  if (json) {
    return fmt::format(
        ",\"stages\":{{\"read_busy_percent\":{:.1f},\"parse_busy_percent\":{:.1f},\"parse_"
        "threads\":{},"
        "\"store_wait_percent\":{:.1f},\"bound_by\":\"{}\"}}",
        s.read, s.parse, parsers, s.store, s.bound_by);
  }
  return fmt::format(
      "read   busy {:5.1f} %\nparse  busy {:5.1f} % of {} threads\nstore  kept the others waiting "
      "{:5.1f} %\nbound by: {}\n",
      s.read, s.parse, parsers, s.store, s.bound_by);
}

std::string Summary(const import::ImportAccount& a, double seconds, bool json,
                    const std::string& stages) {
  const std::uint64_t events = a.accepted + a.duplicate + a.conflict + a.too_late;
  const double rate = seconds > 0 ? static_cast<double>(events) / seconds : 0;
  if (!json) {
    return fmt::format(
        "accepted {}, duplicate {}, conflict {}, invalid {}{} in {:.2f} s ({:.0f} events/s)\n{}",
        a.accepted, a.duplicate, a.conflict, a.invalid,
        a.too_late > 0 ? fmt::format(", too late {}", a.too_late) : "", seconds, rate, stages);
  }
  const std::string stopped = a.stopped_line == 0
                                  ? "null"
                                  : fmt::format("{{\"file\":{},\"line\":{}}}",
                                                output::JsonString(a.stopped_file), a.stopped_line);
  return fmt::format(
      "{{\"files\":{},\"lines\":{},\"accepted\":{},\"duplicate\":{},\"conflict\":{},\"invalid\":{},"
      "\"too_late\":{},"
      "\"seconds\":{:.3f},\"events_per_second\":{:.0f},\"interrupted\":{},\"stopped_at\":{}{}}}\n",
      a.files, a.lines, a.accepted, a.duplicate, a.conflict, a.invalid, a.too_late, seconds, rate,
      a.interrupted, stopped, stages);
}

void SayHowItEnded(const import::ImportAccount& a, bool keep_going, progress::Meter* meter) {
  if (a.stopped_line != 0) {
    meter->Say(fmt::format(
        "stopped at {}:{}: the lines before it are stored, none after it; correct the line and "
        "import again (nothing is counted twice), or skip bad lines with --keep-going",
        a.stopped_file, a.stopped_line));
  }
  if (a.interrupted) {
    meter->Say(
        "stopped: the lines counted below are stored; import again to go on (nothing is counted "
        "twice)");
  }
  if (a.replayed > 0) {
    meter->Say(
        fmt::format("note: {} lines were answered as in an earlier run of this producer and epoch",
                    a.replayed));
  }
  if (a.conflict > 0 && a.running_ids > 0) {
    meter->Say(
        "note: a line without an id of its own is in conflict if it was imported before with "
        "another --format, --map or --set; import the file with the same ones");
  }
  if (keep_going && a.invalid > 0 && a.running_ids > 0) {
    meter->Say(
        "note: these lines have no ids of their own; put corrected lines into another file, since "
        "a change in this one makes every later line a new event");
  }
}

Result<Database> OpenForImport(const Flags& flags) {
  constexpr std::uint32_t kWaitMs = 600'000;  // sealing a large backlog may take its time
  Options options = BaseOptions();
  options.future_bound_us = -1;  // the importer itself applies --future-bound, line by line
  options.ingest_wait_ms_max = kWaitMs;
  options.durability = flags.durability == "interval" ? Durability::kInterval : Durability::kSync;
  return OpenStore(flags.dir, std::move(options));
}

/// Imports the files one after the other, until one fails or a line stops the import.
Status ImportFiles(const Flags& flags, import::ImportOptions options, Database& db,
                   progress::Meter* meter, import::ImportAccount* account,
                   import::ImportTimes* times) {
  std::uint64_t bytes_before = 0, bytes_now = 0;
  import::ImportEvents events;
  events.message = [&](const std::string& line) { meter->Say(line); };
  events.progress = [&](std::uint64_t bytes, std::uint64_t done) {
    bytes_now = bytes;
    meter->Update(bytes_before + bytes, done);
  };
  events.interrupted = [] { return Interrupted(); };
  import::Importer importer(
      std::move(options),
      [&](EventBatch batch, import::IngestDone done) {
        return db.IngestAsync(std::move(batch), std::move(done));
},
      std::move(events));
Status status;
for (const std::string& file : flags.files) {
  status = importer.ImportFile(file);
  if (!status.ok() || importer.stopped()) break;
  bytes_before += std::exchange(bytes_now, 0);
}
*account = importer.account();
*times = importer.times();
return status;
}  // namespace

int RunImport(const Flags& flags) {
  auto options = ToOptions(flags);
  if (!options) return FailUsage("import", options.error().message());
  const InterruptGuard guard;
  auto db = OpenForImport(flags);
  if (!db) return Fail(db.error());

  const auto start = std::chrono::steady_clock::now();
  progress::Meter meter("events");
  meter.Start("import", TotalBytes(flags.files));
  import::ImportAccount account;
  import::ImportTimes times;
  const std::size_t parsers = options->parsers;
  const Status status = ImportFiles(flags, *std::move(options), *db, &meter, &account, &times);
  const Status closed = db->Close();
  meter.Clear();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  SayHowItEnded(account, flags.keep_going, &meter);
  int exit = account.conflict + account.invalid + account.too_late > 0 ? kExitFailed : kExitOk;
  if (account.interrupted) exit = InterruptExit();
  if (!status.ok()) exit = Fail(status);
  if (status.ok() && !closed.ok()) exit = Fail(closed);
  const std::string stages =
      flags.stats ? StagesText(Judge(times, parsers, seconds), parsers, flags.json) : "";
  return WriteOut(Summary(account, seconds, flags.json, stages)) ? exit : kExitFailed;
}

}  // namespace quipu::cli

void AddImportCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("import", "Read events from files (- is standard input) into a store");
  command->footer(kFooter);
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("FILE", flags->files, "Files, plain or compressed; - is standard input")
      ->required();
  const auto list = [&](const char* name, std::vector<std::string>* to, const char* text) {
    command->add_option(name, *to, text)->allow_extra_args(false)->take_all();
  };
  command->add_option("--format", flags->format, "ndjson, csv or combined");
  list("--map", &flags->map, "csv: TARGET=COLUMN,...");
  list("--set", &flags->set, "TARGET=VALUE,...");
  command->add_option("--batch", flags->batch, "Events in one atomic batch")
      ->check(WholeNumber())
      ->check(CLI::Range(std::size_t{1}, kBatchEventsMax))
      ->capture_default_str();
  command->add_option("--producer", flags->producer, "Stamp the batches with this producer id");
  command
      ->add_option("--producer-epoch", flags->producer_epoch,
                   "Epoch of the stamps (default: the time of the start)")
      ->check(WholeNumber());
  command->add_flag("--keep-going", flags->keep_going, "Skip bad lines instead of stopping");
  command->add_option("--errors-max", flags->errors_max, "Errors shown; the rest is counted")
      ->check(WholeNumber())
      ->capture_default_str();
  command
      ->add_option("--durability", flags->durability,
                   "sync: on disk before it counts; interval: at least every 100 ms")
      ->check(CLI::IsMember({"sync", "interval"}))
      ->capture_default_str();
  command
      ->add_option("--future-bound", flags->future_bound_s,
                   "Refuse times more than this many seconds ahead of now (default: any time)")
      ->check(CLI::Range(0.0, 1e11));
  command
      ->add_option("--threads", flags->threads, "Threads that parse (default: one per processor)")
      ->check(WholeNumber())
      ->check(CLI::Range(std::size_t{1}, kParsersMax));
  command->add_flag("--stats", flags->stats,
                    "Say how busy each stage was and which one set the pace");
  command->add_flag("--json", flags->json, "Print the summary as JSON");
  command->callback([=] { *exit = RunImport(*flags); });
}

}  // namespace quipu::cli
