#include "query/answer.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "query/asked_view.h"
#include "query/derive.h"
#include "query/executor.h"
#include "query/finish.h"
#include "query/question.h"
#include "query/reading.h"

namespace quipu {
namespace {

constexpr std::uint32_t kNoSeries = 0xFFFFFFFF;

/// The readings of a question with derived aggregates.
class Readings {
 public:
  Readings(const View& view, const View& compared_view, const Catalogue& catalogue,
           const QuerySpec& spec)
      : view_(view), compared_view_(compared_view), catalogue_(catalogue), spec_(spec) {}

  Status Run(const Windower& windower, QueryRun* run) {
    Add(&range_, view_, spec_, [](const Aggregate&) { return true; });
    for (const auto& [ago, stretch] : StretchesBefore(spec_, windower)) {
      QuerySpec before = spec_;
      before.from = stretch.from;
      before.to = stretch.to;
      Add(&before_[ago], view_, before,
          [wanted = ago](const Aggregate& a) { return LooksBack(a) == wanted; });
    }
    const auto compares = [](const Aggregate& a) { return IsComparison(a.derived); };
    QuerySpec compared = spec_;
    if (spec_.compare_from) compared.from = spec_.compare_from;
    if (spec_.compare_to) compared.to = spec_.compare_to;
    Add(&compared_, compared_view_, compared, compares);
    for (const WindowUnit unit : {WindowUnit::kMinute, WindowUnit::kHour, WindowUnit::kDay}) {
      QuerySpec finer = spec_;
      finer.window.unit = unit;
      Add(&finer_[unit], view_, finer,
          [unit](const Aggregate& a) { return IsPeak(a.derived) && a.peak_unit == unit; });
    }
    for (Reading* reading : All()) QUIPU_TRY(reading->Run(run));
    return {};
  }

  /// With `kept`, the other series are one: `others`.
  Result<Sheets> MakeSheets(SeriesList* list, const std::vector<bool>* kept, std::uint32_t others,
                            QueryRun* run) {
    made_.clear();
    Sheets sheets;
    const auto make = [&](Reading* reading, NamedSheet* named) -> Status {
      if (reading == nullptr) return {};
      QUIPU_TRY_ASSIGN(Sheet sheet, kept == nullptr
                                        ? reading->MakeSheet(list, run)
                                        : reading->MakeSheetWithOthers(list, *kept, others, run));
      made_.push_back(std::make_unique<Sheet>(std::move(sheet)));
      named->sheet = made_.back().get();
      for (std::size_t a = 0; a < spec_.select.size(); ++a)
        named->columns.push_back(reading->ColumnOf(a));
      return {};
    };
    QUIPU_TRY(make(range_.get(), &sheets.range));
    for (auto& [ago, reading] : before_) QUIPU_TRY(make(reading.get(), &sheets.before[ago]));
    QUIPU_TRY(make(compared_.get(), &sheets.compared));
    for (auto& [unit, reading] : finer_) {
      if (reading) QUIPU_TRY(make(reading.get(), &sheets.finer[unit]));
    }
    return sheets;
  }

  [[nodiscard]] const BoundQuery& bound() const { return range_->bound(); }
  [[nodiscard]] double relative_error() {
    double error = 0;
    for (const Reading* reading : All()) error = std::max(error, reading->relative_error());
    return error;
  }

 private:
  template <class Choose>
  void Add(std::unique_ptr<Reading>* reading, const View& view, const QuerySpec& spec,
           Choose choose) {
    std::vector<std::size_t> chosen;
    for (std::size_t a = 0; a < spec.select.size(); ++a) {
      if (choose(spec.select[a])) chosen.push_back(a);
    }
    if (!chosen.empty()) *reading = std::make_unique<Reading>(view, catalogue_, spec, chosen);
  }
  std::vector<Reading*> All() {
    std::vector<Reading*> all = {range_.get(), compared_.get()};
    for (const auto& [ago, reading] : before_) all.push_back(reading.get());
    for (const auto& [unit, reading] : finer_) all.push_back(reading.get());
    std::erase(all, nullptr);
    return all;
  }

