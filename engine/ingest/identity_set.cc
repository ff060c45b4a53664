#include "ingest/identity_set.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::size_t kSlotsFirst = 1024;
constexpr std::size_t kSlotsMax = std::size_t{1} << 31;
constexpr std::size_t kShrinkFactor = 32;
constexpr std::size_t kHugePageBytes = 2u << 20;

}  // namespace

void IdentitySet::Free::operator()(void* p) const { std::free(p); }

IdentitySet::Slots IdentitySet::Allocate(std::size_t slots) {
  const std::size_t bytes = slots * sizeof(std::uint64_t);
  const std::size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : 64;
  void* const memory = std::aligned_alloc(alignment, bytes);
  QUIPU_CHECK(memory != nullptr);
  // Every search is a miss of the cache; with pages of 4 KiB it would be one of the page tables, too. Only a hint: no harm if refused.
  if (bytes >= kHugePageBytes) (void)madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  return Slots(static_cast<std::uint64_t*>(memory));
}

void IdentitySet::Insert(std::uint64_t hash, std::uint64_t row) {
  QUIPU_CHECK(row >= first_live_row_ && row - first_live_row_ < std::uint64_t{1} << 31);
  Reserve(1);
  Place(Pack(TagOf(hash), row));
  ++used_;
}

void IdentitySet::Renumber(std::uint64_t hash, std::uint64_t row, std::uint64_t now) {
  const std::uint32_t tag = TagOf(hash);
  const std::uint64_t before = Pack(tag, row);
  std::size_t i = FirstSlot(tag);
  for (; slots_[i] != before; i = After(i)) QUIPU_CHECK(slots_[i] != 0);
  slots_[i] = Pack(tag, now);
}

void IdentitySet::Place(std::uint64_t slot) {
  std::size_t i = FirstSlot(static_cast<std::uint32_t>(slot >> 32));
  while (slots_[i] != 0) i = After(i);
  slots_[i] = slot;
}

/// At least a quarter of the slots can be taken after it, so a sweep costs an insertion the reading of four slots.
void IdentitySet::MakeRoom(std::size_t more) {
  std::size_t live = 0;
  for (std::size_t i = 0; i < slot_count_; ++i) live += slots_[i] != 0 && IsLive(slots_[i]) ? 1 : 0;
  const std::size_t wanted = std::max(kSlotsFirst, std::bit_ceil((live + more) * 8 / 3 + 1));
  QUIPU_CHECK(wanted <= kSlotsMax);
  // Sealing empties most of the hot tier again and again: a table is made smaller only once nearly nothing of it is needed.
  if (wanted > slot_count_ || wanted * kShrinkFactor < slot_count_) {
    Grow(wanted);
  } else {
    Sweep();
  }
}

/// From behind an empty slot on, every run of taken slots is put in place anew, which only moves entries towards its front.
void IdentitySet::Sweep() {
  std::size_t start = 0;
  while (slots_[start] != 0) ++start;
  used_ = 0;
  for (std::size_t i = After(start); i != start; i = After(i)) {
    const std::uint64_t slot = std::exchange(slots_[i], 0);
    if (slot == 0 || !IsLive(slot)) continue;
    Place(slot);
    ++used_;
  }
}

void IdentitySet::Grow(std::size_t slots) {
  const Slots old = std::exchange(slots_, Allocate(slots));
  const std::size_t old_count = std::exchange(slot_count_, slots);
  shift_ = 32 - std::countr_zero(slots);
  used_ = 0;
  for (std::size_t i = 0; i < old_count; ++i) {
    if (old[i] == 0 || !IsLive(old[i])) continue;
    Place(old[i]);
    ++used_;
  }
}

}  // namespace quipu
