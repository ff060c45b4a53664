#include "sketch/value_counts.h"

#include <algorithm>

#include "base/check.h"
#include "sketch/exact_sum.h"

namespace quipu {

bool ValueCounts::Start(std::span<const Int128> values, Int128 min, Int128 max, int scale) {
  QUIPU_CHECK(empty());
  constexpr std::uint64_t kCountersPerValue = 4;
  const auto step = static_cast<Int128>(PowerOf10(kSumScale - scale));
  const Int128 low = min / step, high = max / step;
  const auto width = static_cast<Uint128>(high) - static_cast<Uint128>(low);
  if (width >= std::min<Uint128>(kCountersMax, kCountersPerValue * values.size())) return false;
  scale_ = scale;
  step_ = step;
  first_ = low;
  counts_.assign(static_cast<std::size_t>(width) + 1, 0);
  for (const Int128 v : values) {
    const Int128 mantissa = v / step;
    if (mantissa * step != v) {  // no multiple after all
      Clear();
      return false;
    }
    ++counts_[static_cast<std::size_t>(mantissa - low)];
  }
  return true;
}

// Room for more on the side where it was missing, so that a drifting range does not move the counters at every step.
bool ValueCounts::Cover(Int128 low, Int128 high) {
  const Int128 last = first_ + static_cast<Int128>(counts_.size()) - 1;
  if (low >= first_ && high <= last) return true;
  const auto slack = static_cast<Int128>(counts_.size() / 2);
  const Int128 from = low < first_ ? low - slack : first_;
  const Int128 to = high > last ? high + slack : last;
  if (to - from >= static_cast<Int128>(kCountersMax)) return false;
  std::vector<std::uint64_t> wider(static_cast<std::size_t>(to - from) + 1, 0);
  std::copy(counts_.begin(), counts_.end(),
            wider.begin() + static_cast<std::ptrdiff_t>(first_ - from));
  counts_ = std::move(wider);
  first_ = from;
  return true;
}

template <class Mantissa>
bool ValueCounts::Add(std::span<const Mantissa> mantissas, std::int64_t low, std::int64_t high,
                      int scale) {
  if (scale > scale_) return false;
  const std::int64_t factor = PowerOf10I64(scale_ - scale);
  if (!Cover(Int128{low} * factor, Int128{high} * factor)) return false;
  // All are in the window, so the differences are small whatever the terms are modulo 2^64.
  const auto first = static_cast<std::uint64_t>(first_);
  std::uint64_t* const counts = counts_.data();
  if (factor == 1) {
    for (const Mantissa m : mantissas)
      ++counts[static_cast<std::uint64_t>(static_cast<std::int64_t>(m)) - first];
  } else {
    for (const Mantissa m : mantissas)
      ++counts[static_cast<std::uint64_t>(static_cast<std::int64_t>(m)) *
                   static_cast<std::uint64_t>(factor) -
               first];
  }
  return true;
}

template bool ValueCounts::Add(std::span<const std::int64_t>, std::int64_t, std::int64_t, int);
template bool ValueCounts::Add(std::span<const std::uint32_t>, std::int64_t, std::int64_t, int);

bool ValueCounts::AddRepeated(Int128 value, std::uint64_t n) {
  const Int128 mantissa = value / step_;
  if (mantissa * step_ != value || !Cover(mantissa, mantissa)) return false;
  counts_[static_cast<std::size_t>(mantissa - first_)] += n;
  return true;
}

Int128 ValueCounts::AtRank(std::uint64_t rank) const {
  std::uint64_t below = 0;
  std::size_t i = 0;
  while (rank - below > counts_[i]) below += counts_[i++];
  return (first_ + static_cast<Int128>(i)) * step_;
}

}  // namespace quipu
