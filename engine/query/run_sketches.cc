#include "query/run_sketches.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "base/calendar.h"
#include "base/check.h"
#include "query/chunk.h"
#include "query/sketch_sums.h"
#include "segment/vector_cursor.h"
#include "sketch/value_codes.h"

namespace quipu {
namespace {

constexpr std::uint32_t kDays = 31;
/// [p] = rows of the run before part p, a day of the month or the whole run, and one more at the end: all of them.
using RowsBefore = std::span<const std::uint32_t>;

/// Parts of a run, which lie in one window.
struct PartRange {
  std::uint32_t first = 0, last = 0, window = 0;
};

/// Of rows [begin, end) of a vector; some are present.
DecimalSpan ValuesOf(const MeasureVector& vector, std::uint32_t begin, std::uint32_t end) {
  DecimalSpan values{vector.scale, nullptr, nullptr, nullptr, end - begin};
  if (!vector.all_present) values.present = vector.present.data() + begin;
  if (vector.is_wide) {
    values.wide = vector.wide.data() + begin;
  } else {
    values.narrow = vector.narrow.data() + begin;
  }
  return values;
}

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
  std::array<std::uint32_t, kDays + 1> before{};
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

/// The codes of all rows, and the bounds of each part.
struct CodedRun {
  std::vector<QuantileSketch::Bounds> bounds;
  std::vector<QuantileSketch::Code> codes;
};

Result<CodedRun> CodeRun(const SegmentReader& segment, const Run& run, RowsBefore before,
                         ColumnId measure) {
  const std::size_t parts = before.size() - 1;
  CodedRun coded;
  coded.bounds.resize(parts);
  coded.codes.resize(run.rows, QuantileSketch::kNoCode);
  std::vector<std::int64_t> room;
  VectorCursor cursor(segment, {measure}, {});
  std::size_t part = 0;
  QUIPU_TRY(ForEachVector(
      run, &cursor, [&](std::uint32_t first, std::uint32_t begin, std::uint32_t end) -> Status {
        QUIPU_TRY_ASSIGN(const MeasureVector* const values, cursor.Measure(0));
        if (values->present_count == 0) return {};
        const std::uint32_t last = first + (end - begin);
        CodeValues(ValuesOf(*values, begin, end), coded.codes.data() + first);
        while (before[part + 1] <= first) ++part;
        for (std::size_t p = part; p < parts && before[p] < last; ++p) {
          const std::uint32_t from = std::max(first, before[p]), to = std::min(last, before[p + 1]);
          if (from >= to) continue;
          coded.bounds[p].Merge(
              BoundsOf(ValuesOf(*values, begin + (from - first), begin + (to - first)), &room));
        }
        return {};
      }));
  return coded;
}

/// What is kept of a run and measure: of few rows the bounds of each part and then the codes, of many running counts. Empty if no row has the measure.
class KeptRun {
 public:
  static Result<std::string> Make(const SegmentReader& segment, const Run& run, RowsBefore before,
                                  ColumnId measure) {
    QUIPU_TRY_ASSIGN(const CodedRun coded, CodeRun(segment, run, before, measure));
    if (run.rows >= kRunCountsRowsMin) return SketchSums::Encode(coded.bounds, before, coded.codes);
    QuantileSketch::Bounds all;
    for (const QuantileSketch::Bounds& bounds : coded.bounds) all.Merge(bounds);
    std::string page;
    if (all.count == 0) return page;
    const std::size_t codes_at = std::span(coded.bounds).size_bytes();
    page.resize(codes_at + std::span(coded.codes).size_bytes());
    std::memcpy(page.data(), coded.bounds.data(), codes_at);
    std::memcpy(page.data() + codes_at, coded.codes.data(), page.size() - codes_at);
    return page;
  }
  /// Nothing if the page is empty. `before` must outlive it.
  static std::optional<KeptRun> View(PagePtr page, RowsBefore before) {
    if (page->empty()) return std::nullopt;
    KeptRun kept;
    const std::size_t parts = before.size() - 1;
    kept.before_ = before;
    if (before.back() >= kRunCountsRowsMin) {
      kept.counts_ = SketchSums::View(std::move(page), 0, static_cast<std::uint32_t>(parts));
      return kept;
    }
    // A string of that size is aligned for any type.
    const auto* const bounds = reinterpret_cast<const QuantileSketch::Bounds*>(page->data());
    kept.bounds_ = {bounds, parts};
    kept.codes_ = {reinterpret_cast<const QuantileSketch::Code*>(bounds + parts), before.back()};
    kept.page_ = std::move(page);
    return kept;
  }

  [[nodiscard]] QuantileSketch::Bounds BoundsOf(const PartRange& range) const {
    if (counts_) return counts_->BoundsOf(range.first, range.last);
    QuantileSketch::Bounds all;
    for (const QuantileSketch::Bounds& b : bounds_.subspan(range.first, range.last - range.first))
      all.Merge(b);
    return all;
  }
  /// `into` can take them.
  void MergeInto(const PartRange& range, QuantileSketch* into) const {
    if (counts_) {
      QUIPU_CHECK(counts_->MergeInto(range.first, range.last, into));
      return;
    }
    const std::uint32_t first = before_[range.first], last = before_[range.last];
    into->AddCodes(BoundsOf(range), codes_.subspan(first, last - first));
  }

