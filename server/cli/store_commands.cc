// init, info, partitions, verify, compact: the store as a whole.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "output/plain_text.h"
#include "output/printer.h"
#include "progress/progress.h"
#include "quipu/repair.h"

namespace quipu::cli {
namespace {

struct Flags {
  std::string dir;
  std::string format = "table";
  bool by_customer = false;
  bool columns = false;
  bool follow = false;
};

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& description,
                     const std::shared_ptr<Flags>& flags) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  return command;
}

void AddFormat(CLI::App* command, const std::shared_ptr<Flags>& flags, std::string values) {
  command->add_option("--format", flags->format, "Output: " + values)->capture_default_str();
}

/// What the engine would report as a bare error of the operating system.
Status CheckNewFolder(const std::string& dir) {
  namespace fs = std::filesystem;
  if (dir.empty()) return Status::InvalidArgument("the name of the folder is empty; name one");
  std::error_code ignored;
  if (fs::exists(dir, ignored) && !fs::is_directory(dir, ignored)) {
    return Status::AlreadyExists(
        fmt::format("{} is a file, and a store is a folder; choose another name", dir));
  }
  const fs::path path(dir);
  const fs::path parent = (path.has_filename() ? path : path.parent_path()).parent_path();
  if (!parent.empty() && !fs::exists(parent, ignored)) {
    return Status::NotFound(fmt::format("{} is not there; make it first, as in: mkdir -p {}",
                                        parent.string(), parent.string()));
  }
  return {};
}

int RunInit(const Flags& flags) {
  if (Status s = CheckNewFolder(flags.dir); !s.ok()) return Fail(s);
  Options options = BaseOptions();
  options.create_if_missing = true;
  options.error_if_exists = true;
  auto db = Database::Open(flags.dir, options);
  if (!db) {
    if (db.error().code() != StatusCode::kAlreadyExists) return Fail(db.error());
    if (!OpenToAsk(flags.dir, false)) return Fail(db.error());  // a folder with other things in it
    return Fail(Status::AlreadyExists(fmt::format("{} (import into it with: quipu import {} FILE)",
                                                  db.error().message(), flags.dir)));
  }
  if (Status s = db->Close(); !s.ok()) return Fail(s);
  return WriteOut(fmt::format("created {}\n", flags.dir)) ? kExitOk : kExitFailed;
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + output::Visible(name);
  }
  return text.empty() ? "-" : text;
}

std::string JsonList(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) {
    text += (text.size() == 1 ? "" : ",") + output::JsonString(name);
  }
  return text + "]";
}

std::string InfoJson(const StoreInfo& info) {
  const bool any = info.events > 0;
  std::string out =
      fmt::format("{{\"path\":{},\"store_id\":{},\"format_version\":{},\"as_of\":{},\"events\":{},",
                  output::JsonString(info.path), output::JsonString(info.store_id),
                  info.format_version, info.as_of, info.events);
  if (info.staleness_us) out += fmt::format("\"staleness_us\":{},", *info.staleness_us);
  out += fmt::format(
      "\"hot_events\":{},\"hot_bytes\":{},\"segments\":{},\"segment_bytes\":{},\"customers\":{},"
      "\"freezes\":{},",
      info.hot_events, info.hot_bytes, info.segments, info.segment_bytes, info.customers,
      info.freezes);
  out += fmt::format(
      "\"disk_bytes\":{},\"logged_bytes\":{},\"sealed_bytes\":{},\"merged_bytes\":{},"
      "\"write_amplification\":{:.3f},\"space_amplification\":{:.3f},"
      "\"read_amplification\":{:.3f},\"read_amplification_max\":{},",
      info.disk_bytes, info.logged_bytes, info.sealed_bytes, info.merged_bytes,
      info.write_amplification, info.space_amplification, info.read_amplification,
      info.read_amplification_max);
  out += fmt::format("\"services\":{},\"dimensions\":{},\"measures\":{},", JsonList(info.services),
                     JsonList(info.dimensions), JsonList(info.measures));
  out += fmt::format("\"time_min\":{},\"time_max\":{}}}\n",
                     any ? output::JsonString(FormatTime(info.time_min)) : "null",
                     any ? output::JsonString(FormatTime(info.time_max)) : "null");
  return out;
}

