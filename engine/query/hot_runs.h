// Hot runs: the unsealed rows of one customer, taken a run at a time from the indexes of hot batches (store/hot_index.h).
//
// A dashboard asks for one customer's totals while events pour in. Dozens of hot batches are asked then, and of a large customer tens of thousands of rows.
// Where a run lies in the range and in one window as a whole, which nearly all do, its count and its kept sums go to the group at once, and its values, or their
// codes (sketch/value_codes.h), to the sketch: no chunk, no selection, no look at its times. The batches were written by other threads and are cold, so each step is taken for all of them before
// the next, and what the next one needs is fetched ahead.
//
//     batch 1   acme/api    9:00..9:14   600 rows, sum 512     --> (9:00, acme, api)   rows + 600, sum + 512
//     batch 2   acme/api    9:14..10:03  580 rows              --> a window ends in between: the batch is left to the scan
//
// A batch is taken whole or left whole (`rest`), so a row can be neither added twice nor forgotten between the two ways.
#pragma once

#include <span>
#include <vector>

#include "query/groups.h"
#include "query/scan.h"

namespace quipu {

/// Whether what is asked can come from whole runs: of one customer; counts, sums and quantiles, of all its rows.
bool WantsHotRuns(const BoundQuery& query);

/// Adds what hot batches [first, last) have, but for those that must be scanned (ScanHotBatch), whose places in the list are put into `rest`.
Status AddHotRuns(const BoundQuery& query, std::span<const HotBatchPtr> hot, std::size_t first,
                  std::size_t last, QueryControl* control, Groups* groups, ScanStats* stats,
                  std::vector<std::size_t>* rest);

}  // namespace quipu
