#include "segment/key_index.h"

#include <algorithm>

namespace quipu {
namespace {

std::size_t HashOf(std::uint64_t key) {
  return static_cast<std::size_t>((key ^ (key >> 29)) * 0x9E3779B97F4A7C15u >> 20);
}

}  // namespace

std::uint32_t KeyIndex::FindOrAdd(std::uint64_t key) {
  if ((keys_.size() + 1) * 2 > slots_.size()) Grow();
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = HashOf(key) & mask;
  while (slots_[at] != 0) {
    if (keys_[slots_[at] - 1] == key) return slots_[at] - 1;
    at = (at + 1) & mask;
  }
  keys_.push_back(key);
  slots_[at] = static_cast<std::uint32_t>(keys_.size());
  return slots_[at] - 1;
}

void KeyIndex::Grow() {
  std::vector<std::uint32_t> slots(std::max<std::size_t>(64, slots_.size() * 2), 0);
  const std::size_t mask = slots.size() - 1;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    std::size_t at = HashOf(keys_[i]) & mask;
    while (slots[at] != 0) at = (at + 1) & mask;
    slots[at] = static_cast<std::uint32_t>(i + 1);
  }
  slots_ = std::move(slots);
}

}  // namespace quipu
