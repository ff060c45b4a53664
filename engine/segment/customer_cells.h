// CustomerCells: the cells of one customer, filled from runs of rows of equal customer and service.
//
// Rows of a run lie side by side, so its hours, days and the month are filled straight from the columns, but only the cells that may
// earn their place: what begins and ends within a slice has a known number of rows and is left out below kCellRowsMin, and gets no
// bin below kSketchRowsMin. Most runs are small and cost nothing here.
#pragma once

#include <cstdint>

#include "segment/cell_emitter.h"
#include "segment/summary_slice.h"

namespace quipu {

class CustomerCells {
 public:
  CustomerCells(const SummaryBounds& bounds, CellEmitter* emitter)
      : bounds_(bounds), emitter_(emitter) {}
  /// Rows [first, last) of the batch: all that the slice has of a run. Runs come in segment order; one may go on in the next slice.
  void Add(const SummarySlice& slice, std::size_t first, std::size_t last,
           SummarySlice::Service& service);
  /// The last run is complete.
  void Close();

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  // The run whose rows may earn cells of their own, and its innermost open cells.
  struct OpenRun {
    bool open = false;
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    const ServiceCells* cells = nullptr;
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

  void AddDays(const SummarySlice& slice, const Piece& piece, SummarySlice::Service& service);
  void AddHours(const SummarySlice& slice, const Piece& day, SummarySlice::Service& service);
  void Fill(const SummarySlice& slice, const Piece& piece, SummarySlice::Service& service,
            OpenCell* cell);
  void Emit(OpenCell* cell, std::uint32_t unit, ClosedCells* to);
  void CloseHour();
  void CloseDay();
  // From how many rows on days and months have cells.
  [[nodiscard]] std::uint64_t DayRowsMin() const {
    return bounds_.every_customer_day ? 1 : bounds_.cell_rows_min;
  }

  const SummaryBounds& bounds_;
  CellEmitter* emitter_;
  OpenRun run_;
};

}  // namespace quipu
