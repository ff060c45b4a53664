// SummarySlice: the rows that SummaryBuilder works on at a time, and what it has looked up for them.
#pragma once

#include <cstdint>
#include <vector>

#include "batch/row_batch.h"
#include "segment/summary_cells.h"

namespace quipu {

struct SummarySlice {
  static constexpr std::size_t kNoPlace = SIZE_MAX;

  /// A service that occurs in the slice.
  struct Service {
    ServiceCells* cells = nullptr;
    std::vector<std::size_t> places;  ///< Of the batch's measures; kNoPlace: not asked yet.
  };
  /// The place of the batch's measure `column`. A service gets no place for a measure that it never has, so ask only for one that is there.
  std::size_t PlaceOf(Service& service, std::size_t column) const {
    std::size_t& place = service.places[column];
    if (place == kNoPlace) place = service.cells->PlaceOf(slots[column]);
    return place;
  }

  const RowBatch* rows = nullptr;
  std::size_t first = 0, last = 0;   ///< Of the batch's rows.
  std::vector<std::uint32_t> hours;  ///< Of the month; [i] is that of row first + i.
  std::vector<std::size_t> slots;    ///< Of the batch's measures.
  std::vector<Service> services;
};

}  // namespace quipu
