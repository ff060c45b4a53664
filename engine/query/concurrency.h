// Concurrency: how many events were under way at once. An event covers [time, time + duration); windows get what of that lies in them, so events
// that began before the range count as long as they last.
//
//     a  |--------------|                      max_concurrency 3, avg_concurrency = all lengths added / length of the window
//     b        |--------------|
//     c             |--|  d|-----|             where c ends and d begins at the same instant they do not overlap
//
// How far back must one look? As far as the longest duration among all events before the end of the range, which summaries know. Then starts and
// ends are sorted and walked through, in stretches of the range that fit into memory.
#pragma once

#include "query/sheet.h"
#include "quipu/query.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// Sets `column` of the sheet to `aggregate`, which is a concurrency, for each group and window of `spec`; adds the rows that are missing.
Status AddConcurrency(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                      const Aggregate& aggregate, const SeriesOf& series_of, std::size_t column,
                      Sheet* sheet, QueryStats* stats);

}  // namespace quipu
