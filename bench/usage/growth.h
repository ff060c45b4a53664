// Growth: what the same questions take as the history gets longer.
//
// A size is a store of so many events of the same customers at the same rate a day: 36 days for the smallest, ten times the days for ten times
// the events, all ending on 1 April 2026. The questions are about March of that year, whatever lies before it; one asks for everything. Each is
// asked 51 times in a process that has opened the merged store, after a warm-up; the median counts.
//
// Output: a table, CSV (question, events, days, ms), JSON, and one plot.
#pragma once

#include "usage/benchmark.h"

namespace quipu::usage {

/// Exit status: 0 = done, 1 = a failure, 2 = wrong flags. How much a question grew is reported, not judged.
int RunGrowth(const BenchmarkOptions& options);

/// The days of a history of so many events if `smallest` events are 36 days; kInvalidArgument if that is not a whole number or more than
/// the workload has.
Result<std::uint32_t> DaysOfHistory(std::uint64_t events, std::uint64_t smallest);

}  // namespace quipu::usage
