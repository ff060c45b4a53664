// summaries, advise: summaries by dimension, and which would pay.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "output/plain_text.h"
#include "output/printer.h"
#include "progress/progress.h"

namespace quipu::cli {
namespace {

struct SummariesFlags {
  std::string dir, format = "table";
  std::vector<std::string> add, drop;
  bool list = false, build = false;
  std::uint32_t rows_min = 0, sketch_rows_min = 0;
};

struct AdviseFlags {
  std::string dir, format = "table";
};

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    if (comma > at) parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

/// "api:endpoint,status" or "api:endpoint,status:tokens,cost"
Result<SummarySet> ParseSet(const std::string& text) {
  SummarySet set;
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    return Status::InvalidArgument(fmt::format(
        "'{}' is not SERVICE:DIMENSION,...; for every service write *:DIMENSION,...", text));
  }
  set.service = text.substr(0, colon);
  if (set.service == "*") set.service.clear();
  const std::size_t second = text.find(':', colon + 1);
  set.dimensions = Split(text.substr(colon + 1, second - colon - 1));
  if (second == std::string::npos) return set;
  const std::string measures = text.substr(second + 1);
  set.measures = measures == "count" ? std::vector<std::string>() : Split(measures);
  return set;
}

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

/// As ParseSet reads it.
std::string SetText(const SummarySet& set) {
  return fmt::format("{}:{}:{}", set.service.empty() ? "*" : set.service, Join(set.dimensions),
                     set.measures.empty() ? "count" : Join(set.measures));
}

std::string ListText(const std::vector<SummarySetInfo>& sets) {
  if (sets.empty()) return "no summaries by dimension; `quipu advise` says which would pay\n";
  std::string out;
  for (const SummarySetInfo& info : sets) {
    out += fmt::format("{}: built in {} of {} segments with {} events, {} bytes",
                       output::Visible(SetText(info.set)), info.segments_built, info.segments,
                       info.events, info.bytes);
    if (info.segments_left_out > 0) {
      out +=
          fmt::format("; left out in {}, too few events to a combination", info.segments_left_out);
    }
    out += "\n";
  }
  return out;
}

std::string NamesJson(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ",") + output::JsonString(name);
  return "[" + out + "]";
}

std::string SetJson(const SummarySet& set) {
  return fmt::format(
      "\"service\":{},\"dimensions\":{},\"measures\":{},\"rows_min\":{},\"sketch_rows_min\":{}",
      output::JsonString(set.service.empty() ? "*" : set.service), NamesJson(set.dimensions),
      NamesJson(set.measures), set.rows_min, set.sketch_rows_min);
}

std::string ListJson(const std::vector<SummarySetInfo>& sets) {
  std::string out;
  for (const SummarySetInfo& info : sets) {
    out += fmt::format(
        "{}{{{},\"segments\":{},\"segments_built\":{},\"segments_left_out\":{},\"events\":{},"
        "\"bytes\":{}}}",
        out.empty() ? "" : ",", SetJson(info.set), info.segments, info.segments_built,
        info.segments_left_out, info.events, info.bytes);
  }
  return "[" + out + "]\n";
}

Status Build(Database* db) {
  const InterruptGuard guard;
  progress::Meter meter("events");
  meter.Start("summaries", {});
  const Status built = db->BuildSummaries([&](std::uint64_t done, std::uint64_t total) {
    meter.Update(done, total, done);
    return !Interrupted();
  });
  meter.Clear();
  if (built.ok() || !Interrupted()) return built;
  meter.Say("stopped; what was built stays, `quipu summaries DIR --build` goes on");
  return built;
}

Status Change(const SummariesFlags& flags, Database* db) {
  for (const std::string& text : flags.drop) {
    auto set = ParseSet(text);
    if (!set) return set.error().WithContext("--drop");
    if (Status s = db->DropSummary(*set); !s.ok()) return s;
  }
  for (const std::string& text : flags.add) {
    auto set = ParseSet(text);
    if (!set) return set.error().WithContext("--add");
    set->rows_min = flags.rows_min;
    set->sketch_rows_min = flags.sketch_rows_min;
    if (Status s = db->DeclareSummary(*set); !s.ok()) return s;
  }
  return {};
}

int RunSummaries(const SummariesFlags& flags) {
  const bool changes = !flags.add.empty() || !flags.drop.empty() || flags.build;
  auto db = changes ? OpenForReading(flags.dir) : OpenToAsk(flags.dir, false);
  if (!db) return Fail(db.error());
  if (Status s = Change(flags, &*db); !s.ok()) return Fail(s);
  if (!flags.add.empty() || flags.build) {
    const Status built = Build(&*db);
    if (!built.ok() && Interrupted()) return InterruptExit();
    if (!built.ok()) return Fail(built);
  }
  auto list = db->Summaries();
  if (!list) return Fail(list.error());
  return WriteOut(flags.format == "json" ? ListJson(*list) : ListText(*list)) ? kExitOk
                                                                              : kExitFailed;
}

