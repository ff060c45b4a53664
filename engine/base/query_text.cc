// The text forms of include/quipu/query.h: aggregates, filters and the builder.
#include <algorithm>
#include <array>
#include <optional>

#include "base/check.h"
#include "quipu/event.h"
#include "quipu/query.h"

namespace quipu {
namespace {

constexpr std::size_t kTextBytesMax = 1 << 20;
constexpr std::uint32_t kPpm = 1'000'000;
constexpr std::string_view kAllowedAggregates =
    "; allowed are count, count(m), sum(m), avg(m), min(m), max(m), first(m), latest(m), "
    "distinct(d), median(m), p50(m), p99.9(m), quantile(m,0.999), time_weighted_sum(m), "
    "time_weighted_avg(m), max_concurrency(m), avg_concurrency(m), and any of them, f, in "
    "change(f), change(f,day|week|month), change_percent(...) alike, rate(f), cumulative(f), "
    "share(f), moving_avg(f,7), peak(f,hour), peak_time(f,hour), before(f), growth(f) or "
    "growth_percent(f)";
constexpr std::string_view kAllowedFilters =
    "; allowed are name=value, name!=value, name^=prefix, name in a,b,c and, on measures, "
    "name<number, name<=number, name>number, name>=number";

constexpr std::string_view kBlanks = " \t\r\n";
bool IsBlank(char c) { return kBlanks.find(c) != std::string_view::npos; }

std::string_view Trim(std::string_view s) {
  const std::size_t first = s.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(kBlanks) - first + 1);
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 128;
  std::string out = "'";
  out += text.substr(0, kShown);
  out += text.size() > kShown ? "...'" : "'";
  return out;
}

Status BadAggregate(std::string_view text, std::string_view why) {
  std::string message = "aggregate " + Quoted(text) + ": ";
  message += why;
  message += kAllowedAggregates;
  return Status::InvalidArgument(std::move(message));
}

Status BadFilter(std::string_view text, std::string_view why) {
  std::string message = "filter " + Quoted(text) + ": ";
  message += why;
  message += kAllowedFilters;
  return Status::InvalidArgument(std::move(message));
}

/// "name(argument)" or "name".
struct Call {
  std::string_view name;
  std::optional<std::string_view> argument;
};

std::optional<Call> SplitCall(std::string_view text) {
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos) return Call{text, std::nullopt};
  if (text.back() != ')') return std::nullopt;
  return Call{Trim(text.substr(0, open)), Trim(text.substr(open + 1, text.size() - open - 2))};
}

/// fraction x multiplier as parts per million, if whole and in 1..1,000,000.
std::optional<std::uint32_t> ToPpm(std::string_view text, int shift) {
  const Result<Decimal> value = Decimal::Parse(text);
  if (!value || value->scale() > shift) return std::nullopt;
  Int128 ppm = value->mantissa();
  if (ppm <= 0 || ppm > kPpm) return std::nullopt;
  for (int i = value->scale(); i < shift; ++i) ppm *= 10;
  if (ppm > kPpm) return std::nullopt;
  return static_cast<std::uint32_t>(ppm);
}

struct NamedFunction {
  std::string_view name;
  Function function;
};
constexpr std::array<NamedFunction, 12> kFunctions = {
    {{"count", Function::kCount},
     {"sum", Function::kSum},
     {"avg", Function::kAvg},
     {"min", Function::kMin},
     {"max", Function::kMax},
     {"first", Function::kFirst},
     {"latest", Function::kLatest},
     {"distinct", Function::kDistinct},
     {"time_weighted_sum", Function::kTimeWeightedSum},
     {"time_weighted_avg", Function::kTimeWeightedAvg},
     {"max_concurrency", Function::kMaxConcurrency},
     {"avg_concurrency", Function::kAvgConcurrency}}};

struct NamedDerived {
  std::string_view name;
  Derived derived;
};
constexpr std::array<NamedDerived, 11> kDerived = {{{"change", Derived::kChange},
                                                    {"change_percent", Derived::kChangePercent},
                                                    {"rate", Derived::kRate},
                                                    {"cumulative", Derived::kCumulative},
                                                    {"share", Derived::kShare},
                                                    {"moving_avg", Derived::kMovingAverage},
                                                    {"peak", Derived::kPeak},
                                                    {"peak_time", Derived::kPeakTime},
                                                    {"before", Derived::kBefore},
                                                    {"growth", Derived::kGrowth},
                                                    {"growth_percent", Derived::kGrowthPercent}}};

