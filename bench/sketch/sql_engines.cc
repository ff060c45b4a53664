// The sketches of ClickHouse and DuckDB, asked in SQL with one thread.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/try.h"
#include "sketch/contender.h"
#include "usage/peers/peer.h"

namespace quipu::sketches {
namespace {

using usage::EngineReport;
using usage::SqlEngine;

/// A call with {0} where ClickHouse's combinators go and {1} for the column: "quantilesTDigest{0}(0.5, 0.9)({1})".
struct SqlSketch {
  Contender contender;
  std::string call;
};

std::string TableName(const Shape& shape, Order order) { return shape.name + "_" + Name(order); }

std::string Filled(const std::string& call, const std::string& combinator,
                   const std::string& column = "x") {
  return fmt::format(fmt::runtime(call), combinator, column);
}

/// The four quantiles of one row.
Status NoteQuantiles(SqlEngine* engine, const std::string& sql, const std::string& name,
                     const std::string& shape, const std::string& order, EngineReport* report) {
  SERVER_TRY(engine->Execute("select q[1], q[2], q[3], q[4] from (" + sql + ") as answer"));
  const usage::Answer answer = engine->LastResult();
  if (answer.rows.size() != 1) return Status::Internal("one row was expected of " + sql);
  for (std::size_t i = 0; i < std::size(kQuantiles); ++i) {
    report->metrics[Key(name, shape, order, kQuantiles[i])] =
        std::strtod(answer.rows[0][i].c_str(), nullptr);
  }
  return {};
}

Status NoteNumber(SqlEngine* engine, const std::string& sql, const std::string& key,
                  EngineReport* report) {
  SERVER_TRY(engine->Execute(sql));
  report->metrics[key] = std::strtod(engine->LastResult().rows.at(0).at(0).c_str(), nullptr);
  return {};
}

/// Every order of every shape, and how fast it goes.
Status MeasureAsking(const SketchTask& task, SqlEngine* engine, const SqlSketch& sketch,
                     EngineReport* report) {
  const std::string call = Filled(sketch.call, "");
  const std::string& name = sketch.contender.name;
  for (const Shape& shape : task.shapes) {
    for (const Order order : kOrders) {
      SERVER_TRY(NoteQuantiles(engine, "select " + call + " as q from " + TableName(shape, order),
                               name, shape.name, Name(order), report));
    }
  }
  const Shape& durations = task.shapes.front();
  const std::string sql = "select " + call + " as q from " + TableName(durations, Order::kDrawn);
  SERVER_TRY_ASSIGN(const double ms, usage::MedianMs(kRuns, [&] { return engine->Execute(sql); }));
  report->metrics[name + "|values_per_second"] =
      static_cast<double>(durations.mantissas.size()) * 1e3 / ms;
  return {};
}

// ---- ClickHouse ----

const std::vector<SqlSketch>& ClickHouseFunctions() {
  static const std::vector<SqlSketch> kFunctions = {
      {{"quantileTDigest", "none; best at the ends"},
       "quantilesTDigest{0}(0.5, 0.9, 0.99, 0.999)({1})"},
      {{"quantileDD 0.004", "value within 0.4 %"},
       "quantilesDD{0}(0.004, 0.5, 0.9, 0.99, 0.999)({1})"},
      {{"quantileGK 1,000", "rank within 0.1 %"},
       "quantilesGK{0}(1000, 0.5, 0.9, 0.99, 0.999)({1})"},
      {{"quantileBFloat16", "8 significant bits of the value"},
       "quantilesBFloat16{0}(0.5, 0.9, 0.99, 0.999)({1})"},
      {{"quantile", "none; a sample of 8,192"}, "quantiles{0}(0.5, 0.9, 0.99, 0.999)({1})"}};
  return kFunctions;
}

Status LoadIntoClickHouse(const SketchTask& task, SqlEngine* engine) {
  const std::string path = std::filesystem::absolute(task.engine.dir + "/values").string();
  for (const Shape& shape : task.shapes) {
    for (const Order order : kOrders) {
      std::ofstream out(path, std::ios::binary | std::ios::trunc);
      for (const std::int64_t m : InOrder(shape.mantissas, order)) {
        const double x = ValueOf(m, shape.scale);
        out.write(reinterpret_cast<const char*>(&x), sizeof x);
      }
      out.close();
      if (!out) return Status::IoError("cannot be written: " + path);
      const std::string table = TableName(shape, order);
      SERVER_TRY(engine->Execute("create table " + table + " (x Float64) engine = Memory"));
      SERVER_TRY(engine->Execute("insert into " + table + " select x from file('" + path +
                                 "', 'RowBinary', 'x Float64')"));
    }
  }
  return {};
}

/// States of consecutive values, so many in each.
std::string States(const SqlSketch& sketch, const std::string& table, std::size_t values_of_each) {
  return fmt::format(
      "select {} as s from (select x, intDiv(rowNumberInAllBlocks(), {}) as part from {}) "
      "group by part",
      Filled(sketch.call, "State"), values_of_each, table);
}

Status MeasureStates(const SketchTask& task, SqlEngine* engine, const SqlSketch& sketch,
                     EngineReport* report) {
  const std::string merge = Filled(sketch.call, "Merge", "s");
  const std::string& name = sketch.contender.name;
  for (const Shape& shape : task.shapes) {
    const std::string table = TableName(shape, Order::kDrawn);
    const std::size_t values_of_each = shape.mantissas.size() / kParts;
    SERVER_TRY(NoteQuantiles(
        engine, "select " + merge + " as q from (" + States(sketch, table, values_of_each) + ")",
        name, shape.name, "merged", report));
    SERVER_TRY(NoteNumber(
        engine, "select length(cast(" + Filled(sketch.call, "State") + ", 'String')) from " + table,
        name + "|" + shape.name + "|bytes", report));
  }
  const std::string states =
      States(sketch, TableName(task.shapes.front(), Order::kDrawn), kMergedValues);
  SERVER_TRY(engine->Execute("create or replace table states engine = Memory as " + states));
  const std::size_t at_once = task.shapes.front().mantissas.size() / kMergedValues;
  std::size_t rows = at_once;
  for (; rows < kMergedSketches; rows += at_once) {
    SERVER_TRY(engine->Execute("insert into states " + states));
  }
  SERVER_TRY_ASSIGN(const double ms, usage::MedianMs(kRuns, [&] {
                      return engine->Execute("select " + merge + " from states");
                    }));
  report->metrics[name + "|merges_per_second"] = static_cast<double>(rows) * 1e3 / ms;
  return {};
}

Result<EngineReport> MeasureClickHouse(const SketchTask& task) {
  SERVER_TRY_ASSIGN(const auto engine, usage::LoadClickHouse(task.engine));
  SERVER_TRY(engine->Open());
  SERVER_TRY(LoadIntoClickHouse(task, engine.get()));
  EngineReport report;
  for (const SqlSketch& sketch : ClickHouseFunctions()) {
    SERVER_TRY(MeasureAsking(task, engine.get(), sketch, &report));
    SERVER_TRY(MeasureStates(task, engine.get(), sketch, &report));
  }
  return report;
}

// ---- DuckDB ----

const std::vector<SqlSketch>& DuckDbFunctions() {
  static const std::vector<SqlSketch> kFunctions = {
      {{"approx_quantile (t-digest)", "none; best at the ends"},
       "approx_quantile{0}({1}, [0.5, 0.9, 0.99, 0.999])"}};
  return kFunctions;
}

Status LoadIntoDuckDb(const SketchTask& task, SqlEngine* engine) {
  const std::string path = task.engine.dir + "/values.csv";
  for (const Shape& shape : task.shapes) {
    for (const Order order : kOrders) {
      std::ofstream out(path, std::ios::trunc);
      for (const std::int64_t m : InOrder(shape.mantissas, order)) {
        out << fmt::format("{:.17g}\n", ValueOf(m, shape.scale));
      }
      out.close();
      if (!out) return Status::IoError("cannot be written: " + path);
      SERVER_TRY(engine->Execute("create table " + TableName(shape, order) +
                                 " as select x from read_csv('" + path +
                                 "', header = false, columns = {'x': 'DOUBLE'})"));
    }
  }
  return {};
}

Result<EngineReport> MeasureDuckDb(const SketchTask& task) {
  SERVER_TRY_ASSIGN(const auto engine, usage::LoadDuckDb(task.engine));
  SERVER_TRY(engine->Open());
  SERVER_TRY(LoadIntoDuckDb(task, engine.get()));
  EngineReport report;
  for (const SqlSketch& sketch : DuckDbFunctions()) {
    SERVER_TRY(MeasureAsking(task, engine.get(), sketch, &report));
  }
  return report;
}

std::vector<Contender> ContendersOf(const std::vector<SqlSketch>& sketches) {
  std::vector<Contender> contenders;
  for (const SqlSketch& sketch : sketches) contenders.push_back(sketch.contender);
  return contenders;
}

}  // namespace

SketchEngine ClickHouseSketches() {
  return {"ClickHouse", ContendersOf(ClickHouseFunctions()), MeasureClickHouse};
}

SketchEngine DuckDbSketches() { return {"DuckDB", ContendersOf(DuckDbFunctions()), MeasureDuckDb}; }

}  // namespace quipu::sketches
