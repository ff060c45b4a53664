// Derived aggregates, levels and overlaps, each value by itself from all facts of its group: slow, and easy to believe.
#include <algorithm>
#include <set>

#include "base/calendar.h"
#include "base/check.h"
#include "tests/oracle_values.h"

namespace quipu {
namespace {

using Facts = std::vector<const Fact*>;

struct Stretch {
  TimeUs from = 0, to = 0;
};

bool IsLevel(Function f) {
  return f == Function::kTimeWeightedSum || f == Function::kTimeWeightedAvg;
}
bool IsOverlap(Function f) {
  return f == Function::kMaxConcurrency || f == Function::kAvgConcurrency;
}
bool IsWhole(Function f) {
  return f == Function::kCount || f == Function::kDistinct || f == Function::kMaxConcurrency;
}
bool CountsAsZero(Function f) {
  return IsWhole(f) || f == Function::kSum || IsLevel(f) || IsOverlap(f);
}
ColumnType PlainType(Function f) {
  return IsWhole(f) ? ColumnType::kInteger : ColumnType::kDecimal;
}

class DerivedEvaluation {
 public:
  DerivedEvaluation(const QuerySpec& spec, const Windower& windower, TimeUs low, TimeUs high)
      : spec_(spec), windower_(windower), low_(low), high_(high) {
    if (Windowed()) answer_.names.push_back("window_start");
    for (const std::string& name : spec.group_by) answer_.names.push_back(name);
    keys_ = answer_.names.size();
    for (const Aggregate& a : spec.select) answer_.names.push_back(a.name);
  }

  Result<OracleAnswer> Run(const Facts& facts) {
    for (const Fact* fact : facts) groups_[KeyOf(spec_.group_by, *fact)].push_back(fact);
    if (spec_.group_by.empty()) groups_[{}];
    QUIPU_TRY(FindWindows());
    QUIPU_TRY(MakeRows());
    Order();
    if (spec_.limit != 0 && rows_.size() > spec_.limit) {
      answer_.limited = true;
      if (spec_.others) {
        QUIPU_TRY(AddOthers());
      } else {
        rows_.resize(spec_.limit);
      }
    }
    for (Row& row : rows_) answer_.rows.push_back(std::move(row.cells));
    return std::move(answer_);
  }

 private:
  struct Row {
    GroupKey key;
    std::vector<OracleCell> cells;
  };
  [[nodiscard]] bool Windowed() const { return spec_.window.unit != WindowUnit::kNone; }

  Status FindWindows() {
    if (!Windowed()) {
      windows_ = {0};
      return {};
    }
    if (!(spec_.from && spec_.to) && low_ >= high_) return {};
    const TimeUs from = spec_.from.value_or(low_);
    const TimeUs to = spec_.to.value_or(high_);
    if (from >= to) return {};
    QUIPU_TRY_ASSIGN(windows_, windower_.Starts(from, to, 1'000'000));
    return {};
  }

  /// What was asked for of a window; of one before the range, all of it.
  [[nodiscard]] Stretch CutOf(TimeUs window) const {
    if (!Windowed()) return {spec_.from.value_or(low_), spec_.to.value_or(high_)};
    const TimeUs end = windower_.EndOf(window);
    if (spec_.from && window < windower_.StartOf(*spec_.from)) return {window, end};
    return {std::max(window, spec_.from.value_or(window)), std::min(end, spec_.to.value_or(end))};
  }

  // ---- the aggregates themselves

  static Facts Within(const Facts& facts, const Stretch& s) {
    if (s.from >= s.to) return {};
    const auto before = [](const Fact* f, TimeUs t) { return f->time < t; };
    return {std::lower_bound(facts.begin(), facts.end(), s.from, before),
            std::lower_bound(facts.begin(), facts.end(), s.to, before)};
  }

