#include "ingest/identity_set.h"

#include <utility>

namespace quipu {

void IdentitySet::Insert(std::uint64_t hash, std::uint64_t row) {
  if ((used_ + 1) * 2 > slots_.size()) Rebuild(1);
  std::size_t i = SlotOf(hash);
  while (slots_[i].row_plus_1 != 0) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {hash, row + 1};
  ++used_;
}

void IdentitySet::Reserve(std::size_t more) {
  if ((used_ + more) * 2 > slots_.size()) Rebuild(more);
}

void IdentitySet::Rebuild(std::size_t more) {
  std::size_t live = 0;
  for (const Slot& slot : slots_) live += slot.row_plus_1 > first_live_row_ ? 1 : 0;
  std::size_t size = 1024;
  while (size < (live + more) * 4) size *= 2;
  std::vector<Slot> old(size);
  old.swap(slots_);
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.row_plus_1 <= first_live_row_) continue;  // empty or stale
    std::size_t i = SlotOf(slot.hash);
    while (slots_[i].row_plus_1 != 0) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = slot;
    ++used_;
  }
}

}  // namespace quipu
