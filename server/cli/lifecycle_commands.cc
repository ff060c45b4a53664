// policy, retain, archive: how long what is kept, and where.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "output/plain_text.h"
#include "progress/progress.h"
#include "quipu/time.h"

namespace quipu::cli {
namespace {

struct PolicyFlags {
  std::string dir;
  std::vector<std::string> rules;
  std::vector<std::string> classes;
  bool clear = false;
  bool keep_ids = false;
};

struct ArchiveFlags {
  std::string dir, before, to, detach, attach;
  bool list = false;
  bool drop_ids = false;
  CLI::Option *detach_option = nullptr, *attach_option = nullptr;
};

Progress ShowOn(progress::Meter* meter) {
  return [meter](std::uint64_t done, std::uint64_t total) {
    meter->Update(done, total, done);
    return !Interrupted();
  };
}

Result<std::uint32_t> Days(std::string_view key, std::string_view text) {
  std::uint32_t days = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), days);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Status::InvalidArgument(fmt::format("{}: '{}' is not a number of days", key, text));
  }
  return days;
}

Status SetField(std::string_view key, std::string_view value, RetentionRule* rule) {
  std::uint32_t* days = nullptr;
  if (key == "name") {
    rule->name = value;
  } else if (key == "service") {
    rule->service = value;
  } else if (key == "class") {
    rule->customer_class = value;
  } else if (key == "raw") {
    days = &rule->keep_raw_days;
  } else if (key == "archive") {
    days = &rule->archive_after_days;
  } else if (key == "delete") {
    days = &rule->delete_after_days;
  } else if (key == "summaries") {
    days = &rule->keep_summaries_days;
  } else {
    return Status::InvalidArgument(
        fmt::format("'{}' is unknown; there are name, service, class, raw, archive, delete and "
                    "summaries",
                    key));
  }
  if (days == nullptr) return {};
  auto number = Days(key, value);
  if (!number) return number.error();
  *days = *number;
  return {};
}

/// "name=free,class=free,raw=30,summaries=365"
Result<RetentionRule> ParseRule(const std::string& text, std::size_t number) {
  RetentionRule rule;
  rule.name = fmt::format("rule {}", number);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view field = std::string_view(text).substr(at, comma - at);
    at = comma + 1;
    const std::size_t equals = field.find('=');
    if (equals == field.npos) {
      return Status::InvalidArgument(fmt::format("'{}' is not KEY=VALUE", field));
    }
    if (Status s = SetField(field.substr(0, equals), field.substr(equals + 1), &rule); !s.ok()) {
      return s;
    }
  }
  return rule;
}

std::string DaysText(std::uint32_t days) {
  return days == 0 ? std::string("-") : fmt::format("{} days", days);
}

std::string PolicyText(const RetentionPolicy& policy) {
  if (policy.rules.empty()) return "no rules: everything is kept for ever\n";
  std::string out;
  bool archives = false;
  for (const RetentionRule& rule : policy.rules) {
    archives = archives || rule.archive_after_days > 0;
    out += fmt::format(
        "{}: service {}, class {}; events {}, archive after {}, summaries {}, delete after {}\n",
        output::Visible(rule.name), rule.service.empty() ? "any" : output::Visible(rule.service),
        rule.customer_class.empty() ? "any" : output::Visible(rule.customer_class),
        DaysText(rule.keep_raw_days), DaysText(rule.archive_after_days),
        DaysText(rule.keep_summaries_days), DaysText(rule.delete_after_days));
  }
  if (archives && policy.archive_keeps_ids) out += "archived events keep their ids\n";
  return out;
}

Status ChangePolicy(const PolicyFlags& flags, Database* db) {
  if (flags.clear || !flags.rules.empty()) {
    RetentionPolicy policy;
    policy.archive_keeps_ids = flags.keep_ids;
    for (const std::string& text : flags.rules) {
      auto rule = ParseRule(text, policy.rules.size() + 1);
      if (!rule) return rule.error().WithContext("--rule " + text);
      policy.rules.push_back(*std::move(rule));
    }
    if (Status s = db->SetRetention(policy); !s.ok()) return s;
  }
  for (const std::string& text : flags.classes) {
    const std::size_t equals = text.rfind('=');
    if (equals == text.npos) {
      return Status::InvalidArgument(fmt::format("--class {}: not CUSTOMER=CLASS", text));
    }
    if (Status s = db->SetCustomerClass(text.substr(0, equals), text.substr(equals + 1)); !s.ok()) {
      return s;
    }
  }
  return {};
}

int RunPolicy(const PolicyFlags& flags) {
  auto db = OpenForReading(flags.dir);
  if (!db) return Fail(db.error());
  if (Status s = ChangePolicy(flags, &*db); !s.ok()) return Fail(s);
  auto policy = db->Retention();
  if (!policy) return Fail(policy.error());
  return WriteOut(PolicyText(*policy)) ? kExitOk : kExitFailed;
}

std::string ReportText(const RetentionReport& report) {
  return fmt::format(
      "{} month{}: {} events archived ({} bytes), {} kept as summaries only, {} deleted{}\n",
      report.months, report.months == 1 ? "" : "s", report.archived_events, report.archived_bytes,
      report.summarised_events, report.deleted_events,
      report.ids_dropped > 0
          ? fmt::format("; ids of {} archived events dropped", report.ids_dropped)
          : "");
}

/// Shows a long job; what was done before a Ctrl-C stays done.
template <class Job>
int RunLong(Database* db, const char* name, Job&& job) {
  const InterruptGuard guard;
  progress::Meter meter("events");
  meter.Start(name, {});
  Result<RetentionReport> report = job(ShowOn(&meter));
  meter.Clear();
  if (!report && !Interrupted()) return Fail(report.error());
  if (!report) {
    meter.Say("stopped; months that were finished stay so");
    return InterruptExit();
  }
  if (Status closed = db->Close(); !closed.ok()) return Fail(closed);
  return WriteOut(ReportText(*report)) ? kExitOk : kExitFailed;
}

