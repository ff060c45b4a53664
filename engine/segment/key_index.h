// KeyIndex: numbers 64-bit keys in order of arrival. An open-addressing table of numbers beside the list of keys.
#pragma once

#include <cstdint>
#include <vector>

namespace quipu {

class KeyIndex {
 public:
  /// The number of a key, a new one if need be.
  std::uint32_t FindOrAdd(std::uint64_t key);
  [[nodiscard]] std::size_t size() const { return keys_.size(); }
  [[nodiscard]] std::uint64_t key(std::size_t number) const { return keys_[number]; }
  void Clear() { *this = {}; }

 private:
  void Grow();
  std::vector<std::uint64_t> keys_;
  std::vector<std::uint32_t> slots_;  // 1 + number; 0 = free; a power of two, at most half full
};

}  // namespace quipu
