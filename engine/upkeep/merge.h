// Merging: fewer, larger segments of a month. Size-tiered: segments of one month whose row counts lie in the same power-of-four tier
// are merged once `Options::merge_fan_in` of them have gathered (as many of them as fit under `Options::merged_rows_max`), so a row is
// rewritten about log4(rows) times at most; a
// merge on request takes everything that fits under `Options::merged_rows_max`.
//
//   inputs --blocks of rows--> k-way merge by (customer, service, time, identity) --> SegmentWriter --> Store::Install
//
// Memory: one block of 16,384 rows per input and one row group of output. It runs beside ingest, sealing and queries; its inputs stay
// readable until the last view with them is gone. Nothing is ever changed in place.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "store/store.h"

namespace quipu {

/// Segments (ids) of one month to merge next, or empty. `on_request` ignores the fan-in; `except` are left alone. Pure function, for tests.
std::vector<std::uint64_t> PickMerge(const View& view, const Options& options, bool on_request,
                                     const std::set<std::uint64_t>& except = {});

/// Called with rows written so far in this merge; false = stop (kCancelled, nothing changed).
using MergeProgress = std::function<bool(std::uint64_t rows)>;

/// Merges these segments of one month into one. One caller at a time.
Status MergeSegments(Store* store, const std::vector<std::uint64_t>& ids,
                     const MergeProgress& progress);

}  // namespace quipu
