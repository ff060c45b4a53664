// SmallSegments: the identities of all small segments in one table, so that looking for an event costs one look however many they are.
//
// A segment's own index answers one question at a dozen nanoseconds. That is cheap for the few large segments and dear for many small ones, and
// late events make many: each seal leaves a file of a few rows in every month that any of them belongs to. Measured with 5 million
// events over 36 months, 1 % of them late: 2.85 us of processor time an event when each was asked by itself, 2.47 with the table (one run each, beside a build).
//
//     segments   [ large ] [ large ] [s] [s] [s] ... [s]
//                    |         |      \___|___|_______/
//                asked for     :         one table: key -> (segment, row)
//
// Invariants:
//   (1) After Use, each segment is either held, with every entry of its index, or not at all.
//   (2) Held entries are at most kRowsTogetherMax, at most 88 bytes each (44 MiB in all, beside Options::identity_bytes_max); a segment for which there is no room is asked for itself.
//   (3) What Find reports has the key and the form asked for. Everything else is the caller's to compare, as with SegmentReader::FindIdentities.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "segment/segment.h"
#include "store/view.h"

namespace quipu {

/// Used by one thread.
class SmallSegments {
 public:
  /// A segment with at most so many rows is small: one page of its index.
  static constexpr std::uint32_t kRowsMax = 8'192;
  static constexpr std::uint64_t kRowsTogetherMax = 1u << 19;

  /// Where a key that was asked for stands.
  struct Found {
    std::size_t segment = 0;  ///< Its place in the list last given to Use.
    std::uint32_t row = 0;
  };

  explicit SmallSegments(std::uint64_t rows_together_max = kRowsTogetherMax)
      : rows_together_max_(rows_together_max) {}

  /// These are the segments now. Reads the indexes of small ones that are new; does nothing if the list is the one of the last call. One whose
  /// index cannot be read is not held: asked for itself it says what is wrong, and only to those whom it concerns.
  void Use(std::span<const SegmentPtr> segments);
  /// Is segments[i] of the last Use answered for by Find?
  [[nodiscard]] bool Holds(std::size_t i) const { return holds_[i] != 0; }
  void Prefetch(const Hash128& key) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[SlotOf(HashOf(key))]);
  }
  /// Appends the entries with that key and form.
  void Find(const Hash128& key, IdForm form, std::vector<Found>* found) const;
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Entry {
    IdentityEntry identity;
    std::uint32_t segment = 0;
  };
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t entry_plus_1 = 0;  // 0 = free
  };
  static std::uint64_t HashOf(const Hash128& key);
  [[nodiscard]] std::size_t SlotOf(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash) & (slots_.size() - 1);
  }
  [[nodiscard]] bool Take(const SegmentReader& segment, std::vector<IdentityEntry> known);
  [[nodiscard]] bool IsSame(std::span<const SegmentPtr> segments) const;
  void Insert(const IdentityEntry& identity, std::uint32_t segment);
  const std::uint64_t rows_together_max_;
  std::vector<std::uint64_t> ids_;   // of the segments of the last Use
  std::vector<std::uint8_t> holds_;  // likewise
  std::map<std::uint64_t, std::vector<IdentityEntry>> by_segment_;  // of those that are held
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace quipu
