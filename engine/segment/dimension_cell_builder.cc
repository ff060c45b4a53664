#include "segment/dimension_cell_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "segment/pending_values.h"
#include "sketch/exact_sum.h"

namespace quipu {

DimensionCellBuilder::DimensionCellBuilder(MonthIndex month, DimensionSet set)
    : month_(month),
      month_start_(MonthStart(month)),
      set_(std::move(set)),
      values_(set_.dimensions.size()) {
  static_assert(kSetValuesMax <= kCodeMax && (kSetDimensionsMax + 1) * kCodeBits <= 64);
  QUIPU_CHECK(!set_.dimensions.empty() && set_.dimensions.size() <= kSetDimensionsMax);
}

void DimensionCellBuilder::Add(const RowBatch& rows) {
  if (given_up_) return;
  FindCells(rows);
  if (given_up_) return;
  CheckBounds();
  if (given_up_) return;
  SortByCell();
  for (const DecimalColumn& column : rows.measures) {
    const bool wanted = set_.all_measures ||
                        std::binary_search(set_.measures.begin(), set_.measures.end(), column.id);
    if (wanted) AddMeasure(column);
  }
  CheckBounds();  // a measure may have come
}

std::uint32_t DimensionCellBuilder::ServicePlace(ServiceOrdinal service) {
  const auto [place, is_new] =
      service_places_.emplace(service, static_cast<std::uint32_t>(services_.size()));
  if (is_new) {
    services_.push_back(service);
    service_rows_.push_back(0);
  }
  return place->second;
}

/// Gives every row its cell; kNone where its service is not the set's.
void DimensionCellBuilder::FindCells(const RowBatch& rows) {
  std::vector<const CodedColumn*> columns;
  std::vector<std::vector<std::uint32_t>> known(set_.dimensions.size());  // by code of the batch
  for (std::size_t d = 0; d < set_.dimensions.size(); ++d) {
    columns.push_back(rows.FindDimension(set_.dimensions[d]));
    if (columns[d] != nullptr) known[d].assign(columns[d]->dictionary.size() + 1, kNone);
    if (columns[d] != nullptr) known[d][0] = 0;
  }
  const TimeUs unit = by_hour_ ? kHourUs : kDayUs;
  cell_of_row_.assign(rows.size(), kNone);
  ServiceOrdinal service = kEveryService;  // no row's
  std::uint32_t place = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (set_.service != kEveryService && rows.services[i] != set_.service) continue;
    if (rows.services[i] != service) {
      service = rows.services[i];
      place = ServicePlace(service);
      if (place > kCodeMax) return GiveUp();
    }
    std::uint64_t key = place;
    for (std::size_t d = 0; d < columns.size(); ++d) {
      std::uint32_t code = 0;
      if (columns[d] != nullptr) {
        const std::uint32_t in_batch = columns[d]->codes[i];
        std::uint32_t& mine = known[d][in_batch];
        if (mine == kNone) {
          Values& values = values_[d];
          mine = values.index.FindOrAdd(columns[d]->dictionary[in_batch - 1], &values.texts);
          if (mine > kSetValuesMax) return GiveUp();
        }
        code = mine;
      }
      key = key << kCodeBits | code;
    }
    ++service_rows_[place];
    const std::uint64_t group = groups_.FindOrAdd(key);
    const auto time = static_cast<std::uint64_t>((rows.times[i] - month_start_) / unit);
    const std::uint32_t cell = cells_.FindOrAdd(group << kUnitBits | time);
    if (cell == rows_.size()) rows_.push_back(0);
    ++rows_[cell];
    cell_of_row_[i] = cell;
  }
}

void DimensionCellBuilder::GiveUp() {
  given_up_ = true;
  values_.clear();
  measures_.clear();
  groups_.Clear();
  cells_.Clear();
  sketch_index_.Clear();
  rows_ = {};
}

void DimensionCellBuilder::CheckBounds() {
  const auto is_too_much = [this] {
    return rows_.size() * (1 + measures_.size()) > kSetNumbersMax;
  };
  if (by_hour_ && is_too_much()) FoldHours();
  if (is_too_much()) return GiveUp();
  while (sketches_ != Sketches::kNone && kept_values_ > kSetSketchValuesMax) FoldSketches();
}

/// From cells of hours to cells of days.
void DimensionCellBuilder::FoldHours() {
  by_hour_ = false;
  const KeyIndex hours = std::exchange(cells_, {});
  const std::vector<std::uint64_t> rows = std::exchange(rows_, {});
  std::vector<std::uint32_t> day_of(hours.size());
  for (std::size_t c = 0; c < hours.size(); ++c) {
    const std::uint64_t group = hours.key(c) >> kUnitBits, hour = hours.key(c) & kUnitMask;
    day_of[c] = cells_.FindOrAdd(group << kUnitBits | hour / kHoursPerDay);
    if (day_of[c] == rows_.size()) rows_.push_back(0);
    rows_[day_of[c]] += rows[c];
  }
  for (Measure& measure : measures_) {
    const std::vector<MeasureStats> stats = std::exchange(measure.stats, {});
    measure.stats.resize(rows_.size());
    for (std::size_t c = 0; c < stats.size(); ++c) measure.stats[day_of[c]].Merge(stats[c]);
  }
  for (std::uint32_t& cell : cell_of_row_) {
    if (cell != kNone) cell = day_of[cell];
  }
}