std::string InfoText(const StoreInfo& info) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<12}{}\n", name, value);
  };
  line("store", fmt::format("{} ({}, format {})", output::Visible(info.path), info.store_id,
                            info.format_version));
  line("commits", fmt::to_string(info.as_of));
  if (info.staleness_us) {
    line("followed", fmt::format("beside the process that writes, {} ms behind at most",
                                 (*info.staleness_us + 999) / 1000));
  }
  line("events", fmt::format("{} ({} not sealed yet)", info.events, info.hot_events));
  const std::uint64_t sealed = info.events - std::min(info.events, info.hot_events);
  line("segments", fmt::format("{} ({} bytes{})", info.segments, info.segment_bytes,
                               sealed == 0 ? std::string()
                                           : fmt::format(", {:.1f} an event",
                                                         static_cast<double>(info.segment_bytes) /
                                                             static_cast<double>(sealed))));
  line("hot", fmt::format("{} bytes", info.hot_bytes));
  line("written", fmt::format("{} bytes logged, {} sealed, {} merged: {:.2f} for each byte stored",
                              info.logged_bytes, info.sealed_bytes, info.merged_bytes,
                              info.write_amplification));
  line("on disk", fmt::format("{} bytes: {:.2f} for each byte stored", info.disk_bytes,
                              info.space_amplification));
  line("reading", fmt::format("{:.2f} segments for a customer and month, {} at most",
                              info.read_amplification, info.read_amplification_max));
  if (info.freezes > 0) line("freezes", fmt::to_string(info.freezes));
  line("customers", fmt::to_string(info.customers));
  line("services", Joined(info.services));
  line("dimensions", Joined(info.dimensions));
  line("measures", Joined(info.measures));
  line("times",
       info.events == 0 ? "-" : FormatTime(info.time_min) + " to " + FormatTime(info.time_max));
  return out;
}

ResultColumn Column(std::string name, ColumnType type) {
  ResultColumn column;
  column.name = std::move(name);
  column.type = type;
  return column;
}

ResultSet AsResult(const std::vector<ColumnStorage>& columns, std::uint64_t as_of) {
  ResultSet result;
  result.as_of = as_of;
  ResultColumn kind = Column("part", ColumnType::kString),
               name = Column("name", ColumnType::kString),
               bytes = Column("bytes", ColumnType::kInteger),
               rows = Column("rows", ColumnType::kInteger);
  for (const ColumnStorage& c : columns) {
    kind.strings.push_back(c.kind);
    name.strings.push_back(c.name);
    bytes.integers.push_back(static_cast<std::int64_t>(c.bytes));
    rows.integers.push_back(static_cast<std::int64_t>(c.rows));
  }
  for (ResultColumn* column : {&kind, &name, &bytes, &rows}) {
    column->present.assign(columns.size(), 1);
    result.columns.push_back(std::move(*column));
  }
  return result;
}

int RunInfoColumns(const Flags& flags) {
  auto format = output::ParseOutputFormat(flags.format);
  if (!format) return FailUsage("info", format.error().message());
  auto db = OpenToAsk(flags.dir, flags.follow);
  if (!db) return Fail(db.error());
  auto info = db->Info();
  if (!info) return Fail(info.error());
  auto columns = db->StorageByColumn();
  if (!columns) return Fail(columns.error());
  const ResultSet result = AsResult(*columns, info->as_of);
  return WriteOut(output::Print(result, *format, WindowUnit::kNone)) ? kExitOk : kExitFailed;
}

