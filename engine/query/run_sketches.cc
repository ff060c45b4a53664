#include "query/run_sketches.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "base/calendar.h"
#include "query/chunk.h"
#include "query/sketch_sums.h"
#include "segment/vector_cursor.h"

namespace quipu {
namespace {

constexpr std::uint32_t kDays = 31;
/// [d] = rows of the run before day d of the month.
using RowsBefore = std::array<std::uint32_t, kDays + 1>;

struct DayRange {
  std::uint32_t first = 0, last = 0, window = 0;
};

/// visit(first, begin, end): rows [begin, end) of each vector that the run touches; `first` is the number of the first one in the run.
template <class Visit>
Status ForEachVector(const Run& run, VectorCursor* cursor, Visit visit) {
  const std::uint32_t run_end = run.first_row + run.rows;
  for (std::uint32_t v = run.first_row / kVectorRows; v * kVectorRows < run_end; ++v) {
    const std::uint32_t at = v * kVectorRows;
    cursor->Seek(v);
    const std::uint32_t begin = std::max(at, run.first_row);
    const std::uint32_t end = std::min(at + static_cast<std::uint32_t>(cursor->rows()), run_end);
    QUIPU_TRY(visit(begin - run.first_row, begin - at, end - at));
  }
  return {};
}

Result<std::string> CountDays(const SegmentReader& segment, const Run& run) {
  const TimeUs start = MonthStart(segment.meta().spec.month);
  const auto outside = [&] {
    return Status::Corruption(segment.path() + ": an event is outside the month");
  };
  RowsBefore before{};
  std::size_t day = 0;
  VectorCursor cursor(segment, {}, {});
  QUIPU_TRY(ForEachVector(run, &cursor,
                          [&](std::uint32_t, std::uint32_t begin, std::uint32_t end) -> Status {
                            QUIPU_TRY_ASSIGN(const TimeUs* const times, cursor.Times());
                            if (times[begin] < start) return outside();
                            for (std::uint32_t at = begin; at < end;) {
                              const TimeUs day_end = start + static_cast<TimeUs>(day + 1) * kDayUs;
                              const std::uint32_t rows = CountBefore(times + at, end - at, day_end);
                              before[day + 1] += rows;
                              at += rows;
                              if (at < end && ++day == kDays) return outside();
                            }
                            return {};
                          }));
  for (std::size_t d = 0; d < kDays; ++d) before[d + 1] += before[d];
  return std::string(reinterpret_cast<const char*>(before.data()), sizeof before);
}

Result<std::string> MakeSketches(const SegmentReader& segment, const Run& run,
                                 const RowsBefore& before, ColumnId measure) {
  std::vector<QuantileSketch> days(kDays, QuantileSketch::OfCountsOnly());
  std::vector<std::int64_t> room;
  VectorCursor cursor(segment, {measure}, {});
  std::size_t day = 0;
  QUIPU_TRY(ForEachVector(
      run, &cursor, [&](std::uint32_t first, std::uint32_t begin, std::uint32_t end) -> Status {
        QUIPU_TRY_ASSIGN(const MeasureVector* const values, cursor.Measure(0));
        if (values->present_count == 0) return {};
        const Chunk::MeasureColumn column = ColumnFrom(*values);
        const std::uint32_t last = first + (end - begin);
        while (before[day + 1] <= first) ++day;
        for (std::size_t d = day; d < kDays && before[d] < last; ++d) {
          const std::uint32_t from = std::max(first, before[d]), to = std::min(last, before[d + 1]);
          if (from < to)
            AddToSketch(column, begin + (from - first), begin + (to - first), nullptr, &room,
                        &days[d]);
        }
        return {};
      }));
  return SketchSums::Encode(days);
}

/// Nothing: the interval is not made of whole days of one window.
std::optional<DayRange> DaysOf(const BoundQuery& query, const SegmentMeta& meta,
                               const Interval& interval) {
  const TimeUs start = MonthStart(meta.spec.month);
  const auto day_of = [&](TimeUs t) { return static_cast<std::uint32_t>((t - start) / kDayUs); };
  DayRange days{day_of(meta.time_min), day_of(meta.time_max) + 1, 0};
  if (interval.from > meta.time_min) {
    if ((interval.from - start) % kDayUs != 0) return std::nullopt;
    days.first = day_of(interval.from);
  }
  if (interval.to <= meta.time_max) {
    if ((interval.to - start) % kDayUs != 0) return std::nullopt;
    days.last = day_of(interval.to);
  }
  const std::size_t window = query.WindowOf(interval.from);
  if (query.WindowEnd(window) < interval.to) return std::nullopt;
  days.window = static_cast<std::uint32_t>(window);
  return days;
}

}  // namespace

bool WantsRunSketches(const BoundQuery& query) {
  return query.cells_allowed && !query.all_customers && query.distincts.empty() &&
         !query.measures.empty() &&
         std::all_of(query.measures.begin(), query.measures.end(), [](const MeasureNeed& need) {
           return need.quantiles && !need.stats && !need.ends;
         });
}

Result<bool> AddRunSketches(const BoundQuery& query, const SegmentReader& segment, const Run& run,
                            std::size_t number, std::span<const Interval> intervals,
                            Groups* groups) {
  constexpr std::size_t kNumbers = std::size_t{1} << 26;  // DerivedKey::place
  if (run.rows < kRunSketchRowsMin || run.rows > kRunSketchRowsMax || number >= kNumbers)
    return false;
  std::vector<DayRange> ranges;
  std::uint32_t days = 0;
  for (const Interval& interval : intervals) {
    const auto range = DaysOf(query, segment.meta(), interval);
    if (!range) return false;
    ranges.push_back(*range);
    days += range->last - range->first;
  }
  if (days < kRunSketchDaysMin) return false;

  const auto place = static_cast<std::uint32_t>(number);
  QUIPU_TRY_ASSIGN(const PagePtr kept_days, segment.Derived({DerivedKind::kRunDays, place, 0}, [&] {
    return CountDays(segment, run);
  }));
  RowsBefore before;
  std::memcpy(before.data(), kept_days->data(), sizeof before);
  std::vector<SketchSums> sums;
  for (const MeasureNeed& need : query.measures) {
    QUIPU_TRY_ASSIGN(PagePtr page,
                     segment.Derived({DerivedKind::kRunSketches, place, need.id},
                                     [&] { return MakeSketches(segment, run, before, need.id); }));
    auto of_measure = SketchSums::View(std::move(page), 0, kDays);
    if (!of_measure) return false;
    for (const DayRange& range : ranges) {
      if (before[range.first] < before[range.last] &&
          !of_measure->CanMerge(range.first, range.last))
        return false;
    }
    sums.push_back(*std::move(of_measure));
  }
  for (const DayRange& range : ranges) {
    const std::uint32_t rows = before[range.last] - before[range.first];
    if (rows == 0) continue;
    QUIPU_TRY_ASSIGN(const std::uint32_t g, groups->Find(range.window, run.customer, run.service));
    groups->rows(g) += rows;
    for (std::size_t m = 0; m < sums.size(); ++m)
      (void)sums[m].MergeInto(range.first, range.last, &groups->quantiles(g, m));
  }
  QUIPU_TRY(groups->CheckMemory(Groups::kCellWeight));
  return true;
}

}  // namespace quipu