  const View& view_;
  const View& compared_view_;
  const Catalogue& catalogue_;
  const QuerySpec& spec_;
  std::unique_ptr<Reading> range_, compared_;
  std::map<Ago, std::unique_ptr<Reading>> before_;
  std::map<WindowUnit, std::unique_ptr<Reading>> finer_;
  std::vector<std::unique_ptr<Sheet>> made_;
};

/// One row of the answer in the making; its values are those of number `place`.
struct Row : Deriver::Row {
  std::size_t place = 0;
};
Row RowOf(std::uint32_t series, TimeUs window, std::uint32_t in_range = Deriver::Row::kUnknown) {
  return {{series, in_range, window}, 0};
}

class Answer {
 public:
  Answer(const View& view, const View& compared_view, const Catalogue& catalogue,
         const QuerySpec& spec, Windower windower, QueryRun* run)
      : spec_(spec),
        windower_(std::move(windower)),
        run_(run),
        readings_(view, compared_view, catalogue, spec) {}

  Result<ResultSet> Run() {
    result_.zone = spec_.window.zone;
    QUIPU_TRY(readings_.Run(windower_, run_));
    QUIPU_TRY_ASSIGN(const Sheets sheets, readings_.MakeSheets(&series_, nullptr, kNoSeries, run_));
    QUIPU_TRY(MakeRows(sheets));
    QUIPU_TRY(MakeValues(sheets));
    QUIPU_TRY(Order());
    if (spec_.others && rows_.size() > spec_.limit) {
      QUIPU_TRY(CutToOthers());
    } else if (spec_.limit != 0 && rows_.size() > spec_.limit) {
      rows_.resize(spec_.limit);
    }
    MakeColumns();
    result_.relative_error = result_.exact ? 0 : readings_.relative_error();
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool HasWindows() const { return spec_.window.unit != WindowUnit::kNone; }

  /// Rows in the default order: by window, then by group values.
  Status MakeRows(const Sheets& sheets) {
    const Sheet& range = *sheets.range.sheet;
    rows_.reserve(range.size());
    for (std::uint32_t i = 0; i < range.size(); ++i)
      rows_.push_back(RowOf(range.row(i).series, range.row(i).window, i));
    if (sheets.compared.sheet != nullptr) {
      const Sheet& compared = *sheets.compared.sheet;
      for (std::size_t i = 0; i < compared.size(); ++i) {
        const auto& [series, window] = compared.row(i);
        if (range.Find(series, window, 0) == nullptr) rows_.push_back(RowOf(series, window));
      }
    }
    if (spec_.fill && HasWindows()) QUIPU_TRY(Fill());
    const std::vector<std::uint32_t> ranks = series_.Ranks();
    const auto is_before = [&](const Row& a, const Row& b) {
      return std::pair(a.window, ranks[a.series]) < std::pair(b.window, ranks[b.series]);
    };
    if (!std::is_sorted(rows_.begin(), rows_.end(), is_before))
      std::sort(rows_.begin(), rows_.end(), is_before);
    return {};
  }

  /// Every window of the range for each series that has a row.
  Status Fill() {
    const BoundQuery& bound = readings_.bound();
    const TimeUs from = spec_.from.value_or(bound.from);
    const TimeUs to = spec_.to.value_or(bound.to);
    std::vector<std::uint32_t> filled;
    for (const Row& row : rows_) filled.push_back(row.series);
    if (spec_.group_by.empty()) filled.push_back(series_.IdOf({}));
    std::sort(filled.begin(), filled.end());
    filled.erase(std::unique(filled.begin(), filled.end()), filled.end());
    // Where nothing is seen, an open end is nowhere.
    if (from >= to || filled.empty() || (bound.from >= bound.to && !(spec_.from && spec_.to)))
      return {};
    auto starts = windower_.Starts(from, to, spec_.groups_max);
    if (!starts || starts->size() > spec_.groups_max / filled.size()) {
      return Status::Exhausted(
          "filling needs more than " + std::to_string(spec_.groups_max) +
          " rows; ask for a shorter range or longer windows, or raise groups_max");
    }
    rows_.clear();
    for (const TimeUs start : *starts) {
      for (const std::uint32_t s : filled) rows_.push_back(RowOf(s, start));
    }
    return {};
  }

  /// Of all rows, anew.
  Status MakeValues(const Sheets& sheets) {
    Deriver deriver(spec_, windower_, sheets);
    const std::size_t aggregates = spec_.select.size();
    values_.clear();
    values_.reserve(rows_.size() * aggregates);
    exact_.assign(aggregates, true);
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      rows_[r].place = r;
      for (std::size_t a = 0; a < aggregates; ++a) {
        QUIPU_TRY_ASSIGN(const Value v, deriver.Of(a, rows_[r]));
        if (v.approximate) exact_[a] = false;
        values_.push_back(v);
      }
    }
    return {};
  }
  [[nodiscard]] const Value& ValueOf(const Row& row, std::size_t a) const {
    return values_[row.place * spec_.select.size() + a];
  }

