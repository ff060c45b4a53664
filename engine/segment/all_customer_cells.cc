#include "segment/all_customer_cells.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

// Rows are gathered from all over a column: read in order before, it is in the cache by then.
void Touch(std::span<const std::int64_t> values) {
  constexpr std::size_t kPerLine = 8;
  for (std::size_t i = 0; i < values.size(); i += kPerLine) __builtin_prefetch(&values[i]);
}

}  // namespace

ServiceCells& AllCustomerCells::Service(ServiceOrdinal id) {
  ServiceCells& service = services_[id];
  if (service.hour_rows.empty()) {
    ++service_count_;
    service.hour_rows.resize(hours_in_month_);
    service.days.resize(hours_in_month_ / kHoursPerDay);
  }
  return service;
}

// ---- Rows in.

void AllCustomerCells::Add(const RowSpans& spans, SummarySlice* slice) {
  GroupByDay(spans, slice);
  for (std::size_t column = 0; column < slice->rows->measures.size(); ++column) {
    const DecimalColumn& values = slice->rows->measures[column];
    if (values.is_wide()) {
      for (const DayRows& at : days_) AddWide(*slice, column, at);
      continue;
    }
    Touch(std::span(values.narrow).subspan(slice->first, slice->last - slice->first));
    for (const DayRows& at : days_) AddNarrow(*slice, column, at);
  }
  BoundValues();
  if (pending_bytes_ > bounds_.pending_bytes) SettlePending();
}

void AllCustomerCells::GroupByDay(const RowSpans& spans, SummarySlice* slice) {
  days_.clear();
  runs_.clear();
  const std::uint32_t* const rows = spans.rows().data();
  for (const RowSpans::Span& span : spans.spans()) {
    SummarySlice::Service* const service = &slice->services[span.key / hours_in_month_];
    const std::uint32_t hour = span.key % hours_in_month_;
    service->cells->hour_rows[hour] += span.count;
    if (days_.empty() || days_.back().service != service || days_.back().day != hour / kHoursPerDay)
      days_.push_back({service, hour / kHoursPerDay, {rows + span.first, 0}, runs_.size(), 0});
    DayRows& day = days_.back();
    day.rows = {day.rows.data(), day.rows.size() + span.count};
    ++day.runs;
    runs_.push_back({hour % kHoursPerDay, span.count});
  }
}

void AllCustomerCells::AddNarrow(const SummarySlice& slice, std::size_t column, const DayRows& at) {
  const DecimalColumn& values = slice.rows->measures[column];
  auto runs = std::span<const PendingValues::Run>(runs_).subspan(at.first_run, at.runs);
  if (values.present.empty()) {
    Gather(values, slice.first, at);
  } else {
    runs = GatherPresent(values, slice.first, at);
    if (runs.empty()) return;
  }
  ServiceCells& service = *at.service->cells;
  const std::size_t place = slice.PlaceOf(*at.service, column);
  PendingValues& pending = service.days[at.day]->At(place).pending;
  const std::uint64_t bytes_before = pending.bytes();
  if (!pending.Add(gathered_, values.scale, runs)) {
    CountPending(service, at.day, place);
    QUIPU_CHECK(pending.Add(gathered_, values.scale, runs));
  }
  pending_bytes_ += pending.bytes() - bytes_before;
}

void AllCustomerCells::Gather(const DecimalColumn& column, std::size_t base, const DayRows& at) {
  gathered_.resize(at.rows.size());
  const std::int64_t* const from = column.narrow.data() + base;
  std::int64_t* to = gathered_.data();
  for (const std::uint32_t row : at.rows) *to++ = from[row];
}

