// Query: from a question to an answer, on one view.
//
//     QuerySpec --Bind--> BoundQuery --Plan--> pieces --Execute--> groups --Finish--> ResultSet
//
//   bind      names become ordinals and column ids, filters become predicates. An unknown customer or service matches nothing; a dimension or measure
//             that no event has is a mistake of the asker and refused.
//   plan      per segment and (scope, service): the asked time range is tiled by summary cells (month, day, hour) where the question
//             allows it, and by raw row ranges elsewhere; hot batches are raw rows. A debug build proves the tiling.
//             Sums of many customers over a whole month come from sums by run (run_sums.h), quantiles over many days from sums of sketches (sketch_sums.h).
//             A range that cuts every run of a segment is looked up in slices of runs (run_slices.h).
//   execute   cells and raw vectors flow into the same accumulators (sketch/), keyed by (window, group values). Raw rows are cut into tasks;
//             each worker (the caller, and helpers of QueryPool if there is much to read) has groups of its own, which are united at the end.
//   finish    windows filled, ordered, limited, made columnar.
//
// These steps answer plain questions; answer.h makes the others out of them.
//
// A cell may stand for its rows when: no filters; group-by only `customer` and/or `service`; every aggregate is count, sum, avg, min,
// max, quantile (cells with sketches) or distinct(customer); and the cell lies inside [from, to) and inside one window. `first`, `latest`,
// other distincts and `exact` sketches read raw rows.
//
// Invariants:
//   (1) The pieces of a segment cover each asked (customer, service, instant) exactly once.
//   (2) The answer is a function of the multiset of events in the view: not of layout, summaries, threads or order.
//   (3) Working memory and groups are counted and bounded, for each query and for all; beyond a bound: kExhausted, saying which and how to
//       raise it.
//   (4) No virtual call and no allocation for a row: they are for a vector of 1,024 at least.
//
// Worked example: daily counts of customer 7, 10 March 06:30 to 12 March 00:00, UTC. Segment with cells: [06:30,07:00) raw rows of 7's run; hour cells
// 07..24 (raw where 7 has no hour cell), then the day cell of 11 March.
#pragma once

#include "query/events.h"
#include "query/groups.h"
#include "query/query_run.h"
#include "quipu/query.h"
#include "quipu/result_set.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// Adds everything that `query` asks for to `groups`, and what was read to `run`. kExhausted at a bound, kOutOfRange where rows are needed that
/// have expired, kCorruption for damaged pages: never less than all.
Status ExecuteQuery(const View& view, const Catalogue& catalogue, const BoundQuery& query,
                    QueryRun* run, Groups* groups);

}  // namespace quipu
