// A bounded cache of verified page payloads, shared by all segments of a store. What was not used since its last chance goes first (CLOCK, Corbato 1968); a page
// in use stays alive through its shared_ptr, whatever the cache does.
//
// Who finds a page moves nothing and shuts nobody out: the thread that checks for repeats looks tens of thousands of times a second, at low priority if the host wants
// it so, and would hold up every question for milliseconds when it loses its processor with a lock in hand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "segment/identity_cache.h"

namespace quipu {

using PagePtr = std::shared_ptr<const std::string>;

class PageCache {
 public:
  /// The second bound is that of identities().
  explicit PageCache(std::uint64_t bytes_max, std::uint64_t identity_bytes_max = 256ull << 20);
  ~PageCache();
  [[nodiscard]] PagePtr Find(std::uint64_t segment_id, std::uint64_t offset);
  /// Returns `page`, or the one that another thread has put there first.
  PagePtr Insert(std::uint64_t segment_id, std::uint64_t offset, PagePtr page);
  void Forget(std::uint64_t segment_id);  ///< A segment was removed.
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] IdentityCache* identities() { return &identities_; }

 private:
  struct Shard;
  static constexpr int kShards = 8;
  std::unique_ptr<Shard[]> shards_;
  IdentityCache identities_;
};

}  // namespace quipu
