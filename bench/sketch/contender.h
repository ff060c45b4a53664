// The sketches that are compared. Each engine runs in a process of its own and reports numbers by name (usage::EngineReport::metrics):
//
//   NAME|SHAPE|ORDER|Q        the answer for quantile Q of the shape's values, put in in that order
//   NAME|SHAPE|merged|Q       the same, of kParts sketches of consecutive parts, merged; where parts can be merged by hand
//   NAME|SHAPE|bytes          of the sketch as the engine stores it
//   NAME|values_per_second    one thread, durations as drawn: putting in and asking, the engine's reading of them included
//   NAME|merges_per_second    one thread, sketches of kMergedValues durations each
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sketch/shape.h"
#include "usage/engine.h"

namespace quipu::sketches {

inline constexpr double kQuantiles[] = {0.5, 0.9, 0.99, 0.999};
inline constexpr std::size_t kParts = 100;
inline constexpr std::size_t kMergedSketches = 500;
inline constexpr std::size_t kMergedValues = 5000;  // above kQuantileExactMax
inline constexpr int kRuns = 5;                     ///< Of what is timed; the median counts.

struct SketchTask {
  std::vector<Shape> shapes;
  usage::EngineTask engine;  ///< Folder, where the peers are, runs.
};

struct Contender {
  std::string name;     ///< As in the keys above; unique.
  std::string promise;  ///< What it says of itself.
};

struct SketchEngine {
  std::string title;
  std::vector<Contender> contenders;
  std::function<Result<usage::EngineReport>(const SketchTask&)> run;
};

/// Quipu, ClickHouse, DuckDB, and Apache DataSketches if its headers were there when this was built.
std::vector<SketchEngine> Engines();

SketchEngine QuipuSketches();
SketchEngine ClickHouseSketches();
SketchEngine DuckDbSketches();
#ifdef QUIPU_DATASKETCHES
SketchEngine DataSketches();
#endif

/// "tdigest|durations|drawn|0.99"
std::string Key(const std::string& name, const std::string& shape, const std::string& order,
                double quantile);

}  // namespace quipu::sketches
