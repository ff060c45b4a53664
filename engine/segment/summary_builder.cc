// How cells are filled. Rows come sorted by (customer, service, time) and go two ways.
//
// *All customers*: a slice of rows (at most a row group) is grouped by (service, hour); each column is then read span by span, with sums
// and bounds in registers, and the values are added to a bin: the hour's, while bins by hour stay within SummaryBounds. Days and months
// are made in Finish from hours:
//
//     rows -> spans by (service, hour) -> hour of all customers -> day -> month
//
// *One customer*: rows of a run (equal customer and service) lie side by side, so its hours, days and the month are filled straight
// from the columns, but only the cells that may earn their place: what begins and ends within a slice has a known number of rows and is
// left out below kCellRowsMin, and gets no bin below kSketchRowsMin. Most runs are small and cost nothing here.
//
// All of this is addition in commutative monoids (exact sums, min, max, sketches), hence the cells do not depend on how rows were split
// into batches. What bins count for depends on the rows alone (CountedBytes), so Verify comes to the same decision on where quantiles
// are kept.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/check.h"
#include "segment/row_spans.h"
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
constexpr std::uint32_t kNone = 0xFFFFFFFF;
constexpr std::size_t kNoPlace = SIZE_MAX;
constexpr std::size_t kSliceRowsMax = 65'536;

/// The finest units whose values of all customers are kept.
enum class Kept { kByHour, kByDay, kByMonth, kNothing };

}  // namespace

struct SummaryBuilder::State {
  // The run whose rows may earn cells of their own, and its innermost open cells.
  struct OpenRun {
    bool open = false;
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    std::uint32_t hour = kNone, day = kNone;  // of hour_cell and day_cell; kNone: closed
    std::uint32_t hour_last = 0;              // of the rows so far
    OpenCell hour_cell, day_cell, month_cell;
    ClosedCells hours, days, months;
  };
  // Rows [first, last) of a slice that belong to one run, day or hour, and whether they are a part of more rows.
  struct Piece {
    std::size_t first = 0, last = 0;
    bool continues = false, may_continue = false;
    [[nodiscard]] bool MayHave(std::uint64_t rows_min) const {
      return continues || may_continue || last - first >= rows_min;
    }
  };
  // A service that occurs in the slice. Lookups are kept for as long as the slice stays the same.
  struct SliceService {
    ServiceCells* cells = nullptr;
    std::vector<std::size_t> places;  // of the slice's measures; kNoPlace: not asked yet
  };

  State(MonthIndex month_index, const Names* customer_names, const SummaryBounds& summary_bounds)
      : month(month_index),
        names(customer_names),
        bounds(summary_bounds),
        month_start(MonthStart(month_index)),
        hours_in_month(
            static_cast<std::uint32_t>((MonthStart(month_index + 1) - month_start) / kHourUs)) {}

  Status Add(const RowBatch& rows);
  void AddSlice(const RowBatch& rows, std::size_t slice_first, std::size_t slice_last);
  void PlaceRun(CustomerOrdinal customer, std::uint32_t service, std::size_t first,
                std::size_t last);
  void AddSpanToAll(const RowBatch& rows, const RowSpans::Span& span, std::size_t slice_first);
  void AddWideToAll(const DecimalColumn& column, std::size_t index, std::size_t slice_first,
                    std::span<const std::uint32_t> span_rows, SliceService& service,
                    std::uint32_t hour);
  ValueBin* MergeStats(const MeasureStats& stats, ServiceCells& service, std::uint32_t hour,
                       std::size_t place);
  MeasureCell* Keeper(ServiceCells& service, std::uint32_t hour, std::size_t place);
  void BoundValues();
  std::uint64_t ValueBytesMax() const;
  void KeepCoarser();
  void Fold(OpenCell* from, OpenCell* to);
  void AddDistinct(ServiceCells& service, CustomerOrdinal customer, std::uint32_t day);

