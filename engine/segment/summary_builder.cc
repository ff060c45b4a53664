// How cells are filled. Rows come as *spans* (equal customer, service and hour). Everything above the hour is made by merging:
//
//     span -> customer's hour -> customer's day -> customer's month        (only for runs that may earn a cell)
//                  |
//                  +----------> all customers' hour -> day -> month        (days and months in Finish)
//
// so a row's value is added to one sketch. Most customers are small: a run that begins and ends within a batch with fewer than kCellRowsMin rows
// cannot earn a cell and goes straight to the hours of all customers. All of this is addition in commutative monoids
// (exact sums, min, max, sketches), hence the cells do not depend on how rows were split into batches. When the all-customers hours
// with their sketches count for more than SummaryBounds::hour_bytes, the sketches are folded into the days and none of these hours gets
// quantiles. What they count for depends on the rows alone (CountedBytes), so Verify comes to the same decision.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/check.h"
#include "segment/summary_cells.h"
#include "segment/summary_columns.h"

namespace quipu {
namespace {

/// Cells of one customer get quantiles while the encoded sketches have this much room, hours of all customers up to the second
/// mark, days and months up to the third; the rest is for their distinct sketches.
constexpr std::uint64_t kCustomerSketchBytesMax = kSummarySketchBytesMax / 4;
constexpr std::uint64_t kHourSketchBytesMax = kSummarySketchBytesMax / 2;
constexpr std::uint64_t kDaySketchBytesMax = kSummarySketchBytesMax / 8 * 7;
/// Cells of one customer, which may be left out, take at most this part of the bounds on cells and entries.
constexpr std::uint64_t kCustomerPart = 4;

constexpr std::uint32_t kHoursPerDay = 24;
constexpr std::size_t kPendingValues = ServiceCells::kPendingValues;
/// About 60 MB; further measures and services do without.
constexpr std::size_t kPendingMax = 320;
constexpr std::uint32_t kNoHour = 0xFFFFFFFF;
constexpr std::size_t kNoPlace = SIZE_MAX;

}  // namespace

struct SummaryBuilder::State {
  // The run whose rows may earn cells of their own, and its innermost open cells.
  struct OpenRun {
    bool open = false;
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    std::uint32_t hour = kNoHour;
    OpenCell hour_cell, day_cell, month_cell;
    ClosedCells hours, days, months;
  };

  State(MonthIndex month_index, const Names* customer_names, const SummaryBounds& summary_bounds)
      : month(month_index),
        names(customer_names),
        bounds(summary_bounds),
        month_start(MonthStart(month_index)),
        hours_in_month(
            static_cast<std::uint32_t>((MonthStart(month_index + 1) - month_start) / kHourUs)) {}

  Status Add(const RowBatch& rows);
  void AddLightRun(const RowBatch& rows, std::size_t first, std::size_t last);
  void AddToOpenRun(const RowBatch& rows, std::size_t first, std::size_t last);
  void AddSpanToHour(const RowBatch& rows, std::size_t first, std::size_t last,
                     ServiceCells& service, std::uint32_t hour);
  void AddColumnToHour(const DecimalColumn& column, std::size_t first, std::size_t last,
                       std::size_t place, ServiceCells& service, std::uint32_t hour);
  void MergeStats(const MeasureStats& stats, MeasureCell* into);
  ServiceCells::Pending* PendingOf(ServiceCells& service, std::size_t place);
  void FlushHour(ServiceCells& service, std::size_t place, std::uint32_t hour);
  void FlushAllHours(ServiceCells& service, std::size_t place);
  void FlushService(ServiceCells& service);
  void MergeIntoHour(const OpenCell& cell, ServiceCells& service, std::uint32_t hour);
  void BoundHourSketches();
  void OpenTheRun(CustomerOrdinal customer, ServiceOrdinal service);
  void CloseHour();
  void CloseDay();
  void CloseRun();
  void FinishService(ServiceOrdinal id, ServiceCells& service);
  void AddDistinct(ServiceCells& service, CustomerOrdinal customer, std::uint32_t hour);

