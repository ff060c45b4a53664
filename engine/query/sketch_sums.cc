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

/// What is kept, in the making.
class Page {
 public:
  explicit Page(std::span<const QuantileSketch::Bounds> bounds) : cells_(bounds.size()) {
    QuantileSketch::Bounds all;
    for (const QuantileSketch::Bounds& b : bounds) all.Merge(b);
    if (all.count == 0 || all.count > std::numeric_limits<std::uint32_t>::max()) return;
    const std::int32_t low = QuantileSketch::BucketOf(all.min);
    const std::int32_t high = QuantileSketch::BucketOf(all.max);
    const Header header{low, static_cast<std::uint32_t>(high - low) + 1};
    rows_at_ = sizeof header + bounds.size_bytes();
    const std::uint64_t bytes = rows_at_ + std::uint64_t{header.buckets} * (cells_ + 1) * 4;
    if (bytes > kSketchSumsBytesMax) return;
    header_ = header;
    bytes_.resize(bytes);
    std::memcpy(bytes_.data(), &header, sizeof header);
    std::memcpy(bytes_.data() + sizeof header, bounds.data(), bounds.size_bytes());
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] std::int32_t first_bucket() const { return header_.first_bucket; }
  /// The counts up to and including cell `c`, so far those before it. Cell by cell.
  std::uint32_t* RowAfter(std::size_t c) {
    const std::size_t row_bytes = std::size_t{header_.buckets} * 4;
    char* const row = bytes_.data() + rows_at_ + (c + 1) * row_bytes;
    std::memcpy(row, row - row_bytes, row_bytes);
    return reinterpret_cast<std::uint32_t*>(row);
  }
  std::string Take() && { return std::move(bytes_); }

 private:
  std::size_t cells_, rows_at_ = 0;
  Header header_;
  std::string bytes_;
};

std::string EncodeSketches(std::span<const QuantileSketch> sketches) {
  std::vector<QuantileSketch::Bounds> bounds;
  for (const QuantileSketch& sketch : sketches) bounds.push_back(sketch.bounds());
  Page page(bounds);
  for (std::size_t c = 0; !page.empty() && c < sketches.size(); ++c) {
    std::uint32_t* const row = page.RowAfter(c);
    sketches[c].ForEachBucket([&](std::int32_t bucket, std::uint64_t n) {
      row[bucket - page.first_bucket()] += static_cast<std::uint32_t>(n);
    });
  }
  return std::move(page).Take();
}

}  // namespace

std::string SketchSums::Encode(std::span<const QuantileSketch::Bounds> bounds,
                               std::span<const std::uint32_t> before,
                               std::span<const QuantileSketch::Code> codes) {
  Page page(bounds);
  const auto first = QuantileSketch::CodeOf(page.first_bucket());
  for (std::size_t c = 0; !page.empty() && c < bounds.size(); ++c) {
    std::uint32_t* const row = page.RowAfter(c);
    for (const QuantileSketch::Code code : codes.subspan(before[c], before[c + 1] - before[c])) {
      if (code != QuantileSketch::kNoCode) ++row[code - first];
    }
  }
  return std::move(page).Take();
}

Result<std::optional<SketchSums>> SketchSums::Load(const SegmentReader& segment,
                                                   const SummaryTable& table,
                                                   SummaryTable::Range group, ColumnId measure) {
  QUIPU_TRY_ASSIGN(PagePtr page, segment.Derived({DerivedKind::kSketchSums, group.first, measure},
                                                 [&]() -> Result<std::string> {
                                                   QUIPU_TRY_ASSIGN(
                                                       const std::vector<QuantileSketch> sketches,
                                                       SketchesOf(table, group, measure));
                                                   return EncodeSketches(sketches);
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

bool SketchSums::MergeInto(std::uint32_t first, std::uint32_t last, QuantileSketch* into) const {
  const QuantileSketch::Bounds all = BoundsOf(first, last);
  if (!into->CanTake(all.count)) return false;
  const std::uint32_t* const before = rows_ + std::size_t{first - group_first_} * buckets_;
  const std::uint32_t* const up_to = rows_ + std::size_t{last - group_first_} * buckets_;
  into->MergeCounts(all, first_bucket_, {up_to, buckets_}, {before, buckets_});
  return true;
}

}  // namespace quipu
