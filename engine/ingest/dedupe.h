// Dedupe: has this event been counted? Asked of everything the store holds, for each event, before it is committed.
//
//   (1) the hot tier, commits that are under way and other events of the same group, through one IdentitySet,
//   (2) the small segments, through one table (SmallSegments),
//   (3) the others, through their identity indexes, a batch at a time.
//
// An equal key is only a suspicion. The stored customer, source and, of an id that is text, the text are compared; then the content decides between `duplicate` (the
// same) and `conflict`. The window is the whole store: an id is checked against events of any age, as long as the store has theirs. What is
// new by that and may have been counted all the same is `too_late` (lateness.h).
//
// Worked example: the store holds (acme, "", req-1) with tokens=5. A batch brings req-1 with tokens=5, req-1 with tokens=6 and req-2 twice:
// duplicate, conflict, accepted, duplicate.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "batch/row_batch.h"
#include "ingest/identity_set.h"
#include "ingest/lateness.h"
#include "ingest/small_segments.h"
#include "quipu/event.h"
#include "store/view.h"

namespace quipu {

/// Used by one thread, that which prepares commits.
class Dedupe {
 public:
  /// Everything that a new event is looked for in.
  struct Stored {
    ViewPtr view;
    /// Rows on their way into the store that the view does not show yet, in commit order.
    std::vector<HotBatchPtr> under_way;
    std::uint64_t next_row = 0;  ///< Number of the hot row after these.

    [[nodiscard]] std::uint64_t FirstRow() const;
    [[nodiscard]] std::pair<const RowBatch*, std::size_t> Find(std::uint64_t number) const;
  };

  /// Fills the hot set from the view.
  explicit Dedupe(const View& view);

  /// One outcome per row: kAccepted, kDuplicate, kConflict or kTooLate. `facts` are RowFacts, a byte a row; `late_before` as in MarkTooLate.
  /// A row whose time was not given but taken from our clock is compared without its time, so that a retry of it is a duplicate; the time of
  /// such a row is overwritten. The accepted rows are remembered as the hot rows next_row, next_row + 1, ... An error (a damaged segment, a
  /// failed read) means that nothing may be committed: without the check an event could be counted twice; nothing is remembered then.
  Result<std::vector<Outcome>> Check(const Stored& stored, const std::vector<std::uint8_t>& facts,
                                     TimeUs late_before, RowBatch* rows);
  /// The rows that the last Check accepted will not be stored.
  void Undo(const std::vector<Hash128>& identities, std::uint64_t first_row);
  [[nodiscard]] std::size_t bytes() const { return hot_.bytes() + small_.bytes(); }

 private:
  struct Incoming;
  struct Questions;
  struct Suspect;
  void CheckHot(Incoming* incoming);
  Status CheckSmallSegments(Incoming* incoming);
  Status CheckSegments(Incoming* incoming);
  static Status CheckSegment(const SegmentReader& segment, const Questions& questions,
                             Incoming* incoming);
  static Status Compare(const SegmentReader& segment, std::vector<Suspect> suspects,
                        Incoming* incoming);
  static void SettleRepeats(Incoming* incoming);
  void NumberAnew(const Incoming& incoming);

  IdentitySet hot_;
  SmallSegments small_;
};

}  // namespace quipu
