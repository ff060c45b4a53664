// sketchbench: Quipu's quantiles beside those of its peers: how accurate, how large, how fast, and whether the order of the values shows.
// docs/QUANTILES.md has its table; bench/README.md says how to make it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "sketch/contender.h"
#include "sketch/truth.h"
#include "usage/child.h"
#include "usage/process.h"
#include "usage/text_file.h"

namespace quipu::sketches {

std::vector<SketchEngine> Engines() {
  std::vector<SketchEngine> engines = {QuipuSketches(), ClickHouseSketches(), DuckDbSketches()};
#ifdef QUIPU_DATASKETCHES
  engines.push_back(DataSketches());
#endif
  return engines;
}

std::string Key(const std::string& name, const std::string& shape, const std::string& order,
                double quantile) {
  return fmt::format("{}|{}|{}|{:g}", name, shape, order, quantile);
}

namespace {

struct Flags {
  std::size_t values = 1'000'000;
  std::uint64_t seed = 1;
  std::string dir = "build/bench/sketchbench", peers_dir = "build/peers", markdown_file;
};

using Figures = std::map<std::string, double>;

std::vector<std::string> OrderNames() {
  std::vector<std::string> names;
  for (const Order order : kOrders) names.push_back(Name(order));
  names.emplace_back("merged");
  return names;
}

/// What one sketch did with one shape, over all orders in which it was asked.
struct Errors {
  double relative_worst[std::size(kQuantiles)] = {};
  double relative_sum[std::size(kQuantiles)] = {};
  int answers[std::size(kQuantiles)] = {};
  double rank_worst = 0;
  bool same_in_any_order = true;

  void Add(const Errors& more) {
    for (std::size_t q = 0; q < std::size(kQuantiles); ++q) {
      relative_worst[q] = std::max(relative_worst[q], more.relative_worst[q]);
      relative_sum[q] += more.relative_sum[q];
      answers[q] += more.answers[q];
    }
    rank_worst = std::max(rank_worst, more.rank_worst);
    same_in_any_order = same_in_any_order && more.same_in_any_order;
  }
};

Errors ErrorsOf(const Figures& figures, const std::string& name, const Shape& shape,
                const Truth& truth) {
  Errors errors;
  for (std::size_t q = 0; q < std::size(kQuantiles); ++q) {
    std::set<double> given;
    for (const std::string& order : OrderNames()) {
      const auto it = figures.find(Key(name, shape.name, order, kQuantiles[q]));
      if (it == figures.end()) continue;
      given.insert(it->second);
      const double relative = truth.RelativeError(kQuantiles[q], it->second);
      errors.relative_worst[q] = std::max(errors.relative_worst[q], relative);
      errors.relative_sum[q] += relative;
      ++errors.answers[q];
      errors.rank_worst = std::max(errors.rank_worst, truth.RankError(kQuantiles[q], it->second));
    }
    errors.same_in_any_order = errors.same_in_any_order && given.size() == 1;
  }
  return errors;
}

std::string Percent(double part) {
  if (part == 0) return "0";
  return part < 0.1 ? fmt::format("{:.2g} %", part * 100) : fmt::format("{:.0f} %", part * 100);
}

/// 5860000 -> "5.9 M"
std::string Rate(const Figures& figures, const std::string& key) {
  const auto it = figures.find(key);
  if (it == figures.end()) return "-";
  if (it->second >= 1e6) return fmt::format("{:.0f} M", it->second / 1e6);
  if (it->second >= 1e4) return fmt::format("{:.0f} k", it->second / 1e3);
  return fmt::format("{:.2g} k", it->second / 1e3);
}

std::string Bytes(const Figures& figures, const std::string& name,
                  const std::vector<Shape>& shapes) {
  double least = 1e300, most = 0;
  for (const Shape& shape : shapes) {
    const auto it = figures.find(name + "|" + shape.name + "|bytes");
    if (it == figures.end()) return "-";
    least = std::min(least, it->second);
    most = std::max(most, it->second);
  }
  return fmt::format("{:.0f} to {:.0f}", least, most);
}

/// The two tables of docs/QUANTILES.md.
class Tables {
 public:
  Tables(const Flags& flags, const std::vector<Shape>& shapes) : shapes_(shapes) {
    all_ = fmt::format(
        "{} values of each shape, seed {}. Relative error: worst and mean over {} shapes and all "
        "orders. Speeds: one thread, `durations`.\n\n"
        "| engine | sketch | says of itself | p50 worst, mean | p90 | p99 | p99.9 | rank, worst | "
        "bytes | values/s | merges/s | same in any order |\n"
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
        flags.values, flags.seed, shapes.size());
    by_shape_ = "| engine | sketch |";
    std::string rule = "|---|---|";
    for (const Shape& shape : shapes) {
      by_shape_ += fmt::format(" {} |", shape.name);
      rule += "--:|";
      std::vector<double> values;
      for (const std::int64_t m : shape.mantissas) values.push_back(ValueOf(m, shape.scale));
      truths_.emplace_back(std::move(values));
    }
    by_shape_ += "\n" + rule + "\n";
  }

