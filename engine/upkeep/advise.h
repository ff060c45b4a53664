// Which summaries by dimension would pay? A sample of the newest rows is counted: per service, for single dimensions, pairs, and triples of those with the
// fewest values, how many combinations there are on how many days. What comes out is the gain (events that one cell stands for), the price in bytes,
// and the largest sets that pay: a question about some of a set's dimensions is answered from it, too.
#pragma once

#include <cstdint>
#include <functional>

#include "quipu/summaries.h"
#include "store/store.h"

namespace quipu {

/// Rows of the sample; and dimensions that are looked at per service, those with the fewest values.
inline constexpr std::uint64_t kAdviceRowsMax = 2'000'000;
inline constexpr std::size_t kAdviceDimensionsMax = 8, kAdviceTriplesOf = 5;
/// Bytes of a cell on disk, from docs/decisions/0028: what it costs to be there, and what each measure adds.
inline constexpr double kCellBytes = 1.5, kCellMeasureBytes = 6;

/// `progress` is told rows that were looked at; false = kCancelled.
Result<SummaryAdvice> Advise(const View& view, const Store& store,
                             const std::function<bool(std::uint64_t rows)>& progress);

}  // namespace quipu
