#include "store/hot_tier.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <set>

#include "base/check.h"

namespace quipu {
namespace {

std::size_t RowsOf(const HotBatchPtr& batch) { return batch->rows.size(); }

/// Nothing of its size fits beside it in one batch: it stays as it is.
bool IsFull(const HotBatchPtr& batch) { return RowsOf(batch) > kHotBatchRowsMax / 2; }

/// 0 for 1..4 rows, then one more per factor of 8.
int LevelOf(std::size_t rows) { return static_cast<int>(std::bit_width(rows - 1)) / 3; }

void FillBounds(HotBatch* batch) {
  const auto [low, high] = std::minmax_element(batch->rows.times.begin(), batch->rows.times.end());
  batch->time_min = *low;
  batch->time_max = *high;
  batch->bytes = batch->rows.bytes();
}

/// Can these neighbours be one batch? A batch has a place for each row in each column: rows of few columns are not united with
/// rows of many others.
bool FitTogether(std::span<const HotBatchPtr> batches) {
  std::uint64_t rows = 0;
  std::set<ColumnId> dimensions, measures;
  for (const HotBatchPtr& batch : batches) {
    rows += RowsOf(batch);
    for (const CodedColumn& column : batch->rows.dimensions) dimensions.insert(column.id);
    for (const DecimalColumn& column : batch->rows.measures) measures.insert(column.id);
  }
  return rows <= kHotBatchRowsMax &&
         rows * (dimensions.size() + measures.size()) <= kHotBatchCellsMax;
}

/// Rows of the batch that belong to commits up to `seq`.
std::uint32_t RowsThrough(const HotBatch& batch, std::uint64_t seq) {
  if (seq < batch.seq_first) return 0;
  if (seq >= batch.seq_last) return batch.commit_ends.back();
  return batch.commit_ends[seq - batch.seq_first];
}

/// Rows [from, to) alone.
RowBatch Slice(const RowBatch& rows, std::uint32_t from, std::uint32_t to) {
  std::vector<RowRef> refs;
  refs.reserve(to - from);
  for (std::uint32_t i = from; i < to; ++i) refs.push_back({0, i});
  const RowBatch* const source = &rows;
  return Gather({&source, 1}, refs);
}

}  // namespace

HotBatchPtr MakeHotBatch(std::uint64_t seq, std::uint64_t first_row, std::int64_t committed_us,
                         RowBatch rows, Totals totals) {
  QUIPU_CHECK(!rows.empty());
  auto batch = std::make_shared<HotBatch>();
  batch->seq_first = batch->seq_last = seq;
  batch->first_row = first_row;
  batch->committed_us = committed_us;
  batch->commit_ends = {static_cast<std::uint32_t>(rows.size())};
  batch->rows = std::move(rows);
  batch->totals = std::move(totals);
  FillBounds(batch.get());
  return batch;
}

HotBatchPtr MergeHotBatches(std::span<const HotBatchPtr> batches) {
  QUIPU_CHECK(!batches.empty());
  if (batches.size() == 1) return batches[0];
  auto merged = std::make_shared<HotBatch>();
  merged->seq_first = batches.front()->seq_first;
  merged->seq_last = batches.back()->seq_last;
  merged->first_row = batches.front()->first_row;
  merged->committed_us = batches.front()->committed_us;
  merged->time_min = batches.front()->time_min;
  merged->time_max = batches.front()->time_max;
  merged->commit_ends.reserve(merged->seq_last - merged->seq_first + 1);
  std::vector<const RowBatch*> sources;
  std::vector<RowRef> refs;
  for (const HotBatchPtr& batch : batches) {
    const auto before = static_cast<std::uint32_t>(refs.size());
    QUIPU_CHECK(merged->first_row + before == batch->first_row);
    merged->time_min = std::min(merged->time_min, batch->time_min);
    merged->time_max = std::max(merged->time_max, batch->time_max);
    // Commits without rows between this batch and the one before.
    merged->commit_ends.resize(batch->seq_first - merged->seq_first, before);
    for (const std::uint32_t end : batch->commit_ends) merged->commit_ends.push_back(before + end);
    const auto source = static_cast<std::uint32_t>(sources.size());
    for (std::uint32_t i = 0; i < batch->rows.size(); ++i) refs.push_back({source, i});
    sources.push_back(&batch->rows);
    merged->totals.Add(batch->totals);
  }
  merged->rows = Gather(sources, refs);
  merged->bytes = merged->rows.bytes();
  return merged;
}

void AppendHot(HotBatchPtr batch, std::vector<HotBatchPtr>* hot) {
  QUIPU_CHECK(hot->empty() || hot->back()->seq_last < batch->seq_first);
  hot->push_back(std::move(batch));
  while (!IsFull(hot->back())) {
    const int level = LevelOf(RowsOf(hot->back()));
    const auto large = std::find_if(hot->rbegin(), hot->rend(), [&](const HotBatchPtr& b) {
      return IsFull(b) || LevelOf(RowsOf(b)) > level;
    });
    auto first = large.base();
    if (static_cast<std::size_t>(hot->end() - first) < kHotFanIn) return;
    // All of them, or as many as one batch holds; past those that are full by their columns.
    while (hot->end() - first >= 2 && !FitTogether({first, first + 2})) ++first;
    auto last = first;
    while (last != hot->end() && FitTogether({first, last + 1})) ++last;
    if (last - first < 2) return;
    HotBatchPtr merged = MergeHotBatches({first, last});
    *first = std::move(merged);
    hot->erase(first + 1, last);
    // What was left out waits for the next time.
    if (hot->back() != *first) return;
  }
}

std::size_t SettledBatches(std::span<const HotBatchPtr> hot) {
  const auto last = std::find_if(hot.rbegin(), hot.rend(), IsFull);
  return static_cast<std::size_t>(hot.rend() - last);
}

const HotIndex* IndexToAsk(std::span<const HotBatchPtr> hot, std::size_t b, std::size_t settled) {
  const HotBatch& batch = *hot[b];
  const HotIndex* index = batch.made_index.peek();
  if (index == nullptr) {
    const std::size_t rows = batch.rows.size();
    if (b >= settled || rows < kIndexedRowsMin) return nullptr;
    const bool is_last = b + kUnpreparedBatches >= settled && rows <= kHotBatchRowsMax;
    if (is_last && batch.looks.fetch_add(1, std::memory_order_relaxed) < kLooksMax) return nullptr;
    index = batch.TryIndex();
    if (index == nullptr) return nullptr;
  }
  index->NoteAsked();
  return index;
}

void PrepareIndexes(std::span<const HotBatchPtr> hot) {
  std::span<const HotBatchPtr> last = hot.first(SettledBatches(hot));
  if (last.size() > kPreparedBatches) last = last.last(kPreparedBatches);
  const HotIndex* asked = nullptr;
  for (const HotBatchPtr& batch : last) {
    const HotIndex* const index = batch->made_index.peek();
    if (index != nullptr && index->was_asked()) asked = index;
  }
  if (asked == nullptr) return;
  for (const HotBatchPtr& batch : last) {
    const std::size_t rows = batch->rows.size();
    if (rows >= kIndexedRowsMin && rows <= kPreparedRowsMax && batch->made_index.peek() == nullptr)
      batch->PrepareIndex(*asked);
  }
}

Totals HotTotalsThrough(const std::vector<HotBatchPtr>& hot, std::uint64_t seq) {
  Totals totals;
  for (const HotBatchPtr& batch : hot) {
    const std::uint32_t rows = RowsThrough(*batch, seq);
    if (rows == batch->rows.size()) {
      totals.Add(batch->totals);
    } else if (rows > 0) {
      totals.Add(TotalsOf(Slice(batch->rows, 0, rows)));
    }
  }
  return totals;
}

void DropHotThrough(std::uint64_t seq, std::vector<HotBatchPtr>* hot) {
  std::size_t whole = 0;
  while (whole < hot->size() && (*hot)[whole]->seq_last <= seq) ++whole;
  hot->erase(hot->begin(), hot->begin() + static_cast<std::ptrdiff_t>(whole));
  if (hot->empty() || hot->front()->seq_first > seq) return;
  const HotBatch& old = *hot->front();
  const std::uint32_t dropped = RowsThrough(old, seq);
  if (dropped == old.rows.size()) {  // the commits behind brought no rows
    hot->erase(hot->begin());
    return;
  }
  auto rest = std::make_shared<HotBatch>();
  rest->seq_first = seq + 1;
  rest->seq_last = old.seq_last;
  rest->first_row = old.first_row + dropped;
  rest->committed_us = old.committed_us;
  rest->rows = Slice(old.rows, dropped, static_cast<std::uint32_t>(old.rows.size()));
  rest->totals = TotalsOf(rest->rows);
  for (std::uint64_t s = seq + 1; s <= old.seq_last; ++s) {
    rest->commit_ends.push_back(old.commit_ends[s - old.seq_first] - dropped);
  }
  FillBounds(rest.get());
  hot->front() = std::move(rest);
}

void DropHotAfter(std::uint64_t seq, std::vector<HotBatchPtr>* hot) {
  while (!hot->empty() && hot->back()->seq_first > seq) hot->pop_back();
  if (hot->empty() || hot->back()->seq_last <= seq) return;
  const HotBatch& old = *hot->back();
  if (RowsThrough(old, seq) == 0) {
    hot->pop_back();
    return;
  }
  auto rest = std::make_shared<HotBatch>();
  rest->seq_first = old.seq_first;
  rest->seq_last = seq;
  rest->first_row = old.first_row;
  rest->committed_us = old.committed_us;
  rest->rows = Slice(old.rows, 0, RowsThrough(old, seq));
  rest->totals = TotalsOf(rest->rows);
  rest->commit_ends.assign(
      old.commit_ends.begin(),
      old.commit_ends.begin() + static_cast<std::ptrdiff_t>(seq - old.seq_first + 1));
  FillBounds(rest.get());
  hot->back() = std::move(rest);
}

}  // namespace quipu
