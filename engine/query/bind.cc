#include "query/bind.h"

#include <algorithm>

#include "base/check.h"
#include "store/erasure.h"

namespace quipu {
namespace {

std::string KnownNames(const Catalogue& catalogue, NameKind kind) {
  constexpr std::uint32_t kShownMax = 20;
  std::string text;
  const std::uint32_t n = catalogue.size(kind);
  for (std::uint32_t i = 0; i < n && i < kShownMax; ++i) {
    const std::string_view name = catalogue.NameOf(kind, i);
    if (!name.empty()) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text + (n > kShownMax ? ", ..." : "");
}

/// Looks a column up. In a store without events every name is fine: there is nothing to mistake it for.
Result<std::optional<ColumnId>> FindColumn(const View& view, const Catalogue& catalogue,
                                           NameKind kind, const std::string& name) {
  const auto id = catalogue.Find(kind, name);
  if (id || view.totals.rows == 0) return id;
  const std::string what = kind == NameKind::kMeasure ? "measure" : "dimension";
  return Status::InvalidArgument("no event has a " + what + " '" + name +
                                 "'; known: " + KnownNames(catalogue, kind));
}

class Binder {
 public:
  Binder(const View& view, const Catalogue& catalogue, const QuerySpec& spec, BoundQuery* out)
      : view_(view), catalogue_(catalogue), spec_(spec), out_(out) {
    out_->spec = &spec;
    out_->erased = view.erased;
    // Names are never fewer than those that the view's rows have.
    out_->all_customers_end = catalogue.size(NameKind::kCustomer);
    out_->services_end = catalogue.size(NameKind::kService);
  }

  Status Scope() {
    Ordinals(NameKind::kCustomer, spec_.customers, &out_->all_customers, &out_->customers);
    Ordinals(NameKind::kService, spec_.services, &out_->all_services, &out_->services);
    if (spec_.from && spec_.to && *spec_.from > *spec_.to) {
      return Status::InvalidArgument("from (" + FormatTime(*spec_.from) + ") is after to (" +
                                     FormatTime(*spec_.to) + ")");
    }
    QUIPU_TRY(TimeRange());
    QUIPU_TRY(CheckAttached());
    for (const Filter& f : spec_.filters) QUIPU_TRY(BindFilter(f));
    return {};
  }

  Status Windows() {
    QUIPU_TRY_ASSIGN(out_->windower, Windower::Make(spec_.window));
    if (out_->from >= out_->to) {
      out_->empty = true;
      return {};
    }
    auto starts = out_->windower->Starts(out_->from, out_->to, spec_.groups_max);
    if (!starts) {
      return Status::Exhausted(
          "more than " + std::to_string(spec_.groups_max) +
          " windows; ask for a shorter range or longer windows, or raise groups_max");
    }
    out_->windows = *std::move(starts);
    return {};
  }

  Status Groups() {
    for (const std::string& name : spec_.group_by) {
      if (std::count(spec_.group_by.begin(), spec_.group_by.end(), name) > 1) {
        return Status::InvalidArgument("group-by names '" + name + "' twice");
      }
      QUIPU_TRY_ASSIGN(const Field field, TextField(name, "group by"));
      out_->groups_by_customer |= field.kind == FieldKind::kCustomer;
      out_->groups_by_service |= field.kind == FieldKind::kService;
      out_->group_by.push_back(field);
      out_->group_slots.push_back(field.kind == FieldKind::kDimension ? DimensionSlot(field.id)
                                                                      : 0);
    }
    return {};
  }

  Status Aggregates() {
    if (spec_.select.empty())
      return Status::InvalidArgument("nothing selected; name at least one aggregate, e.g. count");
    for (const Aggregate& a : spec_.select) {
      BoundAggregate bound;
      bound.function = a.function;
      bound.quantile_ppm = a.quantile_ppm;
      QUIPU_CHECK(a.derived == Derived::kNone);  // see answer.h
      QUIPU_TRY(BindTarget(a, &bound));
      out_->aggregates.push_back(bound);
    }
    return {};
  }

  void AllowCells() {
    std::string& why = out_->why_no_cells;
    const auto refuse = [&why](const std::string& reason) {
      why += (why.empty() ? "" : "; ") + reason;
    };
    if (spec_.raw_only) refuse("raw rows were asked for");
    // For minutes the walk over all windows would find nothing.
    if (spec_.window.unit == WindowUnit::kMinute) refuse("no cell is shorter than an hour");
    for (const Filter& f : spec_.filters) refuse("a filter on '" + f.column + "' needs rows");
    for (std::size_t i = 0; i < out_->group_by.size(); ++i) {
      if (out_->group_by[i].kind == FieldKind::kDimension)
        refuse("no cell is by dimension: '" + spec_.group_by[i] + "'");
    }
    for (std::size_t i = 0; i < spec_.select.size(); ++i) {
      const BoundAggregate& a = out_->aggregates[i];
      const std::string& name = spec_.select[i].name;
      if (a.function == Function::kDistinct) {
        if (out_->distincts[a.slot].kind != FieldKind::kCustomer)
          refuse("no cell has '" + name + "', only distinct(customer)");
        else if (spec_.exact)
          refuse("'" + name + "' exactly needs rows");
      } else if (a.counts_rows) {
        continue;
      } else if (a.function == Function::kFirst || a.function == Function::kLatest) {
        refuse("no cell has '" + name + "'");
      } else if (a.function == Function::kQuantile && spec_.exact) {
        refuse("'" + name + "' exactly needs rows");
      }
    }
    out_->cells_allowed = why.empty();
    out_->dimension_cells_allowed = !out_->cells_allowed && MayBeByDimension();
  }

 private:
  /// Is it over all customers, and are dimensions all that cells of all customers lack?
  [[nodiscard]] bool MayBeByDimension() const {
    if (spec_.raw_only || spec_.window.unit == WindowUnit::kMinute || !out_->all_customers ||
        out_->groups_by_customer || out_->dimensions.empty() || !out_->distincts.empty())
      return false;
    for (const BoundFilter& f : out_->filters) {
      if (f.field.kind != FieldKind::kDimension && f.field.kind != FieldKind::kService)
        return false;
    }
    return std::all_of(out_->aggregates.begin(), out_->aggregates.end(),
                       [&](const BoundAggregate& a) {
                         return a.function != Function::kFirst && a.function != Function::kLatest &&
                                !(a.function == Function::kQuantile && spec_.exact);
                       });
  }

  void Ordinals(NameKind kind, const std::vector<std::string>& names, bool* all,
                std::vector<std::uint32_t>* out) {
    *all = names.empty();
    for (const std::string& name : names) {
      if (const auto ordinal = catalogue_.Find(kind, name)) out->push_back(*ordinal);
    }
    std::sort(out->begin(), out->end());
    out->erase(std::unique(out->begin(), out->end()), out->end());
    if (kind == NameKind::kCustomer) {  // a name may be looked up while its erasure is made visible
      std::erase_if(*out, [&](std::uint32_t c) { return IsErased(view_.erased, c); });
    }
    if (!*all && out->empty()) out_->empty = true;
  }

  /// A range that reaches into months whose archive folder is absent would get a smaller answer.
  Status CheckAttached() const {
    for (const SegmentMeta& meta : view_.detached) {
      if ((spec_.to && *spec_.to <= meta.time_min) || (spec_.from && *spec_.from > meta.time_max))
        continue;
      std::string folder;
      for (const ArchiveFolder& archive : view_.archives) {
        if (archive.number == meta.archive) folder = archive.path;
      }
      return Status::OutOfRange(
          "events of " + MonthText(meta.spec.month) + " are in the detached archive folder '" +
          folder +
          "'; attach it (`quipu archive DIR --attach FOLDER`) or ask for times "
          "outside its months");
    }
    return {};
  }

  /// The asked range, cut to what the view shows.
  Status TimeRange() {
    bool any = false;
    TimeUs low = 0;
    TimeUs high = 0;
    const auto widen = [&](TimeUs min, TimeUs max) {
      low = any ? std::min(low, min) : min;
      high = any ? std::max(high, max) : max;
      any = true;
    };
    for (const SegmentPtr& s : view_.segments) {
      QUIPU_TRY_ASSIGN(const auto bounds, VisibleBounds(*s, view_.erased));
      if (bounds) widen(bounds->min, bounds->max);
    }
    for (const HotBatchPtr& b : view_.hot) {
      if (const auto bounds = VisibleBounds(*b, view_.erased)) widen(bounds->min, bounds->max);
    }
    out_->from = any ? low : 0;
    out_->to = any ? high + 1 : 0;
    if (spec_.from) out_->from = std::max(out_->from, *spec_.from);
    if (spec_.to) out_->to = std::min(out_->to, *spec_.to);
    if (out_->from >= out_->to) out_->empty = true;
    return {};
  }

  /// `what` says in a refusal what the name was wanted for.
  Result<Field> TextField(const std::string& name, const char* what) {
    if (name == "customer") return Field{FieldKind::kCustomer, 0};
    if (name == "service") return Field{FieldKind::kService, 0};
    if (name == "quantity" || name == "cost" || catalogue_.Find(NameKind::kMeasure, name)) {
      if (!catalogue_.Find(NameKind::kDimension, name)) {
        return Status::InvalidArgument("'" + name + "' is a measure; " + what +
                                       " customer, service or a dimension");
      }
    }
    QUIPU_TRY_ASSIGN(const auto id, FindColumn(view_, catalogue_, NameKind::kDimension, name));
    return Field{FieldKind::kDimension, id.value_or(0xFFFFFFFF)};
  }

  std::size_t DimensionSlot(ColumnId id) {
    auto& list = out_->dimensions;
    const auto it = std::find(list.begin(), list.end(), id);
    if (it != list.end()) return static_cast<std::size_t>(it - list.begin());
    list.push_back(id);
    return list.size() - 1;
  }

  std::size_t MeasureSlot(ColumnId id) {
    auto& list = out_->measures;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].id == id) return i;
    }
    MeasureNeed need;
    need.id = id;
    list.push_back(need);
    return list.size() - 1;
  }

