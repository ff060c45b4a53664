// Folding summaries: several segments whose rows have expired become one, or some customers leave such a segment.
//
//     segment 12 (March, summaries only)  --+
//     segment 40 (March, summaries only)  --+-->  one table, one directory, one set of totals,
//     segment 57 (March, summaries only)  --+     without the runs that `keep` turns down
//
// Cells are added up: counts, exact sums, bounds and sketches are commutative. What cannot be known any more is left out, never guessed:
//   (1) an hour of one customer, unless every input that has rows of that customer, service and day has that hour;
//   (2) the hours of all customers of a service, unless every input with that service has them;
//   (3) where runs of a service leave, its cells of all customers are added up anew from the days of those who stay: without hours,
//       quantiles and distinct customers, since a sketch gives nothing back.
// The identities of single rows are not known: what stays keeps their total, and what leaves is counted without (FoldedSummaries::left).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "segment/segment.h"

namespace quipu {

/// Which runs stay.
using KeepRun = std::function<bool(CustomerOrdinal, ServiceOrdinal)>;

struct FoldedSummaries {
  std::string payload;  ///< Of the summary page.
  Directory directory;
  Totals totals;  ///< Of what stays.
  Totals left;    ///< Of what leaves.
  TimeUs time_min = 0, time_max = 0;
};

/// Folds the summaries of segments of one month that have nothing else. kExhausted: too much for one segment.
Result<FoldedSummaries> FoldSummaries(const std::vector<const SegmentReader*>& inputs,
                                      const KeepRun& keep);

}  // namespace quipu
