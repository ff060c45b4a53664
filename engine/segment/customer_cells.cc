#include "segment/customer_cells.h"

#include "base/check.h"

namespace quipu {
namespace {

// Where the hour, day... of the slice's row `first` ends; rows are numbered as in the batch.
std::size_t UnitEnd(const SummarySlice& slice, std::size_t first, std::size_t last,
                    std::uint32_t hours_in_unit) {
  const std::uint32_t* const hours = slice.hours.data();
  const std::uint32_t end = (hours[first - slice.first] / hours_in_unit + 1) * hours_in_unit;
  std::size_t i = first + 1;
  while (i < last && hours[i - slice.first] < end) ++i;
  return i;
}

}  // namespace

void CustomerCells::Add(const SummarySlice& slice, std::size_t first, std::size_t last,
                        SummarySlice::Service& service) {
  const CustomerOrdinal customer = slice.rows->customers[first];
  const ServiceOrdinal id = slice.rows->services[first];
  const Piece piece{first, last, run_.open && run_.customer == customer && run_.service == id,
                    last == slice.last};
  if (!piece.continues) Close();
  if (!piece.MayHave(DayRowsMin())) return;
  if (!piece.continues) {
    QUIPU_CHECK(customer != kAllCustomers);
    run_.open = true;
    run_.customer = customer;
    run_.service = id;
    run_.cells = service.cells;
  }
  AddDays(slice, piece, service);
}

void CustomerCells::AddDays(const SummarySlice& slice, const Piece& piece,
                            SummarySlice::Service& service) {
  QUIPU_CHECK(!piece.continues || slice.hours[piece.first - slice.first] >= run_.hour_last);
  run_.hour_last = slice.hours[piece.last - 1 - slice.first];
  Fill(slice, piece, service, &run_.month_cell);
  for (std::size_t first = piece.first, last = first; first < piece.last; first = last) {
    last = UnitEnd(slice, first, piece.last, kHoursPerDay);
    const std::uint32_t day = slice.hours[first - slice.first] / kHoursPerDay;
    if (run_.day != day) CloseDay();
    const Piece part{first, last, run_.day == day, piece.may_continue && last == piece.last};
    if (!part.MayHave(DayRowsMin())) continue;
    AddHours(slice, part, service);
    run_.day = day;
    Fill(slice, part, service, &run_.day_cell);
  }
}

void CustomerCells::AddHours(const SummarySlice& slice, const Piece& day,
                             SummarySlice::Service& service) {
  for (std::size_t first = day.first, last = first; first < day.last; first = last) {
    last = UnitEnd(slice, first, day.last, 1);
    const std::uint32_t hour = slice.hours[first - slice.first];
    if (run_.hour != hour) CloseHour();
    const Piece part{first, last, run_.hour == hour, day.may_continue && last == day.last};
    if (!part.MayHave(bounds_.cell_rows_min)) continue;
    run_.hour = hour;
    Fill(slice, part, service, &run_.hour_cell);
  }
}

void CustomerCells::Fill(const SummarySlice& slice, const Piece& piece,
                         SummarySlice::Service& service, OpenCell* cell) {
  const RowBatch& rows = *slice.rows;
  cell->rows += piece.last - piece.first;
  for (std::size_t m = 0; m < rows.measures.size(); ++m) {
    const MeasureStats stats = StatsOf(rows.measures[m], piece.first, piece.last);
    if (stats.count == 0) continue;
    MeasureCell& measure = cell->At(slice.PlaceOf(service, m));
    measure.stats.Merge(stats);
    if (piece.MayHave(bounds_.sketch_rows_min))
      AddToBin(rows.measures[m], piece.first, piece.last, &measure.values);
  }
}

void CustomerCells::Emit(OpenCell* cell, std::uint32_t unit, ClosedCells* to) {
  const bool required = bounds_.every_customer_day && to != &run_.hours && cell->rows > 0;
  if (!required && (cell->rows < bounds_.cell_rows_min || !emitter_->HasRoomFor(*cell))) return;
  to->push_back(emitter_->Close(
      cell, *run_.cells, unit,
      cell->rows >= bounds_.sketch_rows_min ? CellEmitter::kCustomerSketchBytesMax : 0));
}

void CustomerCells::CloseHour() {
  if (run_.hour == kNone) return;
  Emit(&run_.hour_cell, run_.hour, &run_.hours);
  run_.hour_cell = OpenCell();
  run_.hour = kNone;
}

void CustomerCells::CloseDay() {
  CloseHour();
  if (run_.day == kNone) return;
  Emit(&run_.day_cell, run_.day, &run_.days);
  run_.day_cell = OpenCell();
  run_.day = kNone;
}

void CustomerCells::Close() {
  if (!run_.open) return;
  CloseDay();
  Emit(&run_.month_cell, 0, &run_.months);
  emitter_->EmitGroup(run_.customer, run_.service, CellLevel::kHour, &run_.hours);
  emitter_->EmitGroup(run_.customer, run_.service, CellLevel::kDay, &run_.days);
  emitter_->EmitGroup(run_.customer, run_.service, CellLevel::kMonth, &run_.months);
  run_ = OpenRun();
}

}  // namespace quipu