const NamedDerived* FindDerived(std::string_view name) {
  for (const NamedDerived& d : kDerived) {
    if (d.name == name) return &d;
  }
  return nullptr;
}

struct NamedUnit {
  std::string_view name;
  std::int64_t us;
};
constexpr std::array<NamedUnit, 6> kTimeUnits = {{{"us", 1},
                                                  {"ms", 1000},
                                                  {"s", kSecondUs},
                                                  {"sec", kSecondUs},
                                                  {"min", kMinuteUs},
                                                  {"h", kHourUs}}};

bool IsPercentile(std::string_view name) {
  return name.size() > 1 && name[0] == 'p' && name[1] >= '0' && name[1] <= '9';
}

Status ParseQuantile(std::string_view text, const Call& call, Aggregate* out) {
  std::string_view column = *call.argument;
  std::optional<std::uint32_t> ppm = kPpm / 2;
  if (call.name == "quantile") {
    const std::size_t comma = column.rfind(',');
    if (comma == std::string_view::npos) {
      return BadAggregate(text, "quantile needs a measure and a fraction");
    }
    ppm = ToPpm(Trim(column.substr(comma + 1)), 6);
    if (!ppm) {
      return BadAggregate(text, "the fraction must be in 0.000001..1 with at most 6 digits");
    }
    column = Trim(column.substr(0, comma));
  } else if (call.name != "median") {
    ppm = ToPpm(call.name.substr(1), 4);
    if (!ppm) {
      return BadAggregate(text, "the percentile must be in 0.0001..100 with at most 4 digits");
    }
  }
  out->quantile_ppm = *ppm;
  out->column = std::string(column);
  return {};
}

/// The last piece behind a comma outside parentheses, cut off `*list`; nothing if there is none.
std::optional<std::string_view> CutLast(std::string_view* list) {
  int depth = 0;
  for (std::size_t i = list->size(); i > 0; --i) {
    const char c = (*list)[i - 1];
    depth += c == ')' ? 1 : c == '(' ? -1 : 0;
    if (c != ',' || depth != 0) continue;
    const std::string_view last = Trim(list->substr(i));
    *list = Trim(list->substr(0, i - 1));
    return last;
  }
  return std::nullopt;
}

/// `max_concurrency(duration_ms)`, `max_concurrency(took, ms)`.
Status ParseDuration(std::string_view text, std::string_view argument, Aggregate* out) {
  std::optional<std::string_view> said = CutLast(&argument);
  out->column = std::string(argument);
  const std::size_t mark = argument.rfind('_');
  std::string_view unit;
  if (said) {
    unit = *said;
  } else if (mark != std::string_view::npos) {
    unit = argument.substr(mark + 1);
  }
  for (const NamedUnit& u : kTimeUnits) {
    if (u.name == unit) out->unit_us = u.us;
  }
  if (out->unit_us != 0) return {};
  return BadAggregate(text, said ? "the unit of a duration is us, ms, s, min or h"
                                 : "the name does not end in _us, _ms, _s, _min or _h: say the "
                                   "unit of the duration, as in max_concurrency(took, ms)");
}

/// `time_weighted_sum(stored_gb)`, `time_weighted_sum(stored_gb, bucket, region)`.
Status ParseLevel(std::string_view text, std::string_view argument, Aggregate* out) {
  while (const std::optional<std::string_view> dimension = CutLast(&argument)) {
    if (dimension->empty()) return BadAggregate(text, "a name between the commas is empty");
    if (dimension->size() > kNameBytesMax) return BadAggregate(text, "a name is over 256 bytes");
    out->level_by.insert(out->level_by.begin(), std::string(*dimension));
  }
  out->column = std::string(argument);
  return {};
}

