// What sealing costs, stage by stage, on one month of the reference workload: rows in hot batches as ingest leaves them -> segment
// order -> gathered row groups -> summaries -> the whole file. "ns_per_row" is CPU time.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/calendar.h"
#include "base/vfs.h"
#include "batch/ordered_rows.h"
#include "batch/row_batch.h"
#include "micro/usage_events.h"
#include "segment/segment.h"

namespace quipu {
namespace {

constexpr std::uint32_t kCustomers = 10'000;
constexpr std::uint32_t kHotRows = 64'000;
const MonthIndex kMonth = MonthOf(UsageEvents::kStart);

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "benchmark: %s\n", status.ToString().c_str());
  std::abort();
}

/// The part of a catalogue that a segment needs.
class Interner : public Names {
 public:
  std::uint32_t Intern(const std::string& kind, std::string_view name) {
    Kind& k = kinds_[kind];
    const auto [at, is_new] = k.ordinals.emplace(name, k.names.size());
    if (is_new) k.names.push_back(std::make_unique<std::string>(name));
    return static_cast<std::uint32_t>(at->second);
  }
  std::string_view Customer(CustomerOrdinal i) const override { return Name("customer", i); }
  std::string_view Service(ServiceOrdinal i) const override { return Name("service", i); }
  std::string_view Dimension(ColumnId i) const override { return Name("dimension", i); }
  std::string_view Measure(ColumnId i) const override {
    return i == kQuantityColumn ? "quantity"
           : i == kCostColumn   ? "cost"
                                : Name("measure", i - kFirstUserMeasure);
  }

 private:
  struct Kind {
    std::unordered_map<std::string, std::size_t> ordinals;
    std::vector<std::unique_ptr<std::string>> names;
  };
  std::string_view Name(const std::string& kind, std::size_t i) const {
    return *kinds_.at(kind).names[i];
  }
  std::map<std::string, Kind> kinds_;
};

/// `rows` events of January, in order of arrival, then the same in segment order as row groups.
struct Month {
  Interner names;
  std::vector<RowBatch> hot;
  RowBatch keys;
  std::vector<RowRef> refs;
  std::vector<RowBatch> groups;
  std::vector<const RowBatch*> HotPointers() const {
    std::vector<const RowBatch*> pointers;
    for (const RowBatch& batch : hot) pointers.push_back(&batch);
    return pointers;
  }
};

void AddEvent(const Event& event, Interner* names, RowBatchBuilder* builder) {
  builder->BeginRow(names->Intern("customer", event.customer),
                    names->Intern("service", event.service), *event.time,
                    MakeIdentity(event.customer, event.source, event.id), event.id, event.source);
  builder->AddMeasure(kQuantityColumn, event.quantity);
  if (event.cost) builder->AddMeasure(kCostColumn, *event.cost);
  for (const auto& [name, value] : event.measures)
    builder->AddMeasure(kFirstUserMeasure + names->Intern("measure", name), value);
  for (const auto& [name, value] : event.dimensions)
    builder->AddDimension(names->Intern("dimension", name), value);
}

RowBatch GatherChunk(const Month& month, const std::vector<std::uint32_t>& order, std::size_t at) {
  const std::size_t end = std::min<std::size_t>(order.size(), at + kRowGroupRows);
  std::vector<RowRef> chunk;
  for (std::size_t i = at; i < end; ++i) chunk.push_back(month.refs[order[i]]);
  return Gather(month.HotPointers(), chunk);
}

