#include <unistd.h>

#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "generate/workload.h"
#include "progress/progress.h"

namespace quipu::cli {
namespace {

struct Flags {
  generate::WorkloadOptions workload;
  std::string format = "ndjson";
};

int RunGenerate(const Flags& flags) {
  const bool to_terminal = ::isatty(STDOUT_FILENO) == 1;
  const bool bar = !to_terminal && ::isatty(STDERR_FILENO) == 1;
  progress::Meter meter("events", true);
  meter.Start("generate", flags.workload.events);
  bool written = true;
  const auto format =
      flags.format == "csv" ? generate::TextFormat::kCsv : generate::TextFormat::kNdjson;
  Status status = generate::Generate(flags.workload, format,
                                     [&](std::string_view block, std::uint64_t events_done) {
                                       written = WriteOut(block);
                                       if (bar) meter.Update(events_done, events_done);
                                       return written;
                                     });
  meter.Clear();
  if (!written) return kExitFailed;
  if (status.code() == StatusCode::kInvalidArgument) {
    return FailUsage("generate", status.message());
  }
  return status.ok() ? kExitOk : Fail(status);
}

}  // namespace

void AddGenerateCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("generate", "Write a realistic workload to standard output");
  generate::WorkloadOptions& w = flags->workload;
  command->add_option("--events", w.events, "Different events (about 0.5 % are written twice)")
      ->check(WholeNumber())
      ->required();
  command->add_option("--customers", w.customers, "Customers, log-uniform in size")
      ->check(WholeNumber())
      ->capture_default_str();
  command->add_option("--seed", w.seed, "The same seed gives the same bytes")
      ->check(WholeNumber())
      ->capture_default_str();
  command->add_option("--days", w.days, "Days that the events cover")
      ->check(WholeNumber())
      ->capture_default_str();
  command->add_option("--from", w.from, "First day (UTC)")->capture_default_str();
  command->add_option("--format", flags->format, "ndjson or csv")
      ->check(CLI::IsMember({"ndjson", "csv"}))
      ->capture_default_str();
  command->footer(R"(Lines come in order of arrival; about 1 % arrive up to three days late.
Example:
  quipu generate --events 1000000 --customers 10000 --seed 1 --format ndjson > events.ndjson)");
  command->callback([=] { *exit = RunGenerate(*flags); });
}

}  // namespace quipu::cli
