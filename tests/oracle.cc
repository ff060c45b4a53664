#include "tests/oracle.h"

#include <algorithm>
#include <set>

#include "base/calendar.h"
#include "base/check.h"
#include "tests/oracle_values.h"

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

/// Per group, per window start, the facts.
using Grouped = std::map<GroupKey, std::map<TimeUs, std::vector<const Fact*>>>;

class Evaluation {
 public:
  Evaluation(const QuerySpec& spec, std::vector<TimeUs> windows)
      : spec_(spec), windows_(std::move(windows)) {
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
      for (const auto& [start, facts] : by_window) QUIPU_TRY(AddRow(key, start, facts));
    }
    Order();
    answer_.limited = spec_.limit != 0 && rows_.size() > spec_.limit;
    if (answer_.limited) rows_.resize(spec_.limit);
    for (Row& row : rows_) {
      QUIPU_TRY(Status(row.unfit));
      answer_.rows.push_back(std::move(row.cells));
    }
    return std::move(answer_);
  }

 private:
  struct Row {
    std::vector<OracleCell> cells;
    Status unfit;  ///< A value of it does not fit: an error if the row is shown.
  };

  void NoteAmbiguity(const OracleCell& cell) {
    if (cell.slack == OracleCell::Slack::kAny) answer_.is_ambiguous = true;
  }
  [[nodiscard]] bool OrdersBy(const std::string& column) const {
    return std::any_of(spec_.order_by.begin(), spec_.order_by.end(),
                       [&](const OrderBy& o) { return o.column == column; });
  }
  [[nodiscard]] bool Windowed() const { return spec_.window.unit != WindowUnit::kNone; }

  Status AddRow(const GroupKey& key, TimeUs start, const std::vector<const Fact*>& facts) {
    Row row;
    if (Windowed()) row.cells.push_back(TimeCell(start));
    for (const auto& value : key) row.cells.push_back(TextCell(value));
    for (const Aggregate& a : spec_.select) {
      Result<OracleCell> now = EvaluatePlain(a, facts, spec_.exact);
      if (!now) {
        // Whoever is asked for an order must know what it goes by, of every row.
        if (OrdersBy(a.name)) return now.error();
        row.unfit = now.error();
        row.cells.push_back(AbsentCell(ColumnType::kDecimal));
        continue;
      }
      NoteAmbiguity(*now);
      row.cells.push_back(*std::move(now));
    }
    rows_.push_back(std::move(row));
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
    std::stable_sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) {
      for (const auto& [column, descending] : order) {
        const int c = CompareCells(a.cells[column], b.cells[column]);
        if (c != 0) return descending ? c > 0 : c < 0;
      }
      return false;
    });
  }

  const QuerySpec& spec_;
  std::vector<TimeUs> windows_;
  std::size_t keys_ = 0;
  std::vector<Row> rows_;
  OracleAnswer answer_;
};

bool IsDerived(const QuerySpec& spec) {
  return spec.others || std::any_of(spec.select.begin(), spec.select.end(), [](const auto& a) {
           return a.derived != Derived::kNone || a.function > Function::kQuantile;
         });
}

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

std::pair<TimeUs, TimeUs> Oracle::Extent() const {
  TimeUs low = kTimeMax;
  TimeUs high = kTimeMin;
  for (const auto& [key, fact] : facts_) {
    low = std::min(low, fact.time);
    high = std::max(high, fact.time + 1);
  }
  return {low, high};
}

Result<OracleAnswer> Oracle::Ask(const QuerySpec& spec) const {
  EventQuery scope;
  scope.customers = spec.customers;
  scope.services = spec.services;
  scope.from = spec.from;
  scope.to = spec.to;
  scope.filters = spec.filters;
  if (IsDerived(spec)) {
    scope.from.reset();
    scope.to.reset();
    const auto [low, high] = Extent();
    return AskDerived(spec, Events(scope), low, high);
  }
  QUIPU_TRY_ASSIGN(const Windower windower, Windower::Make(spec.window));
  Grouped groups;
  for (const Fact* fact : Events(scope)) {
    groups[KeyOf(spec.group_by, *fact)][windower.StartOf(fact->time)].push_back(fact);
  }
  // An open end of the range is that of all events in the store.
  std::optional<TimeUs> from = spec.from;
  std::optional<TimeUs> to = spec.to;
  const auto [low, high] = Extent();
  std::vector<TimeUs> windows;
  // A range with two ends needs no events to be known.
  const bool is_known = !facts_.empty() || (from && to);
  if (is_known && from.value_or(low) < to.value_or(high)) {
    QUIPU_TRY_ASSIGN(windows, windower.Starts(from.value_or(low), to.value_or(high), 1'000'000));
  }
  return Evaluation(spec, std::move(windows)).Run(std::move(groups));
}

}  // namespace quipu
