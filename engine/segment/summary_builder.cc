// How cells are filled. Rows come as *spans* (equal customer, service and hour). Everything above the hour is made by merging:
//
//     span -> customer's hour -> customer's day -> customer's month        (only for runs that may earn a cell)
//                  |
//                  +----------> all customers' hour -> day -> month        (days and months in Finish)
//
// so a row's value is added to one sketch. Most customers are small: a run that begins and ends within a batch with fewer than kCellRowsMin rows
// cannot earn a cell and goes straight to the hours of all customers. All of this is addition in commutative monoids
// (exact sums, min, max, sketches), hence the cells do not depend on how rows were split into batches. One exception: when the
// sketches of the all-customers hours outgrow kSummaryBuilderBytesMax, they are folded into the days and none of these hours gets
// quantiles; just at that bound the decision may depend on the batches, through the sketches' spare capacity.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/check.h"
#include "segment/summary_columns.h"

namespace quipu {
namespace {

struct MeasureCell {
  MeasureStats stats;
  QuantileSketch sketch;
};

/// A cell in the making.
struct OpenCell {
  std::uint64_t rows = 0;
  std::vector<MeasureCell> measures;  // by slot

  MeasureCell& At(std::size_t slot) {
    if (slot >= measures.size()) measures.resize(slot + 1);
    return measures[slot];
  }
  void Merge(const OpenCell& o) {
    rows += o.rows;
    for (std::size_t slot = 0; slot < o.measures.size(); ++slot) {
      if (o.measures[slot].stats.count == 0) continue;
      MeasureCell& mine = At(slot);
      mine.stats.Merge(o.measures[slot].stats);
      mine.sketch.Merge(o.measures[slot].sketch);
    }
  }
};

/// A finished cell that waits for the others of its group.
struct ClosedCell {
  struct Measure {
    std::size_t slot = 0;
    MeasureStats stats;
    std::string sketch;
  };
  std::uint32_t unit = 0;
  std::uint64_t rows = 0;
  std::uint8_t flags = 0;
  std::vector<Measure> measures;
  std::string distinct;
};
using ClosedCells = std::vector<ClosedCell>;

/// One service over all customers.
struct ServiceCells {
  struct Day {
    DistinctSketch customers;
    std::vector<QuantileSketch> sketches;  // by slot; used once the hours have none
    QuantileSketch& At(std::size_t slot) {
      if (slot >= sketches.size()) sketches.resize(slot + 1);
      return sketches[slot];
    }
  };
  // Values of one measure that wait for their hour's cell: kPendingValues for each hour. Rows of small customers jump from hour to
  // hour; touching a sketch for each of them would miss the cache each time.
  struct Pending {
    int scale = 0;
    std::vector<std::uint8_t> counts;
    std::vector<std::int64_t> values;
  };
  std::vector<std::uint64_t> hour_rows;
  std::vector<std::unique_ptr<OpenCell>>
      hours;  // by hour of the month; their `rows` are set in Finish
  std::vector<std::unique_ptr<Pending>> pending;  // by slot; null: values go straight to the cell
  std::vector<std::unique_ptr<Day>> days;
};

/// Cells of one customer get quantiles while the encoded sketches have this much room, hours of all customers up to the second
/// mark, days and months up to the third; the rest is for their distinct sketches.
constexpr std::uint64_t kCustomerSketchBytesMax = kSummarySketchBytesMax / 4;
constexpr std::uint64_t kHourSketchBytesMax = kSummarySketchBytesMax / 2;
constexpr std::uint64_t kDaySketchBytesMax = kSummarySketchBytesMax / 8 * 7;
constexpr std::uint64_t kCustomerCellsMax = kSummaryCellsMax / 4;
constexpr std::uint64_t kCustomerEntriesMax = kSummaryEntriesMax / 4;

constexpr std::uint32_t kHoursPerDay = 24;
constexpr std::size_t kPendingValues = 32;
/// About 60 MB; further measures and services do without.
constexpr std::size_t kPendingMax = 320;
constexpr std::uint32_t kNoHour = 0xFFFFFFFF;

// Mantissas are summed as integers at the column's scale and brought to scale 18 once: 2^32 of them at 64 bits fit 128.
MeasureStats NarrowStats(const DecimalColumn& column, std::size_t first, std::size_t last) {
  MeasureStats stats;
  Int128 sum = 0;
  std::int64_t min = 0, max = 0;
  for (std::size_t i = first; i < last; ++i) {
    if (!column.IsPresent(i)) continue;
    const std::int64_t v = column.narrow[i];
    sum += v;
    min = stats.count == 0 ? v : std::min(min, v);
    max = stats.count == 0 ? v : std::max(max, v);
    ++stats.count;
  }
  if (stats.count == 0) return stats;
  stats.sum.Add(sum, column.scale);
  stats.min = AtSumScale(min, column.scale);
  stats.max = AtSumScale(max, column.scale);
  return stats;
}

MeasureStats StatsOf(const DecimalColumn& column, std::size_t first, std::size_t last) {
  if (!column.is_wide()) return NarrowStats(column, first, last);
  MeasureStats stats;
  for (std::size_t i = first; i < last; ++i) {
    if (column.IsPresent(i)) stats.Add(column.wide[i], column.scale);
  }
  return stats;
}

void AddToSketch(const DecimalColumn& column, std::size_t first, std::size_t last,
                 QuantileSketch* sketch) {
  for (std::size_t i = first; i < last; ++i) {
    if (column.IsPresent(i)) sketch->Add(column.Mantissa(i), column.scale);
  }
}

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

