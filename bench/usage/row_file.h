// The workload's rows in a file, made once before anything is timed and then streamed to every engine.
//
// Why a file: 50 million rows are 2.8 GB. They must neither lie in memory beside the engine that is being measured nor be
// generated while it is. A row is 56 bytes (generate::WorkloadRow); reading a thousand of them costs about as much as copying 56 kB.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "generate/workload.h"

namespace quipu::usage {

using generate::WorkloadRow;

/// Where the rows are and what they are.
struct RowFile {
  std::string path;
  generate::WorkloadOptions workload;
  std::uint64_t rows = 0;     ///< With the repeats.
  std::uint64_t repeats = 0;  ///< Rows that are second sendings.
  double generate_seconds = 0;

  [[nodiscard]] std::uint64_t events() const { return rows - repeats; }
};

/// Generates, writes and syncs the file.
Result<RowFile> WriteRowFile(const std::string& path, const generate::WorkloadOptions& workload);

/// Reads a file from its start, in order of arrival.
class RowReader {
 public:
  /// At most `rows_max` rows at a time.
  RowReader(const RowFile& file, std::size_t rows_max);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  /// The next rows, valid until the next call; empty at the end. A read that fails ends the process: there is nothing to compare then.
  std::span<const WorkloadRow> Next();

 private:
  int file_;
  std::vector<WorkloadRow> rows_;
};

/// Every row in order of arrival; `repeats` says whether second sendings are among them.
void ForEachRow(const RowFile& file, bool repeats,
                const std::function<void(const WorkloadRow&)>& take);

}  // namespace quipu::usage
