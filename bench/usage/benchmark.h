// A run from flags to exit status: rows, engines one after another, comparison, tables.
#pragma once

#include <string>
#include <vector>

#include "generate/workload.h"

namespace quipu::usage {

struct BenchmarkOptions {
  generate::WorkloadOptions workload;
  std::vector<std::string> peers;  ///< Keys.
  int threads = 2;
  int runs = 5;
  bool late = false;
  bool ingest_only = false;
  bool questions_only = false;
  bool restart = false;
  bool check = false;
  bool keep = false;
  std::string dir = "build/bench/usagebench";
  std::string peers_dir = "build/peers";
  std::string json_file, markdown_file;
  double beside_ingest = 0;  ///< Events a second; 0 = another mode (beside_ingest.h).
  double seconds = 20;       ///< How long.
  /// How far who sends and who commits give way meanwhile (Options::ingest_nice).
  std::uint32_t ingest_nice = 19;
  std::vector<std::uint64_t> growth;  ///< Sizes; empty = another mode (growth.h).
  std::string svg_file, csv_file;     ///< Of growth.
  std::string label;                  ///< Of growth: what the figures are of, like a commit.
};

/// Removes what a run has left in options.dir, unless it is to be kept, says what went wrong, and gives the exit status: 0, 1 = a failure, 2 = wrong flags.
int EndRun(const BenchmarkOptions& options, const Status& status);

/// Exit status: 0 = done and all answers agree, 1 = a failure or a disagreement, 2 = wrong flags.
int RunBenchmark(const BenchmarkOptions& options);

}  // namespace quipu::usage