std::unique_ptr<Month> MakeMonth(std::size_t rows) {
  auto month = std::make_unique<Month>();
  UsageEvents events(1, kCustomers);
  EventBatch batch;
  constexpr double kJanuary = 31.0 / UsageEvents::kDays;
  for (std::size_t done = 0; done < rows; done += batch.size()) {
    batch.Clear();
    const std::size_t n = std::min<std::size_t>(rows - done, kHotRows);
    const double unit = kJanuary * 0.999999 / static_cast<double>(rows);
    events.Fill(&batch, n, unit * static_cast<double>(done), unit * static_cast<double>(done + n));
    RowBatchBuilder builder;
    for (std::size_t i = 0; i < n; ++i) AddEvent(batch.At(i), &month->names, &builder);
    month->hot.push_back(builder.Finish());
  }
  for (std::uint32_t b = 0; b < month->hot.size(); ++b) {
    const RowBatch& from = month->hot[b];
    for (std::uint32_t i = 0; i < from.size(); ++i) {
      month->refs.push_back({b, i});
      month->keys.customers.push_back(from.customers[i]);
      month->keys.services.push_back(from.services[i]);
      month->keys.times.push_back(from.times[i]);
    }
  }
  const std::vector<std::uint32_t> order = SegmentOrder(month->keys);
  for (std::size_t at = 0; at < order.size(); at += kRowGroupRows)
    month->groups.push_back(GatherChunk(*month, order, at));
  return month;
}

const Month& MonthOfRows(std::int64_t rows) {
  static std::map<std::int64_t, std::unique_ptr<Month>> months;
  std::unique_ptr<Month>& month = months[rows];
  if (month == nullptr) month = MakeMonth(static_cast<std::size_t>(rows));
  return *month;
}

void CountRows(benchmark::State& state) {
  state.counters["ns_per_row"] = benchmark::Counter(
      static_cast<double>(state.range(0)) * 1e-9,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void BM_SegmentOrder(benchmark::State& state) {
  const Month& month = MonthOfRows(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(SegmentOrder(month.keys));
  CountRows(state);
}

void BM_Gather(benchmark::State& state) {
  const Month& month = MonthOfRows(state.range(0));
  for (auto _ : state) {
    OrderedRows rows(month.HotPointers(), month.refs);
    while (rows.left() > 0)
      benchmark::DoNotOptimize(rows.Take(std::min<std::size_t>(rows.left(), kRowGroupRows)));
  }
  CountRows(state);
}

void BM_Summaries(benchmark::State& state) {
  const Month& month = MonthOfRows(state.range(0));
  std::size_t bytes = 0;
  for (auto _ : state) {
    SummaryBuilder builder(kMonth, &month.names);
    for (const RowBatch& group : month.groups) {
      if (Status s = builder.Add(group); !s.ok()) Die(s);
    }
    Result<std::string> payload = builder.Finish();
    if (!payload) Die(payload.error());
    bytes = payload->size();
  }
  state.counters["bytes_per_row"] =
      static_cast<double>(bytes) / static_cast<double>(state.range(0));
  CountRows(state);
}

void BM_WriteSegment(benchmark::State& state) {
  const Month& month = MonthOfRows(state.range(0));
  std::string folder = std::filesystem::temp_directory_path() / "quipu-bench-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) Die(Status::IoError("cannot make " + folder));
  Vfs* const vfs = Vfs::Posix();
  std::uint64_t id = 0, bytes = 0;
  for (auto _ : state) {
    SegmentSpec spec;
    spec.segment_id = ++id;
    spec.month = kMonth;
    auto writer = SegmentWriter::Create(vfs, folder, spec, &month.names);
    if (!writer) Die(writer.error());
    for (const RowBatch& group : month.groups) {
      if (Status s = (*writer)->Append(group); !s.ok()) Die(s);
    }
    Result<SegmentMeta> meta = (*writer)->Finish();
    if (!meta) Die(meta.error());
    bytes = meta->file_bytes;
    state.PauseTiming();
    (void)vfs->Unlink(folder + "/" + meta->file_name);
    state.ResumeTiming();
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  state.counters["bytes_per_row"] =
      static_cast<double>(bytes) / static_cast<double>(state.range(0));
  CountRows(state);
}

BENCHMARK(BM_SegmentOrder)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Gather)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Summaries)->Arg(1'000'000)->Arg(4'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_WriteSegment)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quipu
