#include "usage/row_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

constexpr std::size_t kWriteRows = 16'384;

bool WriteAll(int file, const std::vector<WorkloadRow>& rows) {
  const char* at = reinterpret_cast<const char*>(rows.data());
  std::size_t left = rows.size() * sizeof(WorkloadRow);
  while (left > 0) {
    const ssize_t n = ::write(file, at, left);
    if (n <= 0) return false;
    at += n;
    left -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

Result<RowFile> WriteRowFile(const std::string& path, const generate::WorkloadOptions& workload) {
  RowFile made{.path = path, .workload = workload};
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Status::IoError("the file of rows cannot be created: " + path);
  const Stopwatch clock;
  std::vector<WorkloadRow> rows;
  rows.reserve(kWriteRows);
  bool written = true;
  Status status = generate::GenerateRows(workload, [&](const WorkloadRow& row) {
    rows.push_back(row);
    ++made.rows;
    made.repeats += row.again;
    if (rows.size() == kWriteRows) {
      written = WriteAll(file, rows);
      rows.clear();
    }
    return written;
  });
  if (status.ok()) written = WriteAll(file, rows);
  // Synced, so that writing it back does not compete with the engines.
  written = written && ::fdatasync(file) == 0;
  written = ::close(file) == 0 && written;
  if (!written) return Status::IoError("the file of rows cannot be written: " + path);
  if (!status.ok()) return status;
  made.generate_seconds = clock.Seconds();
  return made;
}

RowReader::RowReader(const RowFile& file, std::size_t rows_max)
    : file_(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC)), rows_(rows_max) {
  if (file_ < 0) {
    std::fprintf(stderr, "usagebench: %s cannot be opened\n", file.path.c_str());
    std::abort();
  }
}

RowReader::~RowReader() { ::close(file_); }

std::span<const WorkloadRow> RowReader::Next() {
  auto* const start = reinterpret_cast<char*>(rows_.data());
  const std::size_t wanted = rows_.size() * sizeof(WorkloadRow);
  std::size_t have = 0;
  while (have < wanted) {
    const ssize_t n = ::read(file_, start + have, wanted - have);
    if (n < 0) {
      std::fprintf(stderr, "usagebench: the file of rows cannot be read\n");
      std::abort();
    }
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  return {rows_.data(), have / sizeof(WorkloadRow)};
}

void ForEachRow(const RowFile& file, bool repeats,
                const std::function<void(const WorkloadRow&)>& take) {
  RowReader reader(file, kWriteRows);
  for (auto rows = reader.Next(); !rows.empty(); rows = reader.Next()) {
    for (const WorkloadRow& row : rows) {
      if (repeats || !row.again) take(row);
    }
  }
}

}  // namespace quipu::usage
