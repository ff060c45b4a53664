// Time-weighted sums and averages: what stands between the events of a level counts, not the events.
//
//     level   2 ____________                     five     time_weighted_sum of hour 1: 2 x 1 h = 2
//                           |_______ 1 __________            hour 2: 2 x 0.5 h + 1 x 0.5 h = 1.5
//             hour 1        hour 2     hour 3                hour 3: 1, though it has no event
//
// Each (customer, service, level_by, group) is a level of its own. The level at the start of the range is that of its latest event before; it is asked for
// as `latest(m)` of everything before. Then the events of the range are read in stretches that fit into memory and replayed in (time, identity) order.
// Level x time is summed as an integer of units of 10^-18 x microseconds, so nothing is rounded before the end.
#pragma once

#include "query/sheet.h"
#include "quipu/query.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// Sets `column` of the sheet to `aggregate`, which is time-weighted, for each group and window of `spec`; adds the rows that are missing.
Status AddTimeWeighted(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                       const Aggregate& aggregate, const SeriesOf& series_of, std::size_t column,
                       Sheet* sheet, QueryStats* stats);

}  // namespace quipu
