// The identity prefixes of a store's segments that are in memory, within a bound. The least recently asked goes first, and is read again when
// it is asked again: slower, and as exact.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "segment/identity_prefix.h"

namespace quipu {

using IdentityPrefixPtr = std::shared_ptr<const IdentityPrefix>;

class IdentityCache {
 public:
  explicit IdentityCache(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] IdentityPrefixPtr Find(std::uint64_t segment_id);
  /// A prefix above the whole bound is not kept.
  void Insert(std::uint64_t segment_id, IdentityPrefixPtr prefix);
  void Forget(std::uint64_t segment_id);  ///< A segment was removed.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Entry {
    std::uint64_t segment_id;
    IdentityPrefixPtr prefix;
  };
  mutable std::mutex mutex_;
  std::list<Entry>
      entries_;  // most recently asked first; as many as there are segments, so they are searched one by one
  std::uint64_t bytes_ = 0;
  const std::uint64_t bytes_max_;
};

}  // namespace quipu
