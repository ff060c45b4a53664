// sessions: events of a user or session id put together where they follow each other.
#include <memory>

#include "cli/command.h"
#include "output/printer.h"

namespace quipu::cli {
namespace {

struct Flags {
  std::string dir, by, from, to, zone = "UTC", gap = "30m", cursor, format = "table";
  std::vector<std::string> customers, services, filters;
  std::uint64_t limit = 100;
  bool totals = false, exact = false;
  StateFlags states;
};

/// "30m", "90s", "2h".
Result<std::int64_t> ParseGap(const std::string& text) {
  const Status refused =
      Status::InvalidArgument("--gap '" + text + "': write a number and s, m or h, such as 30m");
  if (text.size() < 2) return refused;
  const std::int64_t unit = text.back() == 's'   ? kSecondUs
                            : text.back() == 'm' ? kMinuteUs
                            : text.back() == 'h' ? kHourUs
                                                 : 0;
  const auto number = Decimal::Parse(text.substr(0, text.size() - 1));
  if (unit == 0 || !number || number->scale() != 0 || number->mantissa() < 1 ||
      number->mantissa() > 100'000) {
    return refused;
  }
  return static_cast<std::int64_t>(number->mantissa()) * unit;
}

Result<SessionQuery> MakeQuery(const Flags& flags) {
  SessionQuery query;
  query.customers = flags.customers;
  query.services = flags.services;
  query.session_by = flags.by;
  query.cursor = flags.cursor;
  query.exact = flags.exact;
  if (flags.limit < 1 || flags.limit > 10'000)
    return Status::InvalidArgument("--limit: a page has 1 to 10000 sessions");
  query.limit = static_cast<std::uint32_t>(flags.limit);
  auto gap = ParseGap(flags.gap);
  if (!gap) return gap.error();
  query.gap_us = *gap;
  for (const std::string& text : flags.filters) {
    auto filter = Filter::Parse(text);
    if (!filter) return filter.error();
    query.filters.push_back(*std::move(filter));
  }
  if (!flags.from.empty()) {
    auto from = ParseTimeInZone(flags.from, flags.zone);
    if (!from) return from.error().WithContext("--from");
    query.from = *from;
  }
  if (!flags.to.empty()) {
    auto to = ParseTimeInZone(flags.to, flags.zone);
    if (!to) return to.error().WithContext("--to");
    query.to = *to;
  }
  if (Status s = ReadState("--as-of", flags.states.as_of, &query.as_of); !s.ok()) return s;
  if (Status s = ReadState("--since", flags.states.since, &query.since); !s.ok()) return s;
  return query;
}

/// Columns are made as their first value is added.
class Rows {
 public:
  explicit Rows(const std::string& zone) { result_.zone = zone; }
  void Begin() { next_ = 0; }
  void Time(const std::string& name, TimeUs t) {
    Column(name, ColumnType::kTime, true).times.push_back(t);
  }
  void Text(const std::string& name, const std::string& text) {
    Column(name, ColumnType::kString, true).strings.push_back(text);
  }
  void Integer(const std::string& name, std::uint64_t n) {
    Column(name, ColumnType::kInteger, true).integers.push_back(static_cast<std::int64_t>(n));
  }
  void Number(const std::string& name, const std::optional<Decimal>& d) {
    Column(name, ColumnType::kDecimal, d.has_value()).decimals.push_back(d.value_or(Decimal()));
  }
  void Seconds(const std::string& name, std::int64_t us) { Number(name, Decimal(us, 6)); }
  ResultSet& result() { return result_; }

 private:
  ResultColumn& Column(const std::string& name, ColumnType type, bool present) {
    if (next_ == result_.columns.size()) {
      ResultColumn& column = result_.columns.emplace_back();
      column.name = name;
      column.type = type;
    }
    ResultColumn& column = result_.columns[next_++];
    column.present.push_back(present ? 1 : 0);
    return column;
  }
  ResultSet result_;
  std::size_t next_ = 0;
};

ResultSet Table(const SessionPage& page, const Flags& flags) {
  Rows rows(flags.zone);
  for (const Session& s : page.sessions) {
    rows.Begin();
    rows.Text("customer", s.customer);
    if (!flags.by.empty()) rows.Text(flags.by, s.id);
    rows.Time("start", s.start);
    rows.Time("end", s.end);
    rows.Seconds("duration_s", s.duration_us());
    rows.Integer("requests", s.requests);
    rows.Number("quantity", s.quantity);
    rows.Number("cost", s.cost);
  }
  rows.result().as_of = page.as_of;
  rows.result().altered = page.altered;
  return std::move(rows.result());
}

ResultSet Table(const SessionTotals& totals, const Flags& flags) {
  Rows rows(flags.zone);
  rows.Begin();
  rows.Integer("sessions", totals.sessions);
  rows.Integer("users", totals.users);
  rows.Integer("requests", totals.requests);
  rows.Number("quantity", totals.quantity);
  rows.Number("cost", totals.cost);
  rows.Seconds("duration_s", totals.duration_us);
  rows.Seconds("p50_duration_s", totals.duration_spread_us.p50);
  rows.Seconds("p95_duration_s", totals.duration_spread_us.p95);
  rows.Seconds("max_duration_s", totals.duration_spread_us.max);
  rows.Integer("p50_requests", static_cast<std::uint64_t>(totals.request_spread.p50));
  rows.Integer("p95_requests", static_cast<std::uint64_t>(totals.request_spread.p95));
  rows.Integer("max_requests", static_cast<std::uint64_t>(totals.request_spread.max));
  rows.Integer("events_without_id", totals.events_without_id);
  ResultSet& result = rows.result();
  result.as_of = totals.as_of;
  result.altered = totals.altered;
  result.exact = totals.exact;
  result.relative_error = totals.exact ? 0 : 0.004;
  return std::move(result);
}

int FailQuestion(const Status& status) {
  if (status.code() != StatusCode::kInvalidArgument) return Fail(status);
  return FailUsage("sessions", status.message());
}

int RunSessions(const Flags& flags) {
  auto format = output::ParseOutputFormat(flags.format);
  if (!format) return FailUsage("sessions", format.error().message());
  if (auto zone = FormatTimeInZone(0, flags.zone); !zone)
    return FailUsage("sessions", "--zone: " + std::string(zone.error().message()));
  const auto query = MakeQuery(flags);
  if (!query) return FailUsage("sessions", query.error().message());
  auto db = OpenForReading(flags.dir);
  if (!db) return Fail(db.error());
  ResultSet result;
  std::string next;
  if (flags.totals) {
    const auto totals = db->TotalSessions(*query);
    if (!totals) return FailQuestion(totals.error());
    result = Table(*totals, flags);
  } else {
    const auto page = db->Sessions(*query);
    if (!page) return FailQuestion(page.error());
    result = Table(*page, flags);
    next = page->next_cursor;
  }
  std::string text = output::Print(result, *format, WindowUnit::kNone);
  // Programs page through the API; a person is told how to go on.
  if (!next.empty() && *format == output::OutputFormat::kTable)
    text += "more: --cursor '" + next + "'\n";
  return WriteOut(text) ? kExitOk : kExitFailed;
}

}  // namespace

void AddSessionsCommand(CLI::App& app, int* exit) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "sessions", "Events of a user or session id put together where they follow each other");
  const auto list = [&](const char* name, std::vector<std::string>* to, const char* text) {
    command->add_option(name, *to, text)->allow_extra_args(false)->take_all();
  };
  command->add_option("DIR", flags->dir, "Folder of the store")->required();
  command->add_option("--by", flags->by,
                      "Dimension with the user or session id (without: all events of a customer)");
  command->add_option("--gap", flags->gap, "A longer pause ends a session: 90s, 30m, 2h")
      ->capture_default_str();
  list("--customer", &flags->customers, "Only this customer (may be repeated)");
  list("--service", &flags->services, "Only this service (may be repeated)");
  command->add_option("--from", flags->from, "Sessions that begin from this time on,");
  command->add_option("--to", flags->to, "... and before this time");
  command->add_option("--zone", flags->zone, "IANA time zone of times")->capture_default_str();
  list("--filter", &flags->filters, "As in quipu query; may be repeated (all must hold)");
  command->add_option("--limit", flags->limit, "Sessions at most, 1 to 10000")
      ->check(WholeNumber())
      ->capture_default_str();
  command->add_option("--cursor", flags->cursor, "Go on where the last page ended");
  command->add_flag("--totals", flags->totals, "How many, how long and how much, in one row");
  command->add_flag("--exact", flags->exact, "Percentiles of --totals without approximation");
  command->add_option("--format", flags->format, "Output: table, json or csv")
      ->capture_default_str();
  AddStates(command, &flags->states);
  command->footer(
      "Examples:\n  quipu sessions S --by user --customer acme --from 2026-03-01 --to 2026-03-02\n"
      "  quipu sessions S --by session_id --gap 15m --totals");
  command->callback([=] { *exit = RunSessions(*flags); });
}

}  // namespace quipu::cli