  State(MonthIndex month_index, const Names* customer_names, std::uint64_t hour_bytes_max)
      : month(month_index),
        names(customer_names),
        bytes_max(hour_bytes_max),
        month_start(MonthStart(month_index)),
        hours_in_month(
            static_cast<std::uint32_t>((MonthStart(month_index + 1) - month_start) / kHourUs)) {}

  void Add(const RowBatch& rows);
  void AddLightRun(const RowBatch& rows, std::size_t first, std::size_t last);
  void AddToOpenRun(const RowBatch& rows, std::size_t first, std::size_t last);
  void AddSpanToHour(const RowBatch& rows, std::size_t first, std::size_t last,
                     ServiceCells& service, std::uint32_t hour);
  void AddColumnToHour(const DecimalColumn& column, std::size_t first, std::size_t last,
                       std::size_t slot, ServiceCells& service, std::uint32_t hour);
  ServiceCells::Pending* PendingOf(ServiceCells& service, std::size_t slot);
  void FlushHour(ServiceCells& service, std::size_t slot, std::uint32_t hour);
  void FlushAllHours(ServiceCells& service, std::size_t slot);
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
  OpenCell& HourCell(ServiceCells& service, std::uint32_t hour) const;
  std::size_t SlotOf(ColumnId id);
  bool CustomerCellFits() const;
  void EmitCustomerCell(const OpenCell& cell, std::uint32_t unit, ClosedCells* to);
  ClosedCell Close(const OpenCell& cell, std::uint32_t unit, std::uint64_t sketch_bytes_max);
  void EmitGroup(CustomerOrdinal customer, ServiceOrdinal service, CellLevel level,
                 ClosedCells* cells);