  /// The first `limit` rows, then one for all other series, calculated from what those have together.
  Status CutToOthers() {
    std::vector<bool> kept(series_.size());
    rows_.resize(spec_.limit);
    for (const Row& row : rows_) kept[row.series] = true;
    SeriesTexts name(spec_.group_by.size());
    name[0] = "others";  // without the mark of a value: no group is called so
    const std::uint32_t others = series_.IdOf(name);
    QUIPU_TRY_ASSIGN(const Sheets sheets, readings_.MakeSheets(&series_, &kept, others, run_));
    for (Row& row : rows_) row.in_range = Deriver::Row::kUnknown;  // these are other sheets
    rows_.push_back(RowOf(others, 0));
    result_.has_others = true;
    return MakeValues(sheets);
  }

  Status Order() {
    std::vector<std::pair<int, bool>> keys;  // as in ColumnOf, descending
    for (const struct OrderBy& by : spec_.order_by) {
      QUIPU_TRY_ASSIGN(const int column, ColumnOf(by.column));
      keys.emplace_back(column, by.descending);
    }
    if (keys.empty()) return {};
    std::stable_sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) {
      for (const auto& [column, descending] : keys) {
        const int c = Compare(column, a, b);
        if (c != 0) return descending ? c > 0 : c < 0;
      }
      return false;  // they are in the default order already
    });
    return {};
  }

  /// -1 = window, then group-by, then aggregates.
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

  [[nodiscard]] int Compare(int column, const Row& a, const Row& b) const {
    const auto three_way = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
    if (column < 0) return three_way(a.window, b.window);
    const auto c = static_cast<std::size_t>(column);
    if (c < spec_.group_by.size())
      return three_way(series_.texts(a.series)[c], series_.texts(b.series)[c]);
    const Value& x = ValueOf(a, c - spec_.group_by.size());
    const Value& y = ValueOf(b, c - spec_.group_by.size());
    if (x.present != y.present) return x.present ? 1 : -1;
    if (x.type == ColumnType::kTime) return three_way(x.integer, y.integer);
    return three_way(x.number(), y.number());
  }

