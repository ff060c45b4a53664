#include "tests/oracle.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <set>

#include "base/calendar.h"
#include "base/check.h"

namespace quipu {
namespace {

constexpr Int128 kUnit = 1'000'000'000'000'000'000;  // 10^18

/// whole + fraction x 10^-18 (0 <= fraction < 10^18) in lowest terms.
Result<Decimal> Lowest(Int128 whole, Int128 fraction) {
  int scale = fraction == 0 ? 0 : 18;
  while (scale > 0 && fraction % 10 == 0) {
    fraction /= 10;
    --scale;
  }
  Int128 power = 1;
  for (int i = 0; i < scale; ++i) power *= 10;
  // whole < 0 counts down and fraction up: go through the magnitude so that no intermediate is
  // larger than the value.
  const bool negative = whole < 0;
  if (negative && fraction != 0) {
    whole += 1;
    fraction -= power;
  }
  Int128 mantissa = 0;
  if (__builtin_mul_overflow(whole, power, &mantissa) ||
      __builtin_add_overflow(mantissa, fraction, &mantissa)) {
    return Status::OutOfRange("the sum does not fit 128 bits");
  }
  return Decimal(mantissa, scale);
}

bool NumberMatches(const Filter& f, const Decimal* value) {
  if (value == nullptr) return f.op == FilterOp::kNotEqual;
  const auto operand = [&](std::size_t i) { return *Decimal::Parse(f.values[i]); };
  switch (f.op) {
    case FilterOp::kEqual:
      return *value == operand(0);
    case FilterOp::kNotEqual:
      return *value != operand(0);
    case FilterOp::kLess:
      return *value < operand(0);
    case FilterOp::kLessEqual:
      return *value <= operand(0);
    case FilterOp::kGreater:
      return *value > operand(0);
    case FilterOp::kGreaterEqual:
      return *value >= operand(0);
    case FilterOp::kPrefix:
      return false;
    case FilterOp::kIn:
      for (std::size_t i = 0; i < f.values.size(); ++i) {
        if (*value == operand(i)) return true;
      }
  }
  return false;
}

bool TextMatches(const Filter& f, const std::string* value) {
  if (value == nullptr) return f.op == FilterOp::kNotEqual;
  if (f.op == FilterOp::kNotEqual) return *value != f.values[0];
  if (f.op == FilterOp::kPrefix) return value->substr(0, f.values[0].size()) == f.values[0];
  return std::find(f.values.begin(), f.values.end(), *value) != f.values.end();
}

bool IsOneOf(const std::string& name, const std::vector<std::string>& names) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

OracleCell Absent(ColumnType type) {
  OracleCell cell;
  cell.type = type;
  return cell;
}
OracleCell TimeCell(TimeUs t) {
  OracleCell cell = Absent(ColumnType::kTime);
  cell.present = true;
  cell.time = t;
  return cell;
}
OracleCell TextCell(const std::optional<std::string>& text) {
  OracleCell cell = Absent(ColumnType::kString);
  cell.present = text.has_value();
  cell.text = text.value_or("");
  return cell;
}
OracleCell IntegerCell(std::size_t n) {
  OracleCell cell = Absent(ColumnType::kInteger);
  cell.present = true;
  cell.integer = static_cast<std::int64_t>(n);
  return cell;
}
OracleCell DecimalCell(const Decimal& d) {
  OracleCell cell = Absent(ColumnType::kDecimal);
  cell.present = true;
  cell.decimal = d;
  return cell;
}

/// Are there several of the fact's instant, and the ids that decide which is first are not all there?
bool IsTied(const Fact& fact, const std::vector<const Fact*>& facts) {
  std::size_t same = 0, lost = 0;
  for (const Fact* f : facts) {
    same += f->time == fact.time;
    lost += f->time == fact.time && f->has_lost_id;
  }
  return same > 1 && lost > 0;
}

bool IsInteger(Function f) { return f == Function::kCount || f == Function::kDistinct; }

OracleCell DistinctCell(const Aggregate& a, const std::vector<const Fact*>& facts, bool exact) {
  std::set<std::string> seen;
  for (const Fact* f : facts) {
    if (const std::string* text = f->Text(a.column)) seen.insert(*text);
  }
  OracleCell cell = IntegerCell(seen.size());
  if (!exact && seen.size() > 512) cell.slack = OracleCell::Slack::kDistinct;
  cell.approximate = cell.slack != OracleCell::Slack::kNone;
  return cell;
}

OracleCell QuantileCell(const Aggregate& a, const std::vector<const Fact*>& facts, bool exact) {
  std::vector<Decimal> values;
  for (const Fact* f : facts) values.push_back(*f->Number(a.column));
  const std::size_t n = values.size();
  const std::size_t rank = std::max<std::size_t>(1, (n * a.quantile_ppm + 999'999) / 1'000'000);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank - 1),
                   values.end());
  OracleCell cell = DecimalCell(values[rank - 1]);
  if (!exact && n > 1024) cell.slack = OracleCell::Slack::kQuantile;
  cell.approximate = cell.slack != OracleCell::Slack::kNone;
  return cell;
}

/// The value of a plain aggregate over the facts of one group.
Result<OracleCell> Evaluate(const Aggregate& a, const std::vector<const Fact*>& all, bool exact) {
  if (a.function == Function::kCount && a.column.empty()) return IntegerCell(all.size());
  if (a.function == Function::kDistinct) return DistinctCell(a, all, exact);
  std::vector<const Fact*> facts;
  Total total;
  for (const Fact* f : all) {
    if (const Decimal* d = f->Number(a.column)) {
      facts.push_back(f);
      total.Add(*d);
    }
  }
  if (a.function == Function::kCount) return IntegerCell(facts.size());
  if (facts.empty()) return Absent(ColumnType::kDecimal);
  const auto less = [&](const Fact* x, const Fact* y) {
    return *x->Number(a.column) < *y->Number(a.column);
  };
  const auto earlier = [](const Fact* x, const Fact* y) {
    return std::tuple(x->time, x->identity) < std::tuple(y->time, y->identity);
  };
  switch (a.function) {
    case Function::kSum:
    case Function::kAvg: {
      const auto value =
          a.function == Function::kSum ? total.ToDecimal() : total.DividedBy(facts.size());
      if (!value) return value.error();
      return DecimalCell(*value);
    }
    case Function::kMin:
      return DecimalCell(*(*std::min_element(facts.begin(), facts.end(), less))->Number(a.column));
    case Function::kMax:
      return DecimalCell(*(*std::max_element(facts.begin(), facts.end(), less))->Number(a.column));
    case Function::kFirst:
    case Function::kLatest: {
      const auto place = a.function == Function::kFirst
                             ? std::min_element(facts.begin(), facts.end(), earlier)
                             : std::max_element(facts.begin(), facts.end(), earlier);
      OracleCell cell = DecimalCell(*(*place)->Number(a.column));
      if (IsTied(**place, facts)) cell.slack = OracleCell::Slack::kAny;
      return cell;
    }
    default:
      return QuantileCell(a, facts, exact);
  }
}

using BigInt = boost::multiprecision::cpp_int;

BigInt AtScale18(const Decimal& d) {
  return BigInt(d.mantissa()) *
         boost::multiprecision::pow(BigInt(10), 18u - static_cast<unsigned>(d.scale()));
}

/// 100 x (now - before) / |before| at 2 digits, half to even. kOutOfRange above 10^36 percent.
Result<Decimal> Percent(const Decimal& now, const Decimal& before) {
  const BigInt divisor = abs(AtScale18(before));
  const BigInt numerator = (AtScale18(now) - AtScale18(before)) * 10'000;
  BigInt digits = abs(numerator) / divisor;
  const BigInt twice = abs(numerator) % divisor * 2;
  if (twice > divisor || (twice == divisor && digits % 2 != 0)) ++digits;
  if (digits > boost::multiprecision::pow(BigInt(10), 38))
    return Status::OutOfRange("change in percent");
  const auto mantissa = static_cast<Int128>(digits);
  return Decimal(numerator < 0 ? -mantissa : mantissa, 2);
}

/// What a missing value is worth in a comparison: nothing is 0 for counts and sums.
OracleCell ForComparison(const Aggregate& a, OracleCell cell) {
  if (a.function == Function::kSum) cell.present = true;
  return cell;
}

/// How an aggregate's cell changed; `before` is null in a group's first window with events.
Result<OracleCell> ChangeOf(const Aggregate& a, const OracleCell& now, const OracleCell* before) {
  const ColumnType type = a.change == Change::kPercent || !IsInteger(a.function)
                              ? ColumnType::kDecimal
                              : ColumnType::kInteger;
  OracleCell cell = Absent(type);
  cell.approximate = now.approximate;
  if (before == nullptr || !before->present || !now.present) return cell;
  const auto number = [](const OracleCell& c) {
    return c.type == ColumnType::kInteger ? Decimal(c.integer) : c.decimal;
  };
  cell.approximate = now.approximate || before->approximate;
  if (cell.approximate) {
    cell.slack = OracleCell::Slack::kAny;
    return cell;
  }
  if (a.change == Change::kPercent && number(*before).is_zero()) return cell;
  cell.present = true;
  if (a.change == Change::kPercent) {
    QUIPU_TRY_ASSIGN(cell.decimal, Percent(number(now), number(*before)));
  } else if (type == ColumnType::kInteger) {
    cell.integer = now.integer - before->integer;
  } else {
    QUIPU_TRY_ASSIGN(cell.decimal, Decimal::Subtract(now.decimal, before->decimal));
  }
  return cell;
}

/// Absent first.
int CompareCells(const OracleCell& a, const OracleCell& b) {
  if (a.present != b.present) return a.present ? 1 : -1;
  if (!a.present) return 0;
  const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  switch (a.type) {
    case ColumnType::kTime:
      return sign(a.time, b.time);
    case ColumnType::kString:
      return sign(a.text, b.text);
    case ColumnType::kInteger:
      return sign(a.integer, b.integer);
    case ColumnType::kDecimal:
      return sign(a.decimal, b.decimal);
  }
  return 0;
}

using GroupKey = std::vector<std::optional<std::string>>;
/// Per group, per window start, the facts.
using Grouped = std::map<GroupKey, std::map<TimeUs, std::vector<const Fact*>>>;

class Evaluation {
 public:
  Evaluation(const QuerySpec& spec, const Windower& windower, std::vector<TimeUs> windows)
      : spec_(spec), windower_(windower), windows_(std::move(windows)) {
    if (Windowed()) answer_.names.push_back("window_start");
    for (const std::string& name : spec.group_by) answer_.names.push_back(name);
    keys_ = answer_.names.size();
    for (const Aggregate& a : spec.select) answer_.names.push_back(a.name);
  }

  Result<OracleAnswer> Run(Grouped groups) {
    // Without groups and windows there is always one line: a total over nothing is a count of 0.
    if (spec_.group_by.empty() && !Windowed()) groups[{}][kTimeMin];
    if (spec_.group_by.empty() && spec_.fill) groups[{}];
    for (auto& [key, by_window] : groups) {
      if (spec_.fill && Windowed()) {
        for (const TimeUs w : windows_) by_window[w];
      }
      for (const auto& [start, facts] : by_window) QUIPU_TRY(AddRow(key, by_window, start, facts));
    }
    Order();
    answer_.limited = spec_.limit != 0 && answer_.rows.size() > spec_.limit;
    if (answer_.limited) answer_.rows.resize(spec_.limit);
    return std::move(answer_);
  }

 private:
  void NoteAmbiguity(const OracleCell& cell) {
    if (cell.slack == OracleCell::Slack::kAny) answer_.is_ambiguous = true;
  }
  [[nodiscard]] bool Windowed() const { return spec_.window.unit != WindowUnit::kNone; }

  Status AddRow(const GroupKey& key, const std::map<TimeUs, std::vector<const Fact*>>& by_window,
                TimeUs start, const std::vector<const Fact*>& facts) {
    const auto first_it = std::find_if(by_window.begin(), by_window.end(),
                                       [](const auto& w) { return !w.second.empty(); });
    const TimeUs first = first_it == by_window.end() ? kTimeMax : first_it->first;
    std::vector<OracleCell> row;
    if (Windowed()) row.push_back(TimeCell(start));
    for (const auto& value : key) row.push_back(TextCell(value));
    for (const Aggregate& a : spec_.select) {
      QUIPU_TRY_ASSIGN(OracleCell now, Evaluate(a, facts, spec_.exact));
      NoteAmbiguity(now);
      if (a.change != Change::kNone) {
        std::optional<OracleCell> before;
        if (start > first) {
          const auto it = by_window.find(windower_.StartOf(start - 1));
          QUIPU_TRY_ASSIGN(
              before, Evaluate(a, it == by_window.end() ? std::vector<const Fact*>() : it->second,
                               spec_.exact));
          NoteAmbiguity(*before);
          before = ForComparison(a, *before);
        }
        QUIPU_TRY_ASSIGN(now, ChangeOf(a, ForComparison(a, now), before ? &*before : nullptr));
      }
      row.push_back(std::move(now));
    }
    answer_.rows.push_back(std::move(row));
    return {};
  }

  void Order() {
    std::vector<std::pair<std::size_t, bool>> order;  // column, descending
    for (const OrderBy& o : spec_.order_by) {
      const auto it = std::find(answer_.names.begin(), answer_.names.end(), o.column);
      QUIPU_CHECK(it != answer_.names.end());
      order.emplace_back(it - answer_.names.begin(), o.descending);
    }
    for (std::size_t k = 0; k < keys_; ++k) order.emplace_back(k, false);
    std::stable_sort(answer_.rows.begin(), answer_.rows.end(), [&](const auto& a, const auto& b) {
      for (const auto& [column, descending] : order) {
        const int c = CompareCells(a[column], b[column]);
        if (c != 0) return descending ? c > 0 : c < 0;
      }
      return false;
    });
  }

  const QuerySpec& spec_;
  const Windower& windower_;
  std::vector<TimeUs> windows_;
  std::size_t keys_ = 0;
  OracleAnswer answer_;
};

bool FiltersMatch(const std::vector<Filter>& filters, const std::map<std::string, bool>& is_measure,
                  const Fact& fact) {
  return std::all_of(filters.begin(), filters.end(), [&](const Filter& f) {
    return is_measure.at(f.column) ? NumberMatches(f, fact.Number(f.column))
                                   : TextMatches(f, fact.Text(f.column));
  });
}

}  // namespace

const Decimal* Fact::Number(const std::string& column) const {
  if (column == "quantity") return &quantity;
  if (column == "cost") return cost ? &*cost : nullptr;
  const auto it = measures.find(column);
  return it == measures.end() ? nullptr : &it->second;
}

const std::string* Fact::Text(const std::string& column) const {
  if (column == "customer") return &customer;
  if (column == "service") return &service;
  const auto it = dimensions.find(column);
  return it == dimensions.end() ? nullptr : &it->second;
}

bool Fact::SameContent(const Fact& o, bool with_time) const {
  return (!with_time || time == o.time) && service == o.service && quantity == o.quantity &&
         cost == o.cost && dimensions == o.dimensions && measures == o.measures;
}

void AddTo(EventBatch* batch, const Fact& fact) {
  Event event;
  event.id = fact.id;
  event.source = fact.source;
  if (fact.time_given) event.time = fact.time;
  event.customer = fact.customer;
  event.service = fact.service;
  event.quantity = fact.quantity;
  event.cost = fact.cost;
  for (const auto& [name, value] : fact.dimensions) event.dimensions.push_back({name, value});
  for (const auto& [name, value] : fact.measures) event.measures.push_back({name, value});
  batch->Add(event);
}

std::string Difference(const StoredEvent& stored, const Fact& fact) {
  const std::string who = "event " + fact.customer + "/" + fact.source + "/" + fact.id + ": ";
  if (stored.id != fact.id || stored.source != fact.source || stored.customer != fact.customer)
    return who + "other identity";
  if (stored.time != fact.time)
    return who + "time " + FormatTime(stored.time) + ", expected " + FormatTime(fact.time);
  if (stored.service != fact.service) return who + "service " + stored.service;
  if (stored.quantity != fact.quantity) return who + "quantity " + stored.quantity.ToString();
  if (stored.cost != fact.cost)
    return who + "cost " + (stored.cost ? stored.cost->ToString() : "absent");
  if (!std::equal(stored.dimensions.begin(), stored.dimensions.end(), fact.dimensions.begin(),
                  fact.dimensions.end(), [](const auto& a, const auto& b) {
                    return a.first == b.first && a.second == b.second;
                  })) {
    return who + "dimensions";
  }
  if (!std::equal(stored.measures.begin(), stored.measures.end(), fact.measures.begin(),
                  fact.measures.end(), [](const auto& a, const auto& b) {
                    return a.first == b.first && a.second == b.second;
                  })) {
    return who + "measures";
  }
  return {};
}

void Total::Add(const Decimal& d) {
  Int128 power = 1;
  for (int i = 0; i < d.scale(); ++i) power *= 10;
  whole_ += d.mantissa() / power;
  fraction_ += d.mantissa() % power * (kUnit / power);
  whole_ += fraction_ / kUnit;
  fraction_ %= kUnit;
  if (fraction_ < 0) {
    fraction_ += kUnit;
    --whole_;
  }
}

Result<Decimal> Total::ToDecimal() const { return Lowest(whole_, fraction_); }

Result<Decimal> Total::DividedBy(std::uint64_t count) const {
  const auto n = static_cast<Int128>(count);
  Int128 quotient = whole_ / n;
  Int128 rest = whole_ % n;
  if (rest < 0) {
    rest += n;
    --quotient;
  }
  const Int128 numerator = rest * kUnit + fraction_;
  Int128 digits = numerator / n;
  const Int128 twice = numerator % n * 2;
  if (twice > n || (twice == n && digits % 2 != 0)) ++digits;
  return digits == kUnit ? Lowest(quotient + 1, 0) : Lowest(quotient, digits);
}

std::vector<Outcome> Oracle::Ingest(const std::vector<Fact>& facts, std::uint64_t seq, bool stamped,
                                    const std::vector<Outcome>& observed) {
  std::vector<Outcome> outcomes;
  for (const Fact& fact : facts) {
    if (fact.invalid) {
      outcomes.push_back(Outcome::kInvalid);
      continue;
    }
    const Fact* const known = Find(fact.customer, fact.source, fact.id);
    if ((known == nullptr || !known->HasId()) && !stamped && fact.id_given) {
      const Lateness lateness = LatenessOf(fact);
      const bool said_late =
          outcomes.size() < observed.size() && observed[outcomes.size()] == Outcome::kTooLate;
      if (lateness == Lateness::kTooLate || (lateness == Lateness::kPerhaps && said_late)) {
        outcomes.push_back(Outcome::kTooLate);
        continue;
      }
    }
    const auto [it, is_new] = facts_.emplace(Key{fact.customer, fact.source, fact.id}, fact);
    if (is_new) {
      it->second.seq = seq;
      for (const auto& [name, value] : fact.measures) measures_.insert(name);
      it->second.identity = MakeIdentity(fact.customer, fact.source, fact.id).key;
      outcomes.push_back(Outcome::kAccepted);
    } else {
      outcomes.push_back(it->second.SameContent(fact, fact.time_given) ? Outcome::kDuplicate
                                                                       : Outcome::kConflict);
    }
  }
  return outcomes;
}

std::size_t Oracle::Erase(const std::string& customer) {
  classes_.erase(customer);
  has_erased_ = true;
  for (const auto& [key, fact] : facts_)
    if (fact.customer == customer) ghosts_.push_back(fact);
  return std::erase_if(facts_, [&](const auto& fact) { return fact.second.customer == customer; });
}

void Oracle::ForgetAfter(std::uint64_t seq) {
  std::erase_if(facts_, [&](const auto& entry) { return entry.second.seq > seq; });
}

const Fact* Oracle::Find(const std::string& customer, const std::string& source,
                         const std::string& id) const {
  const auto it = facts_.find(Key{customer, source, id});
  return it == facts_.end() ? nullptr : &it->second;
}

std::vector<const Fact*> Oracle::Events(const EventQuery& query) const {
  std::map<std::string, bool> is_measure;
  for (const Filter& f : query.filters) {
    is_measure[f.column] =
        f.column == "quantity" || f.column == "cost" || measures_.count(f.column) != 0;
  }
  std::vector<const Fact*> found;
  for (const auto& [key, fact] : facts_) {
    if (IsOneOf(fact.customer, query.customers) && IsOneOf(fact.service, query.services) &&
        (!query.from || fact.time >= *query.from) && (!query.to || fact.time < *query.to) &&
        FiltersMatch(query.filters, is_measure, fact)) {
      found.push_back(&fact);
    }
  }
  std::sort(found.begin(), found.end(), [](const Fact* a, const Fact* b) {
    return std::tuple(a->time, a->identity) < std::tuple(b->time, b->identity);
  });
  return found;
}

Result<OracleAnswer> Oracle::Ask(const QuerySpec& spec) const {
  EventQuery scope;
  scope.customers = spec.customers;
  scope.services = spec.services;
  scope.from = spec.from;
  scope.to = spec.to;
  scope.filters = spec.filters;
  QUIPU_TRY_ASSIGN(const Windower windower, Windower::Make(spec.window));
  Grouped groups;
  for (const Fact* fact : Events(scope)) {
    GroupKey key;
    for (const std::string& name : spec.group_by) {
      const std::string* text = fact->Text(name);
      key.push_back(text != nullptr ? std::optional(*text) : std::nullopt);
    }
    groups[key][windower.StartOf(fact->time)].push_back(fact);
  }
  // An open end of the range is that of all events in the store.
  std::optional<TimeUs> from = spec.from;
  std::optional<TimeUs> to = spec.to;
  TimeUs low = kTimeMax;
  TimeUs high = kTimeMin;
  for (const auto& [key, fact] : facts_) {
    low = std::min(low, fact.time);
    high = std::max(high, fact.time + 1);
  }
  std::vector<TimeUs> windows;
  // A range with two ends needs no events to be known.
  const bool is_known = !facts_.empty() || (from && to);
  if (is_known && from.value_or(low) < to.value_or(high)) {
    QUIPU_TRY_ASSIGN(windows, windower.Starts(from.value_or(low), to.value_or(high), 1'000'000));
  }
  return Evaluation(spec, windower, std::move(windows)).Run(std::move(groups));
}

}  // namespace quipu
