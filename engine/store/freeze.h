// Freezes: states of the store that have a name and are kept (quipu/as_of.h says what for).
//
//     seals      [1..40] [41..57] [58..90] ...        a freeze F at commit 57 is between two seals, so every segment is of one side:
//     epochs     |------ 0 -----| |--- 1 ---          seq_last <= 57 (it is in the freeze) or seq_first > 57 (it is not)
//                        F = 57
//
// The freezes cut the commits into epochs; merging, retention and archiving work within one, and Store::Install refuses what does not. So a freeze
// costs nothing but its row and, in a month that both sides have events of, a file more.
//
// The row remembers the totals of what is in it. Rows that are erased or deleted by a policy leave them in the Write that lets them go.
//
// Invariants:
//   (1) No segment, detached ones included, has seq_first <= seq < seq_last for the seq of a freeze; seq is sealed.
//   (2) totals = sum over the segments with seq_last <= seq, detached ones and erased rows included. Checked at the first question as of it in a process, and by
//       verification: the answer is made of the rows that were there then.
//
// Worked example: March is frozen at commit 57 with 1,000 events. Late events of March come with commits 60 and 70 and are merged into one file, [58..90]. A
// question as of the freeze sees the files up to 57. A customer with 10 events in it is erased: the Write that installs the rewritten file replaces the
// freeze's row, which then has 990 events.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/as_of.h"
#include "segment/totals.h"

namespace quipu {

inline constexpr std::string_view kFreezeKeyPrefix = "freeze/";

/// A durable record.
struct FreezeRecord {
  std::string name;
  std::uint64_t seq = 0;  ///< The last commit that is in it.
  TimeUs created_us = 0;
  std::uint64_t rows_at_freeze = 0;
  bool is_erased = false, is_expired = false, is_repaired = false;  ///< Rows have left it, why.
  Totals totals;
  [[nodiscard]] bool is_altered() const { return is_erased || is_expired || is_repaired; }
  friend bool operator==(const FreezeRecord&, const FreezeRecord&) = default;
};
std::string MakeFreezeKey(std::string_view name);
std::string EncodeFreeze(const FreezeRecord& record);
Result<FreezeRecord> DecodeFreeze(std::string_view key, std::string_view value);

/// As views share it.
struct FrozenState {
  explicit FrozenState(FreezeRecord r) : record(std::move(r)) {}
  const FreezeRecord record;
  mutable std::atomic<bool> is_proven{false};  ///< Invariant (2) was checked in this process.
};
using FrozenPtr = std::shared_ptr<const FrozenState>;
using FreezeList = std::vector<FrozenPtr>;  ///< By (seq, name).
using FreezesPtr = std::shared_ptr<const FreezeList>;

void SortFreezes(FreezeList* freezes);
/// Null if there is none.
FrozenPtr FindFreeze(const FreezeList& freezes, std::string_view name);
/// How many freezes are below the segments that begin with that commit.
std::uint64_t EpochOf(const FreezeList& freezes, std::uint64_t seq_first);
/// The freeze that a segment of these commits would lie across; null if there is none.
const FrozenState* StraddledFreeze(const FreezeList& freezes, std::uint64_t seq_first,
                                   std::uint64_t seq_last);

}  // namespace quipu