// The runs of what is present.
std::span<const PendingValues::Run> AllCustomerCells::GatherPresent(const DecimalColumn& column,
                                                                    std::size_t base,
                                                                    const DayRows& at) {
  gathered_.resize(at.rows.size());
  present_runs_.clear();
  const std::int64_t* const from = column.narrow.data() + base;
  const std::uint8_t* const present = column.present.data() + base;
  const std::uint32_t* row = at.rows.data();
  std::size_t n = 0;
  for (std::size_t i = 0; i < at.runs; ++i) {
    const PendingValues::Run& run = runs_[at.first_run + i];
    const std::size_t before = n;
    for (const std::uint32_t* const end = row + run.count; row != end; ++row) {
      gathered_[n] = from[*row];
      n += present[*row];
    }
    if (n > before) present_runs_.push_back({run.hour, static_cast<std::uint32_t>(n - before)});
  }
  gathered_.resize(n);
  return present_runs_;
}

void AllCustomerCells::AddWide(const SummarySlice& slice, std::size_t column, const DayRows& at) {
  const DecimalColumn& values = slice.rows->measures[column];
  ServiceCells& service = *at.service->cells;
  std::span<const std::uint32_t> rest = at.rows;
  for (const PendingValues::Run& run : std::span(runs_).subspan(at.first_run, at.runs)) {
    const auto rows = rest.first(run.count);
    rest = rest.subspan(run.count);
    MeasureStats stats;
    for (const std::uint32_t row : rows) {
      const std::size_t i = slice.first + row;
      if (values.IsPresent(i)) stats.Add(values.wide[i], values.scale);
    }
    if (stats.count == 0) continue;
    const std::size_t place = slice.PlaceOf(*at.service, column);
    const std::uint32_t hour = at.day * kHoursPerDay + run.hour;
    AddStats(service, hour, place, [&](MeasureStats* to) { to->Merge(stats); });
    ValueBin* const bin = Bin(service, hour, place);
    if (bin == nullptr) continue;
    for (const std::uint32_t row : rows) {
      const std::size_t i = slice.first + row;
      if (values.IsPresent(i)) bin->Add(values.wide[i], values.scale);
    }
  }
}

void AllCustomerCells::CountPending(ServiceCells& service, std::uint32_t day, std::size_t place) {
  PendingValues::StatsByHour stats;
  int scale = 0;
  if (!service.days[day]->At(place).pending.Count(&stats, &scale)) return;
  for (std::uint32_t hour = 0; hour < kHoursPerDay; ++hour) {
    const ValueStats& values = stats[hour];
    if (values.count == 0) continue;
    AddStats(service, day * kHoursPerDay + hour, place, [&](MeasureStats* to) {
      to->AddMany(values.count, values.sum, values.low, values.high, scale);
    });
  }
}

// Every statistic of an hour comes through here, so that it is counted.
template <class AddTo>
void AllCustomerCells::AddStats(ServiceCells& service, std::uint32_t hour, std::size_t place,
                                const AddTo& add) {
  bool is_new = false;
  MeasureStats& mine = service.DayOf(hour).At(place).Hour(hour % kHoursPerDay, &is_new);
  if (is_new) ++hour_entries_;
  MeasureCell* const keeper = Keeper(service, hour, place);
  if (keeper != nullptr) add(&mine);
  MeasureStats* const counted = keeper != nullptr ? &keeper->stats : &mine;
  const bool counts = kept_ != Kept::kNothing;
  if (counts) counted_bytes_ -= CountedBytes(*counted);
  add(counted);
  if (counts) counted_bytes_ += CountedBytes(*counted);
}

// The cell of a day or month that holds the values of that hour; null if the hours do themselves, or nothing does.
MeasureCell* AllCustomerCells::Keeper(ServiceCells& service, std::uint32_t hour,
                                      std::size_t place) const {
  if (kept_ == Kept::kByDay) return &service.DayOf(hour).kept.At(place);
  return kept_ == Kept::kByMonth ? &service.kept.At(place) : nullptr;
}

// The bin for values of an hour that has statistics; null if none are kept.
ValueBin* AllCustomerCells::Bin(ServiceCells& service, std::uint32_t hour,
                                std::size_t place) const {
  if (kept_ == Kept::kByHour) return &service.DayOf(hour).At(place).Bin(hour % kHoursPerDay);
  MeasureCell* const keeper = Keeper(service, hour, place);
  return keeper == nullptr ? nullptr : &keeper->values;
}

// ---- Where values are kept.

