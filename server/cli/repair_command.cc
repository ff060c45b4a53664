// repair: a new store from what is left of a damaged one.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "output/plain_text.h"
#include "output/printer.h"
#include "output/text_table.h"
#include "progress/progress.h"
#include "quipu/repair.h"

namespace quipu::cli {
namespace {

struct Flags {
  std::string dir, out;
  std::string format = "table";
};

std::string LossJson(const RepairLoss& loss) {
  const auto text = [](const std::string& s) { return s.empty() ? "null" : output::JsonString(s); };
  return fmt::format("{{\"place\":{},\"month\":{},\"customer\":{},\"events\":{},\"why\":{}}}",
                     text(loss.place), text(loss.month), text(loss.customer),
                     loss.rows ? fmt::to_string(*loss.rows) : "null", text(loss.why));
}

std::string ReportJson(const RepairReport& report) {
  std::string out = fmt::format(
      "{{\"events_saved\":{},\"events_lost\":{},\"exact\":{},\"events_without_ids\":{},"
      "\"segments_copied\":{},\"segments_rewritten\":{},\"segments_lost\":{},\"commits_saved\":{},",
      report.events_saved, report.events_lost, report.is_exact, report.events_without_ids,
      report.segments_copied, report.segments_rewritten, report.segments_lost,
      report.commits_saved);
  out += "\"losses\":[";
  for (std::size_t i = 0; i < report.losses.size(); ++i)
    out += (i == 0 ? "" : ",") + LossJson(report.losses[i]);
  out += "],\"problems\":[";
  for (std::size_t i = 0; i < report.problems.size(); ++i) {
    out += fmt::format("{}{{\"place\":{},\"message\":{}}}", i == 0 ? "" : ",",
                       output::JsonString(report.problems[i].place),
                       output::JsonString(report.problems[i].message));
  }
  return out + "]}\n";
}

ResultColumn TextColumn(std::string name, const std::vector<RepairLoss>& losses,
                        std::string RepairLoss::*field) {
  ResultColumn column;
  column.name = std::move(name);
  column.type = ColumnType::kString;
  for (const RepairLoss& loss : losses) {
    column.strings.push_back(loss.*field);
    column.present.push_back((loss.*field).empty() ? 0 : 1);
  }
  return column;
}

std::string LossCsv(const std::vector<RepairLoss>& losses) {
  ResultSet result;
  result.columns.push_back(TextColumn("month", losses, &RepairLoss::month));
  result.columns.push_back(TextColumn("customer", losses, &RepairLoss::customer));
  ResultColumn events;
  events.name = "events";
  events.type = ColumnType::kInteger;
  for (const RepairLoss& loss : losses) {
    events.integers.push_back(static_cast<std::int64_t>(loss.rows.value_or(0)));
    events.present.push_back(loss.rows ? 1 : 0);
  }
  result.columns.push_back(std::move(events));
  result.columns.push_back(TextColumn("place", losses, &RepairLoss::place));
  result.columns.push_back(TextColumn("why", losses, &RepairLoss::why));
  return output::ToCsv(result);
}

std::string LossTable(const std::vector<RepairLoss>& losses) {
  output::TextTable table;
  table.columns = {
      {"month", false}, {"customer", false}, {"events", true}, {"place", false}, {"why", false}};
  const auto text = [](const std::string& s) { return s.empty() ? "-" : output::Visible(s); };
  for (const RepairLoss& loss : losses) {
    table.rows.push_back({text(loss.month), text(loss.customer),
                          loss.rows ? fmt::to_string(*loss.rows) : "?", text(loss.place),
                          text(loss.why)});
  }
  return table.Render();
}

std::string Counted(std::uint64_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string ReportText(const RepairReport& report, const Flags& flags) {
  std::string out;
  for (const VerifyProblem& problem : report.problems)
    out += output::Visible(problem.place) + ": " + output::Visible(problem.message) + "\n";
  if (!report.losses.empty()) {
    out += (out.empty() ? "" : "\n") + LossTable(report.losses) + "\n";
  }
  out +=
      fmt::format("{}: {} saved ({} copied, {} rewritten, {})", output::Visible(flags.out),
                  Counted(report.events_saved, "event"), Counted(report.segments_copied, "segment"),
                  report.segments_rewritten, Counted(report.commits_saved, "unsealed commit"));
  if (report.events_without_ids > 0)
    out += fmt::format(", {} of them without ids", report.events_without_ids);
  out += report.is_exact ? fmt::format(", {} lost\n", report.events_lost)
                         : fmt::format(", at least {} lost\n", report.events_lost);
  return out;
}

int RunRepair(const Flags& flags) {
  if (flags.format != "table" && flags.format != "json" && flags.format != "csv")
    return FailUsage("repair", "--format is table, json or csv");
  const InterruptGuard guard;
  progress::Meter meter("rows");
  meter.Start("repair", {});
  const auto report = Repair(flags.dir, flags.out, [&](std::uint64_t done, std::uint64_t total) {
    meter.Update(done, total, done);
    return !Interrupted();
  });
  meter.Clear();
  if (!report) {
    if (!Interrupted()) return Fail(report.error());
    meter.Say(fmt::format("stopped; {} is not a store, remove it", flags.out));
    return InterruptExit();
  }
  const std::string text = flags.format == "json"  ? ReportJson(*report)
                           : flags.format == "csv" ? LossCsv(report->losses)
                                                   : ReportText(*report, flags);
  if (!WriteOut(text)) return kExitFailed;
  return report->losses.empty() ? kExitOk : kExitFailed;
}

}  // namespace

void AddRepairCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "repair", "Save what can be trusted of a damaged store as a new store, and say what is lost");
  command->add_option("DIR", flags->dir, "Folder of the damaged store; it is only read")
      ->required();
  command->add_option("NEWDIR", flags->out, "Folder of the new store: not there yet, or empty")
      ->required();
  command->add_option("--format", flags->format, "Output: table, json or csv (losses only)")
      ->capture_default_str();
  command->footer(
      "An event is saved as it was or is reported as lost: by month and customer where that is "
      "known.\nSending everything again to the new store counts what was lost, and nothing twice.\n"
      "Exit status 1: something is lost.\n"
      "Example:\n  quipu repair usage.quipu repaired.quipu --format json > lost.json");
  command->callback([=] { *exit = RunRepair(*flags); });
}

}  // namespace quipu::cli