int RunInfo(const Flags& flags) {
  if (flags.columns) return RunInfoColumns(flags);
  if (flags.format != "table" && flags.format != "json") {
    return FailUsage("info", "--format is table or json");
  }
  auto db = OpenToAsk(flags.dir, flags.follow);
  if (!db) return Fail(db.error());
  auto info = db->Info();
  if (!info) return Fail(info.error());
  return WriteOut(flags.format == "json" ? InfoJson(*info) : InfoText(*info)) ? kExitOk
                                                                              : kExitFailed;
}

/// As an answer, so that one set of printers serves.
ResultSet AsResult(const std::vector<PartitionInfo>& partitions, bool by_customer,
                   std::uint64_t as_of) {
  ResultSet result;
  result.as_of = as_of;
  std::vector<ResultColumn> texts;
  texts.push_back(Column("month", ColumnType::kString));
  if (by_customer) texts.push_back(Column("customer", ColumnType::kString));
  texts.push_back(Column("tier", ColumnType::kString));
  std::vector<ResultColumn> numbers;
  for (const char* name : {"rows", "hot_rows", "bytes", "segments", "age_days"}) {
    numbers.push_back(Column(name, ColumnType::kInteger));
  }
  for (const PartitionInfo& p : partitions) {
    texts[0].strings.push_back(p.month);
    if (by_customer) texts[1].strings.push_back(p.customer);
    texts.back().strings.push_back(p.tier);
    const std::uint64_t values[] = {p.rows, p.hot_rows, p.bytes, p.segments,
                                    static_cast<std::uint64_t>(p.age_us / kDayUs)};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i].integers.push_back(static_cast<std::int64_t>(values[i]));
    }
  }
  for (auto* list : {&texts, &numbers}) {
    for (ResultColumn& column : *list) {
      column.present.assign(partitions.size(), 1);
      result.columns.push_back(std::move(column));
    }
  }
  return result;
}

int RunPartitions(const Flags& flags) {
  auto format = output::ParseOutputFormat(flags.format);
  if (!format) return FailUsage("partitions", format.error().message());
  auto db = OpenToAsk(flags.dir, flags.follow);
  if (!db) return Fail(db.error());
  auto info = db->Info();
  if (!info) return Fail(info.error());
  auto partitions = db->Partitions(flags.by_customer);
  if (!partitions) return Fail(partitions.error());
  const ResultSet result = AsResult(*partitions, flags.by_customer, info->as_of);
  return WriteOut(output::Print(result, *format, WindowUnit::kNone)) ? kExitOk : kExitFailed;
}

Progress ShowOn(progress::Meter* meter) {
  return [meter](std::uint64_t done, std::uint64_t total) {
    meter->Update(done, total, done);
    return !Interrupted();
  };
}

/// Damage that Open refuses: the other way in names all of it.
bool IsDamage(const Status& status) {
  return status.code() == StatusCode::kCorruption || status.code() == StatusCode::kIoError;
}

int RunVerify(const Flags& flags) {
  const InterruptGuard guard;
  auto db = OpenForReading(flags.dir);
  if (!db && !IsDamage(db.error())) return Fail(db.error());
  progress::Meter meter("rows");
  meter.Start("verify", {});
  auto report = db ? db->Verify(ShowOn(&meter)) : Examine(flags.dir, ShowOn(&meter));
  meter.Clear();
  if (!db && report && report->problems.empty()) return Fail(db.error());
  if (!report) {
    if (!Interrupted()) return Fail(report.error());
    meter.Say("stopped before the end: nothing is known about what was not read");
    return InterruptExit();
  }
  std::string out;
  for (const VerifyProblem& problem : report->problems) {
    out += output::Visible(problem.place) + ": " + output::Visible(problem.message) + "\n";
  }
  const std::size_t problems = report->problems.size();
  const std::string verdict =
      problems == 0 ? "sound" : fmt::format("{} problem{}", problems, problems == 1 ? "" : "s");
  out += fmt::format("{}: {} segment{}, {} pages, {} rows, {} summary cells, {} bytes checked\n",
                     verdict, report->segments, report->segments == 1 ? "" : "s", report->pages,
                     report->rows, report->cells, report->bytes);
  if (!db) {
    out += fmt::format(
        "the store does not open; a new one of what can be saved: quipu repair {} NEWDIR\n",
        output::Visible(flags.dir));
  }
  if (!WriteOut(out)) return kExitFailed;
  return problems == 0 ? kExitOk : kExitFailed;
}

