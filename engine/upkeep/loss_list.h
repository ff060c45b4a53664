// LossList: what a repair could not save, counted by place, month and customer.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "base/calendar.h"
#include "quipu/repair.h"

namespace quipu {

class LossList {
 public:
  /// `rows`: nothing = not known. Lines that differ in their number only become one.
  void Add(const std::string& place, const std::string& month, const std::string& customer,
           std::optional<std::uint64_t> rows, const std::string& why);
  /// Of the lines whose number is known.
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  /// Lines whose number is not known.
  [[nodiscard]] std::size_t unknown() const { return unknown_; }
  /// If there is one such line: it is `rows`.
  void SetUnknown(std::uint64_t rows);
  /// In order, at most RepairReport::kLossesMax.
  [[nodiscard]] std::vector<RepairLoss> Take() &&;

 private:
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  std::map<Key, std::optional<std::uint64_t>> lines_;
  std::uint64_t rows_ = 0;
  std::size_t unknown_ = 0;
};

}  // namespace quipu