  /// Events of each level in order; of several at one instant the last.
  const std::vector<Facts>& LevelsOf(const Aggregate& a, const Facts& facts) {
    std::vector<Facts>& list = levels_[{&a, &facts}];
    if (!list.empty()) return list;
    std::map<GroupKey, Facts> levels;
    std::vector<std::string> names = {"customer", "service"};
    names.insert(names.end(), a.level_by.begin(), a.level_by.end());
    names.insert(names.end(), spec_.group_by.begin(), spec_.group_by.end());
    for (const Fact* f : facts) {
      if (f->Number(a.column) == nullptr) continue;
      Facts& level = levels[KeyOf(names, *f)];
      if (!level.empty() && level.back()->time == f->time) level.pop_back();
      level.push_back(f);
    }
    for (auto& [key, level] : levels) list.push_back(std::move(level));
    return list;
  }

  /// Level x microseconds, at scale 18; whether anything happened or held.
  std::pair<BigInt, bool> Area(const Aggregate& a, const Facts& facts, const Stretch& s) {
    BigInt area = 0;
    bool any = false;
    for (const Facts& level : LevelsOf(a, facts)) {
      for (std::size_t i = 0; i < level.size(); ++i) {
        const TimeUs begin = std::max(level[i]->time, s.from);
        const TimeUs end = std::min(i + 1 < level.size() ? level[i + 1]->time : s.to, s.to);
        any |= level[i]->time >= s.from && level[i]->time < s.to;
        if (begin >= end) continue;
        area += AtScale18Big(*level[i]->Number(a.column)) * (end - begin);
        any |= !level[i]->Number(a.column)->is_zero();
      }
    }
    return {area, any};
  }

  [[nodiscard]] static std::vector<Stretch> UnderWay(const Aggregate& a, const Facts& facts,
                                                     const Stretch& s) {
    std::vector<Stretch> list;
    for (const Fact* f : facts) {
      const Decimal* d = f->Number(a.column);
      if (d == nullptr || *d < Decimal(0)) continue;
      const auto us =
          HalfToEven(AtScale18Big(*d) * a.unit_us, boost::multiprecision::pow(BigInt(10), 18), 0);
      const BigInt end = BigInt(f->time) + (us ? BigInt(us->mantissa()) : BigInt(kTimeMax));
      const TimeUs last = end > s.to ? s.to : static_cast<TimeUs>(end);
      const TimeUs first = std::max(f->time, s.from);
      if (first < last) list.push_back({first, last});
    }
    return list;
  }

  Result<OracleCell> Overlap(const Aggregate& a, const Facts& facts, const Stretch& s) const {
    const std::vector<Stretch> list = UnderWay(a, facts, s);
    if (a.function == Function::kAvgConcurrency) {
      BigInt total = 0;
      for (const Stretch& e : list) total += e.to - e.from;
      if (s.from >= s.to) return DecimalCell(0);
      QUIPU_TRY_ASSIGN(const Decimal d, HalfToEven(total, BigInt(s.to - s.from), 18));
      return DecimalCell(d);
    }
    // It can only become more where one begins.
    std::int64_t most = 0;
    for (const Stretch& at : list) {
      most = std::max<std::int64_t>(most,
                                    std::count_if(list.begin(), list.end(), [&](const Stretch& e) {
                                      return e.from <= at.from && at.from < e.to;
                                    }));
    }
    return IntegerCell(most);
  }

  Result<OracleCell> Value(const Aggregate& a, const Facts& facts, const Stretch& s) {
    const auto key = std::tuple(&a, &facts, s.from, s.to);
    if (const auto it = known_.find(key); it != known_.end()) return it->second;
    QUIPU_TRY_ASSIGN(const OracleCell cell, Compute(a, facts, s));
    known_[key] = cell;
    return cell;
  }

  Result<OracleCell> Compute(const Aggregate& a, const Facts& facts, const Stretch& s) {
    if (IsOverlap(a.function)) return Overlap(a, facts, s);
    if (!IsLevel(a.function)) {
      QUIPU_TRY_ASSIGN(const OracleCell cell, EvaluatePlain(a, Within(facts, s), spec_.exact));
      answer_.is_ambiguous |= cell.slack == OracleCell::Slack::kAny;
      return cell;
    }
    const BigInt divisor = a.function == Function::kTimeWeightedSum
                               ? BigInt(kHourUs)
                               : BigInt(std::max<TimeUs>(1, s.to - s.from));
    QUIPU_TRY_ASSIGN(const Decimal d,
                     HalfToEven(Area(a, facts, s).first,
                                divisor * boost::multiprecision::pow(BigInt(10), 18), 18));
    return DecimalCell(d);
  }

