// ValueCounts: many decimals exactly, as one counter for each value that could be, where that takes less room than the values themselves: durations
// in whole milliseconds, tokens, bytes rounded to something. Adding is an increment, a rank is a walk over the counters.
//
//   scale 1, first 12 (1.2):   counters  [ 3 0 1 ]   ->   1.2 three times, 1.4 once
//
// Invariant: counters never take more room than kCountersMax of them, or, at the start, than 4 for each value.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quipu/decimal.h"

namespace quipu {

class ValueCounts {
 public:
  static constexpr std::uint64_t kCountersMax = 1u << 20;

  [[nodiscard]] bool empty() const { return counts_.empty(); }
  /// Takes values (at scale 18, all multiples of 10^-scale) whose smallest and largest are known. False, and nothing taken, if the range is
  /// too wide for their number. Must be empty.
  bool Start(std::span<const Int128> values, Int128 min, Int128 max, int scale);
  /// Adds mantissas x 10^-scale; `low` and `high` are the smallest and the largest. False, and nothing added, if one is no multiple of the counters'
  /// step or too far away.
  template <class Mantissa>
  bool Add(std::span<const Mantissa> mantissas, std::int64_t low, std::int64_t high, int scale);
  /// One value at scale 18, `n` times; false as above.
  bool AddRepeated(Int128 value, std::uint64_t n);
  /// The value of that rank (1 = the smallest), at scale 18.
  [[nodiscard]] Int128 AtRank(std::uint64_t rank) const;
  /// visit(value at scale 18, count) in ascending order.
  template <class Visit>
  void ForEach(Visit&& visit) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] != 0) visit((first_ + static_cast<Int128>(i)) * step_, counts_[i]);
    }
  }
  void Clear() { std::vector<std::uint64_t>().swap(counts_); }
  [[nodiscard]] std::size_t bytes() const { return counts_.capacity() * sizeof(std::uint64_t); }

 private:
  bool Cover(Int128 low, Int128 high);  // mantissas at scale_

  int scale_ = 0;
  Int128 step_ = 1;   // 10^(18 - scale)
  Int128 first_ = 0;  // the mantissa of the first counter
  std::vector<std::uint64_t> counts_;
};

}  // namespace quipu