/// Fills what belongs to the function itself.
Status ParsePlainAggregate(std::string_view text, std::string_view inner, Aggregate* out) {
  const std::optional<Call> call = SplitCall(inner);
  if (!call) return BadAggregate(text, "a ')' at the end is missing");
  const bool is_quantile =
      call->name == "quantile" || call->name == "median" || IsPercentile(call->name);
  if (FindDerived(call->name) != nullptr) {
    return BadAggregate(
        text, "a " + std::string(call->name) + "(...) inside another form cannot be asked for");
  }
  auto it = std::find_if(kFunctions.begin(), kFunctions.end(),
                         [&](const NamedFunction& f) { return f.name == call->name; });
  if (it == kFunctions.end() && !is_quantile) {
    return BadAggregate(text, "no function " + Quoted(call->name));
  }
  if (!call->argument) {
    if (call->name == "count") return {};
    return BadAggregate(text, "the name to aggregate is missing");
  }
  out->function = is_quantile ? Function::kQuantile : it->function;
  switch (out->function) {
    case Function::kQuantile:
      QUIPU_TRY(ParseQuantile(text, *call, out));
      break;
    case Function::kTimeWeightedSum:
    case Function::kTimeWeightedAvg:
      QUIPU_TRY(ParseLevel(text, *call->argument, out));
      break;
    case Function::kMaxConcurrency:
    case Function::kAvgConcurrency:
      QUIPU_TRY(ParseDuration(text, *call->argument, out));
      break;
    default:
      out->column = std::string(*call->argument);
  }
  if (out->column.empty()) return BadAggregate(text, "the name between the parentheses is empty");
  if (out->column.size() > kNameBytesMax) return BadAggregate(text, "a name is over 256 bytes");
  return {};
}

/// What stands behind the aggregate in a form: `day` in change(f, day), 7 in moving_avg(f, 7), `hour` in peak(f, hour).
Status ParseOption(std::string_view text, std::optional<std::string_view> option, Aggregate* out) {
  switch (out->derived) {
    case Derived::kChange:
    case Derived::kChangePercent:
      if (!option) return {};
      if (*option == "day") out->ago = Ago::kDay;
      if (*option == "week") out->ago = Ago::kWeek;
      if (*option == "month") out->ago = Ago::kMonth;
      if (out->ago != Ago::kWindow) return {};
      return BadAggregate(text, "a change compares with a day, a week or a month ago");
    case Derived::kMovingAverage: {
      const Result<Decimal> k = Decimal::Parse(option.value_or(""));
      if (!k || k->scale() != 0 || k->mantissa() < 2 || k->mantissa() > kMovingWindowsMax) {
        return BadAggregate(text,
                            "a moving average needs a number of windows from 2 to 10000, as "
                            "in moving_avg(count, 7)");
      }
      out->windows = static_cast<std::uint32_t>(k->mantissa());
      return {};
    }
    case Derived::kPeak:
    case Derived::kPeakTime:
      if (option == "minute") out->peak_unit = WindowUnit::kMinute;
      if (option == "hour") out->peak_unit = WindowUnit::kHour;
      if (option == "day") out->peak_unit = WindowUnit::kDay;
      if (out->peak_unit != WindowUnit::kNone) return {};
      return BadAggregate(text, "a peak is that of a minute, hour or day, as in peak(count, hour)");
    default:
      return {};
  }
}

bool TakesOption(Derived derived) {
  return derived == Derived::kChange || derived == Derived::kChangePercent ||
         derived == Derived::kMovingAverage || derived == Derived::kPeak ||
         derived == Derived::kPeakTime;
}

struct FoundOperator {
  std::size_t at = std::string_view::npos;
  std::size_t size = 0;
  FilterOp op = FilterOp::kEqual;
};

bool IsInOperator(std::string_view text, std::size_t at) {
  if (at == 0 || text.substr(at, 2) != "in" || !IsBlank(text[at - 1])) return false;
  const std::string_view rest = text.substr(at + 2);
  return rest.empty() || IsBlank(rest[0]) || rest[0] == '(';
}