  /// Is there anything to show of the aggregate?
  bool HasRow(const Aggregate& a, const Facts& facts, const Stretch& s) {
    const auto key = std::tuple(&a, &facts, s.from, s.to);
    if (const auto it = has_row_.find(key); it != has_row_.end()) return it->second;
    return has_row_[key] = ComputeHasRow(a, facts, s);
  }
  bool ComputeHasRow(const Aggregate& a, const Facts& facts, const Stretch& s) {
    if (IsLevel(a.function)) return Area(a, facts, s).second;
    if (IsOverlap(a.function)) return !UnderWay(a, facts, s).empty();
    return !Within(facts, s).empty();
  }
  bool HasRow(const Facts& facts, const Stretch& s) {
    return std::any_of(spec_.select.begin(), spec_.select.end(),
                       [&](const Aggregate& a) { return HasRow(a, facts, s); });
  }
  bool HasComparedRow(const Facts& facts) {
    return std::any_of(spec_.select.begin(), spec_.select.end(), [&](const Aggregate& a) {
      return IsComparison(a.derived) && HasRow(a, facts, {*spec_.compare_from, *spec_.compare_to});
    });
  }
  [[nodiscard]] static bool IsComparison(Derived d) { return d >= Derived::kBefore; }

  // ---- what is derived from them

  Result<OracleCell> Compared(const Aggregate& a, const Facts& facts, const Stretch& s) {
    QUIPU_TRY_ASSIGN(OracleCell cell, Value(a, facts, s));
    if (cell.present || !CountsAsZero(a.function)) return cell;
    cell.present = true;
    return cell;
  }

  Result<OracleCell> Step(const Aggregate& a, bool percent, const OracleCell& now,
                          const OracleCell& before) {
    const ColumnType type = percent ? ColumnType::kDecimal : PlainType(a.function);
    OracleCell cell = AbsentCell(type);
    cell.approximate = now.approximate || before.approximate;
    if (!now.present || !before.present) return cell;
    if (cell.approximate) {
      cell.slack = OracleCell::Slack::kAny;
      return cell;
    }
    const BigInt difference = AtScale18Big(NumberOf(now)) - AtScale18Big(NumberOf(before));
    const BigInt size = abs(AtScale18Big(NumberOf(before)));
    if (percent && size == 0) return cell;
    cell.present = true;
    if (type == ColumnType::kInteger) {
      cell.integer = now.integer - before.integer;
    } else if (percent) {
      QUIPU_TRY_ASSIGN(cell.decimal, HalfToEven(difference * 100, size, 2));
    } else {
      QUIPU_TRY_ASSIGN(cell.decimal,
                       HalfToEven(difference, boost::multiprecision::pow(BigInt(10), 18), 18));
    }
    return cell;
  }

  Result<OracleCell> Change(const Aggregate& a, const Facts& facts, TimeUs window) {
    QUIPU_TRY_ASSIGN(const OracleCell now, Compared(a, facts, CutOf(window)));
    OracleCell before = AbsentCell(PlainType(a.function));
    TimeUs other = 0;
    if (a.ago == Ago::kWindow) {
      const auto first = std::find_if(windows_.begin(), windows_.end(),
                                      [&](TimeUs w) { return HasRow(facts, CutOf(w)); });
      if (first == windows_.end() || window <= *first)
        return Step(a, a.derived == Derived::kChangePercent, now, before);
      other = windower_.StartOf(window - 1);
    } else {
      other = windower_.StartOf(a.ago == Ago::kMonth
                                    ? windower_.MonthBefore(window)
                                    : windower_.DaysBefore(window, a.ago == Ago::kDay ? 1 : 7));
    }
    QUIPU_TRY_ASSIGN(before, Compared(a, facts, CutOf(other)));
    return Step(a, a.derived == Derived::kChangePercent, now, before);
  }

