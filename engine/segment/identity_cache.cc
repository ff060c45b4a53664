#include "segment/identity_cache.h"

#include <algorithm>

namespace quipu {

IdentityPrefixPtr IdentityCache::Find(std::uint64_t segment_id) {
  const std::lock_guard lock(mutex_);
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    if (at->segment_id != segment_id) continue;
    entries_.splice(entries_.begin(), entries_, at);
    return at->prefix;
  }
  return nullptr;
}

void IdentityCache::Insert(std::uint64_t segment_id, IdentityPrefixPtr prefix) {
  Forget(segment_id);
  std::list<Entry> evicted;  // freed after the lock is
  const std::lock_guard lock(mutex_);
  if (prefix->bytes() > bytes_max_) return;
  const std::uint64_t bytes = prefix->bytes();
  entries_.push_front({segment_id, std::move(prefix)});
  bytes_ += bytes;  // after what may fail
  while (bytes_ > bytes_max_) {
    bytes_ -= entries_.back().prefix->bytes();
    evicted.splice(evicted.begin(), entries_, std::prev(entries_.end()));
  }
}

void IdentityCache::Forget(std::uint64_t segment_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& e) {
    if (e.segment_id != segment_id) return false;
    bytes_ -= e.prefix->bytes();
    return true;
  });
}

std::uint64_t IdentityCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace quipu
