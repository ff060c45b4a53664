// freeze: a state of the store gets a name and is kept.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "output/printer.h"

namespace quipu::cli {
namespace {

struct Flags {
  std::string dir, name, drop, format = "table";
  bool list = false, follow = false;
};

std::string AlteredText(const FreezeInfo& info) {
  std::string by;
  const auto add = [&by](bool is_so, const char* name) {
    if (is_so) by += (by.empty() ? "" : ", ") + std::string(name);
  };
  add(info.altered_by_erasure, "erasure");
  add(info.altered_by_retention, "retention");
  add(info.altered_by_repair, "repair");
  return by;
}

std::string Line(const FreezeInfo& info) {
  std::string text = fmt::format("{}: commit {}, {} events, made {}", info.name, info.commit,
                                 info.events, FormatTime(info.created));
  const std::string by = AlteredText(info);
  if (!by.empty()) text += fmt::format("; it had {}, altered by {}", info.events_at_freeze, by);
  return text + "\n";
}

std::string Json(const std::vector<FreezeInfo>& list) {
  std::string out = "[";
  for (const FreezeInfo& info : list) {
    out += fmt::format(
        "{}{{\"name\":{},\"commit\":{},\"created\":{},\"events\":{},\"events_at_freeze\":{},"
        "\"altered_by\":{}}}",
        out.size() == 1 ? "\n" : ",\n", output::JsonString(info.name), info.commit,
        output::JsonString(FormatTime(info.created)), info.events, info.events_at_freeze,
        output::JsonString(AlteredText(info)));
  }
  return out + "]\n";
}

int RunList(const Flags& flags) {
  auto db = OpenToAsk(flags.dir, flags.follow);
  if (!db) return Fail(db.error());
  const auto list = db->Freezes();
  if (!list) return Fail(list.error());
  if (flags.format == "json") return WriteOut(Json(*list)) ? kExitOk : kExitFailed;
  std::string text;
  for (const FreezeInfo& info : *list) text += Line(info);
  return WriteOut(text.empty() ? "no freezes\n" : text) ? kExitOk : kExitFailed;
}

int RunFreeze(const Flags& flags) {
  const int asked =
      (flags.name.empty() ? 0 : 1) + (flags.drop.empty() ? 0 : 1) + (flags.list ? 1 : 0);
  if (asked != 1) return FailUsage("freeze", "give one of --name NAME, --list and --drop NAME");
  if (flags.format != "table" && flags.format != "json")
    return FailUsage("freeze",
                     fmt::format("--format '{}': allowed are table and json", flags.format));
  if (flags.list) return RunList(flags);
  if (Status s = CheckFreezeName(flags.name.empty() ? flags.drop : flags.name); !s.ok())
    return FailUsage("freeze", s.message());
  auto db = OpenForReading(flags.dir);
  if (!db) return Fail(db.error());
  std::string text;
  if (!flags.drop.empty()) {
    if (Status s = db->DropFreeze(flags.drop); !s.ok()) return Fail(s);
    text = fmt::format("dropped {}\n", flags.drop);
  } else {
    const auto info = db->Freeze(flags.name);
    if (!info) return Fail(info.error());
    text = flags.format == "json" ? Json({*info}) : Line(*info);
  }
  if (Status closed = db->Close(); !closed.ok()) return Fail(closed);
  return WriteOut(text) ? kExitOk : kExitFailed;
}

}  // namespace

void AddFreezeCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "freeze", "Give the state of now a name, to be asked for later with the same answers");
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--name", flags->name, "Freeze under this name: letters, digits, - _ . : /");
  command->add_flag("--list", flags->list, "Show the freezes");
  command->add_option("--drop", flags->drop, "Forget a freeze; its events stay");
  command->add_option("--format", flags->format, "Output: table or json")->capture_default_str();
  AddFollow(command, &flags->follow);
  command->footer(
      "A freeze never moves and survives late events, merges, archiving and restarts. Erasing a "
      "customer\nand deletion by a policy change it, and it says so.\nExamples:\n"
      "  quipu freeze S --name 2026-03\n"
      "  quipu usage S --from 2026-03-01 --to 2026-04-01 --as-of 2026-03\n"
      "  quipu usage S --from 2026-03-01 --to 2026-04-01 --since 2026-03   (what came late)");
  command->callback([=] { *exit = RunFreeze(*flags); });
}

}  // namespace quipu::cli
