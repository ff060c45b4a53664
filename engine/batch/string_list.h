// StringList: many strings in two allocations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace quipu {

/// Strings packed one after another: string i is bytes [offsets[i], offsets[i+1]).
class StringList {
 public:
  [[nodiscard]] std::size_t size() const { return offsets_.size() - 1; }
  [[nodiscard]] std::string_view operator[](std::size_t i) const {
    return {text_.data() + offsets_[i], static_cast<std::size_t>(offsets_[i + 1] - offsets_[i])};
  }
  /// All text together stays below 4 GiB (checked: batches are bounded far below it).
  void Add(std::string_view s) {
    QUIPU_CHECK(s.size() <= kTextMax - text_.size());
    text_.append(s);
    offsets_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  /// Adds strings [first, first + count) of another list.
  void AddRange(const StringList& from, std::size_t first, std::size_t count);
  [[nodiscard]] const std::vector<std::uint32_t>& offsets() const { return offsets_; }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::size_t bytes() const { return text_.capacity() + offsets_.capacity() * 4; }
  void Reserve(std::size_t strings, std::size_t text_bytes) {
    offsets_.reserve(strings + 1);
    text_.reserve(text_bytes);
  }

 private:
  static constexpr std::size_t kTextMax = 0xFFFFFFFF;
  std::string text_;
  std::vector<std::uint32_t> offsets_{0};
};

}  // namespace quipu
