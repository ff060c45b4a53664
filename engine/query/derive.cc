#include "query/derive.h"

#include <algorithm>

#include "base/check.h"
#include "query/window_spans.h"

namespace quipu {
namespace {

Value Absent(ColumnType type, bool approximate) {
  Value v;
  v.type = type;
  v.approximate = approximate;
  return v;
}

Value Marked(Value v, bool approximate) {
  v.approximate = approximate;
  return v;
}

}  // namespace

ColumnType TypeOfAnswer(const Aggregate& a) {
  switch (a.derived) {
    case Derived::kPeakTime:
      return ColumnType::kTime;
    case Derived::kChangePercent:
    case Derived::kRate:
    case Derived::kShare:
    case Derived::kMovingAverage:
    case Derived::kGrowthPercent:
      return ColumnType::kDecimal;
    default:
      return TypeOfFunction(a);
  }
}

Deriver::Deriver(const QuerySpec& spec, const Windower& windower, const Sheets& sheets)
    : spec_(spec),
      windower_(windower),
      sheets_(sheets),
      before_(spec.select.size()),
      totals_(spec.select.size()),
      total_is_approximate_(spec.select.size()),
      peaks_(spec.select.size()) {
  bool has_change = false;
  for (std::size_t a = 0; a < spec.select.size(); ++a) {
    has_change |= IsChange(spec.select[a].derived);
    if (spec.select[a].derived == Derived::kShare) AddTotals(a);
    if (IsPeak(spec.select[a].derived)) FindPeaks(a);
  }
  if (has_change) FindFirstWindows();
}

Result<Value> Deriver::Of(std::size_t a, const Row& row) {
  switch (spec_.select[a].derived) {
    case Derived::kNone:
      return InRange(a, row);
    case Derived::kChange:
    case Derived::kChangePercent:
      return ChangeOf(a, row);
    case Derived::kRate:
      return RateOf(a, row);
    case Derived::kCumulative:
      return CumulativeOf(a, row);
    case Derived::kShare:
      return ShareOf(a, row);
    case Derived::kMovingAverage:
      return AverageOf(a, row.series, row.window);
    case Derived::kPeak:
    case Derived::kPeakTime:
      return PeakOf(a, row.series, row.window);
    case Derived::kBefore:
    case Derived::kGrowth:
    case Derived::kGrowthPercent:
      return GrowthOf(a, row);
  }
  return Value{};
}

void Deriver::FindFirstWindows() {
  const Sheet& sheet = *sheets_.range.sheet;
  for (std::size_t i = 0; i < sheet.size(); ++i) {
    const Sheet::Row& row = sheet.row(i);
    if (row.series >= first_window_.size()) first_window_.resize(row.series + 1u, kNoWindow);
    first_window_[row.series] = std::min(first_window_[row.series], row.window);
  }
}

void Deriver::AddTotals(std::size_t a) {
  const Sheet& sheet = *sheets_.range.sheet;
  for (std::size_t i = 0; i < sheet.size(); ++i) {
    const Value& v = sheet.value(i, sheets_.range.columns[a]);
    WideInt& total = totals_[a][spec_.group_by.empty() ? 0 : sheet.row(i).window];
    if (v.present) total += AtScale18(v.number());
    if (v.approximate) total_is_approximate_[a] = true;
  }
}

void Deriver::FindPeaks(std::size_t a) {
  const NamedSheet& finer = sheets_.finer.at(spec_.select[a].peak_unit);
  const bool has_windows = spec_.window.unit != WindowUnit::kNone;
  for (std::size_t i = 0; i < finer.sheet->size(); ++i) {
    const Sheet::Row& row = finer.sheet->row(i);
    const Value& v = finer.sheet->value(i, finer.columns[a]);
    // A row may be there for another aggregate: what is 0 may be nothing at all.
    if (!v.present || (IsZeroWithoutEvents(spec_.select[a]) && v.number().is_zero())) continue;
    Peak& peak = peaks_[a][{row.series, has_windows ? windower_.StartOf(row.window) : 0}];
    const bool is_first = !peak.highest.present;
    const auto order =
        is_first ? std::strong_ordering::equal : v.number() <=> peak.highest.number();
    if (is_first || order > 0 || (order == 0 && row.window < peak.time)) {
      peak.highest = v;
      peak.time = row.window;
    }
  }
}

Value Deriver::InRange(std::size_t a, const Row& row) const {
  const NamedSheet& range = sheets_.range;
  if (row.in_range != Row::kUnknown) return range.sheet->value(row.in_range, range.columns[a]);
  const Value* v = range.sheet->Find(row.series, row.window, range.columns[a]);
  return v != nullptr ? *v : EmptyValue(spec_.select[a]);
}

Value Deriver::ForComparison(const Aggregate& a, Value v) {
  if (v.present || !IsZeroWithoutEvents(a)) return v;
  const bool approximate = v.approximate;
  return Marked(TypeOfFunction(a) == ColumnType::kInteger ? OfInteger(0) : OfDecimal(Decimal()),
                approximate);
}

Value Deriver::Compared(std::size_t a, std::uint32_t series, TimeUs window) const {
  const Value* v = sheets_.range.sheet->Find(series, window, sheets_.range.columns[a]);
  if (v == nullptr) {
    if (const std::optional<Ago> ago = LooksBack(spec_.select[a])) {
      const auto before = sheets_.before.find(*ago);
      if (before != sheets_.before.end())
        v = before->second.sheet->Find(series, window, before->second.columns[a]);
    }
  }
  return ForComparison(spec_.select[a], v != nullptr ? *v : Absent(ColumnType::kDecimal, false));
}

Result<Value> Deriver::ChangeOf(std::size_t a, const Row& row) {
  const Aggregate& aggregate = spec_.select[a];
  const Value now = ForComparison(aggregate, InRange(a, row));
  Value before = Absent(now.type, false);
  // Filled windows before a series begins, and its first one, have nothing to compare with.
  const bool is_begun = row.series < first_window_.size() && row.window > first_window_[row.series];
  if (aggregate.ago != Ago::kWindow || is_begun) {
    if (before_[a].window != row.window)
      before_[a] = {row.window, WindowAgo(windower_, row.window, aggregate.ago)};
    before = Compared(a, row.series, before_[a].ago);
  }
  const bool approximate = now.approximate || before.approximate;
  if (!now.present || !before.present) return Absent(TypeOfAnswer(spec_.select[a]), approximate);
  QUIPU_TRY_ASSIGN(const Value v, aggregate.derived == Derived::kChange
                                      ? Difference(now, before)
                                      : PercentOfChange(now, before));
  return Marked(v, approximate);
}

Result<Value> Deriver::RateOf(std::size_t a, const Row& row) const {
  const Value v = InRange(a, row);
  const std::int64_t length = LengthUs(spec_, windower_, row.window);
  if (!v.present || length <= 0) return Absent(ColumnType::kDecimal, v.approximate);
  QUIPU_TRY_ASSIGN(const Decimal d, RoundedQuotient(AtScale18(v.number()) * kSecondUs,
                                                    WideInt(length), kQuotientScale));
  return Marked(OfDecimal(d), v.approximate);
}

Result<Value> Deriver::CumulativeOf(std::size_t a, const Row& row) {
  const Value v = InRange(a, row);
  Running& running = running_[{a, row.series}];
  running.present |= v.present;
  running.approximate |= v.approximate;
  if (v.present) running.total += AtScale18(v.number());
  if (!running.present) return Absent(TypeOfAnswer(spec_.select[a]), running.approximate);
  QUIPU_TRY_ASSIGN(const Decimal d, FromScale18(running.total));
  // Counts stay whole: they are below 2^63 together.
  const Value total = v.type == ColumnType::kInteger
                          ? OfInteger(static_cast<std::int64_t>(d.mantissa()))
                          : OfDecimal(d);
  return Marked(total, running.approximate);
}

Result<Value> Deriver::ShareOf(std::size_t a, const Row& row) const {
  const Value v = InRange(a, row);
  const auto total = totals_[a].find(spec_.group_by.empty() ? 0 : row.window);
  const bool approximate = v.approximate || total_is_approximate_[a];
  if (!v.present || total == totals_[a].end()) return Absent(ColumnType::kDecimal, approximate);
  QUIPU_TRY_ASSIGN(const Value share, PercentOf(v, total->second));
  return Marked(share, approximate);
}

Result<Value> Deriver::AverageOf(std::size_t a, std::uint32_t series, TimeUs window) const {
  const Aggregate& aggregate = spec_.select[a];
  WideInt total = 0;
  std::uint32_t present = 0;
  bool approximate = false;
  for (std::uint32_t k = 0; k < aggregate.windows; ++k) {
    const Value v = Compared(a, series, window);
    if (v.present) {
      total += AtScale18(v.number());
      ++present;
    }
    approximate |= v.approximate;
    window = windower_.StartOf(window - 1);
  }
  if (present == 0) return Absent(ColumnType::kDecimal, approximate);
  QUIPU_TRY_ASSIGN(const Decimal d, RoundedQuotient(total, WideInt(present), kQuotientScale));
  return Marked(OfDecimal(d), approximate);
}

Value Deriver::PeakOf(std::size_t a, std::uint32_t series, TimeUs window) const {
  const auto it = peaks_[a].find({series, window});
  if (it == peaks_[a].end()) return Absent(TypeOfAnswer(spec_.select[a]), false);
  const Peak& peak = it->second;
  const bool approximate = peak.highest.approximate;
  return spec_.select[a].derived == Derived::kPeak ? peak.highest
                                                   : Marked(OfTime(peak.time), approximate);
}

Result<Value> Deriver::GrowthOf(std::size_t a, const Row& row) const {
  const Aggregate& aggregate = spec_.select[a];
  const NamedSheet& compared = sheets_.compared;
  // Windows are compared only with those of the same range in another state.
  const Value* found = compared.sheet->Find(row.series, row.window, compared.columns[a]);
  const Value before = ForComparison(aggregate, found != nullptr ? *found : EmptyValue(aggregate));
  if (aggregate.derived == Derived::kBefore) return before;
  const Value now = ForComparison(aggregate, InRange(a, row));
  const bool approximate = now.approximate || before.approximate;
  if (!now.present || !before.present) return Absent(TypeOfAnswer(spec_.select[a]), approximate);
  QUIPU_TRY_ASSIGN(const Value v, aggregate.derived == Derived::kGrowth
                                      ? Difference(now, before)
                                      : PercentOfChange(now, before));
  return Marked(v, approximate);
}

}  // namespace quipu