std::string ProposalText(const SummaryProposal& p) {
  std::string values;
  for (std::size_t i = 0; i < p.values.size(); ++i)
    values += fmt::format("{}{}", i == 0 ? "" : " x ", p.values[i]);
  return fmt::format(
      "  {}: {} values, {} combinations; {:.0f} events a cell and day, about {} bytes ({:.3f} a "
      "event){}\n",
      output::Visible(SetText(p.set)), values, p.combinations, p.events_per_cell, p.bytes,
      p.bytes_per_event, p.is_declared ? "; declared" : "");
}

std::string AdviceText(const SummaryAdvice& advice) {
  std::string out = fmt::format("{} of {} events looked at; all summaries take {} bytes now\n",
                                advice.events_looked_at, advice.events, advice.summary_bytes);
  if (advice.events == 0)
    return out +
           "no event is sealed yet, and only sealed ones are looked at; `quipu compact DIR` "
           "seals\n";
  out += advice.proposals.empty() ? "no summary by dimension would pay\n" : "these would pay:\n";
  for (const SummaryProposal& p : advice.proposals) out += ProposalText(p);
  constexpr std::size_t kRefusedShown = 3;
  const std::size_t shown = std::min(kRefusedShown, advice.refused.size());
  if (shown > 0) out += "too few events to a combination:\n";
  for (std::size_t i = 0; i < shown; ++i) out += ProposalText(advice.refused[i]);
  if (advice.refused.size() > shown)
    out += fmt::format("  and {} more (--format json has them)\n", advice.refused.size() - shown);
  for (const SummaryProposal& p : advice.proposals) {
    if (p.is_declared) continue;
    out += fmt::format("declare one with: quipu summaries DIR --add '{}'\n",
                       output::Visible(SetText(p.set)));
    break;
  }
  return out;
}

std::string ProposalsJson(const std::vector<SummaryProposal>& list) {
  std::string out;
  for (const SummaryProposal& p : list) {
    std::string values;
    for (const std::uint64_t n : p.values)
      values += fmt::format("{}{}", values.empty() ? "" : ",", n);
    out += fmt::format(
        "{}{{{},\"values\":[{}],\"combinations\":{},\"events\":{},\"cells\":{},\"bytes\":{},"
        "\"events_per_cell\":{:.3f},\"bytes_per_event\":{:.5f},\"declared\":{}}}",
        out.empty() ? "" : ",", SetJson(p.set), values, p.combinations, p.events, p.cells, p.bytes,
        p.events_per_cell, p.bytes_per_event, p.is_declared);
  }
  return "[" + out + "]";
}

std::string AdviceJson(const SummaryAdvice& advice) {
  return fmt::format(
      "{{\"events\":{},\"events_looked_at\":{},\"summary_bytes\":{},\"proposals\":{},\"refused\":"
      "{}}}\n",
      advice.events, advice.events_looked_at, advice.summary_bytes, ProposalsJson(advice.proposals),
      ProposalsJson(advice.refused));
}

int RunAdvise(const AdviseFlags& flags) {
  auto db = OpenToAsk(flags.dir, false);
  if (!db) return Fail(db.error());
  const InterruptGuard guard;
  progress::Meter meter("events");
  meter.Start("advise", {});
  auto advice = db->AdviseSummaries([&](std::uint64_t done, std::uint64_t total) {
    meter.Update(done, total, done);
    return !Interrupted();
  });
  meter.Clear();
  if (!advice && Interrupted()) return InterruptExit();
  if (!advice) return Fail(advice.error());
  return WriteOut(flags.format == "json" ? AdviceJson(*advice) : AdviceText(*advice)) ? kExitOk
                                                                                      : kExitFailed;
}

void AddSummaries(CLI::App& app, int* exit) {
  auto flags = std::make_shared<SummariesFlags>();
  CLI::App* command =
      app.add_subcommand("summaries", "Summaries by dimension: declare, build, drop, list");
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--add", flags->add,
                      "SERVICE:DIMENSION,...[:MEASURE,...]: declare the set and build it for what "
                      "is stored; * is every service, or every measure; `count` = no measure; left "
                      "out = quantity and cost");
  command->add_option("--drop", flags->drop, "SERVICE:DIMENSION,...: make it no more");
  command->add_flag("--build", flags->build, "Build what segments lack");
  command->add_flag("--list", flags->list, "What there is (also without any flag)");
  command
      ->add_option("--rows-min", flags->rows_min,
                   "With --add: events that must stand behind each number of a cell, on average "
                   "(16)")
      ->check(WholeNumber());
  command
      ->add_option("--sketch-rows-min", flags->sketch_rows_min,
                   "With --add: values that must stand behind a quantile sketch (4096)")
      ->check(WholeNumber());
  command->add_option("--format", flags->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->footer(
      "Questions over all customers that filter or group by dimensions of one set are answered "
      "from it.\nExamples:\n  quipu summaries S --add api:endpoint,status\n"
      "  quipu query S --select count --service api --filter status=404 --group-by endpoint "
      "--explain");
  command->callback([=] { *exit = RunSummaries(*flags); });
}

}  // namespace

void AddSummariesCommands(CLI::App& app, int* exit) {
  AddSummaries(app, exit);
  auto flags = std::make_shared<AdviseFlags>();
  CLI::App* command = app.add_subcommand("advise", "Which summaries by dimension would pay");
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--format", flags->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->footer("Example:\n  quipu advise S");
  command->callback([=] { *exit = RunAdvise(*flags); });
}

}  // namespace quipu::cli
