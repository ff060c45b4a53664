// View: what a reader sees. An immutable list of segments and hot batches that together hold every event up to commit `as_of` exactly
// once. Readers hold a shared_ptr; files of segments that were merged away are unlinked when the last view with them is gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "batch/row_batch.h"
#include "segment/lazy.h"
#include "segment/segment.h"
#include "segment/totals.h"
#include "store/forgotten_ids.h"
#include "store/freeze.h"
#include "store/hot_index.h"
#include "store/lifecycle_records.h"

namespace quipu {

/// Committed rows that no segment holds yet: those of neighbouring commits, at least one row. (Commits without rows, which only change
/// producers, may fall between two hot batches.)
struct HotBatch {
  /// The rows with this key, whatever their form, customer and source: a look into a table that is made at the first call.
  [[nodiscard]] std::vector<std::uint32_t> RowsWithKey(const Hash128& key) const;

  /// Made at the first call; null while another thread is making it.
  [[nodiscard]] const HotIndex* TryIndex() const;
  /// Makes the index with all that `like` has, before anybody sees it.
  void PrepareIndex(const HotIndex& like) const;

  std::uint64_t seq_first = 0, seq_last = 0;
  std::uint64_t first_row =
      0;  ///< Hot rows are numbered for ever, in commit order; this is the number of rows[0].
  std::int64_t committed_us =
      0;  ///< Clock::MonotonicUs of its oldest commit (of the open, for recovered ones).
  TimeUs time_min = 0, time_max = 0;  ///< Inclusive.
  std::uint64_t bytes = 0;
  RowBatch rows;
  Totals totals;  ///< Of `rows`.
  std::vector<std::uint32_t>
      commit_ends;  ///< [seq - seq_first] = rows of commits up to and including seq.
  /// Of RowsWithKey: 1 + a row at the place of its key's hash, or after it; 0 = empty. A power of two.
  mutable Lazy<std::vector<std::uint32_t>> rows_by_key;
  mutable Lazy<HotIndex> made_index;
  /// Of questions that could have used an index, while there was none (IndexToAsk, hot_tier.h).
  mutable std::atomic<std::uint32_t> looks{0};
};
using HotBatchPtr = std::shared_ptr<const HotBatch>;
using SegmentPtr = std::shared_ptr<SegmentReader>;

/// Bytes that the store has written since its creation.
struct WriteCounters {
  std::uint64_t logged_bytes = 0;  ///< Of commits: keys and values of their writes.
  std::uint64_t sealed_bytes = 0;  ///< Of segment files that seals made.
  std::uint64_t merged_bytes = 0;  ///< Of segment files that took the place of others.
  friend bool operator==(const WriteCounters&, const WriteCounters&) = default;
};

struct View {
  std::uint64_t as_of = 0;       ///< Last commit that is in it.
  std::uint64_t sealed_seq = 0;  ///< Commits up to here are in segments, later ones in hot batches.
  std::vector<SegmentPtr> segments;  ///< By segment id.
  std::vector<HotBatchPtr> hot;      ///< Ascending, rows without gaps; see hot_tier.h.
  std::uint64_t next_row = 0;        ///< Number of the hot row that the next commit begins with.
  Totals totals;                     ///< Of everything that is stored, erased rows included.
  /// Customers whose erasure is under way, ascending: their rows are stored still, and no reader may see them (erasure.h).
  std::vector<CustomerOrdinal> erased;
  WriteCounters written;
  std::uint64_t producers_written =
      0;  ///< Writes that changed rows of producers, since the store's creation.
  std::vector<SegmentMeta>
      detached;  ///< Known but absent: in archive folders that are not there. By segment id.
  std::vector<ArchiveFolder> archives;  ///< By number.
  /// What repeated deliveries can no longer be told from; never null.
  ForgottenIdsPtr forgotten = std::make_shared<const ForgottenIds>();
  FreezesPtr freezes = std::make_shared<const FreezeList>();  ///< Never null.
  [[nodiscard]] std::uint64_t hot_rows() const {
    return hot.empty() ? 0
                       : hot.back()->first_row + hot.back()->rows.size() - hot.front()->first_row;
  }
  [[nodiscard]] std::uint64_t hot_bytes() const {
    std::uint64_t sum = 0;
    for (const HotBatchPtr& b : hot) sum += b->bytes;
    return sum;
  }
  /// The hot row with that number (front()->first_row <= number < front()->first_row + hot_rows()).
  [[nodiscard]] RowRef FindHotRow(std::uint64_t number) const;  ///< .batch = index in `hot`
};
using ViewPtr = std::shared_ptr<const View>;

}  // namespace quipu
