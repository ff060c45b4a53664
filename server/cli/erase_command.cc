// erase: a customer and everything that is stored of it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "output/plain_text.h"
#include "progress/progress.h"

namespace quipu::cli {
namespace {

struct Flags {
  std::string dir, customer;
  bool list = false;
};

std::string Line(const ErasureInfo& info) {
  std::string text = fmt::format("erasure {}: requested {}, ", info.id, FormatTime(info.requested));
  if (info.done) return text + fmt::format("done {}\n", FormatTime(*info.done));
  text += fmt::format("under way, {} segment{} and {} unsealed events left", info.segments_left,
                      info.segments_left == 1 ? "" : "s", info.hot_rows_left);
  if (!info.waits_for.empty())
    text += fmt::format(", waits for {}", output::Visible(info.waits_for));
  return text + "\n";
}

int RunList(const Database& db) {
  const auto list = db.Erasures();
  if (!list) return Fail(list.error());
  std::string text;
  for (const ErasureInfo& info : *list) text += Line(info);
  return WriteOut(text.empty() ? "no erasures\n" : text) ? kExitOk : kExitFailed;
}

int RunErase(const Flags& flags) {
  if (flags.list == !flags.customer.empty())
    return FailUsage("erase", "name the customer with --customer, or ask with --list");
  const InterruptGuard guard;
  auto db = OpenForReading(flags.dir);  // the work is done here, none in the background
  if (!db) return Fail(db.error());
  if (flags.list) return RunList(*db);
  const auto erasure = db->Erase(flags.customer);
  if (!erasure) return Fail(erasure.error());
  progress::Meter meter("rows");
  meter.Start("erase", {});
  const Status status = db->FinishErasures([&](std::uint64_t done, std::uint64_t total) {
    meter.Update(done, total, done);
    return !Interrupted();
  });
  meter.Clear();
  if (!status.ok() && !Interrupted()) {
    meter.Say("the customer is hidden, but its bytes are not all gone; run the command again");
    return Fail(status);
  }
  const auto list = db->Erasures();
  if (!list) return Fail(list.error());
  const auto mine = std::find_if(list->begin(), list->end(),
                                 [&](const ErasureInfo& info) { return info.id == erasure->id; });
  const bool done = mine != list->end() && mine->done.has_value();
  const std::string text = mine != list->end() ? Line(*mine) : std::string();
  if (Status closed = db->Close(); !closed.ok()) return Fail(closed);
  if (!WriteOut(text)) return kExitFailed;
  if (!status.ok()) return InterruptExit();
  return done ? kExitOk : kExitFailed;
}

}  // namespace

void AddEraseCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("erase", "Erase a customer: hidden at once, then gone from every file");
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--customer", flags->customer, "Whom to erase");
  command->add_flag("--list", flags->list,
                    "Show the erasures under way and done, and erase nobody");
  command->footer(
      "This cannot be undone. Exits with 0 when nothing of the customer is stored any more, with "
      "1\n"
      "when something is left (and says what for); the same command then goes on.\n"
      "Backups, exported files and the blocks that a file system has freed are not reached.\n"
      "Example:\n  quipu erase S --customer acme");
  command->callback([=] { *exit = RunErase(*flags); });
}

}  // namespace quipu::cli