  std::uint32_t HourOf(TimeUs time) const;
  std::size_t SpanEnd(const RowBatch& rows, std::size_t first, std::size_t last,
                      std::uint32_t hour) const;
  ServiceCells& Service(ServiceOrdinal id);
  std::size_t SlotOf(ColumnId id);
  void PlaceFor(const ServiceCells& service);
  // `column` is that of the batch, `service` that of the last PlaceFor.
  std::size_t PlaceOf(ServiceCells& service, std::size_t column) {
    std::size_t& place = batch_places[column];
    if (place == kNoPlace) place = service.PlaceOf(batch_slots[column]);
    return place;
  }
  bool CustomerCellFits(const OpenCell& cell) const;
  Status CheckBounds() const;
  void EmitCustomerCell(const OpenCell& cell, std::uint32_t unit, ClosedCells* to);
  ClosedCell Close(const OpenCell& cell, const ServiceCells& service, std::uint32_t unit,
                   std::uint64_t sketch_bytes_max);
  void EmitGroup(CustomerOrdinal customer, ServiceOrdinal service, CellLevel level,
                 ClosedCells* cells);

  MonthIndex month;
  const Names* names;
  SummaryBounds bounds;
  TimeUs month_start;
  std::uint32_t hours_in_month;
  SummaryColumns columns;
  std::vector<std::size_t> batch_slots;  // of the batch's measures
  const ServiceCells* placed_service = nullptr;
  std::vector<std::size_t>
      batch_places;  // of the batch's measures in placed_service; kNoPlace: not asked yet
  std::unordered_map<ColumnId, std::size_t> slots;
  OpenRun run;
  std::map<ServiceOrdinal, ServiceCells> services;
  std::size_t pending_count = 0;
  DecimalColumn flush_column;
  bool hours_have_sketches = true;
  std::uint64_t counted_bytes = 0;  // of the hours, while they have sketches
  std::uint64_t hour_entries = 0;   // (all-customers hour, measure) pairs
  std::uint64_t sketch_bytes = 0;   // encoded
  std::uint64_t closed_cells = 0, entries = 0;
  bool customer_known = false;
  CustomerOrdinal hashed_customer = 0;
  std::uint64_t customer_hash = 0;
};

// ---- Where things are.

std::uint32_t SummaryBuilder::State::HourOf(TimeUs time) const {
  const TimeUs hour = FloorTo(time - month_start, kHourUs) / kHourUs;
  QUIPU_CHECK(hour >= 0 && hour < static_cast<TimeUs>(hours_in_month));
  return static_cast<std::uint32_t>(hour);
}

std::size_t SummaryBuilder::State::SpanEnd(const RowBatch& rows, std::size_t first,
                                           std::size_t last, std::uint32_t hour) const {
  const TimeUs end = month_start + (static_cast<TimeUs>(hour) + 1) * kHourUs;
  std::size_t i = first;
  while (i < last && rows.times[i] < end) ++i;
  return i;
}

ServiceCells& SummaryBuilder::State::Service(ServiceOrdinal id) {
  ServiceCells& service = services[id];
  if (service.hours.empty()) {
    service.hours.resize(hours_in_month);
    service.hour_rows.resize(hours_in_month);
    service.days.resize(hours_in_month / kHoursPerDay);
  }
  return service;
}

std::size_t SummaryBuilder::State::SlotOf(ColumnId id) {
  const auto [slot, is_new] = slots.emplace(id, columns.measures.size());
  if (is_new) columns.measures.emplace_back().id = id;
  return slot->second;
}

// Lookups are kept for as long as the service stays the same.
void SummaryBuilder::State::PlaceFor(const ServiceCells& service) {
  if (placed_service == &service) return;
  placed_service = &service;
  batch_places.assign(batch_slots.size(), kNoPlace);
}

// Cells of all customers cannot be left out. All three only grow: what is too much now is too much at the end.
Status SummaryBuilder::State::CheckBounds() const {
  if (entries + hour_entries <= bounds.entries && closed_cells <= bounds.cells) return Status();
  return Status::Exhausted(
      "summaries: too many services x measures in one month segment: " +
      std::to_string(services.size()) + " services and " + std::to_string(slots.size()) +
      " measures so far need more than " + std::to_string(bounds.cells) + " cells or " +
      std::to_string(bounds.entries) +
      " (cell, measure) pairs; record fewer services or measures in one store");
}

// ---- Rows in.

Status SummaryBuilder::State::Add(const RowBatch& rows) {
  QUIPU_TRY(CheckBounds());
  placed_service = nullptr;
  batch_slots.clear();
  for (const DecimalColumn& column : rows.measures) batch_slots.push_back(SlotOf(column.id));
  const std::size_t n = rows.size();
  for (std::size_t first = 0; first < n;) {
    const CustomerOrdinal customer = rows.customers[first];
    const ServiceOrdinal service = rows.services[first];
    std::size_t last = first + 1;
    while (last < n && rows.customers[last] == customer && rows.services[last] == service) ++last;
    const bool continues = run.open && run.customer == customer && run.service == service;
    if (!continues) CloseRun();
    if (!continues && last < n && last - first < kCellRowsMin) {
      AddLightRun(rows, first, last);
    } else {
      if (!continues) OpenTheRun(customer, service);
      AddToOpenRun(rows, first, last);
    }
    first = last;
  }
  return CheckBounds();
}

void SummaryBuilder::State::AddLightRun(const RowBatch& rows, std::size_t first, std::size_t last) {
  ServiceCells& service = Service(rows.services[first]);
  PlaceFor(service);
  while (first < last) {
    const std::uint32_t hour = HourOf(rows.times[first]);
    const std::size_t end = SpanEnd(rows, first, last, hour);
    AddDistinct(service, rows.customers[first], hour);
    AddSpanToHour(rows, first, end, service, hour);
    first = end;
  }
  BoundHourSketches();
}

void SummaryBuilder::State::AddSpanToHour(const RowBatch& rows, std::size_t first, std::size_t last,
                                          ServiceCells& service, std::uint32_t hour) {
  service.hour_rows[hour] += last - first;
  for (std::size_t m = 0; m < rows.measures.size(); ++m) {
    const DecimalColumn& column = rows.measures[m];
    std::size_t i = first;
    while (i < last && !column.IsPresent(i)) ++i;
    if (i == last) continue;  // a service gets no place for a measure that it never has
    const std::size_t place = PlaceOf(service, m);
    ServiceCells::Pending* pending = column.is_wide() ? nullptr : PendingOf(service, place);
    if (pending == nullptr) {
      AddColumnToHour(column, i, last, place, service, hour);
      continue;
    }
    if (pending->scale != column.scale) {
      FlushAllHours(service, place);
      pending->scale = column.scale;
    }
    for (; i < last; ++i) {
      if (!column.IsPresent(i)) continue;
      pending->values[hour * kPendingValues + pending->counts[hour]++] = column.narrow[i];
      if (pending->counts[hour] == kPendingValues) FlushHour(service, place, hour);
    }
  }
}

ServiceCells::Pending* SummaryBuilder::State::PendingOf(ServiceCells& service, std::size_t place) {
  if (place >= service.pending.size()) service.pending.resize(place + 1);
  std::unique_ptr<ServiceCells::Pending>& pending = service.pending[place];
  if (pending == nullptr && pending_count < kPendingMax) {
    ++pending_count;
    pending = std::make_unique<ServiceCells::Pending>();
    pending->counts.resize(hours_in_month);
    pending->values.resize(hours_in_month * kPendingValues);
  }
  return pending.get();
}

void SummaryBuilder::State::FlushHour(ServiceCells& service, std::size_t place,
                                      std::uint32_t hour) {
  ServiceCells::Pending& pending = *service.pending[place];
  const std::size_t n = pending.counts[hour];
  const std::int64_t* values = pending.values.data() + hour * kPendingValues;
  flush_column.scale = pending.scale;
  flush_column.narrow.assign(values, values + n);
  AddColumnToHour(flush_column, 0, n, place, service, hour);
  pending.counts[hour] = 0;
}

void SummaryBuilder::State::FlushAllHours(ServiceCells& service, std::size_t place) {
  if (service.pending[place] == nullptr) return;
  for (std::uint32_t hour = 0; hour < hours_in_month; ++hour) {
    if (service.pending[place]->counts[hour] > 0) FlushHour(service, place, hour);
  }
}

void SummaryBuilder::State::FlushService(ServiceCells& service) {
  for (std::size_t place = 0; place < service.pending.size(); ++place) {
    FlushAllHours(service, place);
    service.pending[place].reset();
    BoundHourSketches();
  }
}

// Every statistic of an all-customers hour goes through here, so that it is counted.
void SummaryBuilder::State::MergeStats(const MeasureStats& stats, MeasureCell* into) {
  if (into->stats.count == 0) ++hour_entries;
  counted_bytes -= CountedBytes(into->stats);
  into->stats.Merge(stats);
  counted_bytes += CountedBytes(into->stats);
}

void SummaryBuilder::State::AddColumnToHour(const DecimalColumn& column, std::size_t first,
                                            std::size_t last, std::size_t place,
                                            ServiceCells& service, std::uint32_t hour) {
  const MeasureStats stats = StatsOf(column, first, last);
  if (stats.count == 0) return;
  MeasureCell& measure = service.Hour(hour).At(place);
  MergeStats(stats, &measure);
  MeasureCell& sketched =
      hours_have_sketches ? measure : service.days[hour / kHoursPerDay]->folded.At(place);
  AddToSketch(column, first, last, &sketched.Sketch());
}

void SummaryBuilder::State::AddToOpenRun(const RowBatch& rows, std::size_t first,
                                         std::size_t last) {
  ServiceCells& service = Service(run.service);
  PlaceFor(service);
  while (first < last) {
    const std::uint32_t hour = HourOf(rows.times[first]);
    if (hour != run.hour) {
      if (run.hour != kNoHour) {
        QUIPU_CHECK(hour > run.hour);
        const bool new_day = hour / kHoursPerDay != run.hour / kHoursPerDay;
        CloseHour();
        if (new_day) CloseDay();
      }
      run.hour = hour;
      AddDistinct(Service(run.service), run.customer, hour);
    }
    const std::size_t end = SpanEnd(rows, first, last, hour);
    run.hour_cell.rows += end - first;
    for (std::size_t m = 0; m < rows.measures.size(); ++m) {
      const MeasureStats stats = StatsOf(rows.measures[m], first, end);
      if (stats.count == 0) continue;
      MeasureCell& measure = run.hour_cell.At(PlaceOf(service, m));
      measure.stats.Merge(stats);
      AddToSketch(rows.measures[m], first, end, &measure.Sketch());
    }
    first = end;
  }
}

void SummaryBuilder::State::MergeIntoHour(const OpenCell& from, ServiceCells& service,
                                          std::uint32_t hour) {
  OpenCell& cell = service.Hour(hour);
  service.hour_rows[hour] += from.rows;
  for (std::size_t place = 0; place < from.measures.size(); ++place) {
    const MeasureCell& measure = from.measures[place];
    if (measure.stats.count == 0) continue;
    MeasureCell& mine = cell.At(place);
    MergeStats(measure.stats, &mine);
    MeasureCell& sketched =
        hours_have_sketches ? mine : service.days[hour / kHoursPerDay]->folded.At(place);
    sketched.Sketch().Merge(*measure.sketch);
  }
}

void SummaryBuilder::State::AddDistinct(ServiceCells& service, CustomerOrdinal customer,
                                        std::uint32_t hour) {
  if (!customer_known || hashed_customer != customer) {
    customer_hash = Hash64(names->Customer(customer));
    hashed_customer = customer;
    customer_known = true;
  }
  std::unique_ptr<ServiceCells::Day>& day = service.days[hour / kHoursPerDay];
  if (day == nullptr) day = std::make_unique<ServiceCells::Day>();
  day->customers.Add(customer_hash);
}

void SummaryBuilder::State::BoundHourSketches() {
  if (!hours_have_sketches || counted_bytes <= bounds.hour_bytes) return;
  hours_have_sketches = false;
  for (auto& [id, service] : services) {
    for (std::uint32_t hour = 0; hour < hours_in_month; ++hour) {
      OpenCell* cell = service.hours[hour].get();
      if (cell == nullptr) continue;
      for (std::size_t place = 0; place < cell->measures.size(); ++place) {
        const std::unique_ptr<QuantileSketch> sketch = std::move(cell->measures[place].sketch);
        if (sketch == nullptr) continue;
        service.days[hour / kHoursPerDay]->folded.At(place).Sketch().Merge(*sketch);
      }
    }
  }
}

// ---- Cells of one customer.

void SummaryBuilder::State::OpenTheRun(CustomerOrdinal customer, ServiceOrdinal service) {
  QUIPU_CHECK(customer != kAllCustomers);
  run.open = true;
  run.customer = customer;
  run.service = service;
}

bool SummaryBuilder::State::CustomerCellFits(const OpenCell& cell) const {
  const auto measures = static_cast<std::uint64_t>(
      std::count_if(cell.measures.begin(), cell.measures.end(),
                    [](const MeasureCell& m) { return m.stats.count > 0; }));
  return closed_cells < bounds.cells / kCustomerPart &&
         entries + measures <= bounds.entries / kCustomerPart;
}

void SummaryBuilder::State::EmitCustomerCell(const OpenCell& cell, std::uint32_t unit,
                                             ClosedCells* to) {
  if (cell.rows < kCellRowsMin || !CustomerCellFits(cell)) return;
  to->push_back(Close(cell, Service(run.service), unit,
                      cell.rows >= kSketchRowsMin ? kCustomerSketchBytesMax : 0));
}

void SummaryBuilder::State::CloseHour() {
  if (run.hour_cell.rows == 0) return;
  EmitCustomerCell(run.hour_cell, run.hour, &run.hours);
  run.day_cell.Merge(run.hour_cell);
  MergeIntoHour(run.hour_cell, Service(run.service), run.hour);
  BoundHourSketches();
  run.hour_cell = OpenCell();
}

void SummaryBuilder::State::CloseDay() {
  EmitCustomerCell(run.day_cell, run.hour / kHoursPerDay, &run.days);
  run.month_cell.Merge(run.day_cell);
  run.day_cell = OpenCell();
}

void SummaryBuilder::State::CloseRun() {
  if (!run.open) return;
  CloseHour();
  CloseDay();
  EmitCustomerCell(run.month_cell, 0, &run.months);
  EmitGroup(run.customer, run.service, CellLevel::kHour, &run.hours);
  EmitGroup(run.customer, run.service, CellLevel::kDay, &run.days);
  EmitGroup(run.customer, run.service, CellLevel::kMonth, &run.months);
  run = OpenRun();
}

// ---- Cells out.

// With quantiles if the sketches of the segment stay within the bound (0 = never); they are all or none of a cell.
ClosedCell SummaryBuilder::State::Close(const OpenCell& cell, const ServiceCells& service,
                                        std::uint32_t unit, std::uint64_t sketch_bytes_max) {
  ClosedCell closed;
  closed.unit = unit;
  closed.rows = cell.rows;
  std::uint64_t bytes = sketch_bytes;
  for (std::size_t place = 0; place < cell.measures.size(); ++place) {
    const MeasureCell& measure = cell.measures[place];
    if (measure.stats.count == 0) continue;
    ClosedCell::Measure& out = closed.measures.emplace_back();
    out.slot = service.slots[place];
    out.stats = measure.stats;
    if (bytes < sketch_bytes_max) measure.sketch->EncodeTo(&out.sketch);
    bytes += out.sketch.size();
  }
  if (bytes < sketch_bytes_max) {
    closed.flags |= kCellHasQuantiles;
    sketch_bytes = bytes;
  } else {
    for (ClosedCell::Measure& measure : closed.measures) measure.sketch.clear();
  }
  ++closed_cells;
  entries += closed.measures.size();
  return closed;
}

void SummaryBuilder::State::EmitGroup(CustomerOrdinal customer, ServiceOrdinal service,
                                      CellLevel level, ClosedCells* cells) {
  if (cells->empty()) return;
  columns.groups.push_back({customer, service, level, static_cast<std::uint32_t>(cells->size())});
  for (const ClosedCell& cell : *cells) {
    const auto index = static_cast<std::uint32_t>(columns.rows.size());
    columns.units.push_back(cell.unit);
    columns.rows.push_back(cell.rows);
    columns.flags.push_back(cell.flags);
    if ((cell.flags & kCellHasDistinct) != 0) {
      columns.distinct_bytes.push_back(static_cast<std::uint32_t>(cell.distinct.size()));
      columns.distinct_sketches += cell.distinct;
    }
    for (const ClosedCell::Measure& measure : cell.measures) {
      SummaryColumns::Measure& column = columns.measures[measure.slot];
      column.cells.push_back(index);
      column.stats.push_back(measure.stats);
      if ((cell.flags & kCellHasQuantiles) == 0) continue;
      column.sketch_bytes.push_back(static_cast<std::uint32_t>(measure.sketch.size()));
      column.sketches += measure.sketch;
    }
  }
  cells->clear();
}

void SummaryBuilder::State::FinishService(ServiceOrdinal id, ServiceCells& service) {
  ClosedCells hours, days, months;
  OpenCell month_cell;
  DistinctSketch month_customers;
  const auto close_with_distinct = [&, this](const OpenCell& cell, std::uint32_t unit,
                                             const DistinctSketch& customers) {
    ClosedCell closed = Close(cell, service, unit, kDaySketchBytesMax);
    customers.EncodeTo(&closed.distinct);
    if (sketch_bytes + closed.distinct.size() <= kSummarySketchBytesMax) {
      closed.flags |= kCellHasDistinct;
      sketch_bytes += closed.distinct.size();
    }
    return closed;
  };
  for (std::uint32_t d = 0; d < service.days.size(); ++d) {
    ServiceCells::Day* day = service.days[d].get();
    if (day == nullptr) continue;
    OpenCell day_cell;
    for (std::uint32_t hour = d * kHoursPerDay; hour < (d + 1) * kHoursPerDay; ++hour) {
      if (service.hour_rows[hour] == 0) continue;
      service.Hour(hour).rows = service.hour_rows[hour];
      const std::unique_ptr<OpenCell> cell = std::move(service.hours[hour]);
      const bool with_quantiles = hours_have_sketches && cell->rows >= kSketchRowsMin;
      hours.push_back(Close(*cell, service, hour, with_quantiles ? kHourSketchBytesMax : 0));
      hour_entries -= hours.back().measures.size();  // they count as entries from here on
      day_cell.Merge(*cell);
    }
    day_cell.Merge(day->folded);
    days.push_back(close_with_distinct(day_cell, d, day->customers));
    month_cell.Merge(day_cell);
    month_customers.Merge(day->customers);
    service.days[d].reset();
  }
  months.push_back(close_with_distinct(month_cell, 0, month_customers));
  EmitGroup(kAllCustomers, id, CellLevel::kHour, &hours);
  EmitGroup(kAllCustomers, id, CellLevel::kDay, &days);
  EmitGroup(kAllCustomers, id, CellLevel::kMonth, &months);
}

SummaryBuilder::SummaryBuilder(MonthIndex month, const Names* names, const SummaryBounds& bounds)
    : state_(std::make_unique<State>(month, names, bounds)) {}

SummaryBuilder::~SummaryBuilder() = default;

Status SummaryBuilder::Add(const RowBatch& rows) { return state_->Add(rows); }

Result<std::string> SummaryBuilder::Finish() {
  const std::unique_ptr<State> state = std::move(state_);
  state_ = std::make_unique<State>(state->month, state->names, state->bounds);
  state->CloseRun();
  for (auto& [id, service] : state->services) state->FlushService(service);
  QUIPU_TRY(state->CheckBounds());
  for (auto& [id, service] : state->services) {
    state->FinishService(id, service);
    QUIPU_TRY(state->CheckBounds());
  }
  // A measure that was in a batch's columns but present in no row.
  std::erase_if(state->columns.measures,
                [](const SummaryColumns::Measure& m) { return m.cells.empty(); });
  return state->columns.Encode();
}

}  // namespace quipu
