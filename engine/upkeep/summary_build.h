// Cells by dimension for what is stored already. Sealing, merging and every other rewriting make cells of the sets that are declared at that moment;
// what is left is a segment that was written before. Such a segment is copied with new cells (SegmentReader::CopyWithDimensionCells: rows are read
// once and not written) and takes the place of the old one in one Install. There is no other record of progress: what a segment was made with stands in
// its footer, so a build that was interrupted goes on where it was, and each segment is used from its Install on.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "quipu/summaries.h"
#include "store/store.h"
#include "upkeep/rate_limiter.h"

namespace quipu {

/// Has the segment been made without one of the declared sets that concern it? A segment without rows never lacks any: nothing can be made.
bool LacksDimensionCells(const SegmentReader& segment, const std::vector<DimensionSet>& declared);

struct BuildWork {
  std::uint64_t segments = 0, rows = 0;
};
/// What is to be built, without the segments in `except`.
BuildWork BuildLeft(const Store& store, const std::set<std::uint64_t>& except);

struct BuildStep {
  std::uint64_t segment = 0;  ///< Its number before; 0 = there was nothing to do.
  std::uint64_t rows = 0;
};
/// Builds one segment, the smallest that lacks cells and is not in `except`. One caller at a time, who also keeps merges away. `limiter` is paid what was
/// written; `go_on` false = kCancelled, nothing changed. After an error `*failed` is the segment's number.
Result<BuildStep> BuildNextSegment(Store* store, const std::set<std::uint64_t>& except,
                                   RateLimiter* limiter, const std::function<bool()>& go_on,
                                   std::uint64_t* failed);

/// The declared sets and how far they are built.
std::vector<SummarySetInfo> DescribeSummaries(const View& view, const Store& store);

}  // namespace quipu
