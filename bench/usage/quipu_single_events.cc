// One caller that waits for each batch of 1,000. Then one event per call: eight threads that do not wait, and one that does.
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "cli/try.h"
#include "quipu/database.h"
#include "usage/quipu_side.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

constexpr std::size_t kLoneBatchRows = 1000;
constexpr std::size_t kLoneRowsMax = 2'000'000;
constexpr std::size_t kAsyncRowsMax = 500'000;
constexpr std::size_t kThreads = 8;
constexpr double kSyncSeconds = 1.5;

std::vector<WorkloadRow> FirstRows(const RowFile& file, std::size_t rows_max) {
  std::vector<WorkloadRow> rows;
  RowReader reader(file, 8192);
  for (auto some = reader.Next(); !some.empty() && rows.size() < rows_max; some = reader.Next()) {
    for (const WorkloadRow& row : some) {
      if (!row.again && rows.size() < rows_max) rows.push_back(row);
    }
  }
  return rows;
}

/// Counts answers; the last one ends the wait.
class Answers {
 public:
  void Take(const Result<IngestReply>& reply) {
    const bool good = reply.has_value() && reply->Count(Outcome::kAccepted) == 1;
    if (!good) failed_.store(true);
    answered_.fetch_add(1);
    answered_.notify_all();
  }
  bool WaitFor(std::uint64_t all) {
    for (std::uint64_t n = answered_.load(); n < all; n = answered_.load()) answered_.wait(n);
    return !failed_.load();
  }

 private:
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<bool> failed_ = false;
};

Result<double> AsyncEventsPerSecond(const EngineTask& task, Database* db,
                                    const std::vector<WorkloadRow>& rows) {
  Answers answers;
  std::atomic<std::uint64_t> sent = 0;
  const auto send = [&](std::size_t thread) {
    EventMaker maker(task.rows);
    for (std::size_t i = thread; i < rows.size(); i += kThreads) {
      EventBatch batch;
      maker.Add(rows[i], &batch);
      const Status status =
          db->IngestAsync(std::move(batch), [&](Result<IngestReply> r) { answers.Take(r); });
      if (!status.ok()) return;
      sent.fetch_add(1);
    }
  };
  const Stopwatch clock;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) threads.emplace_back(send, t);
  for (std::thread& thread : threads) thread.join();
  const bool good = answers.WaitFor(sent.load());
  if (!good || sent.load() != rows.size()) {
    return Status::Internal("a single event was refused");
  }
  return static_cast<double>(rows.size()) / clock.Seconds();
}

Result<double> LoneCallerEventsPerSecond(const EngineTask& task, Database* db) {
  EventMaker maker(task.rows);
  EventBatch batch;
  RowReader reader(task.rows, kLoneBatchRows);
  std::size_t rows = 0;
  const Stopwatch clock;
  for (auto some = reader.Next(); !some.empty() && rows < kLoneRowsMax; some = reader.Next()) {
    batch.Clear();
    for (const WorkloadRow& row : some) maker.Add(row, &batch);
    SERVER_TRY_ASSIGN(const IngestReply reply, db->Ingest(batch));
    if (reply.Count(Outcome::kAccepted) + reply.Count(Outcome::kDuplicate) != some.size())
      return Status::Internal("an event of a batch was refused");
    rows += some.size();
  }
  return static_cast<double>(rows) / clock.Seconds();
}

Result<double> SyncEventsPerSecond(const EngineTask& task, Database* db,
                                   const std::vector<WorkloadRow>& rows) {
  EventMaker maker(task.rows);
  EventBatch batch;
  std::size_t done = 0;
  const Stopwatch clock;
  for (; done < rows.size() && clock.Seconds() < kSyncSeconds; ++done) {
    batch.Clear();
    maker.Add(rows[done], &batch);
    SERVER_TRY_ASSIGN(const IngestReply reply, db->Ingest(batch));
    if (reply.Count(Outcome::kAccepted) != 1) return Status::Internal("a single event was refused");
  }
  return static_cast<double>(done) / clock.Seconds();
}

}  // namespace

Result<EngineReport> QuipuSingleEvents(const EngineTask& task) {
  const std::vector<WorkloadRow> rows = FirstRows(task.rows, kAsyncRowsMax);
  EngineReport report;
  {
    SERVER_TRY_ASSIGN(Database db, Database::Open(task.dir + "/lone_caller", StoreOptions()));
    SERVER_TRY_ASSIGN(report.metrics["ingest_lone_caller_events_per_second"],
                      LoneCallerEventsPerSecond(task, &db));
    SERVER_TRY(db.Close());
  }
  {
    SERVER_TRY_ASSIGN(Database db, Database::Open(task.dir + "/single_async", StoreOptions()));
    SERVER_TRY_ASSIGN(report.metrics["ingest_single_async_events_per_second"],
                      AsyncEventsPerSecond(task, &db, rows));
    SERVER_TRY(db.Close());
  }
  SERVER_TRY_ASSIGN(Database db, Database::Open(task.dir + "/single_sync", StoreOptions()));
  SERVER_TRY_ASSIGN(report.metrics["ingest_single_sync_events_per_second"],
                    SyncEventsPerSecond(task, &db, rows));
  SERVER_TRY(db.Close());
  return report;
}

}  // namespace quipu::usage