template <class Use>
void AllCustomerCells::ForEachMeasure(const Use& use) {
  for (auto& [id, service] : services_) {
    for (std::uint32_t day = 0; day < service.days.size(); ++day) {
      if (service.days[day] == nullptr) continue;
      for (std::size_t place = 0; place < service.days[day]->measures.size(); ++place)
        use(service, day, place);
    }
  }
}

void AllCustomerCells::CountAll() {
  ForEachMeasure([this](ServiceCells& service, std::uint32_t day, std::size_t place) {
    CountPending(service, day, place);
  });
  BoundValues();
}

void AllCustomerCells::SettlePending() {
  CountAll();
  ForEachMeasure([this](ServiceCells& service, std::uint32_t day, std::size_t place) {
    SettlePending(service, day, place);
  });
  pending_bytes_ = 0;
}

void AllCustomerCells::SettlePending(ServiceCells& service, std::uint32_t day, std::size_t place) {
  DayMeasure& measure = service.days[day]->measures[place];
  if (measure.pending.empty()) return;
  if (kept_ == Kept::kByHour) {
    measure.pending.EmptyByHour([&](std::uint32_t hour) { return &measure.Bin(hour); });
  } else if (MeasureCell* const keeper = Keeper(service, day * kHoursPerDay, place)) {
    measure.pending.EmptyInto(&keeper->values);
  } else {
    measure.pending.Clear();
  }
}

std::uint64_t AllCustomerCells::ValueBytesMax() const {
  switch (kept_) {
    case Kept::kByHour:
      return bounds_.hour_bytes;
    case Kept::kByDay:
      return bounds_.day_bytes;
    case Kept::kByMonth:
      return bounds_.month_bytes;
    case Kept::kNothing:
      break;
  }
  return UINT64_MAX;
}

// What is kept by one unit passes its bound at some point if and only if it is above it at the end.
void AllCustomerCells::BoundValues() {
  while (counted_bytes_ > ValueBytesMax()) KeepCoarser();
}

void AllCustomerCells::KeepCoarser() {
  counted_bytes_ = 0;
  const Kept before = kept_;
  kept_ = static_cast<Kept>(static_cast<int>(kept_) + 1);
  for (auto& [id, service] : services_) {
    for (std::unique_ptr<ServiceCells::Day>& day : service.days) {
      if (day == nullptr) continue;
      if (before == Kept::kByHour) FoldHours(day.get());
      if (before != Kept::kByDay) continue;
      Fold(&day->kept, &service.kept);
      day->kept = OpenCell();
    }
    if (before == Kept::kByMonth) service.kept = OpenCell();
  }
}

// Statistics stay, values go.
void AllCustomerCells::FoldHours(ServiceCells::Day* day) {
  for (std::size_t place = 0; place < day->measures.size(); ++place) {
    DayMeasure& measure = day->measures[place];
    for (std::uint32_t hour = 0; hour < kHoursPerDay; ++hour) {
      const MeasureStats* const stats = measure.Find(hour);
      if (stats == nullptr) continue;
      FoldInto(*stats, measure.has_bins() ? &measure.Bin(hour) : nullptr, &day->kept.At(place));
    }
    measure.DropBins();
  }
}

void AllCustomerCells::Fold(OpenCell* from, OpenCell* to) {
  for (std::size_t place = 0; place < from->measures.size(); ++place)
    FoldInto(from->measures[place].stats, &from->measures[place].values, &to->At(place));
}

void AllCustomerCells::FoldInto(const MeasureStats& stats, ValueBin* values, MeasureCell* to) {
  counted_bytes_ -= CountedBytes(to->stats);
  to->stats.Merge(stats);
  if (values != nullptr) to->values.Absorb(values);
  counted_bytes_ += CountedBytes(to->stats);
}

// ---- Cells out.

bool AllCustomerCells::FinishNextService() {
  if (services_.empty()) return false;
  FinishService(services_.begin()->first, services_.begin()->second);
  services_.erase(services_.begin());
  return true;
}

