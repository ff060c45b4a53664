#include "db/amplification.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"

namespace quipu {
namespace {

/// Sizes of the files in a folder, not of folders in it. What goes away meanwhile does not count.
Result<std::uint64_t> BytesIn(Vfs* vfs, const std::string& folder,
                              const std::vector<std::string>& folders) {
  std::uint64_t bytes = 0;
  QUIPU_TRY_ASSIGN(const bool exists, vfs->Exists(folder));
  if (!exists) return bytes;
  QUIPU_TRY_ASSIGN(const std::vector<std::string> names, vfs->List(folder));
  for (const std::string& name : names) {
    if (std::find(folders.begin(), folders.end(), name) != folders.end()) continue;
    const auto file = vfs->OpenForRead(JoinPath(folder, name));
    if (file) bytes += (*file)->size();
  }
  return bytes;
}

/// Sums over customers, for the mean, and the worst of any.
struct Depth {
  double sum = 0, customers = 0;
  std::uint64_t most = 0;
};

void AddMonth(std::vector<std::pair<std::uint64_t, int>> edges, Depth* depth) {
  std::sort(edges.begin(), edges.end());
  int now = 0;
  std::uint64_t from = 0;
  for (const auto& [at, step] : edges) {
    if (now > 0) {
      depth->sum += static_cast<double>(at - from) * now;
      depth->customers += static_cast<double>(at - from);
    }
    now += step;
    from = at;
    depth->most = std::max(depth->most, static_cast<std::uint64_t>(now));
  }
}

Depth DepthOf(const View& view) {
  std::map<MonthIndex, std::vector<std::pair<std::uint64_t, int>>> months;
  for (const SegmentPtr& segment : view.segments) {
    const SegmentMeta& meta = segment->meta();
    auto& edges = months[meta.spec.month];
    edges.emplace_back(meta.customer_first, +1);
    edges.emplace_back(std::uint64_t{meta.customer_last} + 1, -1);
  }
  Depth depth;
  for (auto& [month, edges] : months) AddMonth(std::move(edges), &depth);
  return depth;
}

/// In the order in which they are listed.
enum class StorageKind {
  kTimes,
  kMeasure,
  kDimension,
  kDictionary,
  kIds,
  kIndex,
  kSummaries,
  kDirectory,
  kOther
};

StorageKind KindOf(PageKind kind) {
  switch (kind) {
    case PageKind::kTimes:
      return StorageKind::kTimes;
    case PageKind::kMeasure:
      return StorageKind::kMeasure;
    case PageKind::kDimension:
      return StorageKind::kDimension;
    case PageKind::kDictionary:
      return StorageKind::kDictionary;
    case PageKind::kIds:
    case PageKind::kIdentityKeys:
      return StorageKind::kIds;
    case PageKind::kIdentityPrefix:
    case PageKind::kIdentityRows:
      return StorageKind::kIndex;
    case PageKind::kSummaries:
    case PageKind::kDimensionCells:
      return StorageKind::kSummaries;
    case PageKind::kDirectory:
    case PageKind::kNames:
      return StorageKind::kDirectory;
    case PageKind::kFooter:
      return StorageKind::kOther;
  }
  QUIPU_CHECK(false);
}

std::string_view KindText(StorageKind kind) {
  constexpr std::string_view kTexts[] = {"times",      "measure",   "dimension",
                                         "dictionary", "ids",       "identity_index",
                                         "summaries",  "directory", "other"};
  return kTexts[static_cast<std::size_t>(kind)];
}

}  // namespace

Status MeasureAmplification(const Store& store, const View& view, StoreInfo* info) {
  info->logged_bytes = view.written.logged_bytes;
  info->sealed_bytes = view.written.sealed_bytes;
  info->merged_bytes = view.written.merged_bytes;
  for (const char* name : {"kv", "segments", "quarantine"}) {
    QUIPU_TRY_ASSIGN(const std::uint64_t bytes,
                     BytesIn(store.vfs(), JoinPath(store.folder(), name), {}));
    info->disk_bytes += bytes;
  }
  QUIPU_TRY_ASSIGN(const std::uint64_t bytes,
                   BytesIn(store.vfs(), store.folder(), {"kv", "segments", "quarantine"}));
  info->disk_bytes += bytes;
  const Depth depth = DepthOf(view);
  info->read_amplification_max = depth.most;
  if (depth.customers > 0) info->read_amplification = depth.sum / depth.customers;
  if (info->segment_bytes == 0) return {};
  const auto live = static_cast<double>(info->segment_bytes);
  info->write_amplification =
      static_cast<double>(info->logged_bytes + info->sealed_bytes + info->merged_bytes) / live;
  info->space_amplification = static_cast<double>(info->disk_bytes) / live;
  return {};
}

std::vector<ColumnStorage> StorageOf(const View& view, const Catalogue& catalogue) {
  std::map<std::pair<StorageKind, std::string>, ColumnStorage> columns;
  for (const SegmentPtr& segment : view.segments) {
    std::map<std::pair<StorageKind, std::string>, std::uint64_t> rows;
    for (const PageBytes& part : segment->BytesByColumn()) {
      const StorageKind kind = KindOf(part.kind);
      std::string name;
      if (kind == StorageKind::kMeasure) name = catalogue.Measure(part.column);
      if (kind == StorageKind::kDimension || kind == StorageKind::kDictionary)
        name = catalogue.Dimension(part.column);
      const std::pair key(kind, std::move(name));
      columns[key].bytes += part.bytes;
      rows[key] = std::max(rows[key], part.rows);  // a kind of several pages counts its rows once
    }
    for (const auto& [key, count] : rows) columns[key].rows += count;
  }
  std::vector<ColumnStorage> list;
  for (auto& [key, column] : columns) {
    column.kind = KindText(key.first);
    column.name = key.second;
    list.push_back(std::move(column));
  }
  return list;
}

}  // namespace quipu
