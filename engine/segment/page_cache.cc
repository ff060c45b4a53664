#include "segment/page_cache.h"

#include <atomic>
#include <list>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "base/check.h"

namespace quipu {
namespace {

struct Key {
  std::uint64_t segment_id;
  std::uint64_t offset;
  friend bool operator==(const Key&, const Key&) = default;
};

// The finaliser of splitmix64: offsets of pages are far from random.
std::uint64_t Mix(const Key& k) {
  std::uint64_t z = k.offset + 0x9E3779B97F4A7C15u * (k.segment_id + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

struct KeyHash {
  std::size_t operator()(const Key& k) const { return Mix(k); }
};

struct Entry {
  Entry(const Key& k, PagePtr p, std::uint64_t b) : key(k), page(std::move(p)), bytes(b) {}

  Key key;
  PagePtr page;
  std::uint64_t bytes;
  std::atomic<bool> was_used{false};  // since it was last passed over
};

/// List node, map node, control block.
constexpr std::uint64_t kEntryOverheadBytes = 128;

}  // namespace

struct PageCache::Shard {
  mutable std::shared_mutex mutex;
  std::list<Entry> entries;  // the next one to go, unless it was used, last
  std::unordered_map<Key, std::list<Entry>::iterator, KeyHash> index;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_max = 0;

  static Shard& Of(Shard* shards, const Key& key) { return shards[Mix(key) >> 61]; }

  void Remove(std::list<Entry>::iterator entry) {
    bytes -= entry->bytes;
    index.erase(entry->key);
    entries.erase(entry);
  }
};

PageCache::PageCache(std::uint64_t bytes_max, std::uint64_t identity_bytes_max)
    : shards_(new Shard[kShards]), identities_(identity_bytes_max) {
  static_assert(kShards == 8, "Shard::Of takes three bits");
  for (int i = 0; i < kShards; ++i) shards_[i].bytes_max = bytes_max / kShards;
}

PageCache::~PageCache() = default;

PagePtr PageCache::Find(std::uint64_t segment_id, std::uint64_t offset) {
  const Key key{segment_id, offset};
  Shard& shard = Shard::Of(shards_.get(), key);
  const std::shared_lock lock(shard.mutex);
  const auto found = shard.index.find(key);
  if (found == shard.index.end()) return nullptr;
  Entry& entry = *found->second;
  if (!entry.was_used.load(std::memory_order_relaxed))
    entry.was_used.store(true, std::memory_order_relaxed);
  return entry.page;
}

PagePtr PageCache::Insert(std::uint64_t segment_id, std::uint64_t offset, PagePtr page) {
  QUIPU_CHECK(page != nullptr);
  const Key key{segment_id, offset};
  Shard& shard = Shard::Of(shards_.get(), key);
  const std::uint64_t bytes = page->size() + kEntryOverheadBytes;
  std::list<Entry> evicted;  // freed after the lock is
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(key);
  if (found != shard.index.end()) {
    found->second->was_used.store(true, std::memory_order_relaxed);
    return found->second->page;
  }
  if (bytes > shard.bytes_max) return page;
  while (shard.bytes + bytes > shard.bytes_max) {
    const auto last = std::prev(shard.entries.end());
    if (last->was_used.exchange(false, std::memory_order_relaxed)) {
      shard.entries.splice(shard.entries.begin(), shard.entries, last);
      continue;
    }
    shard.bytes -= last->bytes;
    shard.index.erase(last->key);
    evicted.splice(evicted.begin(), shard.entries, last);
  }
  // Without memory for one of the two nodes there is neither.
  std::list<Entry> made;
  made.emplace_front(key, page, bytes);
  shard.index.emplace(key, made.begin());
  shard.entries.splice(shard.entries.begin(), made);
  shard.bytes += bytes;
  return page;
}

void PageCache::Forget(std::uint64_t segment_id) {
  identities_.Forget(segment_id);
  for (int i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    for (auto entry = shard.entries.begin(); entry != shard.entries.end();) {
      const auto next = std::next(entry);
      if (entry->key.segment_id == segment_id) shard.Remove(entry);
      entry = next;
    }
  }
}

std::uint64_t PageCache::bytes() const {
  std::uint64_t sum = 0;
  for (int i = 0; i < kShards; ++i) {
    const std::shared_lock lock(shards_[i].mutex);
    sum += shards_[i].bytes;
  }
  return sum;
}

}  // namespace quipu
