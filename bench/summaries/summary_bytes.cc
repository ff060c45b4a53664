// summary_bytes [EVENTS] [SHAPE]: what summaries cost in bytes, at several thresholds, on three shapes of usage (shape.h), without a store: rows go straight to the builders of
// a segment's cells, a segment a month. The tables of bytes in docs/decisions/0028 come from it; summary_prices measures the time of questions, too.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/check.h"
#include "generate/workload.h"
#include "segment/dimension_cell_builder.h"
#include "segment/summary.h"
#include "summaries/shape.h"

namespace quipu {
namespace {

using generate::WorkloadRow;

enum Dimension : ColumnId { kEndpoint, kMethod, kStatus, kRegion };
constexpr ColumnId kDuration = 2, kTokens = 3;
constexpr std::size_t kBatchRows = 65'536;

class NumberedNames final : public Names {
 public:
  std::string_view Customer(CustomerOrdinal ordinal) const override {
    text_ = "cus_" + std::to_string(ordinal);
    return text_;
  }
  std::string_view Service(ServiceOrdinal) const override { return "service"; }
  std::string_view Dimension(ColumnId) const override { return "dimension"; }
  std::string_view Measure(ColumnId) const override { return "measure"; }

 private:
  mutable std::string text_;
};

/// Rows of one month in segment order, in batches.
using Month = std::vector<RowBatch>;

template <class Name>
CodedColumn Coded(ColumnId id, std::span<const WorkloadRow> rows, std::uint8_t WorkloadRow::*field,
                  const Name& name) {
  CodedColumn column;
  column.id = id;
  std::map<std::uint8_t, std::uint32_t> codes;
  for (const WorkloadRow& row : rows) {
    const auto [code, is_new] =
        codes.emplace(row.*field, static_cast<std::uint32_t>(codes.size() + 1));
    if (is_new) column.dictionary.Add(name(row.*field));
    column.codes.push_back(code->second);
  }
  return column;
}

template <class Value>
DecimalColumn Numbers(ColumnId id, int scale, std::span<const WorkloadRow> rows,
                      const Value& value) {
  DecimalColumn column;
  column.id = id;
  column.scale = scale;
  for (const WorkloadRow& row : rows)
    column.narrow.push_back(static_cast<std::int64_t>(value(row)));
  return column;
}

RowBatch BatchOf(std::span<const WorkloadRow> rows) {
  RowBatch batch;
  for (const WorkloadRow& row : rows) {
    batch.customers.push_back(row.customer);
    batch.services.push_back(row.service);
    batch.times.push_back(row.time);
  }
  batch.measures.push_back(
      Numbers(kQuantityColumn, 6, rows, [](const WorkloadRow& r) { return r.quantity_micro; }));
  batch.measures.push_back(
      Numbers(kCostColumn, 9, rows, [](const WorkloadRow& r) { return r.cost_nano(); }));
  batch.measures.push_back(
      Numbers(kDuration, 0, rows, [](const WorkloadRow& r) { return r.duration_ms; }));
  batch.measures.push_back(
      Numbers(kTokens, 0, rows, [](const WorkloadRow& r) { return r.tokens; }));
  batch.dimensions.push_back(
      Coded(kEndpoint, rows, &WorkloadRow::endpoint, generate::EndpointName));
  batch.dimensions.push_back(Coded(kMethod, rows, &WorkloadRow::method, generate::MethodName));
  batch.dimensions.push_back(Coded(kStatus, rows, &WorkloadRow::status, generate::StatusName));
  batch.dimensions.push_back(Coded(kRegion, rows, &WorkloadRow::region, generate::RegionName));
  return batch;
}

std::map<MonthIndex, Month> Generate(const Shape& shape, std::uint64_t events) {
  std::map<MonthIndex, std::vector<WorkloadRow>> rows;
  std::uint64_t number = 0;
  const Status made = generate::GenerateRows(
      {.events = events, .customers = shape.customers}, [&](const WorkloadRow& row) {
        if (row.again) return true;
        WorkloadRow& kept = rows[MonthOf(row.time)].emplace_back(row);
        if (shape.is_even)
          kept.customer = static_cast<std::uint32_t>(number * 7'919 % shape.customers);
        ++number;
        return true;
      });
  QUIPU_CHECK(made.ok());
  std::map<MonthIndex, Month> months;
  for (auto& [index, list] : rows) {
    std::sort(list.begin(), list.end(), [](const WorkloadRow& a, const WorkloadRow& b) {
      return std::tie(a.customer, a.service, a.time) < std::tie(b.customer, b.service, b.time);
    });
    for (std::size_t first = 0; first < list.size(); first += kBatchRows) {
      months[index].push_back(
          BatchOf(std::span(list).subspan(first, std::min(kBatchRows, list.size() - first))));
    }
  }
  return months;
}

void PrintCells(const std::map<MonthIndex, Month>& months, std::uint64_t events) {
  fmt::print(
      "\n| rows for a customer's cell / a histogram | bytes an event | cells |\n|---|--:|--:|\n");
  constexpr std::pair<std::uint32_t, std::uint32_t> kThresholds[] = {
      {64, 4096},   {256, 4096},   {1024, 1024}, {1024, 2048},
      {1024, 4096}, {1024, 16384}, {4096, 4096}};
  const NumberedNames names;
  for (const auto& [cell_rows, sketch_rows] : kThresholds) {
    std::uint64_t bytes = 0, cells = 0;
    SummaryBounds bounds;
    bounds.cell_rows_min = cell_rows;
    bounds.sketch_rows_min = sketch_rows;
    for (const auto& [index, month] : months) {
      SummaryBuilder builder(index, &names, bounds);
      for (const RowBatch& batch : month) QUIPU_CHECK(builder.Add(batch).ok());
      const auto payload = builder.Finish();
      QUIPU_CHECK(payload.has_value());
      bytes += payload->size();
      cells += (*SummaryTable::Decode(AsBytes(*payload), index))->cells();
    }
    fmt::print("| {} / {} | {:.4f} | {} |\n", cell_rows, sketch_rows,
               static_cast<double>(bytes) / static_cast<double>(events), cells);
    std::fflush(stdout);
  }
}

struct Asked {
  const char* name;
  std::vector<ColumnId> dimensions, measures;
  ServiceOrdinal service = kEveryService;
};

void PrintSet(const std::map<MonthIndex, Month>& months, std::uint64_t events, const Asked& asked,
              std::uint32_t rows_min, std::uint32_t sketch_rows_min) {
  std::uint64_t bytes = 0, cells = 0, covered = 0;
  bool has_hours = false, has_day_sketches = false, has_month_sketches = false;
  DimensionSet set;
  set.service = asked.service;
  set.dimensions = asked.dimensions;
  set.measures = asked.measures;
  set.rows_min = rows_min;
  set.sketch_rows_min = sketch_rows_min;
  const std::vector<ServiceOrdinal> services = {0, 1, 2, 3, 4, 5};
  const std::vector<ColumnId> dimensions = {0, 1, 2, 3}, measures = {0, 1, 2, 3};
  for (const auto& [index, month] : months) {
    DimensionCellBuilder builder(index, set);
    for (const RowBatch& batch : month) builder.Add(batch);
    const auto made = builder.Finish(services, dimensions, measures);
    QUIPU_CHECK(made.has_value());
    if (made->covered.empty()) continue;
    bytes += made->payload.size();
    const auto decoded =
        DimensionCells::Decode(AsBytes(made->payload), made->set, made->covered, index);
    QUIPU_CHECK(decoded.has_value());
    cells += (*decoded)->table().cells();
    for (const ServiceOrdinal service : made->covered) {
      const DimensionCells::Levels* const levels = (*decoded)->LevelsOf(service);
      has_hours |= levels->hours;
      has_day_sketches |= levels->day_quantiles;
      has_month_sketches |= levels->month_quantiles;
      for (const RowBatch& batch : month) {
        covered += static_cast<std::uint64_t>(
            std::count(batch.services.begin(), batch.services.end(), service));
      }
    }
  }
  fmt::print("| {} | {} / {} | {:.4f} | {} | {:.0f} % | {} | {} |\n", asked.name, rows_min,
             sketch_rows_min > 1u << 30 ? "none" : std::to_string(sketch_rows_min),
             static_cast<double>(bytes) / static_cast<double>(events), cells,
             100.0 * static_cast<double>(covered) / static_cast<double>(events),
             has_hours ? "some" : "no",
             has_day_sketches     ? "days, months"
             : has_month_sketches ? "months"
                                  : "no");
  std::fflush(stdout);
}

void PrintSets(const std::map<MonthIndex, Month>& months, std::uint64_t events) {
  constexpr std::uint32_t kNone = 1u << 31;
  const Asked error_counts{"endpoint, status: count", {kEndpoint, kStatus}, {}};
  const Asked error_costs{"endpoint, status: quantity, cost", {kEndpoint, kStatus}, {0, 1}};
  const Asked endpoint{"endpoint: all measures", {kEndpoint}, {0, 1, 2, 3}};
  fmt::print(
      "\n| set, of every service | rows a number / values a histogram | bytes an event | cells | "
      "events covered | hours | histograms |\n|---|---|--:|--:|--:|---|---|\n");
  for (const std::uint32_t rows_min : {1u, 4u, 8u, 16u, 32u, 64u}) {
    PrintSet(months, events, error_counts, rows_min, kNone);
    PrintSet(months, events, error_costs, rows_min, kNone);
  }
  for (const std::uint32_t sketch : {kNone, 512u, 1024u, 4096u, 16384u})
    PrintSet(months, events, endpoint, 16, sketch);
  PrintSet(months, events, {"region: quantity, cost", {kRegion}, {0, 1}}, 16, 4096);
  PrintSet(months, events, {"region: all measures", {kRegion}, {0, 1, 2, 3}}, 16, 4096);
  PrintSet(months, events, {"status, region: quantity, cost", {kStatus, kRegion}, {0, 1}}, 16,
           4096);
  PrintSet(months, events, {"endpoint, status, region: count", {kEndpoint, kStatus, kRegion}, {}},
           16, 4096);
}

}  // namespace
}  // namespace quipu

int main(int argc, char** argv) {
  using namespace quipu;
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  for (const Shape& shape : kShapes) {
    if (argc > 2 && std::string_view(argv[2]) != shape.name) continue;
    fmt::print("\n## {}: {} events\n", shape.name, events);
    const auto months = Generate(shape, events);
    PrintSets(months, events);
    PrintCells(months, events);
  }
  return 0;
}
