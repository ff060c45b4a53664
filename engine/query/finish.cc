#include "query/finish.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "base/check.h"
#include "query/series.h"
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

template <class T>
int ThreeWay(const T& x, const T& y) {
  return x < y ? -1 : y < x ? 1 : 0;
}

class Finisher {
 public:
  Finisher(const BoundQuery& query, const Catalogue& catalogue, Groups* groups, QueryPool* pool)
      : query_(query), spec_(*query.spec), catalogue_(catalogue), groups_(*groups), pool_(pool) {}

  Result<ResultSet> Run() {
    result_.zone = spec_.window.zone;
    exact_.assign(query_.aggregates.size(), 1);
    values_.resize(query_.aggregates.size());
    MakeRows();
    if (spec_.fill) QUIPU_TRY(Fill());
    QUIPU_TRY(Order());
    QUIPU_TRY(MakeColumns());
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool HasWindows() const { return spec_.window.unit != WindowUnit::kNone; }

  /// Rows in the default order, (window, group values), unless few of them are wanted in another one: then strings are compared only where
  /// everything else ties.
  void MakeRows() {
    is_in_default_order_ = spec_.order_by.empty() || spec_.limit == 0 || spec_.fill;
    const auto groups = static_cast<std::uint32_t>(groups_.size());
    rows_.reserve(groups);
    if (!is_in_default_order_) {
      for (std::uint32_t g = 0; g < groups; ++g) rows_.push_back({WindowOf(g), g, 0});
    } else {
      SeriesOrder order = OrderSeries(query_, catalogue_, groups_);
      series_ = order.group_of.size();
      // Each window's groups by series: a counting sort by series first, a stable one by window then.
      std::vector<std::uint32_t> sorted = SortStably(order.series_of, series_, {});
      if (HasWindows()) {
        std::vector<std::uint32_t> windows(groups);
        for (std::uint32_t g = 0; g < groups; ++g) windows[g] = groups_.key(g)[0];
        sorted = SortStably(windows, query_.windows.size(), sorted);
      }
      for (const std::uint32_t g : sorted) rows_.push_back({WindowOf(g), g, order.series_of[g]});
      series_group_ = std::move(order.group_of);
    }
    // A query without group-by answers one row even if nothing matched, and fill needs a series to fill.
    if (groups == 0 && query_.group_by.empty()) {
      series_ = 1;
      if (!HasWindows()) rows_.push_back({});
    }
  }

  /// A group with the row's group values.
  [[nodiscard]] std::uint32_t GroupOf(const Row& row) const {
    return row.group != Row::kNoGroup ? row.group : series_group_[row.series];
  }
  [[nodiscard]] TimeUs WindowOf(std::uint32_t g) const {
    return HasWindows() ? query_.windows[groups_.key(g)[0]] : 0;
  }

  /// Numbers of the keys (below `end`) in ascending order of key; equal keys in the order of `from` (empty: of their numbers).
  static std::vector<std::uint32_t> SortStably(const std::vector<std::uint32_t>& keys,
                                               std::size_t end,
                                               const std::vector<std::uint32_t>& from) {
    std::vector<std::uint32_t> starts(end + 1, 0), sorted(keys.size());
    for (const std::uint32_t key : keys) ++starts[key + 1u];
    for (std::size_t i = 1; i <= end; ++i) starts[i] += starts[i - 1];
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
      const std::uint32_t number = from.empty() ? i : from[i];
      sorted[starts[keys[number]]++] = number;
    }
    return sorted;
  }