  Status BindFilter(const Filter& f) {
    BoundFilter bound;
    bound.op = f.op;
    const bool compares = f.op == FilterOp::kLess || f.op == FilterOp::kLessEqual ||
                          f.op == FilterOp::kGreater || f.op == FilterOp::kGreaterEqual;
    if (f.values.empty() || (f.op != FilterOp::kIn && f.values.size() != 1)) {
      return Status::InvalidArgument("filter on '" + f.column + "' needs " +
                                     (f.op == FilterOp::kIn ? "values" : "one value"));
    }
    const bool is_measure = catalogue_.Find(NameKind::kMeasure, f.column).has_value() &&
                            !catalogue_.Find(NameKind::kDimension, f.column).has_value();
    if (compares && !catalogue_.Find(NameKind::kMeasure, f.column) &&
        catalogue_.Find(NameKind::kDimension, f.column)) {
      return Status::InvalidArgument("'" + f.column +
                                     "' is a dimension; <, <=, > and >= compare measures");
    }
    if (is_measure || compares) {
      QUIPU_TRY_ASSIGN(const auto id, FindColumn(view_, catalogue_, NameKind::kMeasure, f.column));
      if (f.op == FilterOp::kPrefix)
        return Status::InvalidArgument("'" + f.column + "' is a measure; it has no prefix");
      bound.field = {FieldKind::kMeasure, id.value_or(0xFFFFFFFF)};
      for (const std::string& text : f.values) {
        auto number = Decimal::Parse(text);
        if (!number) return number.error().WithContext("filter on measure '" + f.column + "'");
        bound.numbers.push_back(*number);
      }
      bound.slot = MeasureSlot(bound.field.id);
      out_->measures[bound.slot].filtered = true;
    } else {
      QUIPU_TRY_ASSIGN(bound.field, TextField(f.column, "compare the text of"));
      bound.texts = f.values;
      if (bound.field.kind == FieldKind::kDimension) bound.slot = DimensionSlot(bound.field.id);
    }
    out_->filters.push_back(std::move(bound));
    return {};
  }

