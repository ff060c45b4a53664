// The outcome of a run: one table, as text, as Markdown and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "usage/engine.h"
#include "usage/process.h"

namespace quipu::usage {

/// A column of the table: an engine and what it reported, or why it did not.
struct EngineColumn {
  std::string key;    ///< "clickhouse"
  std::string title;  ///< "ClickHouse"
  std::optional<EngineReport> report;
  std::string absent;  ///< If there is no report: why, and what to do.
};

struct ColumnEntropy {
  std::string column;
  double bytes = 0;  ///< A value, order 0.
};

struct BenchmarkRun {
  Machine machine;
  std::string date;  ///< "2026-03-01"
  RowFile rows;
  int threads = 0;
  bool restart = false;
  EngineColumn quipu;
  std::vector<EngineColumn> peers;
  std::vector<ColumnEntropy> entropy;  ///< Empty if not computed.
  std::vector<std::string> disagreements;
};

/// For a terminal.
std::string TableText(const BenchmarkRun& run);
/// bench/RESULTS.md.
std::string MarkdownText(const BenchmarkRun& run);
/// {"machine":{},"workload":{},"metrics":[{"name","unit","quipu","peers":{},"ratio_to_best"}], ...}
std::string JsonText(const BenchmarkRun& run);

}  // namespace quipu::usage