/// The leftmost operator.
FoundOperator FindOperator(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool equals = i + 1 < text.size() && text[i + 1] == '=';
    switch (text[i]) {
      case '=':
        return {i, 1, FilterOp::kEqual};
      case '<':
        return {i, equals ? 2u : 1u, equals ? FilterOp::kLessEqual : FilterOp::kLess};
      case '>':
        return {i, equals ? 2u : 1u, equals ? FilterOp::kGreaterEqual : FilterOp::kGreater};
      case '!':
        if (equals) return {i, 2, FilterOp::kNotEqual};
        break;
      case '^':
        if (equals) return {i, 2, FilterOp::kPrefix};
        break;
      case 'i':
        if (IsInOperator(text, i)) return {i, 2, FilterOp::kIn};
        break;
      default:
        break;
    }
  }
  return {};
}

bool IsComparison(FilterOp op) {
  return op == FilterOp::kLess || op == FilterOp::kLessEqual || op == FilterOp::kGreater ||
         op == FilterOp::kGreaterEqual;
}

/// Calls `each` with every trimmed piece between commas outside parentheses.
template <class Each>
void ForEachPiece(std::string_view text, Each each) {
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      each(Trim(text.substr(begin, i - begin)));
      begin = i + 1;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')' && depth > 0) {
      --depth;
    }
  }
}

Status ParseInValues(std::string_view text, std::string_view list, Filter* out) {
  if (list.size() >= 2 && list.front() == '(' && list.back() == ')') {
    list = Trim(list.substr(1, list.size() - 2));
  }
  if (list.empty()) return BadFilter(text, "the list after 'in' is empty");
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t comma = std::min(list.find(',', begin), list.size());
    const std::string_view value = Trim(list.substr(begin, comma - begin));
    if (value.empty()) return BadFilter(text, "a value of the list is empty");
    out->values.emplace_back(value);
    begin = comma + 1;
  }
  return {};
}

}  // namespace

Result<Aggregate> Aggregate::Parse(std::string_view text) {
  text = Trim(text);
  if (text.empty()) return BadAggregate(text, "it is empty");
  if (text.size() > kTextBytesMax) return BadAggregate(text, "it is too long");
  Aggregate out;
  out.name = std::string(text);
  const std::optional<Call> call = SplitCall(text);
  if (!call) return BadAggregate(text, "a ')' at the end is missing");
  std::string_view inner = text;
  if (const NamedDerived* form = FindDerived(call->name)) {
    if (!call->argument || call->argument->empty()) {
      return BadAggregate(text, "the aggregate between the parentheses is missing");
    }
    out.derived = form->derived;
    inner = *call->argument;
    const std::optional<std::string_view> option = CutLast(&inner);
    if (option && !TakesOption(out.derived)) {
      return BadAggregate(text, std::string(form->name) + " takes one aggregate and nothing else");
    }
    QUIPU_TRY(ParseOption(text, option, &out));
  }
  QUIPU_TRY(ParsePlainAggregate(text, inner, &out));
  return out;
}

Result<Filter> Filter::Parse(std::string_view text) {
  text = Trim(text);
  if (text.size() > kTextBytesMax) return BadFilter(text, "it is too long");
  const FoundOperator found = FindOperator(text);
  if (found.at == std::string_view::npos) return BadFilter(text, "there is no operator");
  Filter out;
  out.op = found.op;
  out.column = std::string(Trim(text.substr(0, found.at)));
  if (out.column.empty()) return BadFilter(text, "the name before the operator is missing");
  if (out.column.size() > kNameBytesMax) return BadFilter(text, "the name is over 256 bytes");
  const std::string_view value = Trim(text.substr(found.at + found.size));
  if (out.op == FilterOp::kIn) {
    QUIPU_TRY(ParseInValues(text, value, &out));
    return out;
  }
  if (found.size + found.at < text.size() && text[found.at + found.size] == '=') {
    return BadFilter(text, "equality is written with one '='");
  }
  if (IsComparison(out.op) && !Decimal::Parse(value)) {
    return BadFilter(text, "a comparison needs a decimal number");
  }
  out.values.emplace_back(value);
  return out;
}

void Query::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

Query& Query::Select(std::string_view comma_separated_aggregates) {
  ForEachPiece(comma_separated_aggregates, [&](std::string_view piece) {
    Result<Aggregate> aggregate = Aggregate::Parse(piece);
    if (aggregate) {
      spec_.select.push_back(*std::move(aggregate));
    } else {
      Fail(aggregate.error());
    }
  });
  return *this;
}

