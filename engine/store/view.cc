#include "store/view.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace quipu {
namespace {

std::size_t PlaceOf(const Hash128& key, std::size_t places) {
  const std::uint64_t h = (key.high ^ (key.low * 0x9E3779B97F4A7C15u)) * 0xD6E8FEB86659FD93u;
  return static_cast<std::size_t>((h ^ (h >> 32)) & (places - 1));
}

std::vector<std::uint32_t> TableOf(const std::vector<Hash128>& keys) {
  std::vector<std::uint32_t> table(std::bit_ceil(2 * keys.size()), 0);
  for (std::uint32_t row = 0; row < keys.size(); ++row) {
    std::size_t at = PlaceOf(keys[row], table.size());
    while (table[at] != 0) at = (at + 1) & (table.size() - 1);
    table[at] = row + 1;
  }
  return table;
}

}  // namespace

std::vector<std::uint32_t> HotBatch::RowsWithKey(const Hash128& key) const {
  const auto loaded = rows_by_key.Get(
      [this]() -> Result<std::vector<std::uint32_t>> { return TableOf(rows.identities); });
  const std::vector<std::uint32_t>& table = **loaded;
  std::vector<std::uint32_t> found;
  for (std::size_t at = PlaceOf(key, table.size()); table[at] != 0;
       at = (at + 1) & (table.size() - 1)) {
    if (rows.identities[table[at] - 1] == key) found.push_back(table[at] - 1);
  }
  return found;
}

const HotIndex* HotBatch::TryIndex() const {
  return made_index.TryEnsure([this] { return std::make_unique<HotIndex>(rows); });
}

void HotBatch::PrepareIndex(const HotIndex& like) const {
  (void)made_index.TryEnsure([&] {
    auto made = std::make_unique<HotIndex>(rows);
    made->PrepareLike(like);
    return made;
  });
}

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
