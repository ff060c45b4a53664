#include "sketch/shape.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "generate/workload.h"

namespace quipu::sketches {

using generate::SplitMix64;

namespace {

constexpr double kLargest = 1e15;  // a mantissa that a double holds exactly

Shape Draw(const std::string& name, const std::string& meaning, int scale, std::size_t values,
           SplitMix64* random, const std::function<double(SplitMix64*)>& draw) {
  Shape shape{.name = name, .meaning = meaning, .scale = scale, .mantissas = {}};
  shape.mantissas.reserve(values);
  const double unit = std::pow(10, scale);
  for (std::size_t i = 0; i < values; ++i) {
    shape.mantissas.push_back(
        static_cast<std::int64_t>(std::min(std::floor(draw(random) * unit), kLargest)));
  }
  return shape;
}

}  // namespace

std::vector<Shape> MakeShapes(std::size_t values, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<Shape> shapes;
  shapes.push_back(Draw("durations", "duration_ms of the reference workload: whole ms, 7 to 2,980",
                        0, values, &random, [](SplitMix64* r) {
                          const double a = r->NextUnit();
                          return std::exp(2 + 6 * a * r->NextUnit());
                        }));
  shapes.push_back(Draw("exponential", "exponential, mean 100, 3 decimals", 3, values, &random,
                        [](SplitMix64* r) { return -100 * std::log(1 - r->NextUnit()); }));
  shapes.push_back(Draw("uniform", "uniform in 0 to 1,000, 3 decimals", 3, values, &random,
                        [](SplitMix64* r) { return 1000 * r->NextUnit(); }));
  shapes.push_back(Draw("outliers", "20, but for 2 % uniform up to 60,000", 0, values, &random,
                        [](SplitMix64* r) {
                          const double other = r->NextUnit();
                          const double far = 60'000 * r->NextUnit();
                          return other < 0.02 ? far : 20;
                        }));
  shapes.push_back(Draw("heavy_tail", "Pareto, smallest 1, exponent 1, 3 decimals", 3, values,
                        &random, [](SplitMix64* r) { return 1 / (1 - r->NextUnit()); }));
  return shapes;
}

std::string Name(Order order) {
  switch (order) {
    case Order::kDrawn:
      return "drawn";
    case Order::kAscending:
      return "ascending";
    case Order::kDescending:
      return "descending";
  }
  return "";
}

std::vector<std::int64_t> InOrder(std::vector<std::int64_t> mantissas, Order order) {
  if (order == Order::kAscending) std::sort(mantissas.begin(), mantissas.end());
  if (order == Order::kDescending) {
    std::sort(mantissas.begin(), mantissas.end(), std::greater<>());
  }
  return mantissas;
}

double ValueOf(std::int64_t mantissa, int scale) {
  return static_cast<double>(mantissa) / std::pow(10, scale);
}

}  // namespace quipu::sketches