  Status BindTarget(const Aggregate& a, BoundAggregate* bound) {
    if (a.function == Function::kDistinct) {
      if (a.column.empty())
        return Status::InvalidArgument("distinct needs a name, e.g. distinct(customer)");
      QUIPU_TRY_ASSIGN(const Field field, TextField(a.column, "distinct counts values of"));
      auto& list = out_->distincts;
      const auto it = std::find(list.begin(), list.end(), field);
      bound->slot = static_cast<std::size_t>(it - list.begin());
      if (it != list.end()) return {};
      list.push_back(field);
      out_->distinct_slots.push_back(field.kind == FieldKind::kDimension ? DimensionSlot(field.id)
                                                                         : 0);
      return {};
    }
    if (a.column.empty()) {
      if (a.function != Function::kCount)
        return Status::InvalidArgument("'" + a.name + "' needs a measure, e.g. sum(quantity)");
      bound->counts_rows = true;
      return {};
    }
    QUIPU_TRY_ASSIGN(const auto id, FindColumn(view_, catalogue_, NameKind::kMeasure, a.column));
    bound->slot = MeasureSlot(id.value_or(0xFFFFFFFF));
    MeasureNeed& need = out_->measures[bound->slot];
    switch (a.function) {
      case Function::kQuantile:
        if (a.quantile_ppm < 1 || a.quantile_ppm > 1'000'000)
          return Status::InvalidArgument("'" + a.name + "': a quantile lies between 0 and 1");
        need.quantiles = true;
        break;
      case Function::kFirst:
      case Function::kLatest:
        need.ends = true;
        break;
      default:
        need.stats = true;
        need.extremes |= a.function == Function::kMin || a.function == Function::kMax;
    }
    return {};
  }