ClosedCell AllCustomerCells::CloseSummed(OpenCell* cell, const ServiceCells& service,
                                         std::uint32_t unit, Kept coarsest,
                                         const DistinctSketch& customers) {
  ClosedCell closed =
      emitter_->Close(cell, service, unit, kept_ <= coarsest ? CellEmitter::kDaySketchBytesMax : 0);
  emitter_->AddDistinct(customers, &closed);
  return closed;
}

void AllCustomerCells::FinishService(ServiceOrdinal id, ServiceCells& service) {
  ClosedCells hours, days, months;
  OpenCell month_cell;
  DistinctSketch month_customers;
  for (std::uint32_t d = 0; d < service.days.size(); ++d) {
    if (service.days[d] == nullptr) continue;
    OpenCell day_cell;
    PlacePending(service, d, &day_cell);
    CloseHours(service, d, &day_cell, &hours);
    const std::unique_ptr<ServiceCells::Day> day = std::move(service.days[d]);
    for (std::size_t place = 0; place < day->kept.measures.size(); ++place)
      day_cell.At(place).values.Absorb(&day->kept.measures[place].values);
    days.push_back(CloseSummed(&day_cell, service, d, Kept::kByDay, day->customers));
    month_cell.Absorb(&day_cell);
    month_customers.Merge(day->customers);
  }
  for (std::size_t place = 0; place < service.kept.measures.size(); ++place)
    month_cell.At(place).values.Absorb(&service.kept.measures[place].values);
  months.push_back(CloseSummed(&month_cell, service, 0, Kept::kByMonth, month_customers));
  emitter_->EmitGroup(kAllCustomers, id, CellLevel::kHour, &hours);
  emitter_->EmitGroup(kAllCustomers, id, CellLevel::kDay, &days);
  emitter_->EmitGroup(kAllCustomers, id, CellLevel::kMonth, &months);
}

// By hour where an hour may want its own values, else straight to the day.
void AllCustomerCells::PlacePending(ServiceCells& service, std::uint32_t day,
                                    OpenCell* day_cell) const {
  const auto rows = std::span(service.hour_rows).subspan(day * kHoursPerDay, kHoursPerDay);
  const bool has_sketches = kept_ == Kept::kByHour &&
                            *std::max_element(rows.begin(), rows.end()) >= bounds_.sketch_rows_min;
  std::vector<DayMeasure>& measures = service.days[day]->measures;
  for (std::size_t place = 0; place < measures.size(); ++place) {
    DayMeasure& measure = measures[place];
    if (kept_ == Kept::kNothing) {
      measure.pending.Clear();
    } else if (has_sketches || measure.has_bins()) {
      measure.pending.EmptyByHour([&](std::uint32_t hour) { return &measure.Bin(hour); });
    } else {
      measure.pending.EmptyInto(&day_cell->At(place).values);
    }
  }
}

void AllCustomerCells::CloseHours(ServiceCells& service, std::uint32_t day, OpenCell* day_cell,
                                  ClosedCells* hours) {
  std::vector<DayMeasure>& measures = service.days[day]->measures;
  OpenCell cell;
  cell.measures.resize(measures.size());
  for (std::uint32_t h = 0; h < kHoursPerDay; ++h) {
    const std::uint32_t hour = day * kHoursPerDay + h;
    cell.rows = service.hour_rows[hour];
    if (cell.rows == 0) continue;
    for (std::size_t place = 0; place < measures.size(); ++place) {
      const MeasureStats* const stats = measures[place].Find(h);
      cell.measures[place].stats = stats == nullptr ? MeasureStats() : *stats;
      if (stats != nullptr && measures[place].has_bins())
        cell.measures[place].values = std::move(measures[place].Bin(h));
    }
    const bool with_quantiles = kept_ == Kept::kByHour && cell.rows >= bounds_.sketch_rows_min;
    hours->push_back(emitter_->Close(&cell, service, hour,
                                     with_quantiles ? CellEmitter::kHourSketchBytesMax : 0));
    hour_entries_ -= hours->back().measures.size();  // they count as entries from here on
    day_cell->Absorb(&cell);
  }
}

}  // namespace quipu