  MonthIndex month;
  const Names* names;
  std::uint64_t bytes_max;
  TimeUs month_start;
  std::uint32_t hours_in_month;
  SummaryColumns columns;
  std::vector<std::size_t> batch_slots;  // of the batch's measures
  std::unordered_map<ColumnId, std::size_t> slots;
  OpenRun run;
  std::map<ServiceOrdinal, ServiceCells> services;
  std::size_t pending_count = 0;
  DecimalColumn flush_column;
  bool hours_have_sketches = true;
  std::uint64_t hour_sketch_bytes = 0;  // memory
  std::uint64_t sketch_bytes = 0;       // encoded
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

OpenCell& SummaryBuilder::State::HourCell(ServiceCells& service, std::uint32_t hour) const {
  std::unique_ptr<OpenCell>& cell = service.hours[hour];
  if (cell == nullptr) cell = std::make_unique<OpenCell>();
  return *cell;
}

std::size_t SummaryBuilder::State::SlotOf(ColumnId id) {
  const auto [slot, is_new] = slots.emplace(id, columns.measures.size());
  if (is_new) columns.measures.emplace_back().id = id;
  return slot->second;
}

// ---- Rows in.

void SummaryBuilder::State::Add(const RowBatch& rows) {
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
}

void SummaryBuilder::State::AddLightRun(const RowBatch& rows, std::size_t first, std::size_t last) {
  ServiceCells& service = Service(rows.services[first]);
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
    const std::size_t slot = batch_slots[m];
    ServiceCells::Pending* pending = column.is_wide() ? nullptr : PendingOf(service, slot);
    if (pending == nullptr) {
      AddColumnToHour(column, first, last, slot, service, hour);
      continue;
    }
    if (pending->scale != column.scale) {
      FlushAllHours(service, slot);
      pending->scale = column.scale;
    }
    for (std::size_t i = first; i < last; ++i) {
      if (!column.IsPresent(i)) continue;
      pending->values[hour * kPendingValues + pending->counts[hour]++] = column.narrow[i];
      if (pending->counts[hour] == kPendingValues) FlushHour(service, slot, hour);
    }
  }
}

ServiceCells::Pending* SummaryBuilder::State::PendingOf(ServiceCells& service, std::size_t slot) {
  if (slot >= service.pending.size()) service.pending.resize(slot + 1);
  std::unique_ptr<ServiceCells::Pending>& pending = service.pending[slot];
  if (pending == nullptr && pending_count < kPendingMax) {
    ++pending_count;
    pending = std::make_unique<ServiceCells::Pending>();
    pending->counts.resize(hours_in_month);
    pending->values.resize(hours_in_month * kPendingValues);
  }
  return pending.get();
}

void SummaryBuilder::State::FlushHour(ServiceCells& service, std::size_t slot, std::uint32_t hour) {
  ServiceCells::Pending& pending = *service.pending[slot];
  const std::size_t n = pending.counts[hour];
  const std::int64_t* values = pending.values.data() + hour * kPendingValues;
  flush_column.scale = pending.scale;
  flush_column.narrow.assign(values, values + n);
  AddColumnToHour(flush_column, 0, n, slot, service, hour);
  pending.counts[hour] = 0;
}

void SummaryBuilder::State::FlushAllHours(ServiceCells& service, std::size_t slot) {
  if (service.pending[slot] == nullptr) return;
  for (std::uint32_t hour = 0; hour < hours_in_month; ++hour) {
    if (service.pending[slot]->counts[hour] > 0) FlushHour(service, slot, hour);
  }
}

void SummaryBuilder::State::AddColumnToHour(const DecimalColumn& column, std::size_t first,
                                            std::size_t last, std::size_t slot,
                                            ServiceCells& service, std::uint32_t hour) {
  const MeasureStats stats = StatsOf(column, first, last);
  if (stats.count == 0) return;
  MeasureCell& measure = HourCell(service, hour).At(slot);
  measure.stats.Merge(stats);
  if (!hours_have_sketches) {
    AddToSketch(column, first, last, &service.days[hour / kHoursPerDay]->At(slot));
    return;
  }
  const std::size_t before = measure.sketch.bytes();
  AddToSketch(column, first, last, &measure.sketch);
  hour_sketch_bytes += measure.sketch.bytes() - before;
}

void SummaryBuilder::State::AddToOpenRun(const RowBatch& rows, std::size_t first,
                                         std::size_t last) {
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
      MeasureCell& measure = run.hour_cell.At(batch_slots[m]);
      measure.stats.Merge(stats);
      AddToSketch(rows.measures[m], first, end, &measure.sketch);
    }
    first = end;
  }
}

