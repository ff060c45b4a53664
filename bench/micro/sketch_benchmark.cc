// Adding runs of values, of 150 (a customer's in a hot batch) and of 3,000 (in a young segment), to a quantile sketch that is a histogram already: values, their
// codes (sketch/value_codes.h), and what making codes costs. items_per_second is values per second.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "base/clock.h"
#include "sketch/value_codes.h"

namespace quipu {
namespace {

constexpr int kScale = 3;
constexpr std::size_t kRuns = 64;

/// Durations: log-normal, in thousandths.
std::vector<std::int64_t> Durations(std::size_t n) {
  Random random(42);
  std::vector<std::int64_t> values(n);
  for (std::int64_t& v : values) {
    double normal = -6;
    for (int i = 0; i < 12; ++i) normal += static_cast<double>(random.Below(1'000'000)) / 1e6;
    v = static_cast<std::int64_t>(20'000 * std::exp(normal));
  }
  return values;
}

DecimalSpan SpanOf(std::span<const std::int64_t> values) {
  return {kScale, nullptr, values.data(), nullptr, values.size()};
}

template <class Add>
void AddRuns(benchmark::State& state, const std::vector<std::int64_t>& values, Add add) {
  QuantileSketch sketch;
  sketch.AddMany(values, kScale);
  const std::size_t run = values.size() / kRuns;
  for (auto _ : state) {
    for (std::size_t r = 0; r < kRuns; ++r) add(r * run, run, &sketch);
    benchmark::DoNotOptimize(sketch);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRuns * run));
}

void BM_AddValues(benchmark::State& state) {
  const auto values = Durations(kRuns * static_cast<std::size_t>(state.range(0)));
  AddRuns(state, values, [&](std::size_t first, std::size_t n, QuantileSketch* sketch) {
    sketch->AddMany(std::span(values).subspan(first, n), kScale);
  });
}
BENCHMARK(BM_AddValues)->Arg(150)->Arg(3000);

void BM_AddCodes(benchmark::State& state) {
  const auto run = static_cast<std::size_t>(state.range(0));
  const auto values = Durations(kRuns * run);
  std::vector<QuantileSketch::Code> codes(values.size());
  CodeValues(SpanOf(values), codes.data());
  std::vector<QuantileSketch::Bounds> bounds;
  std::vector<std::int64_t> room;
  for (std::size_t r = 0; r < kRuns; ++r)
    bounds.push_back(BoundsOf(SpanOf(std::span(values).subspan(r * run, run)), &room));
  AddRuns(state, values, [&](std::size_t first, std::size_t n, QuantileSketch* sketch) {
    sketch->AddCodes(bounds[first / run], std::span(codes).subspan(first, n));
  });
}
BENCHMARK(BM_AddCodes)->Arg(150)->Arg(3000);

void BM_MakeCodes(benchmark::State& state) {
  const auto values = Durations(kRuns * static_cast<std::size_t>(state.range(0)));
  std::vector<QuantileSketch::Code> codes(values.size());
  std::vector<std::int64_t> room;
  AddRuns(state, values, [&](std::size_t first, std::size_t n, QuantileSketch*) {
    const DecimalSpan run = SpanOf(std::span(values).subspan(first, n));
    CodeValues(run, codes.data() + first);
    benchmark::DoNotOptimize(BoundsOf(run, &room));
  });
}
BENCHMARK(BM_MakeCodes)->Arg(150)->Arg(3000);

}  // namespace
}  // namespace quipu
