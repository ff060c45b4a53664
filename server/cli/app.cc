#include "cli/app.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "cli/command.h"
#include "output/plain_text.h"

namespace quipu::cli {

int Fail(const Status& status) {
  std::fputs(fmt::format("quipu: {}\n", status.message()).c_str(), stderr);
  return kExitFailed;
}

int FailUsage(std::string_view command, std::string_view message) {
  std::fputs(fmt::format("quipu {}: {}\nSee: quipu {} --help\n", command, message, command).c_str(),
             stderr);
  return kExitUsage;
}

Options BaseOptions() {
  Options options;
  options.log = [](LogLevel level, const std::string& line) {
    if (level < LogLevel::kWarning) return;
    std::fputs(fmt::format("quipu: {}: {}\n", level == LogLevel::kError ? "error" : "warning", line)
                   .c_str(),
               stderr);
  };
  return options;
}

namespace {

/// A file is not a store. What cannot be looked at is left to the engine to report.
Status CheckIsFolder(const std::string& dir) {
  std::error_code ignored;
  if (!std::filesystem::exists(dir, ignored) || std::filesystem::is_directory(dir, ignored))
    return {};
  return Status::NotFound(
      fmt::format("{} is a file, and a store is a folder; the store comes first, as in: "
                  "quipu import STORE FILE",
                  dir));
}

Status NoStore(const std::string& dir) {
  std::error_code ignored;
  if (std::filesystem::is_directory(dir, ignored) && !std::filesystem::is_empty(dir, ignored)) {
    return Status::NotFound(fmt::format("the folder {} is not a store; check the name", dir));
  }
  return Status::NotFound(
      fmt::format("there is no store in {}; create one with: quipu init {}", dir, dir));
}

}  // namespace

Result<Database> OpenStore(const std::string& dir, Options options) {
  if (Status s = CheckIsFolder(dir); !s.ok()) return s;
  auto db = Database::Open(dir, options);
  if (db) return db;
  if (db.error().code() == StatusCode::kNotFound) return NoStore(dir);
  if (db.error().code() == StatusCode::kAlreadyExists) {
    return Status::AlreadyExists(
        fmt::format("{}; try again when it has ended", db.error().message()));
  }
  return db;
}

Result<Database> OpenForReading(const std::string& dir) {
  Options options = BaseOptions();
  options.background_upkeep = false;
  return OpenStore(dir, std::move(options));
}

Result<Database> OpenToAsk(const std::string& dir, bool follow) {
  if (!follow) {
    auto db = OpenForReading(dir);
    if (db.error().code() != StatusCode::kAlreadyExists) return db;
  }
  if (Status s = CheckIsFolder(dir); !s.ok()) return s;
  FollowerOptions options;
  options.log = BaseOptions().log;
  auto db = Database::OpenFollower(dir, options);
  if (db.error().code() == StatusCode::kNotFound) return NoStore(dir);
  return db;
}

void AddStates(CLI::App* command, StateFlags* flags) {
  command->add_option("--as-of", flags->as_of,
                      "As if nothing had come after this state: the name of a freeze, or a commit");
  command->add_option("--since", flags->since, "Only events that came after this state");
}

Status ReadState(const char* flag, const std::string& text, AsOf* state) {
  if (text.empty()) return {};
  auto parsed = AsOf::Parse(text);
  if (!parsed) return parsed.error().WithContext(flag);
  *state = *std::move(parsed);
  return {};
}

void AddFollow(CLI::App* command, bool* follow) {
  command->add_flag("--follow", *follow,
                    "Do not take the store's lock: ask as a follower, as happens by itself while "
                    "another process has the store open");
}

CLI::Validator WholeNumber() {
  return CLI::Validator(
      [](std::string& text) {
        const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
        return digits ? std::string() : text + " is not a whole number";
      },
      "");
}

bool WriteOut(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return true;
  }
  std::fputs(
      fmt::format("quipu: standard output cannot be written: {}\n", std::strerror(errno)).c_str(),
      stderr);
  return false;
}

namespace {

constexpr const char* kFooter = R"(Examples:
  quipu init usage.quipu
  quipu generate --events 100000 --customers 1000 --seed 1 | quipu import usage.quipu - --format ndjson
  quipu import usage.quipu access.log.gz --format combined
  quipu usage usage.quipu --from 2026-01-01 --to 2026-02-01
  quipu top usage.quipu --by customer --measure 'sum(cost)'
  quipu query usage.quipu --select 'count,p99(duration_ms)' --window day --group-by service

Exit status: 0 done, 1 failed (also in part), 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM.)";

/// The library says "A subcommand is required" to a word that it does not know; this names the word and what there is.
std::string WhyNoCommand(const CLI::App& app, int argc, char** argv) {
  std::string names;
  for (const CLI::App* sub : app.get_subcommands({})) {
    names += (names.empty() ? "" : ", ") + sub->get_name();
  }
  if (argc < 2) return fmt::format("name a command: {}", names);
  const std::string word = output::Quoted(argv[1]);
  if (argv[1][0] == '-') return fmt::format("{} is not a flag here; name a command first", word);
  return fmt::format("{} is not a command; there are {}", word, names);
}

}  // namespace

int Run(int argc, char** argv) {
  CLI::App app(
      "Quipu keeps usage events, counts each exactly once, and answers totals, costs, "
      "percentiles, trends, peaks and rankings from one folder.",
      "quipu");
  app.footer(kFooter);
  app.set_version_flag("--version", "quipu " QUIPU_VERSION);
  app.require_subcommand(1);
  app.fallthrough(false);
  int exit_status = kExitOk;
  AddInitCommand(app, &exit_status);
  AddImportCommand(app, &exit_status);
  AddQueryCommands(app, &exit_status);
  AddSessionsCommand(app, &exit_status);
  AddEventCommand(app, &exit_status);
  AddStoreCommands(app, &exit_status);
  AddRepairCommand(app, &exit_status);
  AddEraseCommand(app, &exit_status);
  AddFreezeCommand(app, &exit_status);
  AddLifecycleCommands(app, &exit_status);
  AddSummariesCommands(app, &exit_status);
  AddGenerateCommand(app, &exit_status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);  // --help or --version
      return kExitOk;
    }
    std::string command = "quipu";
    for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
    const std::string why =
        app.get_subcommands().empty() ? WhyNoCommand(app, argc, argv) : error.what();
    std::fputs(fmt::format("{0}: {1}\nSee: {0} --help\n", command, why).c_str(), stderr);
    return kExitUsage;
  }
  return exit_status;
}

}  // namespace quipu::cli
