// Reading a segment's identity index front to back, and merging several into one without ever having a row's key at its row.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "segment/segment.h"

namespace quipu {

/// The entries of a segment's index in order, a rows page (8,192) at a time.
class IdentityCursor {
 public:
  explicit IdentityCursor(std::shared_ptr<const SegmentReader> segment)
      : segment_(std::move(segment)) {}
  /// The next entries; none = the end (at once if the segment has no ids).
  Status Next(std::vector<IdentityEntry>* entries);

 private:
  std::shared_ptr<const SegmentReader> segment_;
  std::size_t page_ = 0;
};

/// One input of a merge: where its rows went. `new_rows[i]` is the number of row first_row + i in the new segment, or kRowDropped; rows
/// before and after these are dropped.
inline constexpr std::uint32_t kRowDropped = 0xFFFFFFFF;
struct IdentityInput {
  std::shared_ptr<const SegmentReader> segment;
  std::uint32_t first_row = 0;
  std::span<const std::uint32_t> new_rows;  ///< Must outlive the merge.
};

/// The kept entries of all inputs, in order, into `writer`: what SegmentWriter::SetIdentities wants. Holds one rows page of each input.
Status MergeIdentities(std::span<const IdentityInput> inputs, IdentityIndexWriter* writer);

}  // namespace quipu
