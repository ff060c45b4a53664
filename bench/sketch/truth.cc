#include "sketch/truth.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quipu::sketches {

Truth::Truth(std::vector<double> values) : sorted_(std::move(values)) {
  std::sort(sorted_.begin(), sorted_.end());
}

double Truth::Rank(double q) const {
  const auto n = static_cast<double>(sorted_.size());
  return std::max(1.0, std::ceil(q * n - 1e-6));  // 0.999 x 1,000,000 is 999,000, not a little more
}

double Truth::Quantile(double q) const { return sorted_[static_cast<std::size_t>(Rank(q)) - 1]; }

double Truth::RelativeError(double q, double answer) const {
  const double right = Quantile(q);
  if (answer == right) return 0;
  if (right == 0) return std::numeric_limits<double>::infinity();
  return std::abs(answer - right) / std::abs(right);
}

double Truth::RankError(double q, double answer) const {
  const auto [first, last] = std::equal_range(sorted_.begin(), sorted_.end(), answer);
  const auto smaller = static_cast<double>(first - sorted_.begin());
  const auto not_larger = static_cast<double>(last - sorted_.begin());
  const double rank = Rank(q);
  const auto n = static_cast<double>(sorted_.size());
  // Ranks smaller + 1 .. not_larger are its own; one that does not occur stands between two.
  if (rank <= smaller) return (smaller - rank + (first == last ? 0.5 : 1)) / n;
  if (rank > not_larger) return (rank - not_larger - (first == last ? 0.5 : 0)) / n;
  return 0;
}

}  // namespace quipu::sketches
