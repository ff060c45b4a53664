// A bounded cache of verified page payloads, shared by all segments of a store. Least recently used goes first; a page in use stays
// alive through its shared_ptr, whatever the cache does.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace quipu {

using PagePtr = std::shared_ptr<const std::string>;

class PageCache {
 public:
  explicit PageCache(std::uint64_t bytes_max);
  ~PageCache();
  [[nodiscard]] PagePtr Find(std::uint64_t segment_id, std::uint64_t offset);
  /// Returns `page`, or the one that another thread has put there first.
  PagePtr Insert(std::uint64_t segment_id, std::uint64_t offset, PagePtr page);
  void Forget(std::uint64_t segment_id);  ///< A segment was removed.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Shard;
  static constexpr int kShards = 8;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace quipu
