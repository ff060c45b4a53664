// Everything archived without ids: what it takes then, and that it still says the same.
#include <filesystem>

#include "cli/try.h"
#include "quipu/database.h"
#include "usage/process.h"
#include "usage/quipu_side.h"
#include "usage/quipu_storage.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;

/// Sums over everything, by service: as text, to be compared.
Result<std::string> TotalsOf(const Database& db) {
  Query query;
  query.Select("count, sum(quantity), sum(cost), sum(tokens), max(duration_ms)").GroupBy("service");
  SERVER_TRY_ASSIGN(const ResultSet result, db.Query(query));
  std::string text;
  for (std::size_t row = 0; row < result.rows(); ++row) {
    for (const ResultColumn& column : result.columns) text += column.Text(row) + " ";
    text += "\n";
  }
  return text;
}

/// The first month's end that is later than every event.
Result<TimeUs> EndOfMonths(const RowFile& rows) {
  SERVER_TRY_ASSIGN(const TimeUs from, ParseTimeInZone(rows.workload.from, "UTC"));
  const std::string last = FormatTime(from + TimeUs{rows.workload.days} * kDayUs - 1);
  const int year = std::stoi(last.substr(0, 4)), month = std::stoi(last.substr(5, 2));
  const std::string next =
      month == 12 ? std::to_string(year + 1) + "-01-01"
                  : last.substr(0, 5) + (month < 9 ? "0" : "") + std::to_string(month + 1) + "-01";
  return ParseTimeInZone(next, "UTC");
}

TimeUs Now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<EngineReport> QuipuArchive(const EngineTask& task) {
  EngineReport report;
  const Options options = StoreOptions();
  SERVER_TRY_ASSIGN(const TimeUs end, EndOfMonths(task.rows));
  if (end + options.identity_window_us > Now()) return report;
  const std::string path = task.dir + "/archived";
  std::error_code bad;
  fs::copy(task.dir + "/store", path, fs::copy_options::recursive, bad);
  if (bad) return Status::IoError("the store cannot be copied: " + bad.message());

  SERVER_TRY_ASSIGN(Database db, Database::Open(path, options));
  SERVER_TRY_ASSIGN(const std::string before, TotalsOf(db));
  const Stopwatch clock;
  SERVER_TRY_ASSIGN(const RetentionReport archived, db.Archive({.before = end, .drop_ids = true}));
  const double seconds = clock.Seconds();
  SERVER_TRY_ASSIGN(const std::string after, TotalsOf(db));
  if (archived.archived_events != task.rows.events() || before != after) {
    return Status::Internal("archiving changed the totals\n" + before + after);
  }
  SERVER_TRY_ASSIGN(const std::vector<ColumnStorage> columns, db.StorageByColumn());
  SERVER_TRY(db.Close());
  report.archived_column_bytes = BytesOfSegments(columns);
  if (report.archived_column_bytes.contains("id")) {
    return Status::Internal("archiving without ids left ids");
  }
  SERVER_TRY(AddOtherFiles(path, &report.archived_column_bytes));
  const auto events = static_cast<double>(task.rows.events());
  report.metrics["bytes_per_event_without_ids"] = static_cast<double>(DiskBytes(path)) / events;
  report.metrics["archive_events_per_second"] = events / seconds;
  report.metrics["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
  return report;
}

}  // namespace quipu::usage
