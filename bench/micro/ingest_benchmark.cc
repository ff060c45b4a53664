// Ingest in its stages: what a caller pays per event, what the engine pays, one caller and many.
//
// Wall time depends on the disk; the counters do not: caller_ns is processor time per event in the calling threads, engine_ns that of
// all others (commit, sealing, merging).
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "micro/scratch_store.h"
#include "micro/usage_events.h"
#include "quipu/database.h"

namespace quipu {
namespace {

constexpr std::size_t kBatchEvents = 1'000;
constexpr std::uint32_t kCustomers = 10'000;

double CpuNs(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

/// Events made beforehand, each with strings of its own; every round over them has other ids.
class PreparedEvents {
 public:
  explicit PreparedEvents(std::uint64_t seed, std::size_t count = 50'000) {
    UsageEvents source(seed, kCustomers);
    for (std::size_t i = 0; i < count; ++i) {
      Own(source.Next(static_cast<double>(i) / static_cast<double>(count),
                      static_cast<double>(i + 1) / static_cast<double>(count)));
    }
  }
  const Event& Next() {
    if (at_ == events_.size()) {
      at_ = 0;
      ++round_;
    }
    std::string& id = ids_[at_];
    const std::size_t first = id.size() - 8;  // not the milliseconds of a time-ordered id
    for (std::size_t i = 0; i < 8; ++i) id[first + i] = "0123456789abcdef"[round_ >> (4 * i) & 15];
    return events_[at_++];
  }
  void Fill(EventBatch* batch, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) batch->Add(Next());
  }

 private:
  std::string_view Keep(std::string_view text) { return texts_.emplace_back(text); }
  void Own(Event e) {
    e.id = ids_.emplace_back(e.id);
    e.customer = Keep(e.customer);
    e.service = Keep(e.service);
    for (Dimension& d : e.dimensions) d = {Keep(d.name), Keep(d.value)};
    for (Measure& m : e.measures) m.name = Keep(m.name);
    events_.push_back(std::move(e));
  }
  std::deque<std::string> texts_, ids_;
  std::vector<Event> events_;
  std::size_t at_ = 0;
  std::uint64_t round_ = 0;
};

/// Batches under way, at most so many.
class Window {
 public:
  explicit Window(int size) : free_(size) {}
  void Enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return free_ > 0; });
    --free_;
  }
  void Leave() {
    const std::lock_guard lock(mutex_);
    ++free_;
    changed_.notify_one();
  }
  void WaitUntilFree(int size) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return free_ == size; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_;
};

void BM_BatchAdd(benchmark::State& state) {
  PreparedEvents events(7);
  EventBatch batch;
  for (auto _ : state) {
    batch.Clear();
    events.Fill(&batch, kBatchEvents);
    benchmark::DoNotOptimize(batch.bytes());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kBatchEvents));
}
BENCHMARK(BM_BatchAdd)->Unit(benchmark::kMicrosecond);

void Count(benchmark::State& state, double events, double caller_ns, double process_ns) {
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
  state.counters["caller_ns"] = caller_ns / events;
  state.counters["engine_ns"] = (process_ns - caller_ns) / events;
}

/// One caller that waits for each reply.
void BM_IngestOneCaller(benchmark::State& state) {
  ScratchStore store(Options{});
  PreparedEvents events(7);
  EventBatch batch;
  const double caller = CpuNs(CLOCK_THREAD_CPUTIME_ID);
  const double process = CpuNs(CLOCK_PROCESS_CPUTIME_ID);
  for (auto _ : state) {
    batch.Clear();
    events.Fill(&batch, kBatchEvents);
    if (auto reply = store->Ingest(batch); !reply) Die(reply.error());
  }
  Count(state, static_cast<double>(state.iterations() * kBatchEvents),
        CpuNs(CLOCK_THREAD_CPUTIME_ID) - caller, CpuNs(CLOCK_PROCESS_CPUTIME_ID) - process);
}
BENCHMARK(BM_IngestOneCaller)->Unit(benchmark::kMillisecond)->Iterations(2'000)->UseRealTime();

/// One caller with a few batches under way.
void OneCallerAsync(benchmark::State& state, const Options& options) {
  constexpr int kUnderWay = 16;
  ScratchStore store(options);
  PreparedEvents events(7);
  Window window(kUnderWay);
  const double caller = CpuNs(CLOCK_THREAD_CPUTIME_ID);
  const double process = CpuNs(CLOCK_PROCESS_CPUTIME_ID);
  for (auto _ : state) {
    window.Enter();
    EventBatch batch;
    events.Fill(&batch, kBatchEvents);
    const Status queued =
        store->IngestAsync(std::move(batch), [&window](const Result<IngestReply>& reply) {
          if (!reply) Die(reply.error());
          window.Leave();
        });
    if (!queued.ok()) Die(queued);
  }
  window.WaitUntilFree(kUnderWay);
  Count(state, static_cast<double>(state.iterations() * kBatchEvents),
        CpuNs(CLOCK_THREAD_CPUTIME_ID) - caller, CpuNs(CLOCK_PROCESS_CPUTIME_ID) - process);
}

/// Commits alone: nothing is sealed.
void BM_IngestCommitOnly(benchmark::State& state) {
  Options options;
  options.background_upkeep = false;
  options.hot_bytes_max = 4ull << 30;
  OneCallerAsync(state, options);
}
BENCHMARK(BM_IngestCommitOnly)->Unit(benchmark::kMillisecond)->Iterations(1'500)->UseRealTime();

void BM_IngestOneCallerAsync(benchmark::State& state) { OneCallerAsync(state, Options{}); }
BENCHMARK(BM_IngestOneCallerAsync)->Unit(benchmark::kMillisecond)->Iterations(3'000)->UseRealTime();

/// Eight callers, one event a call, acknowledged later.
void BM_IngestSingleEventsAsync(benchmark::State& state) {
  constexpr int kThreads = 8;
  constexpr int kUnderWay = 4'096;
  constexpr std::size_t kEventsPerThread = 100'000;
  ScratchStore store(Options{});
  std::vector<std::unique_ptr<PreparedEvents>> prepared;
  for (std::uint64_t t = 0; t < kThreads; ++t)
    prepared.push_back(std::make_unique<PreparedEvents>(t + 1, kEventsPerThread / 10));
  for (auto _ : state) {
    std::atomic<double> caller_ns{0};
    const double process = CpuNs(CLOCK_PROCESS_CPUTIME_ID);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        PreparedEvents& events = *prepared[static_cast<std::size_t>(t)];
        Window window(kUnderWay);
        const double before = CpuNs(CLOCK_THREAD_CPUTIME_ID);
        for (std::size_t i = 0; i < kEventsPerThread; ++i) {
          window.Enter();
          EventBatch batch;
          batch.Add(events.Next());
          const Status queued =
              store->IngestAsync(std::move(batch), [&window](const Result<IngestReply>& reply) {
                if (!reply) Die(reply.error());
                window.Leave();
              });
          if (!queued.ok()) Die(queued);
        }
        window.WaitUntilFree(kUnderWay);
        double sum = caller_ns.load();
        const double mine = CpuNs(CLOCK_THREAD_CPUTIME_ID) - before;
        while (!caller_ns.compare_exchange_weak(sum, sum + mine)) {
        }
      });
    }
    for (std::thread& t : threads) t.join();
    Count(state, kThreads * static_cast<double>(kEventsPerThread), caller_ns.load(),
          CpuNs(CLOCK_PROCESS_CPUTIME_ID) - process);
  }
}
BENCHMARK(BM_IngestSingleEventsAsync)->Unit(benchmark::kMillisecond)->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace quipu
