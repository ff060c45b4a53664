// The values whose quantiles are compared: decimals of one scale, drawn from five shapes, the same for the same seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quipu::sketches {

struct Shape {
  std::string name, meaning;
  int scale = 0;  ///< A value is mantissa x 10^-scale.
  std::vector<std::int64_t> mantissas;
};

/// durations (of the reference workload), exponential, uniform, outliers, heavy_tail.
std::vector<Shape> MakeShapes(std::size_t values, std::uint64_t seed);

/// In which the values are put into a sketch. What depends on it gives different answers for the same values.
enum class Order : std::uint8_t { kDrawn, kAscending, kDescending };
inline constexpr Order kOrders[] = {Order::kDrawn, Order::kAscending, Order::kDescending};
std::string Name(Order order);
std::vector<std::int64_t> InOrder(std::vector<std::int64_t> mantissas, Order order);

/// As the peers take it, the nearest double.
double ValueOf(std::int64_t mantissa, int scale);

}  // namespace quipu::sketches
