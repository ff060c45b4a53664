// query, and the everyday questions usage, stats, trends, peaks, top: each fills in a QuerySpec.
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <utility>

#include "cli/command.h"
#include "output/plain_text.h"
#include "output/printer.h"

namespace quipu::cli {
namespace {

struct Flags {
  std::string dir;
  std::vector<std::string> select, customers, services, group_by, filters, order_by;
  std::string from, to, window, zone = "UTC", format = "table";
  std::string measure, order, by, compare_from, compare_to;
  std::uint64_t limit = 0;
  bool fill = false, exact = false, raw = false, bottom = false, others = false, percent = false;
  bool follow = false, explain = false;
  StateFlags states;
  std::string compare_as_of;
};

/// What a verb asks beyond the flags that all share.
using Ask = std::function<void(const Flags&, Query*)>;

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

/// "tokens" -> "sum(tokens)"; anything with parentheses and `count` stay.
std::string AsAggregate(const std::string& text) {
  if (text == "count" || text.find('(') != std::string::npos) return text;
  return "sum(" + text + ")";
}

/// "a, b" -> before(a), a, growth(a), ...: what a comparison of two states shows of aggregates that are not compared yet.
Status AskForGrowth(Query* query) {
  std::string select;
  bool is_asked = false;
  for (const Aggregate& a : query->spec().select) {
    is_asked = is_asked || a.derived == Derived::kBefore || a.derived == Derived::kGrowth ||
               a.derived == Derived::kGrowthPercent;
    select += select.empty() ? "" : ",";
    select +=
        a.derived != Derived::kNone ? a.name : fmt::format("before({0}),{0},growth({0})", a.name);
  }
  if (is_asked) return {};
  query->spec().select.clear();
  return query->Select(select).status();
}

Result<QuerySpec> MakeSpec(const Flags& flags, const Ask& ask) {
  Query query;
  ask(flags, &query);
  if (!flags.compare_as_of.empty()) {
    if (Status s = AskForGrowth(&query); !s.ok()) return s;
  }
  for (const std::string& customer : flags.customers) query.Customer(customer);
  for (const std::string& service : flags.services) query.Service(service);
  for (const std::string& filter : flags.filters) query.Where(filter);
  if (!flags.group_by.empty()) query.GroupBy(Join(flags.group_by));
  for (const std::string& column : flags.order_by) query.OrderBy(column);
  if (!flags.window.empty()) query.Every(flags.window, flags.zone);
  query.Limit(flags.limit).Fill(flags.fill).Exact(flags.exact).Others(flags.others);
  if (!query.status().ok()) return query.status();
  QuerySpec spec = query.spec();
  spec.raw_only = flags.raw;
  spec.explain = flags.explain;
  spec.window.zone = flags.zone;  // also of peaks within a range that has no windows
  const auto set_time = [&](const char* flag, const std::string& text,
                            std::optional<TimeUs>* time) -> Status {
    if (text.empty()) return {};
    auto parsed = ParseTimeInZone(text, flags.zone);
    if (!parsed) return parsed.error().WithContext(flag);
    *time = *parsed;
    return {};
  };
  for (const Status& set :
       {set_time("--from", flags.from, &spec.from), set_time("--to", flags.to, &spec.to),
        set_time("--compare-from", flags.compare_from, &spec.compare_from),
        set_time("--compare-to", flags.compare_to, &spec.compare_to),
        ReadState("--as-of", flags.states.as_of, &spec.as_of),
        ReadState("--since", flags.states.since, &spec.since),
        ReadState("--compare-as-of", flags.compare_as_of, &spec.compare_as_of)}) {
    if (!set.ok()) return set;
  }
  return spec;
}

int RunQuery(const std::string& verb, const Flags& flags, const Ask& ask) {
  auto format = output::ParseOutputFormat(flags.format);
  if (!format) return FailUsage(verb, format.error().message());
  if (auto zone = FormatTimeInZone(0, flags.zone); !zone) {
    return FailUsage(verb, "--zone: " + std::string(zone.error().message()));
  }
  auto spec = MakeSpec(flags, ask);
  if (!spec) return FailUsage(verb, spec.error().message());
  auto db = OpenToAsk(flags.dir, flags.follow);
  if (!db) return Fail(db.error());
  auto result = db->Query(*spec);
  if (!result) {
    // A question that does not fit the store (an unknown name, no such column to order by) is wrong usage, too.
    if (result.error().code() != StatusCode::kInvalidArgument) return Fail(result.error());
    return FailUsage(verb, result.error().message());
  }
  std::string text = output::Print(*result, *format, spec->window.unit);
  if (result->explanation) {
    const std::string explanation = output::ToText(*result->explanation);
    if (*format == output::OutputFormat::kTable) text += explanation;
    if (*format == output::OutputFormat::kCsv) fmt::print(stderr, "{}", explanation);
  }
  return WriteOut(text) ? kExitOk : kExitFailed;
}

void AddList(CLI::App* command, const char* name, std::vector<std::string>* to, const char* text) {
  command->add_option(name, *to, text)->allow_extra_args(false)->take_all();
}

/// A verb with the flags that all verbs share.
CLI::App* AddVerb(CLI::App& app, const std::string& name, const std::string& description,
                  const std::shared_ptr<Flags>& flags, Ask ask, int* exit) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  AddList(command, "--customer", &flags->customers, "Only this customer (may be repeated)");
  AddList(command, "--service", &flags->services, "Only this service (may be repeated)");
  command->add_option("--from", flags->from, "From this time, read in --zone: 2026-03-01[T10:20]");
  command->add_option("--to", flags->to, "Up to, not including, this time");
  command->add_option("--zone", flags->zone, "IANA time zone of windows and times")
      ->capture_default_str();
  AddList(
      command, "--filter", &flags->filters,
      "status=500, status!=500, 'status in 500,502', path^=/api, duration_ms>=100 (all must hold)");
  command->add_option("--format", flags->format, "Output: table, json or csv")
      ->capture_default_str();
  command->add_flag("--exact", flags->exact,
                    "Percentiles and distinct counts without approximation");
  command->add_flag("--explain", flags->explain,
                    "Also say how the answer came about: what was read from where, in what time");
  command->add_flag("--raw", flags->raw, "Do not use summaries: the answer is the same")->group("");
  AddStates(command, &flags->states);
  AddFollow(command, &flags->follow);
  command->callback([=] { *exit = RunQuery(name, *flags, ask); });
  return command;
}

void AddGroupBy(CLI::App* command, Flags* flags) {
  AddList(command, "--group-by", &flags->group_by, "customer, service or dimensions: a,b");
}

void AddWindow(CLI::App* command, Flags* flags) {
  command->add_option("--window", flags->window, "minute, hour, day, week or month")
      ->capture_default_str();
}

void AddLimit(CLI::App* command, Flags* flags) {
  command->add_option("--limit", flags->limit, "Rows at most (0 = all)")
      ->check(WholeNumber())
      ->capture_default_str();
}

void AddCompareAsOf(CLI::App* command, Flags* flags) {
  command->add_option("--compare-as-of", flags->compare_as_of,
                      "Beside each aggregate: what it was in this earlier state (NAME or COMMIT), "
                      "and how it has grown since");
}

void AddRanking(CLI::App* command, Flags* flags) {
  command->add_flag("--others", flags->others,
                    "One more row in the end for all groups that --limit cuts");
  command->add_option("--compare-from", flags->compare_from,
                      "The period that growth is measured against begins at this time,");
  command->add_option("--compare-to", flags->compare_to, "... and ends before this one");
  AddCompareAsOf(command, flags);
}

void AddQuery(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = AddVerb(
      app, "query", "Ask anything the store can answer", flags,
      [](const Flags& f, Query* q) { q->Select(Join(f.select)); }, exit);
  AddList(command, "--select", &flags->select,
          "Aggregates: count,sum(m),avg(m),min(m),max(m),first(m),latest(m),distinct(d),p99(m),"
          "time_weighted_sum(m),time_weighted_avg(m),max_concurrency(m),avg_concurrency(m); and of "
          "each, f: change(f),change(f,day|week|month),change_percent(...),rate(f),cumulative(f),"
          "share(f),moving_avg(f,7),peak(f,hour),peak_time(f,hour),before(f),growth(f),"
          "growth_percent(f)");
  command->get_option("--select")->required();
  AddGroupBy(command, flags.get());
  AddWindow(command, flags.get());
  AddList(command, "--order-by", &flags->order_by,
          "Column of the answer; - in front sorts downwards (may be repeated)");
  AddLimit(command, flags.get());
  AddRanking(command, flags.get());
  command->add_flag("--fill", flags->fill, "Show windows without events, too");
  command->footer(R"(Examples:
  quipu query S --select 'count,sum(quantity),p99(duration_ms)' --window day --group-by service
  quipu query S --select 'sum(cost)' --customer acme --from 2026-03-01 --to 2026-04-01 --zone Europe/Berlin
  quipu query S --select count --filter 'status in 500,502' --group-by endpoint --order-by -count --limit 10)");
}

void AddUsage(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = AddVerb(
      app, "usage", "Totals: how much of each service, and what it cost", flags,
      [](const Flags& f, Query* q) {
        q->Select("count,sum(quantity),sum(cost)");
        if (f.group_by.empty()) q->GroupBy("service");
      },
      exit);
  AddGroupBy(command, flags.get());
  AddWindow(command, flags.get());
  AddLimit(command, flags.get());
  AddCompareAsOf(command, flags.get());
  command->footer(R"(Examples:
  quipu usage S --from 2026-03-01 --to 2026-04-01
  quipu usage S --customer acme --window day --group-by service)");
}

void AddStats(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  flags->measure = "quantity";
  CLI::App* command = AddVerb(
      app, "stats", "Distribution of a measure by service: count, sum, average, percentiles", flags,
      [](const Flags& f, Query* q) {
        std::string select;
        for (const char* name : {"count", "sum", "avg", "min", "max", "p50", "p95", "p99"}) {
          select += fmt::format("{}{}({})", select.empty() ? "" : ",", name, f.measure);
        }
        q->Select(select);
        if (f.group_by.empty()) q->GroupBy("service");
      },
      exit);
  command->add_option("--measure", flags->measure, "quantity, cost or a measure")
      ->capture_default_str();
  AddGroupBy(command, flags.get());
  AddWindow(command, flags.get());
  AddLimit(command, flags.get());
  command->footer("Example:\n  quipu stats S --measure duration_ms --group-by service,region");
}

void AddTrends(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  flags->measure = "quantity";
  flags->window = "day";
  CLI::App* command = AddVerb(
      app, "trends", "A total in each window, and its change against the window before", flags,
      [](const Flags& f, Query* q) {
        const std::string total = AsAggregate(f.measure);
        q->Select(fmt::format("{0},change({0}),change_percent({0})", total));
      },
      exit);
  command
      ->add_option("--measure", flags->measure, "A measure (its sum), or an aggregate like count")
      ->capture_default_str();
  AddGroupBy(command, flags.get());
  AddWindow(command, flags.get());
  AddLimit(command, flags.get());
  command->add_flag("--fill", flags->fill, "Show windows without events, too");
  command->footer("Example:\n  quipu trends S --measure cost --window week --group-by service");
}

void AddPeaks(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  flags->order = "sum(quantity)";
  flags->window = "hour";
  flags->limit = 10;
  CLI::App* command = AddVerb(
      app, "peaks", "The windows with the highest totals", flags,
      [](const Flags& f, Query* q) {
        const std::string order = AsAggregate(f.order);
        std::string select = "count,sum(quantity)";
        if (order != "count" && order != "sum(quantity)") select += "," + order;
        q->Select(select).OrderBy("-" + order);
      },
      exit);
  command->add_option("--order", flags->order, "What is highest: an aggregate, or a measure's sum")
      ->capture_default_str();
  AddGroupBy(command, flags.get());
  AddWindow(command, flags.get());
  AddLimit(command, flags.get());
  command->footer("Example:\n  quipu peaks S --service api --window hour --order count");
}

bool IsWindowName(const std::string& by) {
  return by == "minute" || by == "hour" || by == "day" || by == "week" || by == "month";
}

/// Ranks by a total, or by how it grew if there is a period to compare with.
void AskForTop(const Flags& f, Query* q) {
  const std::string total = AsAggregate(f.measure);
  std::string order = total;
  if (f.compare_from.empty() && f.compare_to.empty() && f.compare_as_of.empty()) {
    q->Select(total == "count" ? total : total + ",count");
  } else {
    q->Select(fmt::format("before({0}),{0},growth({0}),growth_percent({0})", total));
    order = fmt::format("{}({})", f.percent ? "growth_percent" : "growth", total);
  }
  if (IsWindowName(f.by)) {
    q->Every(f.by, f.zone);
  } else {
    q->GroupBy(f.by);
  }
  q->OrderBy((f.bottom ? "" : "-") + order);
}

void AddTop(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  flags->measure = "sum(quantity)";
  flags->limit = 10;
  CLI::App* command = AddVerb(app, "top",
                              "The customers, services, dimension values or hours with the highest "
                              "totals, or that grew most",
                              flags, AskForTop, exit);
  command
      ->add_option("--by", flags->by,
                   "customer, service, dimensions a,b, or minute, hour, day, week, month")
      ->required();
  command
      ->add_option("--measure", flags->measure, "What is ranked: an aggregate, or a measure's sum")
      ->capture_default_str();
  command->add_flag("--bottom", flags->bottom, "The lowest instead");
  AddLimit(command, flags.get());
  AddRanking(command, flags.get());
  command->add_flag("--percent", flags->percent, "With --compare-from: rank growth in percent");
  command->footer(
      "Examples:\n  quipu top S --by customer --measure 'sum(cost)' --from 2026-03-01 --others\n"
      "  quipu top S --by endpoint --measure 'p99(duration_ms)' --service api --limit 5\n"
      "  quipu top S --by customer --measure cost --from 2026-04-01 --to 2026-05-01 "
      "--compare-from 2026-03-01 --compare-to 2026-04-01");
}

}  // namespace

void AddQueryCommands(CLI::App& app, int* exit) {
  AddQuery(app, exit);
  AddUsage(app, exit);
  AddStats(app, exit);
  AddTrends(app, exit);
  AddPeaks(app, exit);
  AddTop(app, exit);
}

}  // namespace quipu::cli
