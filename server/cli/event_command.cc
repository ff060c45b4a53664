// event: one event by its identity.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "output/plain_text.h"
#include "output/printer.h"

namespace quipu::cli {
namespace {

struct Flags {
  std::string dir, customer, source, id;
  bool json = false, follow = false;
};

std::string Text(const FoundEvent& found) {
  const StoredEvent& e = found.event;
  std::string text;
  const auto line = [&](std::string_view name, std::string_view value) {
    text += fmt::format("{} = {}\n", output::Visible(name), output::Visible(value));
  };
  line("id", e.id);
  if (!e.source.empty()) line("source", e.source);
  line("time", FormatTime(e.time));
  line("customer", e.customer);
  line("service", e.service);
  line("quantity", e.quantity.ToString());
  if (e.cost) line("cost", e.cost->ToString());
  for (const auto& [name, value] : e.dimensions) line("dimension " + name, value);
  for (const auto& [name, value] : e.measures) line("measure " + name, value.ToString());
  line("tier", found.tier);
  if (!found.file.empty()) line("file", found.file);
  return text;
}

std::string Json(const FoundEvent& found) {
  const StoredEvent& e = found.event;
  const auto text = [](std::string_view s) { return output::JsonString(s); };
  std::string dimensions, measures;
  for (const auto& [name, value] : e.dimensions)
    dimensions += fmt::format("{}{}:{}", dimensions.empty() ? "" : ",", text(name), text(value));
  for (const auto& [name, value] : e.measures)
    measures += fmt::format("{}{}:{}", measures.empty() ? "" : ",", text(name), value.ToString());
  return fmt::format(
      "{{\"event\":{{\"id\":{},\"source\":{},\"time\":\"{}\",\"customer\":{},\"service\":{},"
      "\"quantity\":{},\"cost\":{},\"dimensions\":{{{}}},\"measures\":{{{}}}}},\"tier\":\"{}\","
      "\"file\":{},\"commits\":[{},{}]}}\n",
      text(e.id), text(e.source), FormatTime(e.time), text(e.customer), text(e.service),
      e.quantity.ToString(), e.cost ? e.cost->ToString() : "null", dimensions, measures, found.tier,
      found.file.empty() ? "null" : text(found.file), found.commit_first, found.commit_last);
}

int RunEvent(const Flags& flags) {
  auto db = OpenToAsk(flags.dir, flags.follow);
  if (!db) return Fail(db.error());
  const auto found = db->FindEvent(flags.customer, flags.source, flags.id);
  if (!found && found.error().code() == StatusCode::kInvalidArgument)
    return FailUsage("event", found.error().message());
  if (!found) return Fail(found.error());
  return WriteOut(flags.json ? Json(*found) : Text(*found)) ? kExitOk : kExitFailed;
}

}  // namespace

void AddEventCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("event", "One event by its id: was it counted, and as what?");
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--customer", flags->customer, "Whose it is")->required();
  command->add_option("--id", flags->id, "Its id")->required();
  command->add_option("--source", flags->source, "Its source, if it has one");
  command->add_flag("--json", flags->json, "As JSON");
  AddFollow(command, &flags->follow);
  command->footer(
      "The exit status is 1 if it is not stored, or if nobody can tell because ids were dropped.\n"
      "Example:\n  quipu event S --customer acme --id req-8231");
  command->callback([=] { *exit = RunEvent(*flags); });
}

}  // namespace quipu::cli
