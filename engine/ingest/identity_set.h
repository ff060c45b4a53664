// IdentitySet: which hot row holds this identity? An open-addressing table of (hash, hot row number), 16 bytes a slot, at most
// half full. It answers with *suspects* (same high half of the identity hash); the caller compares the rest.
//
// Rows leave the hot tier from the front as they are sealed. Their entries stay behind as stale ones (row number below the first live row), are
// ignored by Find and dropped when the table is next rebuilt.
#pragma once

#include <cstdint>
#include <vector>

namespace quipu {

class IdentitySet {
 public:
  void Insert(std::uint64_t hash, std::uint64_t row);
  /// Asks the memory for what Find(hash) will look at first. Some 16 of these ahead of Find hide the wait.
  void Prefetch(std::uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[SlotOf(hash)]);
  }
  /// Makes room for `more` at once, so that no Insert has to.
  void Reserve(std::size_t more);
  /// Calls `visit(row)` for each live row with that hash until it returns true; returns whether one did.
  template <class Visit>
  bool Find(std::uint64_t hash, Visit&& visit) const {
    if (slots_.empty()) return false;
    for (std::size_t i = SlotOf(hash);; i = (i + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[i];
      if (slot.row_plus_1 == 0) return false;
      if (slot.hash == hash && slot.row_plus_1 > first_live_row_ && visit(slot.row_plus_1 - 1))
        return true;
    }
  }
  /// Rows below `row` are gone.
  void Forget(std::uint64_t row) {
    first_live_row_ = row > first_live_row_ ? row : first_live_row_;
  }
  [[nodiscard]] std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint64_t row_plus_1 = 0;  // 0 = empty
  };
  // The hash is XXH3 output already: its low bits are as good as any.
  [[nodiscard]] std::size_t SlotOf(std::uint64_t hash) const { return hash & (slots_.size() - 1); }
  void Rebuild(std::size_t more);

  std::vector<Slot> slots_;  // a power of two
  std::size_t used_ = 0;     // live and stale
  std::uint64_t first_live_row_ = 0;
};

}  // namespace quipu
