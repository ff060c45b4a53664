// Compaction policy: which segments to merge next. Pure functions over a list of facts; merge.h carries a job out.
//
//     hot --seal--> L0 kSealed --8 of a size--> L1 kMerged --the month is closed--> L2 kClosed: one run, split by customer
//                                                               ^                        |
//                      late: L0 --4 of a size--> L1 ------------+--- at 1/8 of the files it touches
//
// Three kinds of month:
//   *Open* (it ended less than `close_after_us` ago) or *busy* (more than 2 % of it was sealed within `quiet_us`): size tiers. Files of a
//   level are sorted by size; `fan_in` neighbours (L1: twice as many) are merged if the whole is much larger than the largest (the
//   gain: half as many times as there are files, or 1.7 times once files pile up). Files of 3/4 of the target size are full and wait for the close.
//   *To be closed*: everything becomes one run. A single run that holds 8/9 of the month is as good and is left as it is.
//   *Closed*: late files are additive. They are merged among themselves, four of a size; and with those closed files whose
//   customers they touch once they weigh 1/8 of them. So a late byte is rewritten log4(late files) times, plus at most nine
//   bytes for it in the end; a trickle never rewrites a month.
//
// The freezes of a store (store/freeze.h) cut its commits into epochs. What is said here of a month is done in each epoch of it by itself, so no file ever
// holds rows from both sides of a freeze; late data that come behind one make a run of their own. When a freeze is dropped two epochs become one, with two closed
// runs perhaps: the smaller one is late from then on.
//
// Invariants:
//   (1) A job's inputs are of one month and one epoch, at least one of them is not part of the run that the result joins.
//   (2) Files of one run have no customer in common, except files that hold one customer only: what a job leaves of a run does not
//       share customers with the job's result if that joins the run.
//   (3) At most `kMergeDepthMax` inputs of a job overlap in customers, which bounds the memory of the merge.
//   (4) Applied until nothing is picked, a job at a time, it ends: every job but a close makes fewer files of a size, and a close
//       leaves one run.
//
// Worked example: March has L0 files of 14 MB. The eighth makes one L1 of 112 MB. On 5 May, 35 days after its end, March has nine L1 files:
// one merge writes six L2 files of 160 MB. In June five late events come to 30 KB: they stay a file of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "quipu/options.h"
#include "segment/segment.h"

namespace quipu {

inline constexpr std::size_t kMergeDepthMax = 64;

/// What the policy looks at.
struct SegmentFacts {
  std::uint64_t id = 0;
  std::uint64_t run = 0;
  MonthIndex month = 0;
  SegmentLevel level = SegmentLevel::kSealed;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint32_t customers = 0;
  CustomerOrdinal customer_first = 0, customer_last = 0;  ///< Inclusive.
  TimeUs sealed_us = 0;
  std::uint64_t epoch = 0;  ///< Freezes below its commits (store/freeze.h).
};
SegmentFacts FactsOf(const SegmentMeta& meta);

/// How many of the segments overlap in customers at the worst place: what a merge of them has open at once.
std::size_t OverlapDepth(std::span<const SegmentFacts> segments);

/// Segments of one month to become one run.
struct CompactionJob {
  MonthIndex month = 0;
  std::vector<std::uint64_t> inputs;  ///< Segment ids, ascending.
  SegmentLevel level = SegmentLevel::kMerged;
  std::uint64_t run = 0;    ///< Run that the result joins; 0 = a new one.
  std::uint64_t bytes = 0;  ///< Of the inputs.
};

struct CompactionOrder {
  TimeUs now_us = 0;  ///< By the clock on the wall.
  bool on_request =
      false;  ///< Merge whatever makes a month more compact, without waiting for files to gather.
  /// Segments that must stay as they are: an earlier merge of them failed for good.
  std::set<std::uint64_t> except{};
  /// Does that segment hold rows of this customer? Null = yes if its range does.
  std::function<bool(std::uint64_t segment_id, CustomerOrdinal customer)> holds_customer{};
};

/// The next merge, if any pays.
std::optional<CompactionJob> PickCompaction(std::span<const SegmentFacts> segments,
                                            const Options& options, const CompactionOrder& order);

}  // namespace quipu