  const View& view_;
  const Catalogue& catalogue_;
  const QuerySpec& spec_;
  BoundQuery* out_;
};

}  // namespace

bool BoundFilter::MatchesText(std::string_view value) const {
  switch (op) {
    case FilterOp::kEqual:
    case FilterOp::kIn:
      return std::find(texts.begin(), texts.end(), value) != texts.end();
    case FilterOp::kNotEqual:
      return value != texts[0];
    case FilterOp::kPrefix:
      return value.starts_with(texts[0]);
    default:
      return false;
  }
}

bool BoundFilter::MatchesNumber(const Decimal& value) const {
  switch (op) {
    case FilterOp::kEqual:
    case FilterOp::kIn:
      return std::find(numbers.begin(), numbers.end(), value) != numbers.end();
    case FilterOp::kNotEqual:
      return value != numbers[0];
    case FilterOp::kLess:
      return value < numbers[0];
    case FilterOp::kLessEqual:
      return value <= numbers[0];
    case FilterOp::kGreater:
      return value > numbers[0];
    case FilterOp::kGreaterEqual:
      return value >= numbers[0];
    case FilterOp::kPrefix:
      return false;
  }
  return false;
}

std::size_t BoundQuery::WindowOf(TimeUs t) const {
  const auto it = std::upper_bound(windows.begin(), windows.end(), t);
  QUIPU_DCHECK(it != windows.begin());
  return static_cast<std::size_t>(it - windows.begin()) - 1;
}

TimeUs BoundQuery::WindowEnd(std::size_t w) const {
  return w + 1 < windows.size() ? windows[w + 1] : windower->EndOf(windows[w]);
}

bool BoundQuery::WantsService(ServiceOrdinal s) const {
  return all_services || std::binary_search(services.begin(), services.end(), s);
}

bool BoundQuery::WantsCustomer(CustomerOrdinal c) const {
  if (all_customers) return !IsErased(erased, c);
  return std::binary_search(customers.begin(), customers.end(), c);
}

bool BoundQuery::WantsSumsOnly() const {
  return std::all_of(aggregates.begin(), aggregates.end(), [](const BoundAggregate& a) {
    return a.function == Function::kCount || a.function == Function::kSum ||
           a.function == Function::kAvg;
  });
}

std::uint64_t BoundQuery::CustomerPlace(CustomerOrdinal c) const {
  if (all_customers) return c;
  return static_cast<std::uint64_t>(std::lower_bound(customers.begin(), customers.end(), c) -
                                    customers.begin());
}

Status BindScope(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                 BoundQuery* bound) {
  return Binder(view, catalogue, spec, bound).Scope();
}

Result<BoundQuery> Bind(const View& view, const Catalogue& catalogue, const QuerySpec& spec) {
  BoundQuery bound;
  Binder binder(view, catalogue, spec, &bound);
  QUIPU_TRY(binder.Scope());
  QUIPU_TRY(binder.Groups());
  QUIPU_TRY(binder.Aggregates());
  QUIPU_TRY(binder.Windows());
  binder.AllowCells();
  return bound;
}

}  // namespace quipu
