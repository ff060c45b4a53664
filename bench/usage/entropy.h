// How small the columns of the workload could be: the order-0 entropy of each, in bytes a value.
#pragma once

#include <vector>

#include "usage/report.h"

namespace quipu::usage {

/// Of at most the first `kEntropyEventsMax` different events.
///
/// Time is counted as what an engine must keep that sorts by customer and service: a *set* of n times for each pair of them,
/// which is n log2(range) - log2(n!) bits, where the range is narrowed by the daily curve (a triangle over the day has 0.28
/// bits less than a uniform). Customer and service then cost nothing. Cost is a function of quantity.
std::vector<ColumnEntropy> EntropyOfColumns(const RowFile& file);
inline constexpr std::uint64_t kEntropyEventsMax = 10'000'000;

}  // namespace quipu::usage
