// summary_prices [EVENTS] [FOLDER]: what summaries cost in bytes and gain in time, at several thresholds, on three shapes of usage (shape.h). The tables of
// docs/decisions/0028 come from it.
//
// Part one: the cells that every segment has (docs/decisions/0004), each segment written again with other thresholds.
// Part two: cells by dimension (engine/segment/dimension_set.h), each segment copied with other rules.
// A time is the median of kRuns answers on two threads, warm. Everything is made in FOLDER, which must not exist, and removed.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "generate/workload.h"
#include "query/answer.h"
#include "query/resources.h"
#include "quipu/database.h"
#include "store/store.h"
#include "summaries/shape.h"

namespace quipu {
namespace {

constexpr int kRuns = 7;
constexpr std::uint32_t kBlockRows = 65'536;

/// Ends the program on an error: there is nobody to tell but the one who runs it.
template <class T>
T Must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "summary_prices: {}\n", result.error().ToString());
  std::exit(1);
}
void Must(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "summary_prices: {}\n", status.ToString());
  std::exit(1);
}

void Ingest(const Shape& shape, std::uint64_t events, const std::string& folder) {
  Options options;
  options.create_if_missing = true;
  options.future_bound_us = -1;
  options.check_identities = false;
  Database db = Must(Database::Open(folder, options));
  EventBatch batch;
  const auto send = [&] {
    Must(db.Ingest(batch).error());
    batch = EventBatch();
  };
  std::uint64_t number = 0;
  std::string id, customer;
  Must(generate::GenerateRows(
      {.events = events, .customers = shape.customers}, [&](const generate::WorkloadRow& row) {
        if (row.again) return true;
        id.clear();
        generate::AppendId(row, &id);
        customer =
            "c" + std::to_string(shape.is_even ? number * 7'919 % shape.customers : row.customer);
        Event e;
        e.id = id;
        e.time = row.time;
        e.customer = customer;
        e.service = generate::ServiceName(row.service);
        e.quantity = Decimal(static_cast<std::int64_t>(row.quantity_micro), 6);
        e.cost = Decimal(static_cast<std::int64_t>(row.cost_nano()), 9);
        e.dimensions = {{"endpoint", generate::EndpointName(row.endpoint)},
                        {"method", generate::MethodName(row.method)},
                        {"status", generate::StatusName(row.status)},
                        {"region", generate::RegionName(row.region)}};
        e.measures = {{"duration_ms", Decimal(std::int64_t{row.duration_ms})},
                      {"tokens", Decimal(std::int64_t{row.tokens})}};
        batch.Add(e);
        if (++number % 5000 == 0) send();
        return true;
      }));
  if (number % 5000 != 0) send();
  Must(db.Compact());
  Must(db.Close());
}

std::uint64_t BytesOf(const View& view, PageKind kind) {
  std::uint64_t bytes = 0;
  for (const SegmentPtr& segment : view.segments) {
    for (const PageBytes& part : segment->BytesByColumn())
      bytes += part.kind == kind ? part.bytes : 0;
  }
  return bytes;
}

class Prices {
 public:
  Prices(const std::string& folder, std::string scratch)
      : store_(Must(Store::Open(folder, {}))), scratch_(std::move(scratch)), resources_(2) {
    largest_ = TopCustomer(0);
    middling_ = TopCustomer(100);
  }

  void Print(const Shape& shape) {
    const ViewPtr view = store_->view();
    fmt::print("\n## {}: {} events, {} segments\n", shape.name, view->totals.rows,
               view->segments.size());
    PrintCells();
    PrintSets();
  }

 private:
  struct Asked {
    const char* name;
    Query query;
  };

  std::string TopCustomer(std::uint64_t place) {
    const auto top = Must(RunQuery(
        *store_->view(), store_->catalogue(),
        Query().Select("count").GroupBy("customer").OrderBy("-count").Limit(place + 1).spec(),
        &resources_));
    return top.columns[0].Text(top.rows() - 1);
  }

  /// Microseconds; the rows that were read go to `rows`.
  double Time(const View& view, const Query& query, std::uint64_t* rows) {
    std::vector<double> times;
    for (int i = 0; i < kRuns + 1; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const ResultSet answer = Must(RunQuery(view, store_->catalogue(), query.spec(), &resources_));
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begin;
      *rows = answer.stats.rows;
      if (i > 0) times.push_back(took.count());  // the first one warms up
    }
    std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
    return times[kRuns / 2];
  }

  /// The view with every segment made anew by `make`, which gives the new file's meta.
  template <class Make>
  View Remade(const Make& make) {
    std::filesystem::remove_all(scratch_);
    std::filesystem::create_directory(scratch_);
    View view = *store_->view();
    for (SegmentPtr& segment : view.segments) {
      const SegmentMeta meta = make(*segment);
      segment = Must(SegmentReader::Open(Vfs::Posix(), JoinPath(scratch_, meta.file_name), &meta,
                                         store_->cache()));
    }
    return view;
  }

  View WithThresholds(std::uint32_t cell_rows, std::uint32_t sketch_rows) {
    return Remade([&](const SegmentReader& segment) {
      SegmentSpec spec = segment.meta().spec;
      spec.segment_id = ++next_id_;
      SummaryBounds bounds;
      bounds.cell_rows_min = cell_rows;
      bounds.sketch_rows_min = sketch_rows;
      auto writer =
          Must(SegmentWriter::Create(Vfs::Posix(), scratch_, spec, &store_->catalogue(), bounds));
      writer->DropIdentities(segment.meta().totals.identities);
      for (std::uint32_t row = 0; row < segment.rows(); row += kBlockRows) {
        Must(writer->Append(Must(segment.ReadRows(row, std::min(kBlockRows, segment.rows() - row),
                                                  RowParts::kWithoutIds))));
      }
      return Must(writer->Finish());
    });
  }

  View WithSet(const SummarySet& set) {
    std::vector<DimensionSet> sets;
    if (!set.dimensions.empty()) sets.push_back(Resolve(Must(Canonical(set)), store_->catalogue()));
    return Remade([&](const SegmentReader& segment) {
      return Must(segment.CopyWithDimensionCells(Vfs::Posix(), scratch_, ++next_id_, sets, 0, {}));
    });
  }

  void PrintHead(const std::string& first, const std::vector<Asked>& questions) {
    fmt::print("\n| {} | bytes an event |", first);
    for (const Asked& asked : questions) fmt::print(" {} |", asked.name);
    fmt::print("\n|---|--:|");
    for (std::size_t i = 0; i < questions.size(); ++i) fmt::print("--:|");
    fmt::print("\n");
  }

  void PrintRow(const std::string& name, std::uint64_t bytes, const View& view,
                const std::vector<Asked>& questions) {
    fmt::print("| {} | {:.4f} |", name,
               static_cast<double>(bytes) / static_cast<double>(view.totals.rows));
    for (const Asked& asked : questions) {
      std::uint64_t rows = 0;
      const double us = Time(view, asked.query, &rows);
      fmt::print(" {:.0f} us{} |", us, rows == 0 ? "" : fmt::format(", {} rows", rows));
    }
    fmt::print("\n");
    std::fflush(stdout);
  }

  void PrintCells() {
    const auto month = [] { return Query().From("2026-02-01").To("2026-03-01"); };
    const std::vector<Asked> questions = {
        {"a middling customer by day",
         month().Select("count, sum(cost)").Customer(middling_).Every("day").GroupBy("service")},
        {"the largest customer's p95", month().Select("p95(duration_ms)").Customer(largest_)},
        {"everyone's p95 by service", month().Select("p95(duration_ms)").GroupBy("service")},
        {"everyone's p95 by hour, a day",
         Query().From("2026-02-10").To("2026-02-11").Select("p95(duration_ms)").Every("hour")},
        {"everyone by day", month().Select("count, sum(cost)").Every("day")}};
    PrintHead("rows for a customer's cell / a histogram", questions);
    constexpr std::pair<std::uint32_t, std::uint32_t> kThresholds[] = {
        {64, 4096},   {256, 4096},   {1024, 1024}, {1024, 2048},
        {1024, 4096}, {1024, 16384}, {4096, 4096}};
    for (const auto& [cell, sketch] : kThresholds) {
      const View view = WithThresholds(cell, sketch);
      PrintRow(fmt::format("{} / {}", cell, sketch), BytesOf(view, PageKind::kSummaries), view,
               questions);
    }
  }

  void PrintSets() {
    const auto week = [] { return Query().From("2026-02-09").To("2026-02-16"); };
    const auto month = [] { return Query().From("2026-02-01").To("2026-03-01"); };
    const std::vector<Asked> counts = {
        {"count by endpoint, status, a week", week().Select("count").GroupBy("endpoint,status")},
        {"status = 404 by endpoint, a week",
         week().Select("count").Where("status=404").GroupBy("endpoint")},
        {"the same of `api`",
         week().Select("count").Service("api").Where("status=404").GroupBy("endpoint")},
        {"by status and hour, a day", Query()
                                          .From("2026-02-10")
                                          .To("2026-02-11")
                                          .Select("count")
                                          .Every("hour")
                                          .GroupBy("status")}};
    PrintHead("(endpoint, status) of every service, counts; rows a number", counts);
    PrintRow("none", 0, WithSet({}), counts);
    for (const std::uint32_t rows_min : {1u, 4u, 8u, 16u, 32u, 64u}) {
      const View view =
          WithSet({.dimensions = {"endpoint", "status"}, .measures = {}, .rows_min = rows_min});
      PrintRow(std::to_string(rows_min), BytesOf(view, PageKind::kDimensionCells), view, counts);
    }
    const std::vector<Asked> sums = {
        {"cost by endpoint, a month", month().Select("count, sum(cost)").GroupBy("endpoint")},
        {"average duration by endpoint of `api`",
         month().Select("avg(duration_ms)").Service("api").GroupBy("endpoint")},
        {"p95 by endpoint of `api`, a month",
         month().Select("p95(duration_ms)").Service("api").GroupBy("endpoint")},
        {"p95 by endpoint of `api`, a week",
         week().Select("p95(duration_ms)").Service("api").GroupBy("endpoint")}};
    PrintHead("(endpoint) of every service, all measures; rows a number / values a histogram",
              sums);
    PrintRow("none", 0, WithSet({}), sums);
    constexpr std::pair<std::uint32_t, std::uint32_t> kRules[] = {
        {4, 1u << 31}, {8, 1u << 31}, {16, 1u << 31}, {32, 1u << 31},
        {16, 512},     {16, 1024},    {16, 4096},     {16, 16384}};
    for (const auto& [rows_min, sketch] : kRules) {
      const View view = WithSet({.dimensions = {"endpoint"},
                                 .measures = {"*"},
                                 .rows_min = rows_min,
                                 .sketch_rows_min = sketch});
      PrintRow(sketch == 1u << 31 ? fmt::format("{} / none", rows_min)
                                  : fmt::format("{} / {}", rows_min, sketch),
               BytesOf(view, PageKind::kDimensionCells), view, sums);
    }
    const std::vector<Asked> regions = {
        {"cost by region and day",
         month().Select("count, sum(cost)").Every("day").GroupBy("region")},
        {"p95 by region and service, a month",
         month().Select("p95(duration_ms)").GroupBy("region,service")}};
    PrintHead("other sets of every service, the defaults", regions);
    PrintRow("none", 0, WithSet({}), regions);
    const std::vector<SummarySet> sets = {
        {.dimensions = {"region"}},
        {.dimensions = {"region"}, .measures = {"*"}},
        {.dimensions = {"region", "status"}},
        {.dimensions = {"endpoint", "status"}},
        {.service = "api", .dimensions = {"endpoint", "status"}, .measures = {}},
        {.dimensions = {"endpoint", "status", "region"}, .measures = {}}};
    for (const SummarySet& set : sets) {
      const View view = WithSet(set);
      std::string name = SetText(set);
      for (const std::string& measure : set.measures) name += " " + measure;
      PrintRow(name, BytesOf(view, PageKind::kDimensionCells), view, regions);
    }
  }

  std::unique_ptr<Store> store_;
  const std::string scratch_;
  QueryResources resources_;
  std::string largest_, middling_;
  std::uint64_t next_id_ = 1'000'000;  // none of the store's own
};

void MeasureAll(std::uint64_t events, const std::string& folder) {
  if (std::filesystem::exists(folder))
    Must(Status::AlreadyExists(folder + " exists; name another"));
  std::filesystem::create_directory(folder);
  for (const Shape& shape : kShapes) {
    const std::string store = JoinPath(folder, shape.name);
    Ingest(shape, events, store);
    Prices(store, JoinPath(folder, "scratch")).Print(shape);
    std::filesystem::remove_all(store);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace quipu

int main(int argc, char** argv) {
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  quipu::MeasureAll(events, argc > 2 ? argv[2] : "summary_prices.scratch");
  return 0;
}
