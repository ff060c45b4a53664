// The exact answer, and how far another one is from it.
#pragma once

#include <span>
#include <vector>

namespace quipu::sketches {

class Truth {
 public:
  explicit Truth(std::vector<double> values);
  /// Nearest rank: the ceil(q n)-th smallest.
  [[nodiscard]] double Quantile(double q) const;
  /// |answer - Quantile(q)| / |Quantile(q)|; where that is 0: 0 or infinity.
  [[nodiscard]] double RelativeError(double q, double answer) const;
  /// How far the ranks that `answer` has or would have among the values are from q, in parts of their number. A value that occurs often has many
  /// ranks; one of them being right is enough.
  [[nodiscard]] double RankError(double q, double answer) const;

 private:
  [[nodiscard]] double Rank(double q) const;
  std::vector<double> sorted_;
};

}  // namespace quipu::sketches