  void AddToOpenRun(const RowBatch& rows, const Piece& piece, std::size_t slice_first,
                    SliceService& service);
  void AddHours(const RowBatch& rows, const Piece& day, std::size_t slice_first,
                SliceService& service);
  void Fill(const RowBatch& rows, const Piece& piece, SliceService& service, OpenCell* cell);
  std::size_t UnitEnd(std::size_t first, std::size_t last, std::uint32_t hours_in_unit) const;
  void OpenTheRun(CustomerOrdinal customer, ServiceOrdinal service);
  void CloseHour();
  void CloseDay();
  void CloseRun();
  void FinishService(ServiceOrdinal id, ServiceCells& service);

  std::uint32_t HourOf(TimeUs time) const;
  ServiceCells& Service(ServiceOrdinal id);
  std::size_t SlotOf(ColumnId id);
  std::uint32_t SliceServiceOf(ServiceOrdinal id);
  std::size_t PlaceOf(SliceService& service, std::size_t column) {
    std::size_t& place = service.places[column];
    if (place == kNoPlace) place = service.cells->PlaceOf(batch_slots[column]);
    return place;
  }
  // From how many rows on days and months of one customer have cells.
  [[nodiscard]] std::uint64_t DayRowsMin() const {
    return bounds.every_customer_day ? 1 : kCellRowsMin;
  }
  bool CustomerCellFits(const OpenCell& cell) const;
  Status CheckBounds() const;
  void EmitCustomerCell(OpenCell* cell, std::uint32_t unit, ClosedCells* to);
  ClosedCell Close(OpenCell* cell, const ServiceCells& service, std::uint32_t unit,
                   std::uint64_t sketch_bytes_max);
  void EmitGroup(CustomerOrdinal customer, ServiceOrdinal service, CellLevel level,
                 ClosedCells* cells);

  MonthIndex month;
  const Names* names;
  SummaryBounds bounds;
  TimeUs month_start;
  std::uint32_t hours_in_month;
  SummaryColumns columns;
  std::unordered_map<ColumnId, std::size_t> slots;
  std::map<ServiceOrdinal, ServiceCells> services;
  OpenRun run;
  Kept kept = Kept::kByHour;
  std::uint64_t counted_bytes = 0;  // of the values kept
  std::uint64_t hour_entries = 0;   // (all-customers hour, measure) pairs
  std::uint64_t sketch_bytes = 0;   // encoded
  std::uint64_t closed_cells = 0, entries = 0;
  bool customer_known = false;
  CustomerOrdinal hashed_customer = 0;
  std::uint64_t customer_hash = 0;

  // Of the slice in work; kept to be used again.
  std::vector<std::size_t> batch_slots;  // of the batch's measures
  std::vector<SliceService> slice_services;
  std::unordered_map<ServiceOrdinal, std::uint32_t> slice_numbers;
  std::vector<std::uint32_t> slice_hours,
      keys;  // of the rows; a key is slice service x hours_in_month + hour
  RowSpans grouped;
  GatheredValues gathered;
};

// ---- Where things are.