  void Add(const SketchEngine& engine, const Contender& contender, const Figures& figures) {
    const std::string& name = contender.name;
    Errors all;
    by_shape_ += fmt::format("| {} | {} |", engine.title, name);
    for (std::size_t s = 0; s < shapes_.size(); ++s) {
      const Errors errors = ErrorsOf(figures, name, shapes_[s], truths_[s]);
      all.Add(errors);
      by_shape_ += fmt::format(" {}, {} |", Percent(errors.relative_worst[2]),
                               Percent(errors.relative_worst[3]));
    }
    by_shape_ += "\n";
    all_ += fmt::format("| {} | {} | {} |", engine.title, name, contender.promise);
    for (std::size_t q = 0; q < std::size(kQuantiles); ++q) {
      all_ += fmt::format(" {}, {} |", Percent(all.relative_worst[q]),
                          Percent(all.relative_sum[q] / all.answers[q]));
    }
    all_ += fmt::format(" {} | {} | {} | {} | {} |\n", Percent(all.rank_worst),
                        Bytes(figures, name, shapes_), Rate(figures, name + "|values_per_second"),
                        Rate(figures, name + "|merges_per_second"),
                        all.same_in_any_order ? "yes" : "no");
  }

  void AddAbsent(const SketchEngine& engine, const Status& why) {
    for (std::string* table : {&all_, &by_shape_}) {
      *table += fmt::format("| {} | {} |\n", engine.title, why.message());
    }
  }

  [[nodiscard]] std::string Markdown() const {
    std::string shapes;
    for (const Shape& shape : shapes_)
      shapes += fmt::format("- `{}`: {}\n", shape.name, shape.meaning);
    return all_ + "\nWorst relative error of p99 and of p99.9, by shape:\n\n" + by_shape_ + "\n" +
           shapes;
  }

 private:
  const std::vector<Shape>& shapes_;
  std::vector<Truth> truths_;
  std::string all_, by_shape_;
};

int Run(const Flags& flags) {
  SketchTask task;
  task.shapes = MakeShapes(flags.values, flags.seed);
  task.engine.peers_dir = flags.peers_dir;
  task.engine.threads = 1;
  Tables tables(flags, task.shapes);
  bool failed = false;
  for (const SketchEngine& engine : Engines()) {
    task.engine.dir = flags.dir + "/" + engine.title;
    std::error_code bad;
    std::filesystem::remove_all(task.engine.dir, bad);
    std::filesystem::create_directories(task.engine.dir, bad);
    std::fprintf(stderr, "sketchbench: %s\n", engine.title.c_str());
    const auto report = usage::RunInChild(
        engine.title, [&](const usage::EngineTask&) { return engine.run(task); }, task.engine);
    if (report) {
      for (const Contender& c : engine.contenders) tables.Add(engine, c, report->metrics);
    } else {
      std::fprintf(stderr, "sketchbench: %s: %s\n", engine.title.c_str(),
                   report.error().ToString().c_str());
      tables.AddAbsent(engine, report.error());
      // One that is not installed leaves a gap; one that fails is a failure.
      failed = failed || report.error().code() != StatusCode::kNotFound;
    }
  }
  std::error_code bad;
  std::filesystem::remove_all(flags.dir, bad);
  const std::string markdown = tables.Markdown();
  std::fputs(markdown.c_str(), stdout);
  failed = failed || !usage::WriteText(flags.markdown_file, markdown).ok();
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace quipu::sketches

int main(int argc, char** argv) {
  quipu::sketches::Flags flags;
  CLI::App app("Quantile sketches: accuracy, size, speed, and whether the order of values shows");
  app.add_option("--values", flags.values, "Of each shape")
      ->check(CLI::Range(std::size_t{10'000}, std::size_t{100'000'000}))
      ->capture_default_str();
  app.add_option("--seed", flags.seed)->capture_default_str();
  app.add_option("--dir", flags.dir, "Folder for the peers' data; emptied")->capture_default_str();
  app.add_option("--peers-dir", flags.peers_dir, "Where 'make peers' puts the libraries")
      ->capture_default_str();
  app.add_option("--markdown", flags.markdown_file, "Write the tables to this file, too");
  CLI11_PARSE(app, argc, argv);
  return quipu::sketches::Run(flags);
}