  Result<OracleCell> Cumulative(const Aggregate& a, const Facts& facts, TimeUs window) {
    BigInt total = 0;
    OracleCell cell = AbsentCell(PlainType(a.function));
    for (const TimeUs w : windows_) {
      if (w > window) break;
      QUIPU_TRY_ASSIGN(const OracleCell v, Value(a, facts, CutOf(w)));
      if (!v.present) continue;
      cell.present = true;
      total += AtScale18Big(NumberOf(v));
    }
    const BigInt unit = boost::multiprecision::pow(BigInt(10), 18);
    cell.integer =
        cell.type == ColumnType::kInteger ? static_cast<std::int64_t>(BigInt(total / unit)) : 0;
    QUIPU_TRY_ASSIGN(cell.decimal, HalfToEven(total, unit, 18));
    return cell;
  }

  Result<OracleCell> Share(const Aggregate& a, const Facts& facts, TimeUs window) {
    BigInt total = 0;
    for (const auto& [key, others] : groups_) {
      for (const TimeUs w : windows_) {
        if (!spec_.group_by.empty() && w != window) continue;
        QUIPU_TRY_ASSIGN(const OracleCell v, Value(a, others, CutOf(w)));
        if (v.present) total += AtScale18Big(NumberOf(v));
      }
    }
    QUIPU_TRY_ASSIGN(const OracleCell v, Value(a, facts, CutOf(window)));
    OracleCell cell = AbsentCell(ColumnType::kDecimal);
    if (!v.present || total == 0) return cell;
    cell.present = true;
    QUIPU_TRY_ASSIGN(cell.decimal, HalfToEven(AtScale18Big(NumberOf(v)) * 100, total, 2));
    return cell;
  }

  Result<OracleCell> MovingAverage(const Aggregate& a, const Facts& facts, TimeUs window) {
    BigInt total = 0;
    int present = 0;
    OracleCell cell = AbsentCell(ColumnType::kDecimal);
    for (std::uint32_t k = 0; k < a.windows; ++k, window = windower_.StartOf(window - 1)) {
      QUIPU_TRY_ASSIGN(const OracleCell v, Compared(a, facts, CutOf(window)));
      if (!v.present) continue;
      ++present;
      total += AtScale18Big(NumberOf(v));
    }
    if (present == 0) return cell;
    cell.present = true;
    QUIPU_TRY_ASSIGN(
        cell.decimal,
        HalfToEven(total, BigInt(present) * boost::multiprecision::pow(BigInt(10), 18), 18));
    return cell;
  }

  Result<OracleCell> Peak(const Aggregate& a, const Facts& facts, TimeUs window) {
    QUIPU_TRY_ASSIGN(const Windower finer, Windower::Make({a.peak_unit, spec_.window.zone}));
    const Stretch cut = CutOf(window);
    OracleCell highest = AbsentCell(PlainType(a.function));
    TimeUs time = 0;
    QUIPU_TRY_ASSIGN(const std::vector<TimeUs> starts, finer.Starts(cut.from, cut.to, 1'000'000));
    for (const TimeUs start : starts) {
      const Stretch s{std::max(start, cut.from), std::min(finer.EndOf(start), cut.to)};
      if (!HasRow(a, facts, s)) continue;
      QUIPU_TRY_ASSIGN(const OracleCell v, Value(a, facts, s));
      if (!v.present || (CountsAsZero(a.function) && NumberOf(v).is_zero())) continue;
      if (highest.present && NumberOf(v) <= NumberOf(highest)) continue;
      highest = v;
      time = start;
    }
    if (a.derived == Derived::kPeak) return highest;
    return highest.present ? TimeCell(time) : AbsentCell(ColumnType::kTime);
  }

