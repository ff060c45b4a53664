// Dedupe: has this event been counted? Asked of everything the store holds, for each event, before it is committed.
//
//   (1) other events of the same group commit,
//   (2) the hot tier, through IdentitySet,
//   (3) the segments, through their identity indexes, a batch at a time.
//
// An equal key is only a suspicion. The stored customer, source and, of an id that is text, the text are compared; then the content decides between `duplicate` (the
// same) and `conflict`. The window is the whole store: an id is checked against events of any age, as long as the store has theirs. What is
// new by that and may have been counted all the same is `too_late` (lateness.h).
//
// Worked example: the store holds (acme, "", req-1) with tokens=5. A batch brings req-1 with tokens=5, req-1 with tokens=6 and req-2 twice:
// duplicate, conflict, accepted, duplicate.
#pragma once

#include <cstdint>
#include <vector>

#include "batch/row_batch.h"
#include "ingest/identity_set.h"
#include "ingest/lateness.h"
#include "quipu/event.h"
#include "store/view.h"

namespace quipu {

/// Used by the committer thread only.
class Dedupe {
 public:
  /// Fills the hot set from the view.
  explicit Dedupe(const View& view);

  /// One outcome per row: kAccepted, kDuplicate, kConflict or kTooLate. `facts` are RowFacts, a byte a row; `late_before` as in MarkTooLate.
  /// A row whose time was not given but taken from our clock is compared without its time, so that a retry of it is a duplicate; the time of such a row is
  /// overwritten. An error (a damaged segment, a failed read) means that nothing may be committed: without the check an event
  /// could be counted twice.
  Result<std::vector<Outcome>> Check(const View& view, const std::vector<std::uint8_t>& facts,
                                     TimeUs late_before, RowBatch* rows) const;
  /// The rows with these identities are now hot rows first_row, first_row + 1, ... of a view.
  void Remember(const std::vector<Hash128>& identities, std::uint64_t first_row);
  /// Drops what `view` no longer holds in its hot tier.
  void Forget(const View& view);
  [[nodiscard]] std::size_t bytes() const { return hot_.bytes(); }

 private:
  struct Incoming;
  static void CheckWithinBatch(Incoming* incoming);
  void CheckHot(const View& view, Incoming* incoming) const;
  static Status CheckSegment(const SegmentReader& segment, Incoming* incoming);

  IdentitySet hot_;
};

}  // namespace quipu
