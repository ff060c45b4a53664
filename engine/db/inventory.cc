// What is stored: partitions (month x customer) and the store as a whole, read off one view.
#include <algorithm>
#include <map>
#include <span>

#include "base/calendar.h"
#include "base/check.h"
#include "db/amplification.h"
#include "db/database_impl.h"

namespace quipu {
namespace {

using PartitionKey = std::pair<MonthIndex, std::string>;

/// A customer's share of a segment's bytes, by rows: customers share segments.
std::uint64_t Share(std::uint64_t bytes, std::uint64_t part, std::uint64_t whole) {
  return static_cast<std::uint64_t>(static_cast<Uint128>(bytes) * part / whole);
}

std::string_view TierText(SegmentLevel level) {
  switch (level) {
    case SegmentLevel::kSealed:
      return "L0";
    case SegmentLevel::kMerged:
      return "L1";
    case SegmentLevel::kClosed:
      return "L2";
  }
  QUIPU_CHECK(false);
}

void AddTo(PartitionInfo* p, const SegmentMeta& meta, std::uint64_t rows) {
  p->rows += rows;
  p->bytes +=
      rows == meta.totals.rows ? meta.file_bytes : Share(meta.file_bytes, rows, meta.totals.rows);
  ++p->segments;
  if (meta.spec.summaries_only) p->summary_rows += rows;
  if (meta.spec.summaries_only) return;
  if (meta.archive != 0) p->archived_rows += rows;
  if (meta.archive != 0) return;
  const std::string_view tier = TierText(meta.level);
  if (p->tier.empty() || tier < p->tier) p->tier = tier;
}

/// The level of what is in segments/, and where else rows are.
std::string TierOf(const PartitionInfo& p) {
  std::string tier = p.tier;
  const auto add = [&](std::uint64_t rows, const char* name) {
    if (rows > 0) tier += (tier.empty() ? "" : "+") + std::string(name);
  };
  add(p.archived_rows, "archive");
  add(p.summary_rows, "summaries");
  add(p.detached_rows, "detached");
  return tier.empty() ? "hot" : tier;
}

Status AddSegment(const SegmentReader& segment, const Catalogue& catalogue,
                  std::span<const CustomerOrdinal> erased, bool by_customer,
                  std::map<PartitionKey, PartitionInfo>* partitions) {
  const SegmentMeta& meta = segment.meta();
  if (!by_customer) {
    QUIPU_TRY_ASSIGN(const std::uint64_t hidden, ErasedRows(segment, erased));
    const std::uint64_t rows = meta.totals.rows - hidden;
    if (rows == 0) return {};
    AddTo(&(*partitions)[{meta.spec.month, ""}], meta, rows);
    return {};
  }
  QUIPU_TRY_ASSIGN(const Directory* directory, segment.directory());
  const std::span<const Run> runs = directory->runs();
  for (std::size_t i = 0; i < runs.size();) {
    std::uint64_t rows = 0;
    const CustomerOrdinal customer = runs[i].customer;
    for (; i < runs.size() && runs[i].customer == customer; ++i) rows += runs[i].rows;
    if (IsErased(erased, customer)) continue;
    AddTo(&(*partitions)[{meta.spec.month, std::string(catalogue.Customer(customer))}], meta, rows);
  }
  return {};
}

void AddHotBatch(const RowBatch& rows, const Catalogue& catalogue,
                 std::span<const CustomerOrdinal> erased, bool by_customer,
                 std::map<PartitionKey, PartitionInfo>* partitions) {
  std::map<std::pair<MonthIndex, CustomerOrdinal>, std::uint64_t> counts;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (IsErased(erased, rows.customers[i])) continue;
    ++counts[{MonthOf(rows.times[i]), by_customer ? rows.customers[i] : 0}];
  }
  for (const auto& [key, count] : counts) {
    const std::string customer(by_customer ? catalogue.Customer(key.second) : std::string_view());
    PartitionInfo& p = (*partitions)[{key.first, customer}];
    p.rows += count;
    p.hot_rows += count;
  }
}

std::vector<std::string> SortedNames(const Catalogue& catalogue, NameKind kind,
                                     std::uint32_t first) {
  std::vector<std::string> names;
  for (std::uint32_t i = first; i < catalogue.size(kind); ++i) {
    if (const std::string_view name = catalogue.NameOf(kind, i); !name.empty())
      names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<std::vector<PartitionInfo>> Database::Impl::Partitions(const View& view,
                                                              bool by_customer) const {
  std::map<PartitionKey, PartitionInfo> partitions;
  for (const SegmentPtr& segment : view.segments) {
    QUIPU_TRY(AddSegment(*segment, store_->catalogue(), view.erased, by_customer, &partitions));
  }
  // Who is in a detached folder is not known here.
  for (const SegmentMeta& meta : view.detached) {
    PartitionInfo& p = partitions[{meta.spec.month, ""}];
    p.rows += meta.totals.rows;
    p.detached_rows += meta.totals.rows;
    p.bytes += meta.file_bytes;
    ++p.segments;
  }
  for (const HotBatchPtr& batch : view.hot)
    AddHotBatch(batch->rows, store_->catalogue(), view.erased, by_customer, &partitions);
  const TimeUs now = store_->clock()->NowUs();
  std::vector<PartitionInfo> list;
  for (auto& [key, info] : partitions) {
    info.age_us = std::max<TimeUs>(0, now - MonthStart(key.first + 1));
    info.month = MonthText(key.first);
    info.customer = key.second;
    info.tier = TierOf(info);
    list.push_back(std::move(info));
  }
  return list;
}

Result<StoreInfo> Database::Impl::Info(const View& view) const {
  const Catalogue& catalogue = store_->catalogue();
  StoreInfo info;
  info.path = store_->folder();
  info.store_id = UuidText(store_->store_id().high, store_->store_id().low);
  info.format_version = kStoreFormatVersion;
  info.as_of = view.as_of;
  QUIPU_TRY_ASSIGN(const std::uint64_t hidden, ErasedRows(view));
  info.events = view.totals.rows - hidden;
  info.hot_events = view.hot_rows() - ErasedHotRows(view);
  info.hot_bytes = view.hot_bytes();
  info.segments = view.segments.size();
  bool first = true;
  const auto widen = [&](TimeUs low, TimeUs high) {
    info.time_min = first ? low : std::min(info.time_min, low);
    info.time_max = first ? high : std::max(info.time_max, high);
    first = false;
  };
  for (const SegmentPtr& segment : view.segments) {
    info.segment_bytes += segment->meta().file_bytes;
    QUIPU_TRY_ASSIGN(const auto bounds, VisibleBounds(*segment, view.erased));
    if (bounds) widen(bounds->min, bounds->max);
  }
  for (const HotBatchPtr& batch : view.hot) {
    if (const auto bounds = VisibleBounds(*batch, view.erased)) widen(bounds->min, bounds->max);
  }
  info.freezes = view.freezes->size();
  info.customers = catalogue.live(NameKind::kCustomer);
  info.services = SortedNames(catalogue, NameKind::kService, 0);
  info.dimensions = SortedNames(catalogue, NameKind::kDimension, 0);
  info.measures = SortedNames(catalogue, NameKind::kMeasure, kFirstUserMeasure);
  QUIPU_TRY(MeasureAmplification(*store_, view, &info));
  return info;
}

}  // namespace quipu
