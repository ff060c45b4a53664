#include "segment/row_spans.h"

#include <algorithm>

namespace quipu {
namespace {

// A counter costs far less than a row.
constexpr std::size_t kCountersPerRow = 16;

}  // namespace

void RowSpans::Group(std::span<const std::uint32_t> keys, std::uint64_t keys_end) {
  spans_.clear();
  rows_.resize(keys.size());
  if (keys_end / kCountersPerRow <= keys.size()) {
    GroupByCounting(keys, keys_end);
  } else {
    GroupBySorting(keys);
  }
}

void RowSpans::GroupByCounting(std::span<const std::uint32_t> keys, std::size_t keys_end) {
  starts_.assign(keys_end, 0);
  std::uint32_t* const starts = starts_.data();
  for (const std::uint32_t key : keys) ++starts[key];
  std::uint32_t next = 0;
  for (std::size_t key = 0; key < keys_end; ++key) {
    const std::uint32_t count = starts[key];
    if (count != 0) spans_.push_back({static_cast<std::uint32_t>(key), next, count});
    starts[key] = next;
    next += count;
  }
  std::uint32_t* const rows = rows_.data();
  for (std::size_t i = 0; i < keys.size(); ++i)
    rows[starts[keys[i]]++] = static_cast<std::uint32_t>(i);
}

void RowSpans::GroupBySorting(std::span<const std::uint32_t> keys) {
  constexpr int kRowBits = 32;
  sorted_.resize(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) sorted_[i] = std::uint64_t{keys[i]} << kRowBits | i;
  std::sort(sorted_.begin(), sorted_.end());
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    const auto key = static_cast<std::uint32_t>(sorted_[i] >> kRowBits);
    rows_[i] = static_cast<std::uint32_t>(sorted_[i]);
    if (spans_.empty() || spans_.back().key != key)
      spans_.push_back({key, static_cast<std::uint32_t>(i), 0});
    ++spans_.back().count;
  }
}

}  // namespace quipu
