#include "ingest/small_segments.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace quipu {

std::uint64_t SmallSegments::HashOf(const Hash128& key) {
  std::uint64_t h = (key.high ^ key.low) * 0x9E3779B97F4A7C15ull;
  h ^= h >> 32;
  return h * 0xD6E8FEB86659FD93ull;
}

bool SmallSegments::IsSame(std::span<const SegmentPtr> segments) const {
  return std::equal(
      segments.begin(), segments.end(), ids_.begin(), ids_.end(),
      [](const SegmentPtr& s, std::uint64_t id) { return s->meta().spec.segment_id == id; });
}

void SmallSegments::Use(std::span<const SegmentPtr> segments) {
  if (IsSame(segments)) return;
  auto before = std::exchange(by_segment_, {});
  ids_.clear();
  holds_.clear();
  entries_.clear();
  std::uint64_t rows = 0;
  for (const SegmentPtr& segment : segments) {
    const std::uint64_t id = segment->meta().spec.segment_id;
    const auto known = before.find(id);
    const bool is_held = segment->has_ids() && segment->rows() <= kRowsMax &&
                         rows + segment->rows() <= rows_together_max_ &&
                         Take(*segment, known != before.end() ? std::move(known->second)
                                                              : std::vector<IdentityEntry>());
    ids_.push_back(id);
    holds_.push_back(is_held ? 1 : 0);
    if (is_held) rows += segment->rows();
  }
  slots_.assign(rows == 0 ? 0 : std::bit_ceil(2 * rows), Slot());
  entries_.reserve(rows);
  for (std::uint32_t s = 0; s < ids_.size(); ++s) {
    if (!Holds(s)) continue;
    for (const IdentityEntry& identity : by_segment_.at(ids_[s])) Insert(identity, s);
  }
}

/// False: its index cannot be read.
bool SmallSegments::Take(const SegmentReader& segment, std::vector<IdentityEntry> known) {
  if (known.empty() && !segment.ReadIndexPage(0, &known).ok()) return false;
  QUIPU_CHECK(known.size() == segment.rows());
  by_segment_[segment.meta().spec.segment_id] = std::move(known);
  return true;
}

void SmallSegments::Insert(const IdentityEntry& identity, std::uint32_t segment) {
  entries_.push_back({identity, segment});
  const std::uint64_t hash = HashOf(identity.key);
  std::size_t i = SlotOf(hash);
  while (slots_[i].entry_plus_1 != 0) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(entries_.size())};
}

void SmallSegments::Find(const Hash128& key, IdForm form, std::vector<Found>* found) const {
  if (slots_.empty()) return;
  const std::uint64_t hash = HashOf(key);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t i = SlotOf(hash); slots_[i].entry_plus_1 != 0;
       i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i].tag != tag) continue;
    const Entry& entry = entries_[slots_[i].entry_plus_1 - 1];
    if (entry.identity.key == key && entry.identity.form == form)
      found->push_back({entry.segment, entry.identity.row});
  }
}

std::uint64_t SmallSegments::bytes() const {
  return entries_.capacity() * (sizeof(Entry) + sizeof(IdentityEntry)) +
         slots_.capacity() * sizeof(Slot);
}

}  // namespace quipu