Query& Query::Customer(std::string_view customer) {
  if (customer.empty()) Fail(Status::InvalidArgument("customer: the name is empty"));
  spec_.customers.emplace_back(customer);
  return *this;
}

Query& Query::Service(std::string_view service) {
  if (service.empty()) Fail(Status::InvalidArgument("service: the name is empty"));
  spec_.services.emplace_back(service);
  return *this;
}

Query& Query::From(std::string_view time) {
  if (Result<TimeUs> t = ParseTimeInZone(time, "UTC")) {
    spec_.from = *t;
  } else {
    Fail(t.error().WithContext("from"));
  }
  return *this;
}

Query& Query::To(std::string_view time) {
  if (Result<TimeUs> t = ParseTimeInZone(time, "UTC")) {
    spec_.to = *t;
  } else {
    Fail(t.error().WithContext("to"));
  }
  return *this;
}

Query& Query::Every(std::string_view unit, std::string_view zone) {
  constexpr std::array<std::string_view, 5> kUnits = {"minute", "hour", "day", "week", "month"};
  auto it = std::find(kUnits.begin(), kUnits.end(), unit);
  if (it == kUnits.end()) {
    Fail(Status::InvalidArgument("window " + Quoted(unit) +
                                 ": allowed are minute, hour, day, week and month"));
    return *this;
  }
  spec_.window.unit = static_cast<WindowUnit>(it - kUnits.begin() + 1);
  spec_.window.zone = std::string(zone);
  return *this;
}

Query& Query::GroupBy(std::string_view comma_separated_names) {
  ForEachPiece(comma_separated_names, [&](std::string_view name) {
    if (name.empty()) Fail(Status::InvalidArgument("group by: a name is empty"));
    spec_.group_by.emplace_back(name);
  });
  return *this;
}

Query& Query::Where(std::string_view filter) {
  Result<Filter> parsed = Filter::Parse(filter);
  if (parsed) {
    spec_.filters.push_back(*std::move(parsed));
  } else {
    Fail(parsed.error());
  }
  return *this;
}

Query& Query::OrderBy(std::string_view column) {
  column = Trim(column);
  const bool descending = !column.empty() && column.front() == '-';
  if (descending) column = Trim(column.substr(1));
  if (column.empty()) {
    Fail(
        Status::InvalidArgument("order by: the column is missing; write a column's name, with - in "
                                "front to sort downwards"));
  }
  spec_.order_by.push_back({std::string(column), descending});
  return *this;
}

Query& Query::Limit(std::uint64_t rows) {
  spec_.limit = rows;
  return *this;
}

Query& Query::Others(bool on) {
  spec_.others = on;
  return *this;
}

Query& Query::CompareWith(std::string_view from, std::string_view to) {
  const Result<TimeUs> begin = ParseTimeInZone(from, "UTC");
  const Result<TimeUs> end = ParseTimeInZone(to, "UTC");
  if (!begin) Fail(begin.error().WithContext("compare from"));
  if (!end) Fail(end.error().WithContext("compare to"));
  if (begin && end) {
    spec_.compare_from = *begin;
    spec_.compare_to = *end;
  }
  return *this;
}

Query& Query::AsOf(std::string_view state) {
  if (auto parsed = quipu::AsOf::Parse(state)) {
    spec_.as_of = *std::move(parsed);
  } else {
    Fail(parsed.error().WithContext("as of"));
  }
  return *this;
}

Query& Query::Since(std::string_view state) {
  if (auto parsed = quipu::AsOf::Parse(state)) {
    spec_.since = *std::move(parsed);
  } else {
    Fail(parsed.error().WithContext("since"));
  }
  return *this;
}

Query& Query::CompareAsOf(std::string_view state) {
  if (auto parsed = quipu::AsOf::Parse(state)) {
    spec_.compare_as_of = *std::move(parsed);
  } else {
    Fail(parsed.error().WithContext("compare as of"));
  }
  return *this;
}

Query& Query::Fill(bool on) {
  spec_.fill = on;
  return *this;
}

Query& Query::Exact(bool on) {
  spec_.exact = on;
  return *this;
}

}  // namespace quipu
