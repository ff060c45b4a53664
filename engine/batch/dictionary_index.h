// DictionaryIndex: finds a string in a growing dictionary (a StringList without repeats), or adds it. An open-addressing table of
// (32 bits of hash, 1 + position) slots beside the list; the strings themselves are stored once, in the list.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "batch/string_list.h"

namespace quipu {

class DictionaryIndex {
 public:
  /// The code (1 + position) of `s` in `dictionary`, which must be the same list, changed by nobody else, in every call.
  std::uint32_t FindOrAdd(std::string_view s, StringList* dictionary);
  /// With a hash of the string known; all calls on one index must use the same hash.
  std::uint32_t FindOrAdd(std::string_view s, std::uint32_t hash, StringList* dictionary);
  [[nodiscard]] std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t code = 0;  // 0 = free
  };
  void Grow();

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t used_ = 0;
};

}  // namespace quipu
