// usagebench: one workload, one run, one table. bench/README.md says how to run it and what the figures mean.
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "usage/benchmark.h"
#include "usage/beside_ingest.h"
#include "usage/growth.h"

namespace {

namespace fs = std::filesystem;
using quipu::usage::BenchmarkOptions;

void AddFlags(CLI::App* app, BenchmarkOptions* o, std::string* peers) {
  auto& w = o->workload;
  app->add_option("--events", w.events, "Different events (0.5 % are sent twice)")
      ->capture_default_str();
  app->add_option("--customers", w.customers, "Customers, log-uniform in size")
      ->capture_default_str();
  app->add_option("--seed", w.seed, "Of the workload")->capture_default_str();
  app->add_flag("--late", o->late, "36 months, 1 % late over all of them");
  app->add_option("--peers", *peers, "duckdb,clickhouse,sqlite,rocksdb; '' = Quipu alone")
      ->capture_default_str();
  app->add_option("--threads", o->threads, "For the peers that can be told")->capture_default_str();
  app->add_option("--runs", o->runs, "Of each question after its warm-up; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  auto* only_ingest = app->add_flag("--ingest-only", o->ingest_only, "No questions");
  app->add_flag("--questions", o->questions_only,
                "Only questions, of what a run with the same flags and --keep left in --dir")
      ->excludes(only_ingest);
  app->add_flag("--restart", o->restart, "Close and open the store half-way through ingest");
  app->add_flag(
      "--check", o->check,
      "Check Quipu's answers against a plain loop, too (always done up to 2,000,000 events)");
  auto* beside = app->add_option("--beside-ingest", o->beside_ingest,
                                 "Instead: questions while so many events a second come in")
                     ->check(CLI::Range(1000.0, 1e8))
                     ->excludes(only_ingest);
  app->add_option("--seconds", o->seconds, "How long, with --beside-ingest")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  app->add_option("--ingest-nice", o->ingest_nice,
                  "How far sending and committing give way to questions, with --beside-ingest")
      ->check(CLI::Range(0, 19))
      ->capture_default_str();
  app->add_option("--growth", o->growth,
                  "Instead: the same questions with histories of these sizes, like "
                  "1000000,10000000,100000000")
      ->delimiter(',')
      ->excludes(only_ingest)
      ->excludes(beside);
  app->add_option("--svg", o->svg_file, "Write the plot of --growth");
  app->add_option("--csv", o->csv_file, "Write the figures of --growth as CSV");
  app->add_option("--label", o->label, "Goes into plot and JSON of --growth, like a commit");
  app->add_option("--dir", o->dir, "Folder for stores and rows")->capture_default_str();
  app->add_flag("--keep", o->keep, "Leave the folder's contents there");
  app->add_option("--peers-dir", o->peers_dir, "Where 'make peers' puts the libraries")
      ->capture_default_str();
  app->add_option("--json", o->json_file, "Write the figures as JSON");
  app->add_option("--markdown", o->markdown_file, "Write the table as Markdown");
}

}  // namespace

int main(int argc, char** argv) {
#ifdef __GLIBC__
  (void)mallopt(M_ARENA_MAX, 16);  // docs/OPERATIONS.md, Memory
  // As a process that answers large questions should: what one answer has used serves the next.
  (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
  (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
#endif
  BenchmarkOptions options;
  options.workload.events = 10'000'000;
  std::string peers = "duckdb,clickhouse,sqlite,rocksdb";
  CLI::App app("The reference workload: Quipu beside what a user would otherwise pick");
  AddFlags(&app, &options, &peers);
  CLI11_PARSE(app, argc, argv);
  options.peers = CLI::detail::split(peers, ',');
  std::erase(options.peers, "");
  if (options.beside_ingest > 0) return quipu::usage::RunBesideIngest(options);
  if (!options.growth.empty()) return quipu::usage::RunGrowth(options);
  return quipu::usage::RunBenchmark(options);
}
