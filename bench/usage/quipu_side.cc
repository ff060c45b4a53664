#include "usage/quipu_side.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/try.h"
#include "quipu/database.h"
#include "usage/process.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

constexpr std::size_t kBatchRows = 1000;

/// One ingest on its way.
class IngestRun {
 public:
  explicit IngestRun(const EngineTask& task)
      : task_(task), path_(task.dir + "/store"), maker_(task.rows) {}

  Result<EngineReport> Run() {
    MeasureBatchBuilding();
    const std::uint64_t written_before = WrittenBytes();
    SERVER_TRY(Open());
    const Stopwatch clock;
    SERVER_TRY(IngestAll());
    const double ingest_seconds = clock.Seconds();
    SERVER_TRY(db_->Seal());
    const std::uint64_t written_in_ingest = WrittenBytes() - written_before;
    SERVER_TRY(db_->Compact());
    const Stopwatch closing;
    SERVER_TRY(db_->Close());
    const double close_seconds = closing.Seconds();
    const double all_seconds = clock.Seconds();
    db_.reset();
    SERVER_TRY(CheckOutcomes());

    const auto rows = static_cast<double>(task_.rows.rows);
    auto& m = report_.metrics;
    m["ingest_events_per_second"] = rows / ingest_seconds;
    m["ingest_and_merge_events_per_second"] = rows / all_seconds;
    m["close_seconds"] = close_seconds;
    NoteAcknowledgements(&acknowledged_ms_, &report_);
    m["duplicates_caught"] = static_cast<double>(duplicates_);
    const auto disk_bytes = static_cast<double>(DiskBytes(path_));
    m["write_amplification"] = static_cast<double>(written_in_ingest) / disk_bytes;
    m["write_amplification_with_compact"] =
        static_cast<double>(WrittenBytes() - written_before) / disk_bytes;
    m["bytes_per_event"] = disk_bytes / static_cast<double>(task_.rows.events());
    m["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
    return std::move(report_);
  }

 private:
  Status Open() {
    SERVER_TRY_ASSIGN(Database db, Database::Open(path_, StoreOptions()));
    db_.emplace(std::move(db));
    return {};
  }

  /// How fast rows alone become batches: what the measured ingest holds besides the engine.
  void MeasureBatchBuilding() {
    EventBatch batch;
    RowReader reader(task_.rows, kBatchRows);
    std::uint64_t rows = 0;
    const Stopwatch clock;
    for (auto some = reader.Next(); !some.empty() && rows < 200'000; some = reader.Next()) {
      batch.Clear();
      for (const WorkloadRow& row : some) maker_.Add(row, &batch);
      rows += some.size();
    }
    report_.metrics["batch_build_events_per_second"] = static_cast<double>(rows) / clock.Seconds();
  }

  Status IngestAll() {
    EventBatch batch;
    RowReader reader(task_.rows, kBatchRows);
    std::uint64_t rows = 0;
    bool restarted = !task_.restart;
    for (auto some = reader.Next(); !some.empty(); some = reader.Next()) {
      batch.Clear();
      for (const WorkloadRow& row : some) maker_.Add(row, &batch);
      const Stopwatch clock;
      SERVER_TRY_ASSIGN(const IngestReply reply, db_->Ingest(batch));
      acknowledged_ms_.push_back(clock.Seconds() * 1e3);
      duplicates_ += reply.Count(Outcome::kDuplicate);
      accepted_ += reply.Count(Outcome::kAccepted);
      rows += some.size();
      if (!restarted && rows >= task_.rows.rows / 2) {
        restarted = true;
        SERVER_TRY(db_->Close());
        db_.reset();
        SERVER_TRY(Open());
      }
    }
    return {};
  }

  Status CheckOutcomes() const {
    if (duplicates_ == task_.rows.repeats && accepted_ == task_.rows.events()) return {};
    return Status::Internal(fmt::format(
        "Quipu answered {} duplicates and {} accepted; the workload has {} repeats and {} events",
        duplicates_, accepted_, task_.rows.repeats, task_.rows.events()));
  }

  const EngineTask& task_;
  std::string path_;
  EventMaker maker_;
  std::optional<Database> db_;
  EngineReport report_;
  std::vector<double> acknowledged_ms_;
  std::uint64_t duplicates_ = 0, accepted_ = 0;
};

}  // namespace

void EventMaker::Add(const WorkloadRow& row, EventBatch* batch) {
  id_.clear();
  generate::AppendId(row, &id_);
  customer_.clear();
  generate::AppendCustomer(row.customer, customer_digits_, &customer_);
  event_.id = id_;
  event_.time = row.time;
  event_.customer = customer_;
  event_.service = generate::ServiceName(row.service);
  const bool whole = row.quantity_micro == 1'000'000;
  event_.quantity = whole ? Decimal(1) : Decimal(static_cast<std::int64_t>(row.quantity_micro), 6);
  event_.cost = whole ? Decimal(1, 4) : Decimal(static_cast<std::int64_t>(row.cost_nano()), 9);
  if (event_.dimensions.empty()) {
    event_.dimensions = {{"endpoint", {}}, {"method", {}}, {"region", {}}, {"status", {}}};
    event_.measures = {{"duration_ms", 0}, {"tokens", 0}};
  }
  event_.dimensions[0].value = generate::EndpointName(row.endpoint);
  event_.dimensions[1].value = generate::MethodName(row.method);
  event_.dimensions[2].value = generate::RegionName(row.region);
  event_.dimensions[3].value = generate::StatusName(row.status);
  event_.measures[0].value = row.duration_ms;
  event_.measures[1].value = row.tokens;
  batch->Add(event_);
}

Options StoreOptions() {
  Options options;
  options.create_if_missing = true;
  options.future_bound_us = -1;
  options.log = [](LogLevel level, const std::string& line) {
    if (level >= LogLevel::kWarning) std::fprintf(stderr, "quipu: %s\n", line.c_str());
  };
  return options;
}

Result<EngineReport> QuipuIngest(const EngineTask& task) { return IngestRun(task).Run(); }

}  // namespace quipu::usage
