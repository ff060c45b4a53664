// DimensionCells: summary cells by dimension of one segment, decoded. One page holds those of one DimensionSet:
//
//     values of each dimension (sorted) | combinations of them that occur | cells, as in summary.h, where a combination stands in for the customer
//
//     endpoint: {/chat, /files}   status: {200, 500}          combination 0 = (/chat, 200)   day 1: 40 rows   day 2: 44 rows   month: 84 rows
//                                                             combination 1 = (/chat, 500)   day 2:  1 row                     month:  1 row
//                                                             combination 2 = (absent, 200)  ...
//
// Invariants, of each service that is covered:
//   (1) Every (combination, day) with a row has a cell and every combination its month: *absent means zero rows*. Hours are there for all or for none.
//   (2) Days add up to the month, hours to the days; what does not is damage.
//   (3) Sketches are in all cells of a level, or in none.
//   (4) An absent value is a value of its own, code 0.
// A service that is not covered has no cells here, and raw rows answer. formats/dimension_cells.md has every byte.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "segment/dimension_set.h"
#include "segment/summary.h"

namespace quipu {

/// Bounds of one set in one segment. A set beyond them is left out there.
inline constexpr std::uint32_t kSetValuesMax = 65'535;     ///< Of one dimension.
inline constexpr std::uint64_t kSetNumbersMax = 1u << 18;  ///< Cells of one level x (1 + measures).
inline constexpr std::uint64_t kSetSketchValuesMax = 1u << 21;  ///< Kept for sketches.
inline constexpr std::uint64_t kSetSketchBytesMax = 32u << 20;  ///< Encoded, of one level.

class DimensionCells {
 public:
  /// What there is of a covered service.
  struct Levels {
    bool hours = false;
    bool day_quantiles = false, month_quantiles = false;
  };

  /// `set` and `covered` are those of the footer. kCorruption.
  static Result<std::shared_ptr<const DimensionCells>> Decode(
      Bytes payload, const DimensionSet& set, std::span<const ServiceOrdinal> covered,
      MonthIndex month);

  [[nodiscard]] std::size_t combinations() const { return combinations_; }
  /// Of a combination at the set's dimension `d`: 0 = absent, else 1 + index into values(d).
  [[nodiscard]] std::uint32_t code(std::size_t combination, std::size_t d) const {
    return codes_[d][combination];
  }
  [[nodiscard]] const StringList& values(std::size_t d) const { return values_[d]; }
  /// Its customers are combinations.
  [[nodiscard]] const SummaryTable& table() const { return *table_; }
  /// Null: not covered.
  [[nodiscard]] const Levels* LevelsOf(ServiceOrdinal service) const {
    const auto found = levels_.find(service);
    return found == levels_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::size_t bytes() const;

 private:
  Status CheckGroups(std::span<const ServiceOrdinal> covered);
  Status CheckCombination(std::uint32_t combination, ServiceOrdinal service);

  std::size_t combinations_ = 0;
  std::vector<StringList> values_;                 // by dimension of the set
  std::vector<std::vector<std::uint32_t>> codes_;  // by dimension, by combination
  std::shared_ptr<const SummaryTable> table_;
  std::map<ServiceOrdinal, Levels> levels_;
};

/// One set's cells as they go into a file.
struct FinishedDimensionCells {
  DimensionSet set;                     ///< As far as it concerns the segment.
  std::vector<ServiceOrdinal> covered;  ///< Ascending; none: left out, there is no page.
  std::string payload;
};

/// The front of the payload: values and combinations. `codes` by dimension, by combination.
Status EncodeCombinations(const std::vector<StringList>& values,
                          const std::vector<std::vector<std::uint32_t>>& codes,
                          std::size_t combinations, std::string* out);

}  // namespace quipu
