// Erasure: what a customer's erasure is while it is under way, and what a view shows meanwhile.
//
// `Store::EraseCustomer` makes one durable write: an erasure record that names the customer by ordinal only. From that moment
//   - the name means nobody: it is not found by queries, and new events of the same name get a new ordinal (a fresh start);
//   - every view carries the ordinal in `View::erased`, and whatever reads rows, runs or cells through a view leaves it out.
// The rows are still there. The job of upkeep/erase.h rewrites what holds them; when nothing does, the record says done and the ordinal leaves
// the views. Totals (View::totals) always count what is stored, erased rows included, so that conservation can be checked at each step;
// what is told to callers is counted without them, by the functions below.
//
// Invariants:
//   (1) An ordinal of `View::erased` is found under no name and is given to no event committed after its erasure.
//   (2) Once its record is done, no segment, no unsealed row and no value of the key-value store holds the ordinal's rows or name.
//
// Worked example: acme is customer 7. Erased: record 1 (customer 7), views with erased = {7}. New events of acme are customer 12 and are
// seen. The job rewrites 3 segments without 7, empties the name of ordinal 7, marks record 1 done: views with erased = {}.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "quipu/time.h"
#include "segment/segment.h"
#include "store/view.h"

namespace quipu {

/// A durable record; it holds neither the customer's name nor a hash of it.
struct ErasureRecord {
  std::uint64_t id = 0;  ///< 1, 2, 3, ... in order of request.
  CustomerOrdinal customer = 0;
  std::uint64_t seq = 0;  ///< Last commit at the time of the request.
  TimeUs requested_us = 0;
  TimeUs done_us = 0;  ///< 0 = not done.
  [[nodiscard]] bool done() const { return done_us != 0; }
};

[[nodiscard]] bool IsErased(std::span<const CustomerOrdinal> erased, CustomerOrdinal customer);
/// Does the segment hold rows of any of them? Loads the directory unless there are none.
Result<bool> HoldsAny(const SegmentReader& segment, std::span<const CustomerOrdinal> customers);
[[nodiscard]] bool HoldsAny(const RowBatch& rows, std::span<const CustomerOrdinal> customers);

/// Rows that the view's readers do not see.
Result<std::uint64_t> ErasedRows(const View& view);
Result<std::uint64_t> ErasedRows(const SegmentReader& segment,
                                 std::span<const CustomerOrdinal> erased);
std::uint64_t ErasedHotRows(const View& view);
/// Times (inclusive) of the rows that readers see; nothing if there are none. Without erasures these are the bounds of the whole segment or batch.
Result<std::optional<TimeBounds>> VisibleBounds(const SegmentReader& segment,
                                                std::span<const CustomerOrdinal> erased);
std::optional<TimeBounds> VisibleBounds(const HotBatch& batch,
                                        std::span<const CustomerOrdinal> erased);

}  // namespace quipu
