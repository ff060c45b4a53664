#include "query/sketch_sums.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

namespace quipu {
namespace {

// As kept: a header, the bounds of each cell, then one row of counts more than there are cells. Empty: there are none.
struct alignas(alignof(QuantileSketch::Bounds)) Header {
  std::int32_t first_bucket = 0;
  std::uint32_t buckets = 0;
};

/// The sketches of all cells of a group; of those without, as of an absent measure, an empty one.
Result<std::vector<QuantileSketch>> SketchesOf(const SummaryTable& table, SummaryTable::Range group,
                                               ColumnId measure) {
  std::vector<QuantileSketch> sketches(group.last - group.first);
  for (std::uint32_t cell = group.first; cell < group.last; ++cell) {
    if (!table.HasQuantiles(cell, measure)) continue;
    QUIPU_TRY(table.MergeQuantiles(cell, measure, &sketches[cell - group.first]));
  }
  return sketches;
}

}  // namespace

std::string SketchSums::Encode(std::span<const QuantileSketch> sketches) {
  std::int32_t low = std::numeric_limits<std::int32_t>::max();
  std::int32_t high = std::numeric_limits<std::int32_t>::min();
  std::uint64_t count = 0;
  for (const QuantileSketch& sketch : sketches) {
    if (sketch.count() == 0) continue;
    low = std::min(low, QuantileSketch::BucketOf(sketch.bounds().min));
    high = std::max(high, QuantileSketch::BucketOf(sketch.bounds().max));
    count += sketch.count();
  }
  if (count == 0 || count > std::numeric_limits<std::uint32_t>::max()) return std::string();
  const Header header{low, static_cast<std::uint32_t>(high - low) + 1};
  const std::size_t cells = sketches.size();
  const std::size_t rows_at = sizeof header + cells * sizeof(QuantileSketch::Bounds);
  const std::uint64_t bytes = rows_at + std::uint64_t{header.buckets} * (cells + 1) * 4;
  if (bytes > kSketchSumsBytesMax) return std::string();

  std::string page(bytes, '\0');
  std::memcpy(page.data(), &header, sizeof header);
  std::vector<std::uint32_t> row(header.buckets, 0);
  for (std::size_t c = 0; c < cells; ++c) {
    const QuantileSketch::Bounds bounds = sketches[c].bounds();
    std::memcpy(page.data() + sizeof header + c * sizeof bounds, &bounds, sizeof bounds);
    sketches[c].ForEachBucket([&](std::int32_t bucket, std::uint64_t n) {
      row[static_cast<std::size_t>(bucket - low)] += static_cast<std::uint32_t>(n);
    });
    std::memcpy(page.data() + rows_at + (c + 1) * row.size() * 4, row.data(), row.size() * 4);
  }
  return page;
}

Result<std::optional<SketchSums>> SketchSums::Load(const SegmentReader& segment,
                                                   const SummaryTable& table,
                                                   SummaryTable::Range group, ColumnId measure) {
  QUIPU_TRY_ASSIGN(PagePtr page, segment.Derived({DerivedKind::kSketchSums, group.first, measure},
                                                 [&]() -> Result<std::string> {
                                                   QUIPU_TRY_ASSIGN(
                                                       const std::vector<QuantileSketch> sketches,
                                                       SketchesOf(table, group, measure));
                                                   return Encode(sketches);
                                                 }));
  return View(std::move(page), group.first, group.last - group.first);
}

std::optional<SketchSums> SketchSums::View(PagePtr page, std::uint32_t first, std::uint32_t cells) {
  if (page->empty()) return std::nullopt;
  SketchSums view;
  // A string of that size is aligned for any type.
  const char* const bytes = page->data();
  const auto* const header = reinterpret_cast<const Header*>(bytes);
  view.group_first_ = first;
  view.first_bucket_ = header->first_bucket;
  view.buckets_ = header->buckets;
  view.bounds_ = reinterpret_cast<const QuantileSketch::Bounds*>(bytes + sizeof *header);
  view.rows_ = reinterpret_cast<const std::uint32_t*>(view.bounds_ + cells);
  view.page_ = std::move(page);
  return view;
}

QuantileSketch::Bounds SketchSums::BoundsOf(std::uint32_t first, std::uint32_t last) const {
  QuantileSketch::Bounds all;
  for (std::uint32_t c = first - group_first_; c < last - group_first_; ++c) all.Merge(bounds_[c]);
  return all;
}

bool SketchSums::CanMerge(std::uint32_t first, std::uint32_t last) const {
  return BoundsOf(first, last).count > kQuantileExactMax;
}

bool SketchSums::MergeInto(std::uint32_t first, std::uint32_t last, QuantileSketch* into) const {
  const QuantileSketch::Bounds all = BoundsOf(first, last);
  if (all.count <= kQuantileExactMax) return false;
  const std::uint32_t* const before = rows_ + std::size_t{first - group_first_} * buckets_;
  const std::uint32_t* const up_to = rows_ + std::size_t{last - group_first_} * buckets_;
  into->MergeCounts(all, first_bucket_, {up_to, buckets_}, {before, buckets_});
  return true;
}

}  // namespace quipu
