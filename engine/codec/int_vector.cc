#include "codec/int_vector.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {

IntVector::IntVector(std::span<const std::int64_t> v) : values(v) {
  QUIPU_CHECK(!v.empty() && v.size() <= kVectorValuesMax);
  const std::int64_t* p = v.data();
  const std::size_t n = v.size();
  std::int64_t low = p[0], high = p[0];
  if (n > 1) {
    std::int64_t delta_low = std::numeric_limits<std::int64_t>::max();
    std::int64_t delta_high = std::numeric_limits<std::int64_t>::min();
    std::size_t changes = 0;
    for (std::size_t i = 1; i < n; ++i) {
      const auto delta = static_cast<std::int64_t>(Difference(p[i], p[i - 1]));
      low = std::min(low, p[i]);
      high = std::max(high, p[i]);
      delta_low = std::min(delta_low, delta);
      delta_high = std::max(delta_high, delta);
      changes += delta != 0;
    }
    delta_min = delta_low;
    delta_max = delta_high;
    runs += changes;
  }
  min = low;
  max = high;
}

}  // namespace quipu
