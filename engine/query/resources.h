// What all queries of a store share: threads and memory, both bounded.
//
// A query runs on its caller's thread. Where it has many raw rows to read it cuts them into tasks and offers them to the pool; helpers that are
// free join in, and if none is, the caller does all of it: a query never waits for a thread. Helpers are started when they are first wanted.
//
// Memory is counted, not allocated here: each query has an account with its own bound (QuerySpec::memory_bytes_max), and all accounts draw on
// one budget (Options::query_memory_bytes_max).
//
// Invariants:
//   (1) At most `threads` - 1 helpers, whatever the number of queries.
//   (2) When Run returns, no helper is in `body` any more.
//   (3) What an account has drawn goes back to the budget with it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "quipu/query.h"
#include "quipu/status.h"

namespace quipu {

class QueryPool {
 public:
  /// `threads` includes the caller's; 0 = one for each processor.
  explicit QueryPool(std::uint32_t threads);
  ~QueryPool();
  QueryPool(const QueryPool&) = delete;
  QueryPool& operator=(const QueryPool&) = delete;

  [[nodiscard]] std::uint32_t threads() const { return threads_; }
  /// Calls body(0) on this thread and body(1), body(2), ... below `workers` on helpers as they become free, until body(0) returns;
  /// bodies take work from a common list until there is none. From several threads at once. What a body throws, the caller's before another's, is
  /// thrown here once no body runs any more.
  void Run(std::uint32_t workers, const std::function<void(std::uint32_t worker)>& body);

 private:
  struct Job {
    const std::function<void(std::uint32_t)>* body = nullptr;
    std::uint32_t next = 1, workers = 1, running = 0;
    std::exception_ptr thrown;  // by a helper
    std::condition_variable done;
  };
  static std::exception_ptr CallBody(const Job& job, std::uint32_t worker);
  void StartHelpers();  // mutex_ is held
  void Help();

  const std::uint32_t threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Job*> jobs_;  // that want more workers
  std::vector<std::thread> helpers_;
  bool stopping_ = false;
};

/// Memory that all queries may use together.
class QueryBudget {
 public:
  explicit QueryBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] std::uint64_t bytes_max() const { return bytes_max_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(); }
  /// False, and nothing taken, if that would be too much.
  bool Take(std::uint64_t bytes);
  void Return(std::uint64_t bytes) { bytes_ -= bytes; }

 private:
  const std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> bytes_{0};
};

struct QueryResources {
  explicit QueryResources(std::uint32_t threads = 1,
                          std::uint64_t memory_bytes_max = ~std::uint64_t{0},
                          Clock* query_clock = Clock::System())
      : pool(threads), budget(memory_bytes_max), clock(query_clock) {}
  QueryPool pool;
  QueryBudget budget;
  Clock* clock;
};

/// What a query under way must heed: its memory, its deadline, and whether it was called off. Of one query, shared by its workers.
class QueryControl {
 public:
  QueryControl(const QuerySpec& spec, QueryResources* resources);
  ~QueryControl();
  QueryControl(const QueryControl&) = delete;
  QueryControl& operator=(const QueryControl&) = delete;

  /// kCancelled or, beyond the deadline, kExhausted. Call every few thousand rows.
  Status CheckTime();
  /// More (or less) memory than before; kExhausted beyond a bound, and then nothing is charged.
  Status Charge(std::int64_t bytes);
  [[nodiscard]] std::uint64_t peak_bytes() const { return peak_.load(); }
  /// One worker has failed: the others stop at their next CheckTime with kCancelled.
  void Stop() { stopped_ = true; }

 private:
  const QuerySpec& spec_;
  QueryResources* resources_;
  std::int64_t deadline_us_ = 0;  // by Clock::MonotonicUs; 0 = none
  std::atomic<bool> stopped_{false};
  std::atomic<std::uint64_t> charged_{0}, peak_{0};
};

}  // namespace quipu