  void MakeColumns() {
    if (HasWindows()) {
      ResultColumn& column = AddColumn("window_start", ColumnType::kTime);
      for (const Row& row : rows_) column.times.push_back(row.window);
    }
    for (std::size_t f = 0; f < spec_.group_by.size(); ++f) {
      ResultColumn& column = AddColumn(spec_.group_by[f], ColumnType::kString);
      for (std::size_t r = 0; r < rows_.size(); ++r) {
        const bool is_others = result_.has_others && r + 1 == rows_.size();
        const std::string& marked = series_.texts(rows_[r].series)[f];
        column.present[r] = marked.empty() ? 0 : 1;
        column.strings.push_back(marked.empty() ? std::string()
                                 : is_others    ? std::string(kOthersName)
                                                : marked.substr(1));
      }
    }
    for (std::size_t a = 0; a < spec_.select.size(); ++a) {
      ResultColumn& column = AddColumn(spec_.select[a].name, TypeOfAnswer(spec_.select[a]));
      column.exact = exact_[a];
      result_.exact &= exact_[a];
      for (std::size_t r = 0; r < rows_.size(); ++r) AddValue(ValueOf(rows_[r], a), r, &column);
    }
  }

  static void AddValue(const Value& v, std::size_t row, ResultColumn* column) {
    column->present[row] = v.present ? 1 : 0;
    switch (column->type) {
      case ColumnType::kTime:
        column->times.push_back(v.integer);
        break;
      case ColumnType::kInteger:
        column->integers.push_back(v.integer);
        break;
      default:
        column->decimals.push_back(v.present ? v.number() : Decimal());
    }
  }

  ResultColumn& AddColumn(std::string name, ColumnType type) {
    ResultColumn& column = result_.columns.emplace_back();
    column.name = std::move(name);
    column.type = type;
    column.present.assign(rows_.size(), 1);
    return column;
  }

  const QuerySpec& spec_;
  const Windower windower_;
  QueryRun* run_;
  Readings readings_;
  SeriesList series_;
  std::vector<Row> rows_;
  std::vector<Value> values_;  // by place, then aggregate
  std::vector<bool> exact_;    // per aggregate
  ResultSet result_;
};

Result<ResultSet> AnswerPlain(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                              QueryRun* run) {
  QUIPU_TRY_ASSIGN(const BoundQuery bound, Bind(view, catalogue, spec));
  run->StepDone("bind");
  Groups groups(bound, &run->control);
  QUIPU_TRY(ExecuteQuery(view, catalogue, bound, run, &groups));
  QUIPU_TRY_ASSIGN(ResultSet result, FinishQuery(bound, catalogue, &groups, &run->resources->pool));
  run->StepDone("finish");
  return result;
}

Result<ResultSet> AnswerDerived(const View& view, const View& compared_view,
                                const Catalogue& catalogue, const QuerySpec& spec, QueryRun* run) {
  QUIPU_TRY(CheckQuestion(spec));
  QUIPU_TRY_ASSIGN(Windower windower, Windower::Make(spec.window));
  QUIPU_TRY_ASSIGN(ResultSet result,
                   Answer(view, compared_view, catalogue, spec, std::move(windower), run).Run());
  run->StepDone("derive");
  return result;
}

}  // namespace

Result<ResultSet> RunQuery(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                           QueryResources* resources) {
  QueryResources alone(1);
  QueryRun run(spec, resources != nullptr ? resources : &alone);
  QUIPU_TRY(run.control.CheckTime());
  QUIPU_TRY_ASSIGN(const AskedView asked, AskedView::Make(view, spec.as_of, spec.since));
  AskedView compared = asked;
  if (!spec.compare_as_of.IsNow()) {
    QUIPU_TRY_ASSIGN(compared, AskedView::Make(view, spec.compare_as_of, spec.since));
  }
  if (spec.explain) run.explanation.left_out = asked.left_out();
  QUIPU_TRY_ASSIGN(ResultSet result,
                   IsPlain(spec)
                       ? AnswerPlain(asked.view(), catalogue, spec, &run)
                       : AnswerDerived(asked.view(), compared.view(), catalogue, spec, &run));
  result.as_of = asked.view().as_of;
  result.altered = asked.is_altered() || compared.is_altered();
  result.stats = run.stats;
  if (spec.explain) {
    run.explanation.memory_bytes = run.control.peak_bytes();
    result.explanation = std::move(run.explanation);
  }
  return result;
}

}  // namespace quipu
