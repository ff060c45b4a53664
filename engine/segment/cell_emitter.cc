#include "segment/cell_emitter.h"

#include <algorithm>

namespace quipu {
namespace {

/// Cells of one customer, which may be left out, take at most this part of the bounds on cells and entries.
constexpr std::uint64_t kCustomerPart = 4;

}  // namespace

std::size_t CellEmitter::SlotOf(ColumnId id) {
  const auto [slot, is_new] = slots_.emplace(id, columns_.measures.size());
  if (is_new) columns_.measures.emplace_back().id = id;
  return slot->second;
}

bool CellEmitter::HasRoomFor(const OpenCell& cell) const {
  const auto measures = static_cast<std::uint64_t>(
      std::count_if(cell.measures.begin(), cell.measures.end(),
                    [](const MeasureCell& m) { return m.stats.count > 0; }));
  return closed_cells_ < bounds_.cells / kCustomerPart &&
         entries_ + measures <= bounds_.entries / kCustomerPart;
}

ClosedCell CellEmitter::Close(OpenCell* cell, const ServiceCells& service, std::uint32_t unit,
                              std::uint64_t sketch_bytes_max) {
  ClosedCell closed;
  closed.unit = unit;
  closed.rows = cell->rows;
  closed.measures.reserve(cell->measures.size());
  std::uint64_t bytes = sketch_bytes_;
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
    sketch_bytes_ = bytes;
  } else {
    for (ClosedCell::Measure& measure : closed.measures) measure.sketch.clear();
  }
  ++closed_cells_;
  entries_ += closed.measures.size();
  return closed;
}

void CellEmitter::AddDistinct(const DistinctSketch& customers, ClosedCell* cell) {
  customers.EncodeTo(&cell->distinct);
  if (sketch_bytes_ + cell->distinct.size() > kSummarySketchBytesMax) return;
  cell->flags |= kCellHasDistinct;
  sketch_bytes_ += cell->distinct.size();
}

void CellEmitter::EmitGroup(CustomerOrdinal customer, ServiceOrdinal service, CellLevel level,
                            ClosedCells* cells) {
  if (cells->empty()) return;
  columns_.groups.push_back({customer, service, level, static_cast<std::uint32_t>(cells->size())});
  for (const ClosedCell& cell : *cells) {
    const auto index = static_cast<std::uint32_t>(columns_.rows.size());
    columns_.units.push_back(cell.unit);
    columns_.rows.push_back(cell.rows);
    columns_.flags.push_back(cell.flags);
    if ((cell.flags & kCellHasDistinct) != 0) {
      columns_.distinct_bytes.push_back(static_cast<std::uint32_t>(cell.distinct.size()));
      columns_.distinct_sketches += cell.distinct;
    }
    for (const ClosedCell::Measure& measure : cell.measures) {
      SummaryColumns::Measure& column = columns_.measures[measure.slot];
      column.cells.push_back(index);
      column.stats.push_back(measure.stats);
      if ((cell.flags & kCellHasQuantiles) == 0) continue;
      column.sketch_bytes.push_back(static_cast<std::uint32_t>(measure.sketch.size()));
      column.sketches += measure.sketch;
    }
  }
  cells->clear();
}

std::string CellEmitter::Encode() {
  // A measure that was in a batch's columns but present in no row.
  std::erase_if(columns_.measures,
                [](const SummaryColumns::Measure& m) { return m.cells.empty(); });
  return columns_.Encode();
}

}  // namespace quipu
