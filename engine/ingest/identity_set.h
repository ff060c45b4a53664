// IdentitySet: which hot row may hold this identity? An open-addressing table of 8 bytes a slot: the upper 32 bits of the identity's hash,
// which also say where its search begins, beside the lower 32 bits of the row's number. It answers with *suspects*; the caller compares the
// rest.
//
//   hash  5a3c9b17 xxxxxxxx, table of 2^20 slots     first slot 5a3c9 (the top 20 bits), then linear probing
//   slot  5a3c9b17 | 0000002a                        row 42, or 2^32 + 42, ...: whichever is live
//
// Rows leave the hot tier from the front as they are sealed. Their entries stay behind as stale ones (row number below the first live
// row) and are ignored by Find. When five eighths of the slots are taken the table is swept where it stands: it is walked once in order, which is
// cheap because entries never leave the run of taken slots they are in. Only if the living alone need more does it grow.
//
// Invariants:
//   (1) At most five eighths of the slots are taken; an empty slot is 0 (a hash's upper half counts as 1 if it is 0).
//   (2) Live rows are fewer than 2^31, and no entry is 2^31 rows older than the first live one: a sweep comes at the latest after as many
//       insertions as there are slots. So 32 bits of a row's number tell which it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

namespace quipu {

class IdentitySet {
 public:
  void Insert(std::uint64_t hash, std::uint64_t row);
  /// Takes the entry out again; it must be there.
  void Remove(std::uint64_t hash, std::uint64_t row) { Renumber(hash, row, first_live_row_ - 1); }
  /// The row is another one's number from now on; its entry must be there.
  void Renumber(std::uint64_t hash, std::uint64_t row, std::uint64_t now);
  /// Asks the memory for what Find(hash) will look at first. Some 16 of these ahead of Find hide the wait.
  void Prefetch(std::uint64_t hash) const {
    if (slots_ != nullptr) __builtin_prefetch(&slots_[FirstSlot(TagOf(hash))], /*rw=*/1);
  }
  /// Makes room for `more` at once, so that no Insert has to.
  void Reserve(std::size_t more) {
    if ((used_ + more) * 8 > slot_count_ * 5) MakeRoom(more);
  }
  /// Calls `visit(row)` for each live row that may have that hash until it returns true; returns whether one did.
  template <class Visit>
  bool Find(std::uint64_t hash, Visit&& visit) const {
    return slot_count_ != 0 && Search(TagOf(hash), visit) == slot_count_;
  }
  /// As Find; if none did, `row` is inserted. Room must be reserved.
  template <class Visit>
  bool FindOrInsert(std::uint64_t hash, std::uint64_t row, Visit&& visit) {
    const std::uint32_t tag = TagOf(hash);
    const std::size_t end = Search(tag, visit);
    if (end == slot_count_) return true;
    slots_[end] = Pack(tag, row);
    ++used_;
    return false;
  }
  /// Rows below `row` are gone.
  void Forget(std::uint64_t row) { first_live_row_ = std::max(first_live_row_, row); }
  [[nodiscard]] std::size_t bytes() const { return slot_count_ * sizeof(std::uint64_t); }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  using Slots = std::unique_ptr<std::uint64_t[], Free>;
  static Slots Allocate(std::size_t slots);

  static std::uint32_t TagOf(std::uint64_t hash) {
    return std::max(static_cast<std::uint32_t>(hash >> 32), 1u);
  }
  static std::uint64_t Pack(std::uint32_t tag, std::uint64_t row) {
    return std::uint64_t{tag} << 32 | static_cast<std::uint32_t>(row);
  }
  [[nodiscard]] std::size_t FirstSlot(std::uint32_t tag) const { return tag >> shift_; }
  [[nodiscard]] std::size_t After(std::size_t slot) const { return (slot + 1) & (slot_count_ - 1); }
  /// How far the row of a slot is from the first live one; of a stale one, 2^31 or more.
  [[nodiscard]] std::uint32_t Age(std::uint64_t slot) const {
    return static_cast<std::uint32_t>(slot) - static_cast<std::uint32_t>(first_live_row_);
  }
  [[nodiscard]] bool IsLive(std::uint64_t slot) const { return Age(slot) >> 31 == 0; }
  /// The empty slot where the search ends, or slot_count_ once a visit returned true.
  template <class Visit>
  std::size_t Search(std::uint32_t tag, Visit&& visit) const {
    for (std::size_t i = FirstSlot(tag);; i = After(i)) {
      const std::uint64_t slot = slots_[i];
      if (slot == 0) return i;
      if (slot >> 32 == tag && IsLive(slot) && visit(first_live_row_ + Age(slot)))
        return slot_count_;
    }
  }
  void Place(std::uint64_t slot);
  void MakeRoom(std::size_t more);
  void Sweep();
  void Grow(std::size_t slots);

  Slots slots_;
  std::size_t slot_count_ = 0;  // a power of two, or 0
  int shift_ = 0;               // 32 - log2(slot_count_)
  std::size_t used_ = 0;        // live and stale
  std::uint64_t first_live_row_ = 0;
};

}  // namespace quipu
