// The hot tier: the list of hot batches in a view, as pure functions on it.
//
// Every commit appends a batch. So that a view's list stays short, and a scan's cost is that of the rows, small neighbours are merged
// like the digits of a counter to base 8: batches have a level (the base-8 logarithm of their rows), and 8 neighbours at the end of
// the list of the last one's level or below become one. A row is thus copied at most once a level, and not at all once its batch is half
// full: once for commits of 1,000 rows, never for the larger ones that a loaded store makes. Copying was a seventh of a commit's cost when
// batches were united up to 65,536 rows, while a query gains nothing above a few thousand rows a batch.
//
// Invariants:
//   (1) Batches are in commit order; first_row of one is first_row + rows of the one before.
//   (2) No batch is empty; only a batch of a single commit has more than kHotBatchRowsMax rows.
//   (3) Besides batches too large to be merged (more than half of kHotBatchRowsMax rows, or too many columns), there are at most 7 a level
//       at the end of the list.
//
// Worked example: 20 commits of 1,000 rows: two batches of 8,000 rows, then four of 1,000.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "store/view.h"

namespace quipu {

inline constexpr std::uint64_t kHotBatchRowsMax = 8'192;
/// Rows x columns of a merged batch: 32 MiB to 64 MiB.
inline constexpr std::uint64_t kHotBatchCellsMax = 4ull << 20;
inline constexpr std::size_t kHotFanIn = 8;

/// The rows of one commit, at least one.
HotBatchPtr MakeHotBatch(std::uint64_t seq, std::uint64_t first_row, std::int64_t committed_us,
                         RowBatch rows, Totals totals);
/// Neighbours, in order, as one.
HotBatchPtr MergeHotBatches(std::span<const HotBatchPtr> batches);
/// Adds a batch behind the others and merges what has become due.
void AppendHot(HotBatchPtr batch, std::vector<HotBatchPtr>* hot);

/// So many batches at the front of the list stay as they are: those behind the last large one may still be merged.
std::size_t SettledBatches(std::span<const HotBatchPtr> hot);

// Indexes of hot batches, for questions about one customer (hot_index.h). A question makes those that are missing. Only the last kUnpreparedBatches settled
// ones it looks through, kLooksMax times each: while questions come, the committer is about to make these (PrepareIndexes), and a look costs less than an index.
inline constexpr std::size_t kUnpreparedBatches = 2;
inline constexpr std::uint32_t kLooksMax = 4;
/// To look at every row's customer is cheaper than a table of fewer rows.
inline constexpr std::size_t kIndexedRowsMin = 512;
/// So far back a question may have come for the committer to expect the next one soon.
inline constexpr std::size_t kPreparedBatches = 32;
/// The committer is not held up by larger ones (some milliseconds); who asks for them waits.
inline constexpr std::size_t kPreparedRowsMax = 65'536;

/// The index of hot[b], made if need be; null: the batch is to be looked through, which costs less than to wait for a thread that is making its index and
/// may have lost its processor meanwhile. `settled`: of `hot`.
const HotIndex* IndexToAsk(std::span<const HotBatchPtr> hot, std::size_t b, std::size_t settled);
/// Makes the missing indexes of the last kPreparedBatches settled batches if a question has asked one of these. Does nothing in a store that nobody asks.
void PrepareIndexes(std::span<const HotBatchPtr> hot);

/// Totals of the hot rows of commits up to `seq`.
Totals HotTotalsThrough(const std::vector<HotBatchPtr>& hot, std::uint64_t seq);
/// Removes the rows of commits up to `seq`; a batch that straddles it is cut.
void DropHotThrough(std::uint64_t seq, std::vector<HotBatchPtr>* hot);
/// Removes the rows of later commits, likewise.
void DropHotAfter(std::uint64_t seq, std::vector<HotBatchPtr>* hot);

}  // namespace quipu