  Status Fill() {
    if (!HasWindows()) return {};
    const TimeUs from = spec_.from.value_or(query_.from);
    const TimeUs to = spec_.to.value_or(query_.to);
    if (from >= to || series_ == 0 || !query_.windower) return {};
    // Where nothing is seen, an open end is nowhere.
    if (query_.from >= query_.to && !(spec_.from && spec_.to)) return {};
    auto starts = query_.windower->Starts(from, to, spec_.groups_max);
    if (!starts || starts->size() > spec_.groups_max / series_) {
      return Status::Exhausted(
          "filling needs more than " + std::to_string(spec_.groups_max) +
          " rows; ask for a shorter range or longer windows, or raise groups_max");
    }
    std::vector<Row> filled;
    std::size_t at = 0;
    for (const TimeUs start : *starts) {
      for (std::uint32_t s = 0; s < series_; ++s) {
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

  /// The values of one aggregate, for all rows.
  Result<std::vector<Value>> EvaluateAll(std::size_t a) {
    std::vector<Value> values(rows_.size());
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      QUIPU_TRY_ASSIGN(values[r], Evaluate(query_.aggregates[a], a, rows_[r].group));
    }
    return values;
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
      if (!sketch.exact()) exact_[index] = 0;
      return OfInteger(static_cast<std::int64_t>(sketch.Estimate()));
    }
    if (a.function == Function::kQuantile) {
      const QuantileSketch& sketch = groups_.quantiles(g, a.slot);
      if (sketch.count() == 0) return Value{};
      if (!sketch.exact()) {
        exact_[index] = 0;
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
    return EvaluateStats(a, g);
  }

  Result<Value> EvaluateStats(const BoundAggregate& a, std::uint32_t g) {
    const CountedSum& stats = groups_.sum(g, a.slot);
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
        return OfDecimal(Decimal(groups_.extremes(g, a.slot).min, kSumScale));
      default:
        return OfDecimal(Decimal(groups_.extremes(g, a.slot).max, kSumScale));
    }
  }

  struct OrderKey {
    int column = 0;  // -1 = window, then group-by, then aggregates
    bool descending = false;
    std::vector<Int128> sums;  // by row, in place of values; may be empty
  };

  /// The sums of all rows as integers at scale 18, which compare faster than decimals are made; the least integer where there is none. Nothing if it is
  /// no plain sum, or one does not fit.
  std::vector<Int128> SumsOf(std::size_t a) {
    constexpr Int128 kAbsent = static_cast<Int128>(Uint128{1} << 127);
    const BoundAggregate& aggregate = query_.aggregates[a];
    if (aggregate.function != Function::kSum) return {};
    std::vector<Int128> sums(rows_.size(), kAbsent);
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      if (rows_[r].group == Row::kNoGroup) continue;
      const CountedSum& stats = groups_.sum(rows_[r].group, aggregate.slot);
      if (stats.count == 0) continue;
      if (!stats.sum.AtScale18(&sums[r]) || sums[r] == kAbsent) return {};
    }
    return sums;
  }

  Status Order() {
    order_.resize(rows_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::vector<OrderKey> keys;
    for (const struct OrderBy& by : spec_.order_by) {
      OrderKey& key = keys.emplace_back();
      QUIPU_TRY_ASSIGN(key.column, ColumnOf(by.column));
      key.descending = by.descending;
      const int a = key.column - static_cast<int>(spec_.group_by.size());
      if (a < 0) continue;
      key.sums = SumsOf(static_cast<std::size_t>(a));
      auto& values = values_[static_cast<std::size_t>(a)];
      if (key.sums.empty() && values.empty()) {
        QUIPU_TRY_ASSIGN(values, EvaluateAll(static_cast<std::size_t>(a)));
      }
    }
    const auto less = [&](std::uint32_t a, std::uint32_t b) {
      for (const OrderKey& key : keys) {
        const int c =
            key.sums.empty() ? Compare(key.column, a, b) : ThreeWay(key.sums[a], key.sums[b]);
        if (c != 0) return key.descending ? c > 0 : c < 0;
      }
      return is_in_default_order_ ? a < b : LessByDefault(a, b);
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

  /// As in the default order: by window, then by group values.
  [[nodiscard]] bool LessByDefault(std::uint32_t a, std::uint32_t b) const {
    if (rows_[a].window != rows_[b].window) return rows_[a].window < rows_[b].window;
    for (std::size_t f = 0; f < spec_.group_by.size(); ++f) {
      const int c = Compare(static_cast<int>(f), a, b);
      if (c != 0) return c < 0;
    }
    return a < b;
  }

  [[nodiscard]] int Compare(int column, std::uint32_t a, std::uint32_t b) const {
    if (column < 0) return ThreeWay(rows_[a].window, rows_[b].window);
    const auto c = static_cast<std::size_t>(column);
    if (c < spec_.group_by.size()) {
      return CompareGroupTexts(query_, catalogue_, groups_, c, GroupOf(rows_[a]),
                               GroupOf(rows_[b]));
    }
    const Value& x = values_[c - spec_.group_by.size()][a];
    const Value& y = values_[c - spec_.group_by.size()][b];
    if (x.present != y.present) return x.present ? 1 : -1;
    return ThreeWay(x.number(), y.number());
  }

  /// Each column by itself, so that a large answer can be made by several threads.
  Status MakeColumns() {
    constexpr std::size_t kRowsPerWorker = 8192;
    if (HasWindows()) {
      ResultColumn& column = AddColumn("window_start", ColumnType::kTime);
      for (const std::uint32_t r : order_) column.times.push_back(rows_[r].window);
    }
    const std::size_t first = result_.columns.size(), fields = spec_.group_by.size();
    for (const std::string& name : spec_.group_by) AddColumn(name, ColumnType::kString);
    for (std::size_t a = 0; a < query_.aggregates.size(); ++a)
      AddColumn(spec_.select[a].name, TypeOf(query_.aggregates[a]));
    const std::size_t columns = result_.columns.size() - first;
    std::vector<Status> made(columns);
    std::atomic<std::size_t> next{0};
    const auto work = [&](std::uint32_t) {
      for (std::size_t c = next++; c < columns; c = next++) {
        ResultColumn* const column = &result_.columns[first + c];
        if (c < fields) {
          MakeGroupColumn(c, column);
        } else {
          made[c] = MakeValueColumn(c - fields, column);
        }
      }
    };
    const std::size_t workers = std::min({order_.size() / kRowsPerWorker, columns, ThreadsMax()});
    if (workers > 1) {
      pool_->Run(static_cast<std::uint32_t>(workers), work);
    } else {
      work(0);
    }
    for (Status& status : made) QUIPU_TRY(std::move(status));
    for (std::size_t c = fields; c < columns; ++c) {
      if (result_.columns[first + c].exact) continue;
      result_.exact = false;
      if (query_.aggregates[c - fields].function == Function::kQuantile)
        result_.relative_error = kQuantileRelativeError;
    }
    return {};
  }

  [[nodiscard]] std::size_t ThreadsMax() const {
    // Two columns may be of one sketch, and an exact one is put in order while it is asked.
    if (pool_ == nullptr || spec_.exact) return 1;
    return spec_.threads == 0 ? pool_->threads() : std::min(pool_->threads(), spec_.threads);
  }

  void MakeGroupColumn(std::size_t f, ResultColumn* column) const {
    column->strings.reserve(order_.size());
    // Neighbours mostly have one customer.
    std::uint32_t of = 0;
    std::optional<std::string_view> text;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const std::uint32_t group = GroupOf(rows_[order_[i]]);
      const std::uint32_t value = groups_.key(group)[f + 1];
      if (i == 0 || value != of) text = GroupText(query_, catalogue_, groups_, group, f);
      of = value;
      column->present[i] = text ? 1 : 0;
      column->strings.emplace_back(text.value_or(std::string_view()));
    }
  }

  /// The order of rows is not that of groups: without this, each row of a large answer waits for memory.
  /// (Inlined by force: GCC drops calls of functions that do nothing else.)
  [[gnu::always_inline]] inline void Prefetch(std::size_t i, std::size_t a) const {
    const BoundAggregate& aggregate = query_.aggregates[a];
    if (i >= order_.size() || aggregate.counts_rows || !values_[a].empty()) return;
    const std::uint32_t g = rows_[order_[i]].group;
    if (g != Row::kNoGroup) groups_.PrefetchSum(g, aggregate.slot);
  }

  Status MakeValueColumn(std::size_t a, ResultColumn* column) {
    const BoundAggregate& aggregate = query_.aggregates[a];
    if (aggregate.function == Function::kSum && values_[a].empty()) return MakeSumColumn(a, column);
    if (aggregate.counts_rows && values_[a].empty()) {
      MakeRowCountColumn(column);
      return {};
    }
    const bool is_integer = column->type == ColumnType::kInteger;
    if (is_integer) {
      column->integers.resize(order_.size());
    } else {
      column->decimals.resize(order_.size());
    }
    for (std::size_t i = 0; i < order_.size(); ++i) {
      Prefetch(i + kPrefetchRows, a);
      const std::uint32_t r = order_[i];
      Value v;
      if (!values_[a].empty()) {
        v = values_[a][r];
      } else {
        QUIPU_TRY_ASSIGN(v, Evaluate(aggregate, a, rows_[r].group));
      }
      column->present[i] = v.present ? 1 : 0;
      if (is_integer) {
        column->integers[i] = v.integer;
      } else {
        column->decimals[i] = v.present ? v.number() : Decimal();
      }
    }
    column->exact = exact_[a] != 0;
    return {};
  }

  /// What Evaluate does for counts of rows.
  void MakeRowCountColumn(ResultColumn* column) {
    column->integers.resize(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const std::uint32_t g = rows_[order_[i]].group;
      if (g != Row::kNoGroup) column->integers[i] = static_cast<std::int64_t>(groups_.rows(g));
    }
  }

  /// ... and for sums, of which bills are made.
  Status MakeSumColumn(std::size_t a, ResultColumn* column) {
    const std::size_t slot = query_.aggregates[a].slot;
    column->decimals.resize(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      Prefetch(i + kPrefetchRows, a);
      const std::uint32_t g = rows_[order_[i]].group;
      const bool present = g != Row::kNoGroup && groups_.sum(g, slot).count > 0;
      column->present[i] = present ? 1 : 0;
      if (!present) continue;
      const ExactSum& sum = groups_.sum(g, slot).sum;
      if (Int128 value = 0; sum.AtScale18(&value)) {
        column->decimals[i] = Decimal(value, kSumScale);
      } else {
        QUIPU_TRY_ASSIGN(column->decimals[i], sum.ToDecimal());
      }
    }
    return {};
  }

  ResultColumn& AddColumn(std::string name, ColumnType type) {
    ResultColumn& column = result_.columns.emplace_back();
    column.name = std::move(name);
    column.type = type;
    column.present.assign(order_.size(), 1);
    return column;
  }

  static constexpr std::size_t kPrefetchRows = 16;

  const BoundQuery& query_;
  const QuerySpec& spec_;
  const Catalogue& catalogue_;
  Groups& groups_;
  QueryPool* pool_;
  ResultSet result_;
  bool is_in_default_order_ = true;
  std::size_t series_ = 0;
  std::vector<std::uint32_t> series_group_;  // by series
  std::vector<Row> rows_;
  std::vector<std::vector<Value>>
      values_;               // per aggregate, by row; empty: not needed before the columns are made
  std::vector<char> exact_;  // per aggregate; not bits, since several threads write
  std::vector<std::uint32_t> order_;
};

}  // namespace

Result<ResultSet> FinishQuery(const BoundQuery& query, const Catalogue& catalogue, Groups* groups,
                              QueryPool* pool) {
  return Finisher(query, catalogue, groups, pool).Run();
}

}  // namespace quipu