/// From sketches of days to those of months, from these to none.
void DimensionCellBuilder::FoldSketches() {
  const KeyIndex days = std::exchange(sketch_index_, {});
  kept_values_ = 0;
  sketches_ = sketches_ == Sketches::kByDay ? Sketches::kByMonth : Sketches::kNone;
  std::vector<std::uint32_t> month_of;
  for (std::size_t s = 0; sketches_ == Sketches::kByMonth && s < days.size(); ++s)
    month_of.push_back(sketch_index_.FindOrAdd(days.key(s) & ~kUnitMask));
  for (Measure& measure : measures_) {
    std::vector<ValueBin> bins = std::exchange(measure.bins, {});
    const std::vector<std::uint32_t> counts = std::exchange(measure.counts, {});
    if (sketches_ == Sketches::kNone) continue;
    measure.bins.resize(sketch_index_.size());
    measure.counts.resize(sketch_index_.size());
    for (std::size_t s = 0; s < bins.size(); ++s) {
      measure.bins[month_of[s]].Absorb(&bins[s]);
      CountValues(month_of[s], counts[s], &measure);
    }
  }
}

/// Rows in the order of their cells, and the runs of each.
void DimensionCellBuilder::SortByCell() {
  runs_.clear();
  place_of_cell_.resize(rows_.size(), 0);
  for (const std::uint32_t cell : cell_of_row_) {
    if (cell == kNone) continue;
    std::uint32_t& place = place_of_cell_[cell];
    if (place == 0) {
      runs_.push_back({cell, 0, 0});
      place = static_cast<std::uint32_t>(runs_.size());
    }
    ++runs_[place - 1].end;
  }
  std::uint32_t next = 0;
  for (Run& run : runs_) {
    const std::uint32_t rows = run.end;
    run.begin = run.end = next;
    next += rows;
  }
  order_.resize(next);
  for (std::uint32_t i = 0; i < cell_of_row_.size(); ++i) {
    if (cell_of_row_[i] == kNone) continue;
    order_[runs_[place_of_cell_[cell_of_row_[i]] - 1].end++] = i;
  }
  for (const Run& run : runs_) place_of_cell_[run.cell] = 0;
}

DimensionCellBuilder::Measure& DimensionCellBuilder::MeasureOf(ColumnId id) {
  for (Measure& measure : measures_) {
    if (measure.id == id) return measure;
  }
  measures_.emplace_back().id = id;
  return measures_.back();
}

void DimensionCellBuilder::AddMeasure(const DecimalColumn& column) {
  Measure* measure = nullptr;
  for (const Run& run : runs_) {
    const bool any = std::any_of(order_.begin() + run.begin, order_.begin() + run.end,
                                 [&](std::uint32_t row) { return column.IsPresent(row); });
    if (!any) continue;
    if (measure == nullptr) {
      measure = &MeasureOf(column.id);
      measure->stats.resize(rows_.size());
    }
    AddRun(column, run, measure);
  }
}

void DimensionCellBuilder::AddRun(const DecimalColumn& column, const Run& run, Measure* measure) {
  MeasureStats& stats = measure->stats[run.cell];
  gathered_.clear();
  if (column.is_wide()) {
    for (std::uint32_t k = run.begin; k < run.end; ++k) {
      const std::uint32_t row = order_[k];
      if (!column.IsPresent(row)) continue;
      stats.Add(column.wide[row], column.scale);
      if (sketches_ == Sketches::kNone) continue;
      const std::uint32_t sketch = SketchOf(run.cell);
      CountValues(sketch, 1, measure);
      measure->bins[sketch].Add(column.wide[row], column.scale);
    }
    return;
  }
  Int128 sum = 0;
  std::int64_t low = INT64_MAX, high = INT64_MIN;
  for (std::uint32_t k = run.begin; k < run.end; ++k) {
    const std::uint32_t row = order_[k];
    if (!column.IsPresent(row)) continue;
    const std::int64_t value = column.narrow[row];
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
    gathered_.push_back(value);
  }
  stats.AddMany(gathered_.size(), sum, low, high, column.scale);
  if (sketches_ == Sketches::kNone) return;
  const std::uint32_t sketch = SketchOf(run.cell);
  CountValues(sketch, gathered_.size(), measure);
  measure->bins[sketch].Add(gathered_, low, high, column.scale);
}

std::uint32_t DimensionCellBuilder::SketchOf(std::uint32_t cell) {
  const std::uint64_t group = cells_.key(cell) >> kUnitBits, unit = cells_.key(cell) & kUnitMask;
  const std::uint64_t day = by_hour_ ? unit / kHoursPerDay : unit;
  return sketch_index_.FindOrAdd(group << kUnitBits | (sketches_ == Sketches::kByDay ? day : 0));
}

/// Makes room for the sketch, too.
void DimensionCellBuilder::CountValues(std::uint32_t sketch, std::uint64_t n, Measure* measure) {
  if (measure->bins.size() <= sketch) {
    measure->bins.resize(sketch_index_.size());
    measure->counts.resize(sketch_index_.size());
  }
  std::uint32_t& count = measure->counts[sketch];
  const auto more =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(n, kQuantileExactMax - count));
  count += more;
  kept_values_ += more;
}

}  // namespace quipu