 private:
  KeptRun() = default;

  RowsBefore before_;
  PagePtr page_;  // holds what is pointed at
  std::span<const QuantileSketch::Bounds> bounds_;
  std::span<const QuantileSketch::Code> codes_;
  std::optional<SketchSums> counts_;  // or this
};

/// Nothing: not every row of the segment is wanted, or they lie in several windows.
std::optional<PartRange> WholeRun(const BoundQuery& query, const SegmentMeta& meta,
                                  std::span<const Interval> intervals) {
  if (intervals.size() != 1 || intervals[0].from > meta.time_min ||
      intervals[0].to <= meta.time_max)
    return std::nullopt;
  const std::size_t window = query.WindowOf(meta.time_min);
  if (query.WindowEnd(window) <= meta.time_max) return std::nullopt;
  return PartRange{0, 1, static_cast<std::uint32_t>(window)};
}

/// Nothing: the interval is not made of whole days of one window.
std::optional<PartRange> DaysOf(const BoundQuery& query, const SegmentMeta& meta,
                                const Interval& interval) {
  const TimeUs start = MonthStart(meta.spec.month);
  const auto day_of = [&](TimeUs t) { return static_cast<std::uint32_t>((t - start) / kDayUs); };
  PartRange days{day_of(meta.time_min), day_of(meta.time_max) + 1, 0};
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

/// Days of a month, by interval; nothing: they cannot serve, or are too few.
std::optional<std::vector<PartRange>> DaysOfAll(const BoundQuery& query, const SegmentMeta& meta,
                                                std::span<const Interval> intervals) {
  std::vector<PartRange> ranges;
  std::uint32_t days = 0;
  for (const Interval& interval : intervals) {
    const auto range = DaysOf(query, meta, interval);
    if (!range) return std::nullopt;
    ranges.push_back(*range);
    days += range->last - range->first;
  }
  if (days < kRunSketchDaysMin) return std::nullopt;
  return ranges;
}

/// Adds ranges of the parts of a run; false, and nothing is added, if some have too few values.
Result<bool> AddParts(const BoundQuery& query, const SegmentReader& segment, const Run& run,
                      DerivedKey key, RowsBefore before, std::span<const PartRange> ranges,
                      Groups* groups) {
  std::vector<std::uint32_t> into;  // groups, by range
  for (const PartRange& range : ranges) {
    const std::uint32_t rows = before[range.last] - before[range.first];
    std::uint32_t g = 0;
    if (rows > 0) {
      QUIPU_TRY_ASSIGN(g, groups->Find(range.window, run.customer, run.service));
      for (std::size_t m = 0; m < query.measures.size(); ++m) {
        if (!groups->quantiles(g, m).CanTake(rows)) return false;
      }
    }
    into.push_back(g);
  }
  std::vector<KeptRun> kept;
  for (std::size_t m = 0; m < query.measures.size(); ++m) {
    key.column = query.measures[m].id;
    QUIPU_TRY_ASSIGN(PagePtr page, segment.Derived(key, [&] {
      return KeptRun::Make(segment, run, before, key.column);
    }));
    auto of_measure = KeptRun::View(std::move(page), before);
    if (!of_measure) return false;
    for (std::size_t r = 0; r < ranges.size(); ++r) {
      const std::uint64_t values = of_measure->BoundsOf(ranges[r]).count;
      if (values > 0 && !groups->quantiles(into[r], m).CanTake(values)) return false;
    }
    kept.push_back(*std::move(of_measure));
  }
  for (std::size_t r = 0; r < ranges.size(); ++r) {
    const std::uint32_t rows = before[ranges[r].last] - before[ranges[r].first];
    if (rows == 0) continue;
    groups->rows(into[r]) += rows;
    for (std::size_t m = 0; m < kept.size(); ++m) {
      if (kept[m].BoundsOf(ranges[r]).count > 0)
        kept[m].MergeInto(ranges[r], &groups->quantiles(into[r], m));
    }
  }
  QUIPU_TRY(groups->CheckMemory(Groups::kCellWeight));
  return true;
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
  const auto place = static_cast<std::uint32_t>(number);
  if (const auto whole = WholeRun(query, segment.meta(), intervals)) {
    const std::uint32_t before[] = {0, run.rows};
    return AddParts(query, segment, run, {DerivedKind::kWholeRun, place, 0}, before, {&*whole, 1},
                    groups);
  }
  if (run.rows < kRunDaysRowsMin) return false;
  const auto ranges = DaysOfAll(query, segment.meta(), intervals);
  if (!ranges) return false;
  QUIPU_TRY_ASSIGN(const PagePtr kept, segment.Derived({DerivedKind::kRunDays, place, 0},
                                                       [&] { return CountDays(segment, run); }));
  std::array<std::uint32_t, kDays + 1> before;
  std::memcpy(before.data(), kept->data(), sizeof before);
  return AddParts(query, segment, run, {DerivedKind::kDaysOfRun, place, 0}, before, *ranges,
                  groups);
}

}  // namespace quipu
