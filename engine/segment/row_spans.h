// RowSpans: the rows of a batch grouped by a small key, so that what belongs together is worked on together.
//
//   keys   2 0 2 1 0          rows()   1 4 | 3 | 0 2          spans()   {key 0: 2 rows} {key 1: 1} {key 2: 2}
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quipu {

class RowSpans {
 public:
  struct Span {
    std::uint32_t key = 0;
    std::uint32_t first = 0, count = 0;  ///< Part of rows().
  };
  /// `keys`, one for each row, are below `keys_end`. Replaces what was grouped before.
  void Group(std::span<const std::uint32_t> keys, std::uint64_t keys_end);
  /// Row numbers by key, ascending for each.
  [[nodiscard]] std::span<const std::uint32_t> rows() const { return rows_; }
  /// Ascending keys; none is empty.
  [[nodiscard]] std::span<const Span> spans() const { return spans_; }

 private:
  void GroupByCounting(std::span<const std::uint32_t> keys, std::size_t keys_end);
  void GroupBySorting(std::span<const std::uint32_t> keys);

  std::vector<std::uint32_t> starts_;
  std::vector<std::uint64_t> sorted_;
  std::vector<std::uint32_t> rows_;
  std::vector<Span> spans_;
};

}  // namespace quipu
