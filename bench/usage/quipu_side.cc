#include "usage/quipu_side.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "cli/try.h"
#include "quipu/database.h"
#include "usage/in_flight.h"
#include "usage/process.h"
#include "usage/quipu_storage.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

constexpr std::size_t kBatchRows = 1000;
constexpr std::size_t kBatchesInFlight = 16;

/// One ingest on its way.
class IngestRun {
 public:
  IngestRun(const EngineTask& task, const std::string& folder, const Options& options)
      : task_(task), path_(task.dir + "/" + folder), options_(options), maker_(task.rows) {}

  /// With everything that is told of the store afterwards.
  Result<EngineReport> Run() {
    MeasureBatchBuilding();
    const std::uint64_t written_before = WrittenBytes();
    SERVER_TRY(Open());
    const Stopwatch clock;
    SERVER_TRY(IngestAll());
    SERVER_TRY(db_->Seal());
    const std::uint64_t written_in_ingest = WrittenBytes() - written_before;
    SERVER_TRY(db_->Compact());
    SERVER_TRY(NoteStore());
    const Stopwatch closing;
    SERVER_TRY(db_->Close());
    const double close_seconds = closing.Seconds();
    const double all_seconds = clock.Seconds();
    db_.reset();
    SERVER_TRY(CheckOutcomes());

    auto& m = report_.metrics;
    m["ingest_events_per_second"] = Rows() / ingest_seconds_;
    m["ingest_and_merge_events_per_second"] = Rows() / all_seconds;
    m["ingest_cpu_us_per_event"] = ingest_cpu_seconds_ * 1e6 / Rows();
    m["close_seconds"] = close_seconds;
    NoteAcknowledgements(in_flight_.acknowledged_ms(), &report_);
    m["duplicates_caught"] = static_cast<double>(in_flight_.duplicates());
    const auto disk_bytes = static_cast<double>(DiskBytes(path_));
    m["write_amplification"] = static_cast<double>(written_in_ingest) / disk_bytes;
    m["write_amplification_with_compact"] =
        static_cast<double>(WrittenBytes() - written_before) / disk_bytes;
    m["bytes_per_event"] = disk_bytes / static_cast<double>(task_.rows.events());
    m["space_amplification"] = disk_bytes / Sum(report_.column_bytes);
    SERVER_TRY(AddOtherFiles(path_, &report_.column_bytes));
    m["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
    return std::move(report_);
  }

  /// Only how fast it goes without looking for repeats.
  Result<EngineReport> RunUnchecked() {
    SERVER_TRY(Open());
    SERVER_TRY(IngestAll());
    SERVER_TRY(db_->Close());
    db_.reset();
    if (in_flight_.accepted() != task_.rows.rows) {
      return Status::Internal("Quipu found a repeat although it was told not to look for any");
    }
    report_.metrics["ingest_unchecked_events_per_second"] = Rows() / ingest_seconds_;
    report_.metrics["ingest_unchecked_cpu_us_per_event"] = ingest_cpu_seconds_ * 1e6 / Rows();
    return std::move(report_);
  }

  /// A history to be asked about, merged; repeats are rows of it, too.
  Result<EngineReport> RunHistory() {
    SERVER_TRY(Open());
    SERVER_TRY(IngestAll());
    SERVER_TRY(db_->Compact());
    SERVER_TRY(db_->Close());
    db_.reset();
    if (in_flight_.accepted() != task_.rows.rows)
      return Status::Internal("not all rows of the history were accepted");
    report_.metrics["bytes_per_event"] = static_cast<double>(DiskBytes(path_)) / Rows();
    return std::move(report_);
  }

 private:
  [[nodiscard]] double Rows() const { return static_cast<double>(task_.rows.rows); }

  Status Open() {
    SERVER_TRY_ASSIGN(Database db, Database::Open(path_, options_));
    db_.emplace(std::move(db));
    return {};
  }

  /// What the store counts itself, after merging.
  Status NoteStore() {
    SERVER_TRY_ASSIGN(const StoreInfo info, db_->Info());
    auto& m = report_.metrics;
    m["write_amplification_counted"] = info.write_amplification;
    m["read_amplification"] = info.read_amplification;
    m["read_amplification_max"] = static_cast<double>(info.read_amplification_max);
    SERVER_TRY_ASSIGN(const std::vector<ColumnStorage> columns, db_->StorageByColumn());
    report_.column_bytes = BytesOfSegments(columns);
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
    RowReader reader(task_.rows, kBatchRows);
    std::uint64_t rows = 0;
    bool restarted = !task_.restart;
    const double cpu_before = CpuSeconds();
    const Stopwatch all;
    for (auto some = reader.Next(); !some.empty(); some = reader.Next()) {
      EventBatch batch;
      for (const WorkloadRow& row : some) maker_.Add(row, &batch);
      in_flight_.Begin();
      const Stopwatch clock;
      const Status sent = db_->IngestAsync(std::move(batch), [this, clock](auto reply) {
        in_flight_.End(reply, clock.Seconds() * 1e3);
      });
      if (!sent.ok()) in_flight_.End(sent, 0);
      rows += some.size();
      if (!restarted && rows >= task_.rows.rows / 2) {
        restarted = true;
        SERVER_TRY(in_flight_.Wait());
        SERVER_TRY(db_->Close());
        db_.reset();
        SERVER_TRY(Open());
      }
    }
    SERVER_TRY(in_flight_.Wait());
    ingest_seconds_ = all.Seconds();
    ingest_cpu_seconds_ = CpuSeconds() - cpu_before;
    return {};
  }

  Status CheckOutcomes() const {
    const std::uint64_t duplicates = in_flight_.duplicates(), accepted = in_flight_.accepted();
    if (duplicates == task_.rows.repeats && accepted == task_.rows.events()) return {};
    return Status::Internal(fmt::format(
        "Quipu answered {} duplicates and {} accepted; the workload has {} repeats and {} events",
        duplicates, accepted, task_.rows.repeats, task_.rows.events()));
  }

  const EngineTask& task_;
  std::string path_;
  Options options_;
  EventMaker maker_;
  InFlight in_flight_{kBatchesInFlight};  // outlives the store, which calls back
  std::optional<Database> db_;
  EngineReport report_;
  double ingest_seconds_ = 0, ingest_cpu_seconds_ = 0;
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

Result<EngineReport> QuipuIngest(const EngineTask& task) {
  return IngestRun(task, "store", StoreOptions()).Run();
}

Result<EngineReport> QuipuHistory(const EngineTask& task) {
  Options options = StoreOptions();
  options.check_identities = false;
  return IngestRun(task, "store", options).RunHistory();
}

Result<EngineReport> QuipuUncheckedIngest(const EngineTask& task) {
  Options options = StoreOptions();
  options.check_identities = false;
  return IngestRun(task, "unchecked", options).RunUnchecked();
}

}  // namespace quipu::usage
