#include "query/run_slices.h"

#include <algorithm>

#include "base/check.h"
#include "query/chunk.h"
#include "segment/vector_cursor.h"

namespace quipu {
namespace {

/// Finds the slices of runs that come vector by vector.
class Slicer {
 public:
  Slicer(const SegmentReader& segment, std::span<const Run> runs, const Interval& range)
      : runs_(runs), range_(range), cursor_(segment, {}, {}) {}

  Result<std::string> Slice(std::uint32_t vectors) {
    std::string bytes;
    for (std::uint32_t v = 0; v < vectors; ++v) {
      cursor_.Seek(v);
      QUIPU_TRY(AddVector(v * kVectorRows, &bytes));
    }
    return bytes;
  }

 private:
  /// Counts the rows of each run's part of the vector that lie before the range and before its end.
  Status AddVector(std::uint32_t first, std::string* bytes) {
    const auto end = static_cast<std::uint32_t>(first + cursor_.rows());
    QUIPU_TRY_ASSIGN(const TimeBounds bounds, cursor_.Bounds());
    const TimeUs* times = nullptr;
    const bool is_cut = (range_.from > bounds.min && range_.from <= bounds.max) ||
                        (range_.to > bounds.min && range_.to <= bounds.max);
    if (is_cut) {
      QUIPU_TRY_ASSIGN(times, cursor_.Times());
    }
    const auto count = [&](std::uint32_t from, std::uint32_t rows, TimeUs t) {
      if (t <= bounds.min) return 0u;
      if (t > bounds.max) return rows;
      return CountBefore(times + (from - first), rows, t);
    };
    while (run_ < runs_.size() && runs_[run_].first_row < end) {
      const Run& run = runs_[run_];
      const std::uint32_t run_end = run.first_row + run.rows;
      const std::uint32_t from = std::max(first, run.first_row);
      const std::uint32_t rows = std::min(end, run_end) - from;
      before_ += count(from, rows, range_.from);
      before_end_ += count(from, rows, range_.to);
      if (run_end > end) return {};
      if (before_end_ > before_) {
        const Run slice{run.customer, run.service, run.first_row + before_, before_end_ - before_};
        bytes->append(reinterpret_cast<const char*>(&slice), sizeof slice);
      }
      before_ = before_end_ = 0;
      ++run_;
    }
    return {};
  }

  const std::span<const Run> runs_;
  const Interval range_;
  VectorCursor cursor_;
  std::size_t run_ = 0;
  std::uint32_t before_ = 0, before_end_ = 0;  // rows of this run, up to this vector
};

}  // namespace

Result<std::optional<RunSlices>> RunSlices::Load(const SegmentReader& segment,
                                                 const Interval& range) {
  // A range that reaches the first or the last row reaches the month's edge.
  const SegmentMeta& meta = segment.meta();
  const TimeUs start = MonthStart(meta.spec.month);
  const TimeUs from = range.from <= meta.time_min ? start : range.from;
  const TimeUs to = range.to > meta.time_max ? MonthStart(meta.spec.month + 1) : range.to;
  QUIPU_TRY_ASSIGN(const Directory* const directory, segment.directory());
  if (from % kHourUs != 0 || to % kHourUs != 0 || directory->runs().size() > kRunSlicesMax)
    return std::optional<RunSlices>();
  QUIPU_CHECK(start <= from && from < to && to <= MonthStart(meta.spec.month + 1));
  // 744 hours at most, ten bits each.
  const auto place =
      static_cast<std::uint32_t>((from - start) / kHourUs << 10 | (to - start) / kHourUs);
  RunSlices loaded;
  QUIPU_TRY_ASSIGN(loaded.page_, segment.Derived({DerivedKind::kRunSlices, place, 0}, [&] {
    return Slicer(segment, directory->runs(), {from, to}).Slice(segment.vectors());
  }));
  // A string's bytes are aligned for any number.
  loaded.runs_ = {reinterpret_cast<const Run*>(loaded.page_->data()),
                  loaded.page_->size() / sizeof(Run)};
  return std::optional<RunSlices>(std::move(loaded));
}

}  // namespace quipu
