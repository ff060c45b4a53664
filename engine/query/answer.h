// Answer: from any question to its answer, on one view.
//
//     plain       QuerySpec ----------------------------------------------------> executor.h, finish.h --> ResultSet
//     derived     QuerySpec --> readings: plain questions over the range, before it, --> sheets --> a value --> ordered, limited --> ResultSet
//                               in smaller windows, over another period,                 a row and
//                               and replays of levels and overlaps                       aggregate
//
// A derived aggregate (a rate, a share, a change against a month ago, ...) is calculated from values that plain questions give, series by series
// and window by window. So it takes what they take: summaries where those can serve, raw rows where not, and it cannot depend on which.
// Only levels (time_weighted.h) and overlaps (concurrency.h) have to see rows in order.
//
// A question about an earlier state (QuerySpec::as_of, since) is one on a part of the view (asked_view.h); a comparison with one has its reading of the period to
// compare with on another part of the same view.
//
// Invariants:
//   (1) All readings of a question are of one view, or of parts of one.
//   (2) A value depends on the events and on the question, never on layout or summaries.
//   (3) What is read beside the range (before it, another period) is never shown as a row of its own.
//
// Worked example: change_percent(sum(cost), month) by day for March 2026. Readings: sum(cost) by day over March, and from 1 February to 1 March. The row of
// 31 March looks up 28 February in the second sheet.
#pragma once

#include "query/resources.h"
#include "quipu/query.h"
#include "quipu/result_set.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// Answers `spec` from `view`. kInvalidArgument for a question that makes no sense, kExhausted at a bound (which holds for each reading by itself),
/// kOutOfRange for an overflowing sum or expired rows, kCorruption for damaged pages: never a smaller answer. Without `resources`: on this
/// thread alone.
Result<ResultSet> RunQuery(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                           QueryResources* resources = nullptr);

}  // namespace quipu
