// The decoded dictionaries of one segment, so that a scan decodes each once per row group and not once per vector. Bounded: the oldest go
// first; one in use stays alive through its shared_ptr. Row groups whose dictionaries hold the same strings (the rule for small ones) share one
// object, so what a reader has learnt of its entries stays good from row group to row group.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
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
  std::unordered_map<std::uint64_t, std::weak_ptr<const StringList>> by_content_;
  std::deque<std::uint64_t> age_;  // oldest first
  std::uint64_t bytes_ = 0;        // a shared one counts for each of its row groups
};

}  // namespace quipu
