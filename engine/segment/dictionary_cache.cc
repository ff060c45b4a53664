#include "segment/dictionary_cache.h"

#include <utility>

namespace quipu {

DictionaryPtr DictionaryCache::Find(std::uint64_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_slot_.find(slot);
  return found == by_slot_.end() ? nullptr : found->second;
}

DictionaryPtr DictionaryCache::Insert(std::uint64_t slot, DictionaryPtr dictionary) {
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = by_slot_.try_emplace(slot, std::move(dictionary));
  DictionaryPtr kept = entry->second;
  if (!added) return kept;
  age_.push_back(slot);
  bytes_ += kept->bytes();
  while (bytes_ > kBytesMax && age_.size() > 1) {
    const auto oldest = by_slot_.find(age_.front());
    bytes_ -= oldest->second->bytes();
    by_slot_.erase(oldest);
    age_.pop_front();
  }
  return kept;
}

std::uint64_t DictionaryCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace quipu
