#include "query/finish.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/check.h"
#include "query/value.h"
#include "sketch/exact_sum.h"

namespace quipu {
namespace {

bool IsCount(const BoundAggregate& a) {
  return a.function == Function::kCount || a.function == Function::kDistinct;
}

ColumnType TypeOf(const BoundAggregate& a) {
  return IsCount(a) ? ColumnType::kInteger : ColumnType::kDecimal;
}

/// One row of the answer in the making; `group` is kNoGroup for a filled window.
struct Row {
  static constexpr std::uint32_t kNoGroup = 0xFFFFFFFF;
  TimeUs window = 0;
  std::uint32_t group = kNoGroup;
  std::uint32_t series = 0;  ///< Index of the group values (the key without its window).
};

class Finisher {
 public:
  Finisher(const BoundQuery& query, const Catalogue& catalogue, Groups* groups)
      : query_(query), spec_(*query.spec), catalogue_(catalogue), groups_(*groups) {}

  Result<ResultSet> Run() {
    result_.zone = spec_.window.zone;
    MakeRows();
    if (spec_.fill) QUIPU_TRY(Fill());
    QUIPU_TRY(MakeValues());
    QUIPU_TRY(Order());
    MakeColumns();
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool HasWindows() const { return spec_.window.unit != WindowUnit::kNone; }

  /// The rank of each series in group-value order (absent first) decides the default order, without comparing strings again.
  void MakeRows() {
    std::map<std::vector<std::string>, std::uint32_t> order;
    std::vector<std::vector<std::string>> texts(groups_.size());
    for (std::uint32_t g = 0; g < groups_.size(); ++g) {
      texts[g] = GroupTexts(g);
      order.emplace(texts[g], 0);
    }
    // A query without group-by answers one row even if nothing matched, and fill needs a series to fill.
    if (order.empty() && query_.group_by.empty() && (!HasWindows() || spec_.fill)) {
      order.emplace(std::vector<std::string>{}, 0);
    }
    for (auto& [text, index] : order) {
      index = static_cast<std::uint32_t>(series_.size());
      series_.push_back(text);
    }
    for (std::uint32_t g = 0; g < groups_.size(); ++g) {
      rows_.push_back(
          {HasWindows() ? query_.windows[groups_.key(g)[0]] : 0, g, order.find(texts[g])->second});
    }
    if (rows_.empty() && !series_.empty() && !HasWindows()) rows_.push_back({});
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      return std::pair(a.window, a.series) < std::pair(b.window, b.series);
    });
  }

  /// Each value with a mark in front, so that an absent one sorts before "" and is told from it.
  std::vector<std::string> GroupTexts(std::uint32_t g) const {
    std::vector<std::string> texts;
    for (std::size_t f = 0; f < query_.group_by.size(); ++f) {
      const std::uint32_t v = groups_.key(g)[f + 1];
      switch (query_.group_by[f].kind) {
        case FieldKind::kCustomer:
          texts.push_back("+" + std::string(catalogue_.Customer(v)));
          break;
        case FieldKind::kService:
          texts.push_back("+" + std::string(catalogue_.Service(v)));
          break;
        default:
          texts.push_back(v == 0 ? std::string() : "+" + std::string(groups_.strings()[v]));
      }
    }
    return texts;
  }

  Status Fill() {
    if (!HasWindows()) return {};
    const TimeUs from = spec_.from.value_or(query_.from);
    const TimeUs to = spec_.to.value_or(query_.to);
    if (from >= to || series_.empty() || !query_.windower) return {};
    // Where nothing is seen, an open end is nowhere.
    if (query_.from >= query_.to && !(spec_.from && spec_.to)) return {};
    auto starts = query_.windower->Starts(from, to, spec_.groups_max);
    if (!starts || starts->size() > spec_.groups_max / series_.size()) {
      return Status::Exhausted(
          "filling needs more than " + std::to_string(spec_.groups_max) +
          " rows; ask for a shorter range or longer windows, or raise groups_max");
    }
    std::vector<Row> filled;
    std::size_t at = 0;
    for (const TimeUs start : *starts) {
      for (std::uint32_t s = 0; s < series_.size(); ++s) {
        if (at < rows_.size() && rows_[at].window == start && rows_[at].series == s) {
          filled.push_back(rows_[at++]);
        } else {
          filled.push_back({start, Row::kNoGroup, s});
        }
      }
    }
    QUIPU_CHECK(at == rows_.size());  // every group lies in one of the windows
    rows_ = std::move(filled);
    return {};
  }

  Status MakeValues() {
    values_.resize(rows_.size());
    exact_.assign(query_.aggregates.size(), true);
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (std::size_t a = 0; a < query_.aggregates.size(); ++a) {
        QUIPU_TRY_ASSIGN(Value v, Evaluate(query_.aggregates[a], a, rows_[r].group));
        values_[r].push_back(v);
      }
    }
    return {};
  }

  static Value EmptyWindow(const BoundAggregate& a) {
    if (IsCount(a)) return OfInteger(0);
    return {};
  }

