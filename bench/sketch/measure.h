// A kind of sketch inside this process, measured in all the ways that contender.h lists.
#pragma once

#include "cli/try.h"
#include "sketch/contender.h"
#include "usage/stopwatch.h"

namespace quipu::sketches {

/// The i-th of `parts` parts of nearly equal length.
inline std::vector<std::int64_t> PartOf(const std::vector<std::int64_t>& values, std::size_t i,
                                        std::size_t parts) {
  const auto at = [&](std::size_t part) {
    return values.begin() + static_cast<std::ptrdiff_t>(values.size() * part / parts);
  };
  return {at(i), at(i + 1)};
}

/// `make(scale)` makes an empty sketch, which has Add(const std::vector<std::int64_t>& mantissas), Merge(const Sketch&), Ask(q) -> double and
/// Bytes().
template <class Make>
Status MeasureInProcess(const SketchTask& task, const std::string& name, const Make& make,
                        usage::EngineReport* report) {
  auto& metrics = report->metrics;
  for (const Shape& shape : task.shapes) {
    const auto note = [&](const auto& sketch, const std::string& order) {
      for (const double q : kQuantiles) metrics[Key(name, shape.name, order, q)] = sketch.Ask(q);
    };
    for (const Order order : kOrders) {
      auto sketch = make(shape.scale);
      sketch.Add(InOrder(shape.mantissas, order));
      note(sketch, Name(order));
      if (order == Order::kDrawn) {
        metrics[name + "|" + shape.name + "|bytes"] = static_cast<double>(sketch.Bytes());
      }
    }
    auto merged = make(shape.scale);
    for (std::size_t part = 0; part < kParts; ++part) {
      auto sketch = make(shape.scale);
      sketch.Add(PartOf(shape.mantissas, part, kParts));
      merged.Merge(sketch);
    }
    note(merged, "merged");
  }
  const Shape& durations = task.shapes.front();
  double answers = 0;  // what is asked must not be thought away
  SERVER_TRY_ASSIGN(const double put_ms, usage::MedianMs(kRuns, [&]() -> Status {
                      auto sketch = make(durations.scale);
                      sketch.Add(durations.mantissas);
                      answers += sketch.Ask(0.99);
                      return {};
                    }));
  metrics[name + "|values_per_second"] =
      static_cast<double>(durations.mantissas.size()) * 1e3 / put_ms;
  std::vector<decltype(make(0))> sketches;
  for (std::size_t i = 0; i < kMergedSketches; ++i) {
    sketches.push_back(make(durations.scale));
    const std::size_t parts = durations.mantissas.size() / kMergedValues;
    sketches.back().Add(PartOf(durations.mantissas, i % parts, parts));
  }
  SERVER_TRY_ASSIGN(const double merge_ms, usage::MedianMs(kRuns, [&]() -> Status {
                      auto all = make(durations.scale);
                      for (const auto& sketch : sketches) all.Merge(sketch);
                      answers += all.Ask(0.99);
                      return {};
                    }));
  metrics[name + "|merges_per_second"] = static_cast<double>(kMergedSketches) * 1e3 / merge_ms;
  return answers > 0 ? Status() : Status::Internal(name + " answered 0");
}

}  // namespace quipu::sketches