void SummaryBuilder::State::MergeIntoHour(const OpenCell& from, ServiceCells& service,
                                          std::uint32_t hour) {
  OpenCell& cell = HourCell(service, hour);
  service.hour_rows[hour] += from.rows;
  for (std::size_t slot = 0; slot < from.measures.size(); ++slot) {
    const MeasureCell& measure = from.measures[slot];
    if (measure.stats.count == 0) continue;
    MeasureCell& mine = cell.At(slot);
    mine.stats.Merge(measure.stats);
    if (hours_have_sketches) {
      const std::size_t before = mine.sketch.bytes();
      mine.sketch.Merge(measure.sketch);
      hour_sketch_bytes += mine.sketch.bytes() - before;
    } else {
      service.days[hour / kHoursPerDay]->At(slot).Merge(measure.sketch);
    }
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
  if (!hours_have_sketches || hour_sketch_bytes <= bytes_max) return;
  for (auto& [id, service] : services) {
    for (std::uint32_t hour = 0; hour < hours_in_month; ++hour) {
      OpenCell* cell = service.hours[hour].get();
      if (cell == nullptr) continue;
      for (std::size_t slot = 0; slot < cell->measures.size(); ++slot) {
        service.days[hour / kHoursPerDay]->At(slot).Merge(cell->measures[slot].sketch);
        cell->measures[slot].sketch = QuantileSketch();
      }
    }
  }
  hours_have_sketches = false;
  hour_sketch_bytes = 0;
}

// ---- Cells of one customer.

void SummaryBuilder::State::OpenTheRun(CustomerOrdinal customer, ServiceOrdinal service) {
  QUIPU_CHECK(customer != kAllCustomers);
  run.open = true;
  run.customer = customer;
  run.service = service;
}

bool SummaryBuilder::State::CustomerCellFits() const {
  return closed_cells < kCustomerCellsMax && entries + slots.size() <= kCustomerEntriesMax;
}

void SummaryBuilder::State::EmitCustomerCell(const OpenCell& cell, std::uint32_t unit,
                                             ClosedCells* to) {
  if (cell.rows < kCellRowsMin || !CustomerCellFits()) return;
  to->push_back(Close(cell, unit, cell.rows >= kSketchRowsMin ? kCustomerSketchBytesMax : 0));
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
ClosedCell SummaryBuilder::State::Close(const OpenCell& cell, std::uint32_t unit,
                                        std::uint64_t sketch_bytes_max) {
  ClosedCell closed;
  closed.unit = unit;
  closed.rows = cell.rows;
  std::uint64_t bytes = sketch_bytes;
  for (std::size_t slot = 0; slot < cell.measures.size(); ++slot) {
    const MeasureCell& measure = cell.measures[slot];
    if (measure.stats.count == 0) continue;
    ClosedCell::Measure& out = closed.measures.emplace_back();
    out.slot = slot;
    out.stats = measure.stats;
    if (bytes < sketch_bytes_max) measure.sketch.EncodeTo(&out.sketch);
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
  for (std::size_t slot = 0; slot < service.pending.size(); ++slot) FlushAllHours(service, slot);
  service.pending.clear();
  ClosedCells hours, days, months;
  OpenCell month_cell;
  DistinctSketch month_customers;
  const auto close_with_distinct = [this](const OpenCell& cell, std::uint32_t unit,
                                          const DistinctSketch& customers) {
    ClosedCell closed = Close(cell, unit, kDaySketchBytesMax);
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
      HourCell(service, hour).rows = service.hour_rows[hour];
      const std::unique_ptr<OpenCell> cell = std::move(service.hours[hour]);
      const bool with_quantiles = hours_have_sketches && cell->rows >= kSketchRowsMin;
      hours.push_back(Close(*cell, hour, with_quantiles ? kHourSketchBytesMax : 0));
      day_cell.Merge(*cell);
    }
    for (std::size_t slot = 0; slot < day->sketches.size(); ++slot) {
      day_cell.At(slot).sketch.Merge(day->sketches[slot]);
    }
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

SummaryBuilder::SummaryBuilder(MonthIndex month, const Names* names, std::uint64_t bytes_max)
    : state_(std::make_unique<State>(month, names, bytes_max)) {}

SummaryBuilder::~SummaryBuilder() = default;

void SummaryBuilder::Add(const RowBatch& rows) { state_->Add(rows); }

std::string SummaryBuilder::Finish() {
  state_->CloseRun();
  for (auto& [id, service] : state_->services) state_->FinishService(id, service);
  // A measure that was in a batch's columns but present in no row.
  std::erase_if(state_->columns.measures,
                [](const SummaryColumns::Measure& m) { return m.cells.empty(); });
  std::string payload = state_->columns.Encode();
  state_ = std::make_unique<State>(state_->month, state_->names, state_->bytes_max);
  return payload;
}

}  // namespace quipu
