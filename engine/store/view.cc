#include "store/view.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {

RowRef View::FindHotRow(std::uint64_t number) const {
  const auto after =
      std::upper_bound(hot.begin(), hot.end(), number,
                       [](std::uint64_t n, const HotBatchPtr& b) { return n < b->first_row; });
  QUIPU_CHECK(after != hot.begin());
  const HotBatch& batch = **(after - 1);
  QUIPU_CHECK(number - batch.first_row < batch.rows.size());
  return {static_cast<std::uint32_t>(after - hot.begin() - 1),
          static_cast<std::uint32_t>(number - batch.first_row)};
}

}  // namespace quipu
