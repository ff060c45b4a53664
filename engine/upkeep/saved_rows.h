// SavedRows: which rows of a file are in the new store already? For files that the manifest does not list, when the manifest cannot be trusted: a merged
// segment and its inputs, or a segment and the commits that were sealed into it, may all be there.
//
// An event is of one commit and one month, so segments whose ranges of commits do not meet have no row in common; nor have segments without a
// common (customer, service). For all others identity decides, row by row. Where ids are gone it cannot: then rows of a common (customer, service)
// are taken as the same, since a file without ids is what a file with ids became.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "upkeep/salvage.h"

namespace quipu {

class SavedRows {
 public:
  /// `hot`: commits of the new store that are not sealed; both must outlive this.
  SavedRows(const RepairedSegments* segments, const std::map<std::uint64_t, RowBatch>* hot);

  /// Might some row of it be saved already? Must be asked before DropKnown; looks at the segments so far.
  Result<bool> Begin(const FoundSegment& candidate);
  /// Takes the rows out that are saved already.
  Status DropKnown(RowBatch* rows);

 private:
  struct Peer {
    std::shared_ptr<SegmentReader> reader;
    const Directory* directory = nullptr;
  };
  Status OpenNew();
  Status MarkByIdentity(const SegmentReader& reader, const RowBatch& rows,
                        std::vector<bool>* known) const;
  void MarkHot(const RowBatch& rows, std::vector<bool>* known) const;

  const RepairedSegments* segments_;
  const std::map<std::uint64_t, RowBatch>* hot_;
  PageCache cache_;
  std::vector<Peer> all_;           // of the new store, in its order
  std::vector<const Peer*> peers_;  // of the candidate
  bool meets_hot_ = false;
  /// Rows of `hot_` by the high half of their key.
  std::unordered_multimap<std::uint64_t, std::pair<const RowBatch*, std::uint32_t>> hot_keys_;
};

}  // namespace quipu
