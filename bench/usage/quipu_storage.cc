#include "usage/quipu_storage.h"

#include <filesystem>

#include "usage/process.h"

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;

std::string NameOf(const ColumnStorage& part) {
  if (!part.name.empty()) return part.name;  // a dictionary belongs to its dimension
  if (part.kind == "times") return "time";
  if (part.kind == "ids") return "id";
  if (part.kind == "identity_index") return "identity index";
  if (part.kind == "other") return "footers";
  return part.kind;
}

double FileBytes(const fs::path& path) {
  std::error_code bad;
  double bytes = 0;
  for (fs::recursive_directory_iterator it(path, bad), end; !bad && it != end; it.increment(bad)) {
    if (it->is_regular_file(bad)) bytes += static_cast<double>(it->file_size(bad));
  }
  return bytes;
}

}  // namespace

std::map<std::string, double> BytesOfSegments(const std::vector<ColumnStorage>& columns) {
  std::map<std::string, double> bytes;
  for (const ColumnStorage& part : columns) {
    bytes[NameOf(part)] += static_cast<double>(part.bytes);
  }
  return bytes;
}

Status AddOtherFiles(const std::string& path, std::map<std::string, double>* bytes) {
  const double in_segments = Sum(*bytes);
  const double all = FileBytes(path);
  const double kv = FileBytes(fs::path(path) / "kv");
  if (in_segments + kv > all) {
    return Status::Internal("the store counts more bytes in its segments than the folder holds: " +
                            path);
  }
  (*bytes)["key-value store"] = kv;
  (*bytes)["other files"] = all - kv - in_segments;
  (*bytes)["unfilled blocks"] = static_cast<double>(DiskBytes(path)) - all;
  return {};
}

double Sum(const std::map<std::string, double>& bytes) {
  double sum = 0;
  for (const auto& [name, value] : bytes) sum += value;
  return sum;
}

}  // namespace quipu::usage
