// The everyday questions on a million sealed events.
#include <benchmark/benchmark.h>

#include <memory>

#include "micro/scratch_store.h"
#include "micro/usage_events.h"
#include "quipu/database.h"

namespace quipu {
namespace {

constexpr std::uint64_t kStoredEvents = 1'000'000;
constexpr std::uint32_t kCustomers = 10'000;

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
