#include "upkeep/loss_list.h"

#include "base/check.h"

namespace quipu {

void LossList::Add(const std::string& place, const std::string& month, const std::string& customer,
                   std::optional<std::uint64_t> rows, const std::string& why) {
  const auto [line, is_new] = lines_.try_emplace({place, month, customer, why}, rows);
  if (!rows) {
    unknown_ += is_new ? 1 : 0;
    return;
  }
  rows_ += *rows;
  if (!is_new) line->second = line->second.value_or(0) + *rows;
}

void LossList::SetUnknown(std::uint64_t rows) {
  QUIPU_CHECK(unknown_ == 1);
  for (auto& [key, known] : lines_) {
    if (!known) known = rows;
  }
  unknown_ = 0;
  rows_ += rows;
}

std::vector<RepairLoss> LossList::Take() && {
  std::vector<RepairLoss> losses;
  for (const auto& [key, rows] : lines_) {
    const auto& [place, month, customer, why] = key;
    if (losses.size() < RepairReport::kLossesMax) {
      losses.push_back({place, month, customer, rows, why});
      continue;
    }
    RepairLoss& last = losses.back();
    if (!last.place.empty()) last = {"", "", "", last.rows, "further losses, added up"};
    last.rows = last.rows.value_or(0) + rows.value_or(0);
  }
  return losses;
}

}  // namespace quipu