  Result<OracleCell> Cell(const Aggregate& a, const Facts& facts, TimeUs window) {
    const Stretch cut = CutOf(window);
    switch (a.derived) {
      case Derived::kNone:
        return Value(a, facts, cut);
      case Derived::kChange:
      case Derived::kChangePercent:
        return Change(a, facts, window);
      case Derived::kRate: {
        QUIPU_TRY_ASSIGN(const OracleCell v, Value(a, facts, cut));
        if (!v.present || cut.from >= cut.to) return AbsentCell(ColumnType::kDecimal);
        QUIPU_TRY_ASSIGN(
            const Decimal d,
            HalfToEven(AtScale18Big(NumberOf(v)) * kSecondUs,
                       BigInt(cut.to - cut.from) * boost::multiprecision::pow(BigInt(10), 18), 18));
        return DecimalCell(d);
      }
      case Derived::kCumulative:
        return Cumulative(a, facts, window);
      case Derived::kShare:
        return Share(a, facts, window);
      case Derived::kMovingAverage:
        return MovingAverage(a, facts, window);
      case Derived::kPeak:
      case Derived::kPeakTime:
        return Peak(a, facts, window);
      default:
        break;
    }
    QUIPU_TRY_ASSIGN(const OracleCell before,
                     Compared(a, facts, {*spec_.compare_from, *spec_.compare_to}));
    if (a.derived == Derived::kBefore) return before;
    QUIPU_TRY_ASSIGN(const OracleCell now, Compared(a, facts, cut));
    return Step(a, a.derived == Derived::kGrowthPercent, now, before);
  }

  // ---- rows

  Result<Row> MakeRow(const GroupKey& key, const Facts& facts, TimeUs window) {
    Row row;
    row.key = key;
    if (Windowed()) row.cells.push_back(TimeCell(window));
    for (const auto& value : key) row.cells.push_back(TextCell(value));
    for (const Aggregate& a : spec_.select) {
      QUIPU_TRY_ASSIGN(OracleCell cell, Cell(a, facts, window));
      row.cells.push_back(std::move(cell));
    }
    return row;
  }

  Status MakeRows() {
    for (const auto& [key, facts] : groups_) {
      std::vector<TimeUs> shown;
      for (const TimeUs w : windows_) {
        if (HasRow(facts, CutOf(w))) shown.push_back(w);
      }
      if (shown.empty() && !Windowed() && (spec_.group_by.empty() || HasComparedRow(facts)))
        shown = {0};
      if (spec_.fill && Windowed() && (!shown.empty() || spec_.group_by.empty())) shown = windows_;
      for (const TimeUs w : shown) {
        QUIPU_TRY_ASSIGN(Row row, MakeRow(key, facts, w));
        rows_.push_back(std::move(row));
      }
    }
    return {};
  }

  Status AddOthers() {
    std::set<GroupKey> kept;
    for (std::size_t r = 0; r < spec_.limit; ++r) kept.insert(rows_[r].key);
    rows_.resize(spec_.limit);
    Facts rest;
    for (const auto& [key, facts] : groups_) {
      if (kept.count(key) == 0) rest.insert(rest.end(), facts.begin(), facts.end());
    }
    std::sort(rest.begin(), rest.end(), [](const Fact* a, const Fact* b) {
      return std::tuple(a->time, a->identity) < std::tuple(b->time, b->identity);
    });
    GroupKey name(spec_.group_by.size());
    name[0] = std::string(kOthersName);
    QUIPU_TRY_ASSIGN(Row row, MakeRow(name, rest, 0));
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
  const Windower& windower_;
  const TimeUs low_, high_;
  std::size_t keys_ = 0;
  std::map<GroupKey, Facts> groups_;
  std::vector<TimeUs> windows_;
  std::vector<Row> rows_;
  OracleAnswer answer_;
  // What was computed once: the same questions come again and again.
  using Asked = std::tuple<const Aggregate*, const Facts*, TimeUs, TimeUs>;
  std::map<Asked, OracleCell> known_;
  std::map<Asked, bool> has_row_;
  std::map<std::pair<const Aggregate*, const Facts*>, std::vector<Facts>> levels_;
};

}  // namespace

Result<OracleAnswer> AskDerived(const QuerySpec& spec, const Facts& facts, TimeUs low,
                                TimeUs high) {
  QUIPU_TRY_ASSIGN(const Windower windower, Windower::Make(spec.window));
  return DerivedEvaluation(spec, windower, low, high).Run(facts);
}

}  // namespace quipu
