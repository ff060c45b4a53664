#include "codec/int_vector.h"

#include "base/check.h"

namespace quipu {

IntVector::IntVector(std::span<const std::int64_t> v) : values(v) {
  QUIPU_CHECK(!v.empty() && v.size() <= kVectorValuesMax);
  min = max = v[0];
  low = static_cast<std::uint64_t>(v[0]);
  if (v.size() == 1) return;
  IntStatistics statistics;
  Kernels().measure(v.data(), v.size(), &statistics);
  min = statistics.min;
  max = statistics.max;
  low = statistics.low;
  delta_min = statistics.delta_min;
  delta_max = statistics.delta_max;
  delta_low = statistics.delta_low;
  runs += statistics.changes;
}

std::span<const std::uint64_t> IntVector::Differences() {
  const std::size_t n = values.size() - 1;
  if (!has_differences_) Kernels().differences(AsUnsigned(values).data(), n, differences_.data());
  has_differences_ = true;
  return {differences_.data(), n};
}

}  // namespace quipu
