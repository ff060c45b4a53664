// The decoded dictionaries of one segment, so that a scan decodes each once per row group and not once per vector. Bounded: the oldest go
// first; one in use stays alive through its shared_ptr.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "segment/segment.h"

namespace quipu {

class DictionaryCache {
 public:
  static constexpr std::uint64_t kBytesMax = 32u << 20;

  /// `slot` numbers the dictionaries of the segment in any way. Null if it is not here.
  [[nodiscard]] DictionaryPtr Find(std::uint64_t slot) const;
  /// Returns `dictionary`, or the one that another thread has put there first.
  DictionaryPtr Insert(std::uint64_t slot, DictionaryPtr dictionary);
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, DictionaryPtr> by_slot_;
  std::deque<std::uint64_t> age_;  // oldest first
  std::uint64_t bytes_ = 0;
};

}  // namespace quipu
