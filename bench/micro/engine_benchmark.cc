// The main job in small: durable ingest of batches of 1,000, then the everyday questions on a million sealed events.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "micro/usage_events.h"
#include "quipu/database.h"

namespace quipu {
namespace {

constexpr std::size_t kBatchEvents = 1'000;
constexpr std::uint64_t kStoredEvents = 1'000'000;
constexpr std::uint32_t kCustomers = 10'000;

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "benchmark: %s\n", status.ToString().c_str());
  std::abort();
}

/// A store in a folder of its own, removed at the end.
class ScratchStore {
 public:
  explicit ScratchStore(Options options) {
    std::string pattern = std::filesystem::temp_directory_path() / "quipu-bench-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr)
      Die(Status::IoError("cannot make a folder in " + pattern));
    folder_ = pattern;
    options.create_if_missing = true;
    auto db = Database::Open(folder_ + "/store", options);
    if (!db) Die(db.error());
    db_.emplace(*std::move(db));
  }
  ~ScratchStore() {
    db_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Database& operator*() { return *db_; }
  Database* operator->() { return &*db_; }

 private:
  std::string folder_;
  std::optional<Database> db_;
};

/// A million events in sealed and merged segments, made once for all query benchmarks.
Database& FilledStore() {
  static const auto store = [] {
    auto filled = std::make_unique<ScratchStore>(Options{});
    UsageEvents events(1, kCustomers);
    EventBatch batch;
    constexpr std::uint64_t kBatches = kStoredEvents / 10'000;
    for (std::uint64_t i = 0; i < kBatches; ++i) {
      batch.Clear();
      events.Fill(&batch, 10'000, static_cast<double>(i) / kBatches,
                  static_cast<double>(i + 1) / kBatches);
      if (auto reply = (*filled)->Ingest(batch); !reply) Die(reply.error());
    }
    if (Status s = (*filled)->Compact(); !s.ok()) Die(s);
    return filled;
  }();
  return **store;
}

/// One caller, synced at each acknowledgement, deduplicated, sealing in the background.
void BM_IngestDurable(benchmark::State& state) {
  ScratchStore store(Options{});
  UsageEvents events(7, kCustomers);
  EventBatch batch;
  double part = 0;
  for (auto _ : state) {
    state.PauseTiming();
    batch.Clear();
    events.Fill(&batch, kBatchEvents, part, part + 1e-4);
    part = part > 0.99 ? 0 : part + 1e-4;
    state.ResumeTiming();
    if (auto reply = store->Ingest(batch); !reply) Die(reply.error());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kBatchEvents));
}
BENCHMARK(BM_IngestDurable)->Unit(benchmark::kMillisecond)->MinTime(3)->UseRealTime();

void Ask(benchmark::State& state, const Query& query) {
  Database& db = FilledStore();
  QueryStats last;
  for (auto _ : state) {
    auto answer = db.Query(query);
    if (!answer) Die(answer.error());
    last = answer->stats;
    benchmark::DoNotOptimize(answer->columns.data());
  }
  state.counters["cells"] = static_cast<double>(last.cells);
  state.counters["rows"] = static_cast<double>(last.rows);
}

void BM_CustomerDailyTotals(benchmark::State& state) {
  Ask(state, Query()
                 .Select("count, sum(quantity), sum(cost)")
                 .Customer("cus_123")
                 .Between("2026-03-01", "2026-03-31")
                 .Every("day")
                 .GroupBy("service"));
}
BENCHMARK(BM_CustomerDailyTotals)->Unit(benchmark::kMicrosecond);

void BM_PercentilesOverEverything(benchmark::State& state) {
  Ask(state,
      Query().Select("p50(duration_ms), p95(duration_ms), p99(duration_ms)").GroupBy("service"));
}
BENCHMARK(BM_PercentilesOverEverything)->Unit(benchmark::kMicrosecond);

void BM_PercentilesOfTheLargestCustomer(benchmark::State& state) {
  Ask(state, Query()
                 .Select("p95(duration_ms), p99(duration_ms)")
                 .Customer("cus_1")
                 .Between("2026-03-01", "2026-03-31")
                 .GroupBy("service"));
}
BENCHMARK(BM_PercentilesOfTheLargestCustomer)->Unit(benchmark::kMicrosecond);

void BM_DailyTrendByService(benchmark::State& state) {
  Ask(state, Query()
                 .Select("sum(quantity), change_percent(sum(quantity))")
                 .Every("day")
                 .GroupBy("service"));
}
BENCHMARK(BM_DailyTrendByService)->Unit(benchmark::kMicrosecond);

void BM_TenHighestHours(benchmark::State& state) {
  Ask(state, Query()
                 .Select("sum(quantity)")
                 .Service("api")
                 .Every("hour")
                 .OrderBy("-sum(quantity)")
                 .Limit(10));
}
BENCHMARK(BM_TenHighestHours)->Unit(benchmark::kMicrosecond);

void BM_TenCostliestCustomers(benchmark::State& state) {
  Ask(state, Query()
                 .Select("sum(cost)")
                 .Between("2026-03-01", "2026-04-01")
                 .GroupBy("customer")
                 .OrderBy("-sum(cost)")
                 .Limit(10));
}
BENCHMARK(BM_TenCostliestCustomers)->Unit(benchmark::kMillisecond);

void BM_ErrorsByEndpointOneWeek(benchmark::State& state) {
  Ask(state, Query()
                 .Select("count")
                 .Between("2026-03-02", "2026-03-09")
                 .Where("status=404")
                 .GroupBy("endpoint"));
}
BENCHMARK(BM_ErrorsByEndpointOneWeek)->Unit(benchmark::kMillisecond);

void BM_SumsOverRawRows(benchmark::State& state) {
  Query query = Query().Select("sum(quantity), sum(cost), sum(tokens), avg(duration_ms)");
  query.spec().raw_only = true;
  Ask(state, query);
}
BENCHMARK(BM_SumsOverRawRows)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quipu