std::uint32_t SummaryBuilder::State::HourOf(TimeUs time) const {
  const TimeUs hour = FloorTo(time - month_start, kHourUs) / kHourUs;
  QUIPU_CHECK(hour >= 0 && hour < static_cast<TimeUs>(hours_in_month));
  return static_cast<std::uint32_t>(hour);
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

std::uint32_t SummaryBuilder::State::SliceServiceOf(ServiceOrdinal id) {
  const auto [at, is_new] =
      slice_numbers.emplace(id, static_cast<std::uint32_t>(slice_services.size()));
  if (is_new) slice_services.push_back({&Service(id), std::vector(batch_slots.size(), kNoPlace)});
  return at->second;
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

// ---- Rows in, for all customers.

Status SummaryBuilder::State::Add(const RowBatch& rows) {
  QUIPU_TRY(CheckBounds());
  batch_slots.clear();
  for (const DecimalColumn& column : rows.measures) batch_slots.push_back(SlotOf(column.id));
  for (std::size_t first = 0; first < rows.size(); first += kSliceRowsMax)
    AddSlice(rows, first, std::min(rows.size(), first + kSliceRowsMax));
  return CheckBounds();
}

void SummaryBuilder::State::AddSlice(const RowBatch& rows, std::size_t slice_first,
                                     std::size_t slice_last) {
  slice_services.clear();
  slice_numbers.clear();
  slice_hours.resize(slice_last - slice_first);
  keys.resize(slice_last - slice_first);
  for (std::size_t i = slice_first; i < slice_last; ++i)
    slice_hours[i - slice_first] = HourOf(rows.times[i]);
  for (std::size_t first = slice_first, last = first; first < slice_last; first = last) {
    const CustomerOrdinal customer = rows.customers[first];
    const ServiceOrdinal service = rows.services[first];
    for (++last;
         last < slice_last && rows.customers[last] == customer && rows.services[last] == service;)
      ++last;
    const std::uint32_t number = SliceServiceOf(service);
    PlaceRun(customer, number, first - slice_first, last - slice_first);
    Piece piece{first, last, run.open && run.customer == customer && run.service == service,
                last == slice_last};
    if (!piece.continues) CloseRun();
    if (!piece.MayHave(DayRowsMin())) continue;
    if (!piece.continues) OpenTheRun(customer, service);
    AddToOpenRun(rows, piece, slice_first, slice_services[number]);
  }
  grouped.Group(keys, std::uint64_t{slice_services.size()} * hours_in_month);
  for (const RowSpans::Span& span : grouped.spans()) AddSpanToAll(rows, span, slice_first);
  BoundValues();
}

// Keys of a run's rows; each of its days sees the customer once.
void SummaryBuilder::State::PlaceRun(CustomerOrdinal customer, std::uint32_t service,
                                     std::size_t first, std::size_t last) {
  std::uint32_t day_end = 0;
  for (std::size_t i = first; i < last; ++i) {
    const std::uint32_t hour = slice_hours[i];
    if (hour >= day_end) {
      AddDistinct(*slice_services[service].cells, customer, hour / kHoursPerDay);
      day_end = (hour / kHoursPerDay + 1) * kHoursPerDay;
    }
    keys[i] = service * hours_in_month + hour;
  }
}

void SummaryBuilder::State::AddSpanToAll(const RowBatch& rows, const RowSpans::Span& span,
                                         std::size_t slice_first) {
  SliceService& service = slice_services[span.key / hours_in_month];
  const std::uint32_t hour = span.key % hours_in_month;
  const auto span_rows = grouped.rows().subspan(span.first, span.count);
  service.cells->hour_rows[hour] += span.count;
  for (std::size_t index = 0; index < rows.measures.size(); ++index) {
    const DecimalColumn& column = rows.measures[index];
    if (column.is_wide()) {
      AddWideToAll(column, index, slice_first, span_rows, service, hour);
      continue;
    }
    gathered.Gather(column, slice_first, span_rows);
    const std::span<const std::int64_t> mantissas = gathered.mantissas();
    if (mantissas.empty()) continue;  // a service gets no place for a measure that it never has
    ValueBin* const bin =
        MergeStats(gathered.Stats(column.scale), *service.cells, hour, PlaceOf(service, index));
    if (bin != nullptr) bin->Add(mantissas, column.scale);
  }
}

void SummaryBuilder::State::AddWideToAll(const DecimalColumn& column, std::size_t index,
                                         std::size_t slice_first,
                                         std::span<const std::uint32_t> span_rows,
                                         SliceService& service, std::uint32_t hour) {
  MeasureStats stats;
  for (const std::uint32_t row : span_rows) {
    const std::size_t i = slice_first + row;
    if (column.IsPresent(i)) stats.Add(column.wide[i], column.scale);
  }
  if (stats.count == 0) return;
  ValueBin* const bin = MergeStats(stats, *service.cells, hour, PlaceOf(service, index));
  if (bin == nullptr) return;
  for (const std::uint32_t row : span_rows) {
    const std::size_t i = slice_first + row;
    if (column.IsPresent(i)) bin->Add(column.wide[i], column.scale);
  }
}

// The cell that holds the values of that hour, null if nothing does.
MeasureCell* SummaryBuilder::State::Keeper(ServiceCells& service, std::uint32_t hour,
                                           std::size_t place) {
  switch (kept) {
    case Kept::kByHour:
      return &service.Hour(hour).At(place);
    case Kept::kByDay:
      return &service.days[hour / kHoursPerDay]->kept.At(place);
    case Kept::kByMonth:
      return &service.kept.At(place);
    case Kept::kNothing:
      break;
  }
  return nullptr;
}

// Every statistic of an all-customers hour goes through here, so that it is counted. Returns where its values go, null: nowhere.
ValueBin* SummaryBuilder::State::MergeStats(const MeasureStats& stats, ServiceCells& service,
                                            std::uint32_t hour, std::size_t place) {
  MeasureStats& mine = service.Hour(hour).At(place).stats;
  if (mine.count == 0) ++hour_entries;
  MeasureCell* const keeper = Keeper(service, hour, place);
  if (keeper != nullptr) counted_bytes -= CountedBytes(keeper->stats);
  mine.Merge(stats);
  if (keeper == nullptr) return nullptr;
  if (&keeper->stats != &mine) keeper->stats.Merge(stats);
  counted_bytes += CountedBytes(keeper->stats);
  return &keeper->values;
}

std::uint64_t SummaryBuilder::State::ValueBytesMax() const {
  switch (kept) {
    case Kept::kByHour:
      return bounds.hour_bytes;
    case Kept::kByDay:
      return bounds.day_bytes;
    case Kept::kByMonth:
      return bounds.month_bytes;
    case Kept::kNothing:
      break;
  }
  return UINT64_MAX;
}

// What is kept by one unit passes its bound at some point if and only if it is above it at the end.
void SummaryBuilder::State::BoundValues() {
  while (counted_bytes > ValueBytesMax()) KeepCoarser();
}

void SummaryBuilder::State::KeepCoarser() {
  counted_bytes = 0;
  const Kept before = kept;
  kept = static_cast<Kept>(static_cast<int>(kept) + 1);
  for (auto& [id, service] : services) {
    for (std::uint32_t hour = 0; before == Kept::kByHour && hour < hours_in_month; ++hour) {
      if (service.hours[hour] != nullptr)
        Fold(service.hours[hour].get(), &service.days[hour / kHoursPerDay]->kept);
    }
    for (std::unique_ptr<ServiceCells::Day>& day : service.days) {
      if (before != Kept::kByDay || day == nullptr) continue;
      Fold(&day->kept, &service.kept);
      day->kept = OpenCell();
    }
    if (before == Kept::kByMonth) service.kept = OpenCell();
  }
}

// Statistics stay, values go.
void SummaryBuilder::State::Fold(OpenCell* from, OpenCell* to) {
  for (std::size_t place = 0; place < from->measures.size(); ++place) {
    MeasureCell& mine = to->At(place);
    counted_bytes -= CountedBytes(mine.stats);
    mine.stats.Merge(from->measures[place].stats);
    mine.values.Absorb(&from->measures[place].values);
    counted_bytes += CountedBytes(mine.stats);
  }
}

void SummaryBuilder::State::AddDistinct(ServiceCells& service, CustomerOrdinal customer,
                                        std::uint32_t day) {
  if (!customer_known || hashed_customer != customer) {
    customer_hash = Hash64(names->Customer(customer));
    hashed_customer = customer;
    customer_known = true;
  }
  if (service.days[day] == nullptr) service.days[day] = std::make_unique<ServiceCells::Day>();
  service.days[day]->customers.Add(customer_hash);
}

// ---- Cells of one customer.

void SummaryBuilder::State::OpenTheRun(CustomerOrdinal customer, ServiceOrdinal service) {
  QUIPU_CHECK(customer != kAllCustomers);
  run.open = true;
  run.customer = customer;
  run.service = service;
}

// Where the hour, day... of the slice's row `first` ends.
std::size_t SummaryBuilder::State::UnitEnd(std::size_t first, std::size_t last,
                                           std::uint32_t hours_in_unit) const {
  const std::uint32_t end = (slice_hours[first] / hours_in_unit + 1) * hours_in_unit;
  std::size_t i = first + 1;
  while (i < last && slice_hours[i] < end) ++i;
  return i;
}

void SummaryBuilder::State::AddToOpenRun(const RowBatch& rows, const Piece& piece,
                                         std::size_t slice_first, SliceService& service) {
  QUIPU_CHECK(!piece.continues || slice_hours[piece.first - slice_first] >= run.hour_last);
  run.hour_last = slice_hours[piece.last - 1 - slice_first];
  Fill(rows, piece, service, &run.month_cell);
  for (std::size_t first = piece.first, last = first; first < piece.last; first = last) {
    last = slice_first + UnitEnd(first - slice_first, piece.last - slice_first, kHoursPerDay);
    const std::uint32_t day = slice_hours[first - slice_first] / kHoursPerDay;
    if (run.day != day) CloseDay();
    const Piece part{first, last, run.day == day, piece.may_continue && last == piece.last};
    if (!part.MayHave(DayRowsMin())) continue;
    AddHours(rows, part, slice_first, service);
    run.day = day;
    Fill(rows, part, service, &run.day_cell);
  }
}

void SummaryBuilder::State::AddHours(const RowBatch& rows, const Piece& day,
                                     std::size_t slice_first, SliceService& service) {
  for (std::size_t first = day.first, last = first; first < day.last; first = last) {
    last = slice_first + UnitEnd(first - slice_first, day.last - slice_first, 1);
    const std::uint32_t hour = slice_hours[first - slice_first];
    if (run.hour != hour) CloseHour();
    const Piece part{first, last, run.hour == hour, day.may_continue && last == day.last};
    if (!part.MayHave(kCellRowsMin)) continue;
    run.hour = hour;
    Fill(rows, part, service, &run.hour_cell);
  }
}

void SummaryBuilder::State::Fill(const RowBatch& rows, const Piece& piece, SliceService& service,
                                 OpenCell* cell) {
  cell->rows += piece.last - piece.first;
  for (std::size_t m = 0; m < rows.measures.size(); ++m) {
    const MeasureStats stats = StatsOf(rows.measures[m], piece.first, piece.last);
    if (stats.count == 0) continue;
    MeasureCell& measure = cell->At(PlaceOf(service, m));
    measure.stats.Merge(stats);
    if (piece.MayHave(kSketchRowsMin))
      AddToBin(rows.measures[m], piece.first, piece.last, &measure.values);
  }
}

bool SummaryBuilder::State::CustomerCellFits(const OpenCell& cell) const {
  const auto measures = static_cast<std::uint64_t>(
      std::count_if(cell.measures.begin(), cell.measures.end(),
                    [](const MeasureCell& m) { return m.stats.count > 0; }));
  return closed_cells < bounds.cells / kCustomerPart &&
         entries + measures <= bounds.entries / kCustomerPart;
}

void SummaryBuilder::State::EmitCustomerCell(OpenCell* cell, std::uint32_t unit, ClosedCells* to) {
  const bool required = bounds.every_customer_day && to != &run.hours && cell->rows > 0;
  if (!required && (cell->rows < kCellRowsMin || !CustomerCellFits(*cell))) return;
  to->push_back(Close(cell, Service(run.service), unit,
                      cell->rows >= kSketchRowsMin ? kCustomerSketchBytesMax : 0));
}

void SummaryBuilder::State::CloseHour() {
  if (run.hour == kNone) return;
  EmitCustomerCell(&run.hour_cell, run.hour, &run.hours);
  run.hour_cell = OpenCell();
  run.hour = kNone;
}

void SummaryBuilder::State::CloseDay() {
  CloseHour();
  if (run.day == kNone) return;
  EmitCustomerCell(&run.day_cell, run.day, &run.days);
  run.day_cell = OpenCell();
  run.day = kNone;
}

void SummaryBuilder::State::CloseRun() {
  if (!run.open) return;
  CloseDay();
  EmitCustomerCell(&run.month_cell, 0, &run.months);
  EmitGroup(run.customer, run.service, CellLevel::kHour, &run.hours);
  EmitGroup(run.customer, run.service, CellLevel::kDay, &run.days);
  EmitGroup(run.customer, run.service, CellLevel::kMonth, &run.months);
  run = OpenRun();
}

// ---- Cells out.

// With quantiles if the sketches of the segment stay within the bound (0 = never); they are all or none of a cell.
ClosedCell SummaryBuilder::State::Close(OpenCell* cell, const ServiceCells& service,
                                        std::uint32_t unit, std::uint64_t sketch_bytes_max) {
  ClosedCell closed;
  closed.unit = unit;
  closed.rows = cell->rows;
  std::uint64_t bytes = sketch_bytes;
  for (std::size_t place = 0; place < cell->measures.size(); ++place) {
    MeasureCell& measure = cell->measures[place];
    if (measure.stats.count == 0) continue;
    ClosedCell::Measure& out = closed.measures.emplace_back();
    out.slot = service.slots[place];
    out.stats = measure.stats;
    if (bytes < sketch_bytes_max) measure.values.Settled().EncodeTo(&out.sketch);
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
  const auto close_with_distinct = [&, this](OpenCell* cell, std::uint32_t unit, Kept coarsest,
                                             const DistinctSketch& customers) {
    ClosedCell closed = Close(cell, service, unit, kept <= coarsest ? kDaySketchBytesMax : 0);
    customers.EncodeTo(&closed.distinct);
    if (sketch_bytes + closed.distinct.size() <= kSummarySketchBytesMax) {
      closed.flags |= kCellHasDistinct;
      sketch_bytes += closed.distinct.size();
    }
    return closed;
  };
  for (std::uint32_t d = 0; d < service.days.size(); ++d) {
    const std::unique_ptr<ServiceCells::Day> day = std::move(service.days[d]);
    if (day == nullptr) continue;
    OpenCell day_cell;
    for (std::uint32_t hour = d * kHoursPerDay; hour < (d + 1) * kHoursPerDay; ++hour) {
      if (service.hour_rows[hour] == 0) continue;
      service.Hour(hour).rows = service.hour_rows[hour];
      const std::unique_ptr<OpenCell> cell = std::move(service.hours[hour]);
      const bool with_quantiles = kept == Kept::kByHour && cell->rows >= kSketchRowsMin;
      hours.push_back(Close(cell.get(), service, hour, with_quantiles ? kHourSketchBytesMax : 0));
      hour_entries -= hours.back().measures.size();  // they count as entries from here on
      day_cell.Absorb(cell.get());
    }
    for (std::size_t place = 0; place < day->kept.measures.size(); ++place)
      day_cell.At(place).values.Absorb(&day->kept.measures[place].values);
    days.push_back(close_with_distinct(&day_cell, d, Kept::kByDay, day->customers));
    month_cell.Absorb(&day_cell);
    month_customers.Merge(day->customers);
  }
  for (std::size_t place = 0; place < service.kept.measures.size(); ++place)
    month_cell.At(place).values.Absorb(&service.kept.measures[place].values);
  months.push_back(close_with_distinct(&month_cell, 0, Kept::kByMonth, month_customers));
  service.kept = OpenCell();
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
