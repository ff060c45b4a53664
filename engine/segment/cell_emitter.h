// CellEmitter: finished cells of a SummaryBuilder on their way into SummaryColumns, within the bounds of a segment's summaries.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "segment/summary_cells.h"
#include "segment/summary_columns.h"

namespace quipu {

class CellEmitter {
 public:
  /// Cells of one customer get quantiles while the encoded sketches have this much room, hours of all customers up to the second
  /// mark, days and months up to the third; the rest is for their distinct sketches.
  static constexpr std::uint64_t kCustomerSketchBytesMax = kSummarySketchBytesMax / 4;
  static constexpr std::uint64_t kHourSketchBytesMax = kSummarySketchBytesMax / 2;
  static constexpr std::uint64_t kDaySketchBytesMax = kSummarySketchBytesMax / 8 * 7;

  explicit CellEmitter(const SummaryBounds& bounds) : bounds_(bounds) {}

  /// The number of a measure, in order of arrival.
  std::size_t SlotOf(ColumnId id);
  [[nodiscard]] std::size_t slots() const { return slots_.size(); }
  /// With quantiles if the sketches of the segment stay within the bound (0 = never); they are all or none of a cell.
  ClosedCell Close(OpenCell* cell, const ServiceCells& service, std::uint32_t unit,
                   std::uint64_t sketch_bytes_max);
  /// Adds the sketch of its customers to a closed cell, if there is room.
  void AddDistinct(const DistinctSketch& customers, ClosedCell* cell);
  /// Groups come by (customer, service, level); `cells` is empty afterwards.
  void EmitGroup(CustomerOrdinal customer, ServiceOrdinal service, CellLevel level,
                 ClosedCells* cells);
  /// Whether there is room for a cell that may be left out.
  [[nodiscard]] bool HasRoomFor(const OpenCell& cell) const;
  /// Whether the cells so far, and as many (cell, measure) pairs beside theirs, are within the bounds.
  [[nodiscard]] bool IsWithinBounds(std::uint64_t more_entries) const {
    return entries_ + more_entries <= bounds_.entries && closed_cells_ <= bounds_.cells;
  }
  /// The payload of all groups.
  std::string Encode();

 private:
  const SummaryBounds& bounds_;
  SummaryColumns columns_;
  std::unordered_map<ColumnId, std::size_t> slots_;
  std::uint64_t sketch_bytes_ = 0;  // encoded
  std::uint64_t closed_cells_ = 0, entries_ = 0;
};

}  // namespace quipu
