#include "batch/dictionary_index.h"

#include <utility>

#include "base/hash.h"

namespace quipu {

std::uint32_t DictionaryIndex::FindOrAdd(std::string_view s, StringList* dictionary) {
  return FindOrAdd(s, static_cast<std::uint32_t>(Hash64(s)), dictionary);
}

std::uint32_t DictionaryIndex::FindOrAdd(std::string_view s, std::uint32_t hash,
                                         StringList* dictionary) {
  if (used_ * 2 >= slots_.size()) Grow();
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash & mask;
  for (; slots_[i].code != 0; i = (i + 1) & mask) {
    if (slots_[i].hash == hash && (*dictionary)[slots_[i].code - 1] == s) return slots_[i].code;
  }
  dictionary->Add(s);
  ++used_;
  slots_[i] = {hash, static_cast<std::uint32_t>(dictionary->size())};
  return slots_[i].code;
}

void DictionaryIndex::Grow() {
  constexpr std::size_t kSlotsFirst = 16;
  const std::vector<Slot> old = std::exchange(slots_, {});
  slots_.resize(old.empty() ? kSlotsFirst : old.size() * 2);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.code == 0) continue;
    std::size_t i = slot.hash & mask;
    while (slots_[i].code != 0) i = (i + 1) & mask;
    slots_[i] = slot;
  }
}

}  // namespace quipu
