// The three shapes of usage on which the cost of summaries is measured (docs/decisions/0028).
#pragma once

#include <cstdint>

namespace quipu {

struct Shape {
  const char* name;
  std::uint64_t customers;
  bool is_even;  ///< Customers of equal size.
};

inline constexpr Shape kShapes[] = {
    {"reference", 10'000,
     false},                    ///< The workload of usagebench: customers of very different size.
    {"tiny", 1'000'000, true},  ///< As many events of a million customers.
    {"whales", 10, true},       ///< As many events of ten.
};

}  // namespace quipu
