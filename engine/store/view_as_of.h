// Views of earlier states: the part of a view that some commits brought.
//
// A hot batch knows where each of its commits ends. A segment knows only the range that its rows' commits lie in: as of S it is usable if seq_last <= S, invisible
// if seq_first > S, and in the way if S lies between. So S can be asked for while no segment is in the way: from the oldest unsealed commit on always, a
// seal until a merge has passed over it, a freeze for good.
//
// Invariants:
//   (1) A part holds exactly the rows of the commits (after, through] that the view holds. What is made on it (plans, cells, scans) needs to know nothing of this.
//   (2) Its totals are those of its rows.
//
// Worked example: segments [1..57] and [58..90], hot commits 91 to 99 in one batch. As of 57: the first segment. As of 95: both, and the batch cut behind 95. As
// of 60: kOutOfRange, the nearest that can be asked for are 57 and 90.
#pragma once

#include <cstdint>
#include <optional>

#include "store/view.h"

namespace quipu {

/// A state that a question named, found in a view.
struct NamedState {
  std::uint64_t seq = 0;
  FrozenPtr freeze;  ///< Null if it was named by its number.
};

/// kInvalidArgument for two names at once, kNotFound for an unknown freeze, kOutOfRange for a commit that cannot be asked for, kCorruption for a freeze whose
/// totals are not those of the rows that are there (checked once in a process).
Result<NamedState> FindState(const View& view, const AsOf& as_of);

/// The rows of commits after `since` (null = from the first one on) up to `through` (null = all).
ViewPtr PartOf(const View& view, const NamedState* through, const NamedState* since);

/// Invariants (1) and (2) of freeze.h for this one.
Status ProveFreeze(const View& view, const FreezeRecord& freeze);

}  // namespace quipu
