// `quipu import`, end to end: the time from the start of the program to its end, with the store open and closed and everything durable.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "cli/try.h"
#include "quipu/database.h"
#include "usage/process.h"
#include "usage/quipu_side.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;

/// 1.2 GB of ndjson: long enough for several seals.
constexpr std::uint64_t kImportedEventsMax = 4'000'000;

std::string ProgramBesideThisOne() {
  std::error_code bad;
  const fs::path program = fs::read_symlink("/proc/self/exe", bad).parent_path() / "quipu";
  return !bad && fs::exists(program, bad) ? program.string() : "";
}

Status WriteText(const EngineTask& task, generate::TextFormat format, const std::string& path) {
  generate::WorkloadOptions workload = task.rows.workload;
  workload.events = std::min(workload.events, kImportedEventsMax);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                             std::fclose);
  if (file == nullptr) return Status::IoError("cannot be written: " + path);
  SERVER_TRY(generate::Generate(workload, format, [&](std::string_view block, std::uint64_t) {
    return std::fwrite(block.data(), 1, block.size(), file.get()) == block.size();
  }));
  if (std::fflush(file.get()) != 0) return Status::IoError("cannot be written: " + path);
  // Written back now: the import shares the disk with nobody.
  return ::fsync(::fileno(file.get())) == 0 ? Status()
                                            : Status::IoError("cannot be synced: " + path);
}

/// What it prints is not shown unless it is an error.
Status Run(const std::string& program, std::vector<std::string> arguments) {
  std::vector<char*> raw;
  std::string name = program;
  raw.push_back(name.data());
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return Status::IoError("no child process");
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    ::execv(program.c_str(), raw.data());
    ::_exit(127);
  }
  int state = 0;
  ::waitpid(child, &state, 0);
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return {};
  return Status::Internal(program + " " + arguments[0] + " failed");
}

}  // namespace

Result<EngineReport> QuipuImport(const EngineTask& task) {
  EngineReport report;
  const std::string program = ProgramBesideThisOne();
  if (program.empty()) return report;
  for (const bool csv : {false, true}) {
    const std::string format = csv ? "csv" : "ndjson";
    const std::string store = task.dir + "/import_" + format;
    const std::string text = task.dir + "/events." + format;
    SERVER_TRY(
        WriteText(task, csv ? generate::TextFormat::kCsv : generate::TextFormat::kNdjson, text));
    SERVER_TRY(Run(program, {"init", store}));
    const Stopwatch clock;
    SERVER_TRY(Run(program, {"import", store, text}));
    const double seconds = clock.Seconds();
    SERVER_TRY_ASSIGN(Database db, Database::Open(store, StoreOptions()));
    SERVER_TRY_ASSIGN(const StoreInfo info, db.Info());
    SERVER_TRY(db.Close());
    if (info.events != std::min(task.rows.events(), kImportedEventsMax)) {
      return Status::Internal("quipu import of " + format + " stored " +
                              std::to_string(info.events) + " events");
    }
    report.metrics["import_" + format + "_events_per_second"] =
        static_cast<double>(info.events) / seconds;
    std::error_code bad;
    fs::remove_all(store, bad);
    fs::remove(text, bad);
  }
  return report;
}

}  // namespace quipu::usage