int RunRetain(const std::string& dir) {
  auto db = OpenForReading(dir);
  if (!db) return Fail(db.error());
  return RunLong(&*db, "retain", [&](const Progress& progress) { return db->Retain(progress); });
}

std::string AbsoluteFolder(const std::string& folder) {
  if (folder.empty()) return folder;
  std::string path = std::filesystem::absolute(folder).lexically_normal().string();
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string ArchivesText(const std::vector<ArchiveInfo>& archives) {
  if (archives.empty()) return "no archive folder\n";
  std::string out;
  for (const ArchiveInfo& info : archives) {
    out += fmt::format("{}: {}, {} segment{}, {} events, {} bytes", output::Visible(info.folder),
                       info.attached ? "attached" : "detached", info.segments,
                       info.segments == 1 ? "" : "s", info.events, info.bytes);
    if (!info.first_month.empty()) {
      out += fmt::format(", {} to {}", info.first_month, info.last_month);
    }
    out += "\n";
  }
  return out;
}

int ListArchives(const Database& db) {
  auto archives = db.Archives();
  if (!archives) return Fail(archives.error());
  return WriteOut(ArchivesText(*archives)) ? kExitOk : kExitFailed;
}

int RunArchive(const ArchiveFlags& flags) {
  const bool detach = flags.detach_option->count() > 0;
  const bool attach = flags.attach_option->count() > 0;
  const int asked =
      (flags.before.empty() ? 0 : 1) + (detach ? 1 : 0) + (attach ? 1 : 0) + (flags.list ? 1 : 0);
  if (asked != 1) {
    return FailUsage("archive", "give one of --before MONTH, --detach, --attach and --list");
  }
  auto db = OpenForReading(flags.dir);
  if (!db) return Fail(db.error());
  if (detach || attach) {
    const std::string folder = AbsoluteFolder(detach ? flags.detach : flags.attach);
    const Status done = detach ? db->DetachArchive(folder) : db->AttachArchive(folder);
    if (!done.ok()) return Fail(done);
  }
  if (flags.before.empty()) return ListArchives(*db);
  ArchiveRequest request;
  const std::string day = flags.before.size() == 7 ? flags.before + "-01" : flags.before;
  auto before = ParseTimeInZone(day, "UTC");
  if (!before) return FailUsage("archive", before.error().WithContext("--before").message());
  request.before = *before;
  request.folder = AbsoluteFolder(flags.to);
  request.drop_ids = flags.drop_ids;
  return RunLong(&*db, "archive",
                 [&](const Progress& progress) { return db->Archive(request, progress); });
}

void AddPolicyCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<PolicyFlags>();
  CLI::App* command = app.add_subcommand("policy", "Show or set how long what is kept");
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--rule", flags->rules,
                      "A rule of the new policy, the first match wins: "
                      "name=N,service=S,class=C,raw=DAYS,archive=DAYS,summaries=DAYS,delete=DAYS");
  command->add_option("--class", flags->classes, "Put a customer into a class: CUSTOMER=CLASS");
  command->add_flag("--clear", flags->clear, "A policy without rules");
  command->add_flag("--keep-ids", flags->keep_ids,
                    "With --rule: archived events keep their ids (else these go 40 days after the "
                    "month's end, and later events of the month are too late)");
  command->footer(
      "Days count from the end of an event's UTC month; what is left out is for ever.\n"
      "raw: then events go and daily summaries stay; summaries: then these go; archive: then "
      "months move\nto the archive; delete: then everything goes. Done by `quipu retain` and in "
      "the "
      "background.\nExample:\n  quipu policy S --rule name=free,class=free,raw=60 "
      "--rule name=rest,archive=90 --class acme=free");
  command->callback([=] { *exit = RunPolicy(*flags); });
}

void AddArchiveCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<ArchiveFlags>();
  CLI::App* command = app.add_subcommand(
      "archive", "Move old months to the archive; detach it, attach it, list it");
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--before", flags->before, "Archive the months before this one: 2026-03");
  command->add_option("--to", flags->to, "Folder of the archive (DIR/archive if left out)");
  command->add_flag(
      "--drop-ids", flags->drop_ids,
      "Leave the ids of months out that ended more than 40 days ago: smaller, but what "
      "comes of them later is too late, see import");
  flags->detach_option =
      command->add_option("--detach", flags->detach, "Stop needing the archive folder")
          ->expected(0, 1);
  flags->attach_option =
      command->add_option("--attach", flags->attach, "Find a detached folder again")
          ->expected(0, 1);
  command->add_flag("--list", flags->list, "What lies where");
  command->footer(
      "Archived months answer like the rest. A detached folder can be taken away: questions that "
      "reach into its\nmonths are an error until it is attached again.\nExamples:\n"
      "  quipu archive S --before 2026-03 --to /mnt/cold/s\n  quipu archive S --detach\n"
      "  quipu archive S --attach /mnt/other/s");
  command->callback([=] { *exit = RunArchive(*flags); });
}

}  // namespace

void AddLifecycleCommands(CLI::App& app, int* exit) {
  AddPolicyCommand(app, exit);
  auto dir = std::make_shared<std::string>();
  CLI::App* retain = app.add_subcommand("retain", "Do now what the retention policy asks for");
  retain->add_option("DIR", *dir, "Folder of the store")->required();
  retain->footer("Example:\n  quipu retain S");
  retain->callback([=] { *exit = RunRetain(*dir); });
  AddArchiveCommand(app, exit);
}

}  // namespace quipu::cli
