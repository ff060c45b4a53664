#include "query/concurrency.h"

#include <algorithm>
#include <unordered_map>

#include "query/row_stream.h"
#include "query/source.h"
#include "query/wide_int.h"
#include "query/window_spans.h"
#include "sketch/exact_sum.h"

namespace quipu {
namespace {

constexpr std::uint32_t kNoSeries = 0xFFFFFFFF;

/// A duration (at scale 18) in whole microseconds, half to even; at most all the time there is.
std::int64_t ToUs(Int128 value, std::int64_t unit_us) {
  if (value <= 0) return 0;
  const auto unit = static_cast<Int128>(PowerOf10(kSumScale));
  const Int128 part = value % unit * unit_us;  // below 10^18 x 3.6 x 10^9
  Int128 us = value / unit * unit_us + part / unit;
  const Int128 twice = part % unit * 2;
  if (twice > unit || (twice == unit && us % 2 != 0)) ++us;
  return static_cast<std::int64_t>(std::min<Int128>(us, kTimeMax - kTimeMin));
}

/// Something begins or ends.
struct Edge {
  std::uint32_t series = 0;
  std::int32_t step = 0;  // +1 or -1
  TimeUs time = 0;
};

class OverlapCount {
 public:
  OverlapCount(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
               const Aggregate& aggregate, const SeriesOf& series_of, QueryRun* run)
      : view_(view),
        catalogue_(catalogue),
        spec_(spec),
        aggregate_(aggregate),
        series_of_(series_of),
        run_(run),
        rows_spec_(RowsSpec()),
        stream_(view, catalogue, rows_spec_) {}

  Status Run() {
    QUIPU_TRY_ASSIGN(longest_us_, LongestBeforeEnd());
    QUIPU_TRY_ASSIGN(spans_, SpansOf(spec_, from_, to_));
    return InSlices(from_, to_, kTimeMax, [&](TimeUs a, TimeUs b) { return Count(a, b); });
  }

  Status Fill(std::size_t column, Sheet* sheet) const {
    QUIPU_TRY_ASSIGN(const Windower windower, Windower::Make(spec_.window));
    for (const auto& [key, overlap] : overlaps_) {
      const TimeUs window = spans_[key & 0xFFFFFFFF].window;
      Value v = OfInteger(overlap.most);
      if (aggregate_.function == Function::kAvgConcurrency) {
        const std::int64_t length = LengthUs(spec_, windower, window);
        const WideInt total = WideInt(overlap.total_us) * WideInt(PowerOf10(kSumScale));
        QUIPU_TRY_ASSIGN(const Decimal d, RoundedQuotient(total, WideInt(length), kQuotientScale));
        v = OfDecimal(d);
      }
      const std::size_t row = sheet->Add(static_cast<std::uint32_t>(key >> 32), window);
      sheet->Set(row, column, v);
    }
    return {};
  }

 private:
  struct Overlap {
    std::int64_t most = 0;
    Int128 total_us = 0;  // events x microseconds
  };

  QuerySpec RowsSpec() const {
    QuerySpec spec = spec_;
    spec.select = {Aggregate{Function::kMax, aggregate_.column}};
    spec.window = {};
    return spec;
  }

  /// Sets the range, too.
  Result<std::int64_t> LongestBeforeEnd() {
    QuerySpec before = rows_spec_;
    before.group_by.clear();
    before.from.reset();
    Source extent(view_, catalogue_, before);
    QUIPU_TRY(extent.Bind());
    from_ = spec_.from.value_or(extent.bound().from);
    to_ = spec_.to.value_or(extent.bound().to);
    before.to = std::max(from_, to_);
    Source source(view_, catalogue_, before);
    QUIPU_TRY(source.Bind());
    QUIPU_TRY(source.Run(run_));
    QUIPU_TRY_ASSIGN(const ResultSet longest, source.All());
    if (!longest.columns[0].IsPresent(0)) return 0;
    return ToUs(AtSumScale(longest.columns[0].decimals[0]), aggregate_.unit_us);
  }

  /// What is under way in [a, b).
  Result<Taken> Count(TimeUs a, TimeUs b) {
    const std::size_t room = std::max<std::size_t>(2, spec_.memory_bytes_max / (2 * sizeof(Edge)));
    std::vector<Edge> edges;
    bool full = false;
    const TimeUs first = longest_us_ > a - kTimeMin ? kTimeMin : a - longest_us_;
    const Status read = stream_.Read(
        first, b,
        [&](const StreamRow& row) -> Status {
          if (row.present[0] == 0) return {};
          const std::int64_t us = ToUs(row.values[0], aggregate_.unit_us);
          const TimeUs begin = std::max(row.time, a);
          const TimeUs end = us > b - row.time ? b : row.time + us;
          if (begin >= end) return {};
          full = edges.size() + 2 > room;
          if (full) return Status::Exhausted("");
          const std::uint32_t series = SeriesOfGroup(row.group);
          edges.push_back({series, 1, begin});
          edges.push_back({series, -1, end});
          return {};
        },
        run_);
    if (full) return Taken::kTooMuch;
    QUIPU_TRY(read);
    QUIPU_TRY(Walk(&edges));
    return Taken::kGoOn;
  }

  std::uint32_t SeriesOfGroup(std::uint32_t group) {
    if (group >= series_of_group_.size()) series_of_group_.resize(group + 1, kNoSeries);
    std::uint32_t& series = series_of_group_[group];
    if (series == kNoSeries) series = series_of_(stream_.texts(group));
    return series;
  }

  Status Walk(std::vector<Edge>* edges) {
    std::sort(edges->begin(), edges->end(), [](const Edge& x, const Edge& y) {
      return std::pair(x.series, x.time) < std::pair(y.series, y.time);
    });
    std::int64_t now = 0;
    for (std::size_t i = 0; i < edges->size(); ++i) {
      now += (*edges)[i].step;
      if (now == 0) continue;  // always so at the end of a series
      const TimeUs from = (*edges)[i].time;
      const TimeUs to = (*edges)[i + 1].time;
      if (from == to) continue;  // more happens at this instant
      ForEachSpan(spans_, from, to, [&](std::size_t span, TimeUs a, TimeUs b) {
        Overlap& overlap = overlaps_[(std::uint64_t{(*edges)[i].series} << 32) | span];
        overlap.most = std::max(overlap.most, now);
        overlap.total_us += static_cast<Int128>(now) * (b - a);
      });
      if (overlaps_.size() > spec_.groups_max) {
        return Status::Exhausted("more than " + std::to_string(spec_.groups_max) +
                                 " groups; narrow the question (customers, time, filters) or "
                                 "raise groups_max");
      }
    }
    return {};
  }

  const View& view_;
  const Catalogue& catalogue_;
  const QuerySpec& spec_;
  const Aggregate& aggregate_;
  const SeriesOf& series_of_;
  QueryRun* run_;
  const QuerySpec rows_spec_;
  RowStream stream_;
  TimeUs from_ = 0, to_ = 0;
  std::int64_t longest_us_ = 0;
  std::vector<WindowSpan> spans_;
  std::vector<std::uint32_t> series_of_group_;
  std::unordered_map<std::uint64_t, Overlap> overlaps_;  // by series, then span
};

}  // namespace

Status AddConcurrency(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                      const Aggregate& aggregate, const SeriesOf& series_of, std::size_t column,
                      Sheet* sheet, QueryRun* run) {
  OverlapCount count(view, catalogue, spec, aggregate, series_of, run);
  QUIPU_TRY(count.Run());
  return count.Fill(column, sheet);
}

}  // namespace quipu
