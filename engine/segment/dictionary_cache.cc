#include "segment/dictionary_cache.h"

#include <utility>

#include "base/hash.h"

namespace quipu {
namespace {

std::uint64_t HashOf(const StringList& strings) {
  return Hash64(strings.text()) * 31 + strings.size();
}

bool SameStrings(const StringList& a, const StringList& b) {
  return a.text() == b.text() && a.offsets() == b.offsets();
}

}  // namespace

DictionaryPtr DictionaryCache::Find(std::uint64_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_slot_.find(slot);
  return found == by_slot_.end() ? nullptr : found->second;
}

DictionaryPtr DictionaryCache::Insert(std::uint64_t slot, DictionaryPtr dictionary) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_slot_.find(slot); found != by_slot_.end()) return found->second;
  std::weak_ptr<const StringList>& same = by_content_[HashOf(*dictionary)];
  if (const DictionaryPtr shared = same.lock(); shared && SameStrings(*shared, *dictionary)) {
    dictionary = shared;
  } else {
    same = dictionary;
  }
  // Its age first: an age without an entry (there was no memory for the entry) is passed over, an entry without an age would stay for ever.
  age_.push_back(slot);
  DictionaryPtr kept = by_slot_.emplace(slot, std::move(dictionary)).first->second;
  bytes_ += kept->bytes();
  while (bytes_ > kBytesMax && age_.size() > 1) {
    const auto oldest = by_slot_.find(age_.front());
    age_.pop_front();
    if (oldest == by_slot_.end()) continue;
    bytes_ -= oldest->second->bytes();
    by_slot_.erase(oldest);
    if (by_content_.size() > 2 * by_slot_.size() + 64)
      std::erase_if(by_content_, [](const auto& entry) { return entry.second.expired(); });
  }
  return kept;
}

std::uint64_t DictionaryCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace quipu
