// What is measured: the names in the JSON, in the order of the table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace quipu::usage {

enum class Better : std::uint8_t { kLower, kHigher, kNeither };

struct Metric {
  std::string_view name;
  std::string_view unit;
  Better better = Better::kLower;
  std::string_view meaning;
};

std::span<const Metric> Metrics();

}  // namespace quipu::usage