int RunCompact(const Flags& flags) {
  const InterruptGuard guard;
  auto db = OpenForReading(flags.dir);
  if (!db) return Fail(db.error());
  auto before = db->Info();
  if (!before) return Fail(before.error());
  progress::Meter meter("rows");
  meter.Start("compact", {});
  Status status = db->Compact(ShowOn(&meter));
  meter.Clear();
  if (!status.ok() && !Interrupted()) return Fail(status);
  auto after = db->Info();
  if (!after) return Fail(after.error());
  const std::string text = fmt::format(
      "{}: segments {} -> {}, bytes {} -> {}, events not sealed {} -> {}, segments for a customer "
      "and month {:.2f} -> {:.2f}, bytes written for each stored {:.2f}\n",
      status.ok() ? "compacted" : "stopped", before->segments, after->segments,
      before->segment_bytes, after->segment_bytes, before->hot_events, after->hot_events,
      before->read_amplification, after->read_amplification, after->write_amplification);
  if (Status closed = db->Close(); !closed.ok()) return Fail(closed);
  if (!WriteOut(text)) return kExitFailed;
  return status.ok() ? kExitOk : InterruptExit();
}

}  // namespace

void AddInitCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = AddCommand(app, "init", "Create an empty store in a new folder", flags);
  command->footer("Example:\n  quipu init usage.quipu");
  command->callback([=] { *exit = RunInit(*flags); });
}

void AddStoreCommands(CLI::App& app, int* exit) {
  auto partitions = std::make_shared<Flags>();
  CLI::App* command =
      AddCommand(app, "partitions", "What is stored by month: rows, bytes, segments", partitions);
  command->add_flag("--by-customer", partitions->by_customer, "By month and customer");
  AddFormat(command, partitions, "table, json or csv");
  AddFollow(command, &partitions->follow);
  command->footer(
      "rows counts all events of the month, hot_rows those that are not sealed yet. tier: hot "
      "(nothing\n"
      "sealed), L0 (as sealed), L1 (merged), L2 (closed: one place for each customer); age_days "
      "since\n"
      "the month's end. Or, and: archive, summaries (the events have expired), detached.\n"
      "Example:\n  quipu partitions S --by-customer --format csv");
  command->callback([=] { *exit = RunPartitions(*partitions); });

  auto info = std::make_shared<Flags>();
  command = AddCommand(app, "info", "The store in figures, and the names in it", info);
  command->add_flag("--columns", info->columns,
                    "What the columns take in segments instead: also --format csv");
  AddFormat(command, info, "table or json");
  AddFollow(command, &info->follow);
  command->footer("Example:\n  quipu info S --format json");
  command->callback([=] { *exit = RunInfo(*info); });

  auto verify = std::make_shared<Flags>();
  command =
      AddCommand(app, "verify",
                 "Read everything and check it: checksums, totals, summaries against rows", verify);
  command->footer(
      "Prints one line for each problem (place: what) and exits with 1 if there is any. Also for a "
      "store\nthat is too damaged to open; what can be saved of it, quipu repair puts into a new "
      "one.");
  command->callback([=] { *exit = RunVerify(*verify); });

  auto compact = std::make_shared<Flags>();
  command = AddCommand(app, "compact", "Seal what is not sealed and merge small segments", compact);
  command->footer(
      "Answers do not change. Ctrl-C abandons the merge under way and leaves a sound store.");
  command->callback([=] { *exit = RunCompact(*compact); });
}

}  // namespace quipu::cli