  Result<Value> Evaluate(const BoundAggregate& a, std::size_t index, std::uint32_t g) {
    if (g == Row::kNoGroup) return EmptyWindow(a);
    if (a.counts_rows) return OfInteger(static_cast<std::int64_t>(groups_.rows(g)));
    if (a.function == Function::kDistinct) {
      const DistinctSketch& sketch = groups_.distinct(g, a.slot);
      if (!sketch.exact()) exact_[index] = false;
      return OfInteger(static_cast<std::int64_t>(sketch.Estimate()));
    }
    if (a.function == Function::kQuantile) {
      const QuantileSketch& sketch = groups_.quantiles(g, a.slot);
      if (sketch.count() == 0) return Value{};
      if (!sketch.exact()) {
        exact_[index] = false;
        result_.relative_error = kQuantileRelativeError;
      }
      return OfDecimal(sketch.Quantile(a.quantile_ppm));
    }
    if (a.function == Function::kFirst || a.function == Function::kLatest) {
      const Ends& ends = groups_.ends(g, a.slot);
      const auto& list = a.function == Function::kFirst ? ends.first : ends.latest;
      if (list.empty()) return Value{};
      QUIPU_CHECK(list.size() == 1);  // ties are settled
      return OfDecimal(Decimal(list.front().value, kSumScale));
    }
    return EvaluateStats(a, groups_.stats(g, a.slot));
  }

  static Result<Value> EvaluateStats(const BoundAggregate& a, const MeasureStats& stats) {
    if (a.function == Function::kCount) return OfInteger(static_cast<std::int64_t>(stats.count));
    if (stats.count == 0) return Value{};
    switch (a.function) {
      case Function::kSum: {
        QUIPU_TRY_ASSIGN(const Decimal sum, stats.sum.ToDecimal());
        return OfDecimal(sum);
      }
      case Function::kAvg: {
        QUIPU_TRY_ASSIGN(const Decimal avg, stats.sum.DividedBy(stats.count));
        return OfDecimal(avg);
      }
      case Function::kMin:
        return OfDecimal(Decimal(stats.min, kSumScale));
      default:
        return OfDecimal(Decimal(stats.max, kSumScale));
    }
  }

  Status Order() {
    order_.resize(rows_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::vector<std::pair<int, bool>>
        keys;  // column (-1 = window, then group-by, then aggregates), descending
    for (const struct OrderBy& by : spec_.order_by) {
      QUIPU_TRY_ASSIGN(const int column, ColumnOf(by.column));
      keys.emplace_back(column, by.descending);
    }
    const auto less = [&](std::uint32_t a, std::uint32_t b) {
      for (const auto& [column, descending] : keys) {
        const int c = Compare(column, a, b);
        if (c != 0) return descending ? c > 0 : c < 0;
      }
      return a < b;  // rows_ is in the default order already
    };
    const std::size_t keep =
        spec_.limit == 0 ? order_.size() : std::min<std::size_t>(spec_.limit, order_.size());
    if (!keys.empty())
      std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(keep),
                        order_.end(), less);
    order_.resize(keep);
    return {};
  }

  Result<int> ColumnOf(const std::string& name) const {
    if (HasWindows() && name == "window_start") return -1;
    for (std::size_t f = 0; f < spec_.group_by.size(); ++f) {
      if (spec_.group_by[f] == name) return static_cast<int>(f);
    }
    for (std::size_t a = 0; a < spec_.select.size(); ++a) {
      if (spec_.select[a].name == name) return static_cast<int>(spec_.group_by.size() + a);
    }
    return Status::InvalidArgument("cannot order by '" + name +
                                   "': it is not a column of the answer");
  }

  [[nodiscard]] int Compare(int column, std::uint32_t a, std::uint32_t b) const {
    const auto three_way = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
    if (column < 0) return three_way(rows_[a].window, rows_[b].window);
    const auto c = static_cast<std::size_t>(column);
    if (c < spec_.group_by.size())
      return three_way(series_[rows_[a].series][c], series_[rows_[b].series][c]);
    const Value& x = values_[a][c - spec_.group_by.size()];
    const Value& y = values_[b][c - spec_.group_by.size()];
    if (x.present != y.present) return x.present ? 1 : -1;
    return three_way(x.number(), y.number());
  }

  void MakeColumns() {
    if (HasWindows()) {
      ResultColumn& column = AddColumn("window_start", ColumnType::kTime);
      for (const std::uint32_t r : order_) column.times.push_back(rows_[r].window);
    }
    for (std::size_t f = 0; f < spec_.group_by.size(); ++f) {
      ResultColumn& column = AddColumn(spec_.group_by[f], ColumnType::kString);
      for (std::size_t i = 0; i < order_.size(); ++i) {
        const std::string& marked = series_[rows_[order_[i]].series][f];
        column.present[i] = marked.empty() ? 0 : 1;
        column.strings.push_back(marked.empty() ? std::string() : marked.substr(1));
      }
    }
    for (std::size_t a = 0; a < query_.aggregates.size(); ++a) {
      ResultColumn& column = AddColumn(spec_.select[a].name, TypeOf(query_.aggregates[a]));
      column.exact = exact_[a];
      result_.exact &= exact_[a];
      for (std::size_t i = 0; i < order_.size(); ++i) {
        const Value& v = values_[order_[i]][a];
        column.present[i] = v.present ? 1 : 0;
        if (column.type == ColumnType::kInteger) {
          column.integers.push_back(v.integer);
        } else {
          column.decimals.push_back(v.number());
        }
      }
    }
  }

  ResultColumn& AddColumn(std::string name, ColumnType type) {
    ResultColumn& column = result_.columns.emplace_back();
    column.name = std::move(name);
    column.type = type;
    column.present.assign(order_.size(), 1);
    return column;
  }

  const BoundQuery& query_;
  const QuerySpec& spec_;
  const Catalogue& catalogue_;
  Groups& groups_;
  ResultSet result_;
  std::vector<std::vector<std::string>> series_;
  std::vector<Row> rows_;
  std::vector<std::vector<Value>> values_;
  std::vector<bool> exact_;  // per aggregate
  std::vector<std::uint32_t> order_;
};

}  // namespace

Result<ResultSet> FinishQuery(const BoundQuery& query, const Catalogue& catalogue, Groups* groups) {
  return Finisher(query, catalogue, groups).Run();
}

}  // namespace quipu
