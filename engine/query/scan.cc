#include "query/scan.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

/// Decodes the vectors of one segment that its raw pieces touch.
class SegmentScan {
 public:
  SegmentScan(const BoundQuery& query, const SegmentReader& segment, const SegmentPlan& plan,
              RowSink* sink)
      : query_(query),
        segment_(segment),
        plan_(plan),
        sink_(sink),
        customers_(kVectorRows),
        services_(kVectorRows),
        measures_(query.measures.size()),
        dimensions_(query.dimensions.size()) {
    chunk_.measures.resize(query.measures.size());
    chunk_.dimensions.resize(query.dimensions.size());
  }

  Status Run(std::uint64_t* rows) {
    std::size_t p = 0;
    while (p < plan_.raw.size()) {
      const std::uint32_t v = FirstRowFrom(p) / kVectorRows;
      QUIPU_TRY(ScanVector(v, p, rows));
      // Go on with the first piece that reaches beyond this vector.
      row_ = (v + 1) * kVectorRows;
      while (p < plan_.raw.size() && plan_.raw[p].run.first_row + plan_.raw[p].run.rows <= row_)
        ++p;
    }
    return {};
  }

 private:
  [[nodiscard]] std::uint32_t FirstRowFrom(std::size_t p) const {
    return std::max(row_, plan_.raw[p].run.first_row);
  }

  Status ScanVector(std::uint32_t v, std::size_t p, std::uint64_t* rows) {
    QUIPU_TRY_ASSIGN(const TimeBounds bounds, segment_.TimeBoundsOf(v));
    if (!Touches(bounds, v, p)) return {};
    QUIPU_TRY(segment_.ReadTimes(v, &times_));
    Select(v, p, bounds);
    if (selected_.empty()) return {};
    *rows += selected_.size();
    QUIPU_TRY(Decode(v));
    return sink_->OnRows(chunk_, v * kVectorRows, &selected_);
  }

  /// Could any row of the vector lie in the intervals of the pieces that reach into it?
  [[nodiscard]] bool Touches(const TimeBounds& bounds, std::uint32_t v, std::size_t p) const {
    const std::uint32_t end = (v + 1) * kVectorRows;
    for (; p < plan_.raw.size() && plan_.raw[p].run.first_row < end; ++p) {
      for (const Interval& i : IntervalsOf(plan_.raw[p])) {
        if (bounds.min < i.to && bounds.max >= i.from) return true;
      }
    }
    return false;
  }

  [[nodiscard]] std::span<const Interval> IntervalsOf(const RawPiece& piece) const {
    return {plan_.intervals.data() + piece.first_interval, piece.intervals};
  }

  void Select(std::uint32_t v, std::size_t p, const TimeBounds& bounds) {
    selected_.clear();
    const std::uint32_t begin = v * kVectorRows;
    const std::uint32_t end = begin + static_cast<std::uint32_t>(times_.size());
    for (; p < plan_.raw.size() && plan_.raw[p].run.first_row < end; ++p) {
      const RawPiece& piece = plan_.raw[p];
      const std::uint32_t a = std::max(begin, piece.run.first_row) - begin;
      const std::uint32_t b = std::min(end, piece.run.first_row + piece.run.rows) - begin;
      std::fill(customers_.begin() + a, customers_.begin() + b, piece.run.customer);
      std::fill(services_.begin() + a, services_.begin() + b, piece.run.service);
      const auto intervals = IntervalsOf(piece);
      if (intervals.size() == 1 && intervals[0].from <= bounds.min &&
          bounds.max < intervals[0].to) {
        for (std::uint32_t i = a; i < b; ++i) selected_.push_back(i);
        continue;
      }
      for (std::uint32_t i = a; i < b; ++i) {
        const TimeUs t = times_[i];
        const auto it = std::upper_bound(intervals.begin(), intervals.end(), t,
                                         [](TimeUs x, const Interval& y) { return x < y.to; });
        if (it != intervals.end() && t >= it->from) selected_.push_back(i);
      }
    }
  }

  Status Decode(std::uint32_t v) {
    // Dictionaries belong to row groups: a new row group brings new ones.
    const std::uint32_t row_group = v / (kRowGroupRows / kVectorRows);
    if (row_group != row_group_) sink_->OnNewDictionaries();
    row_group_ = row_group;
    chunk_.times = times_.data();
    chunk_.customers = customers_.data();
    chunk_.services = services_.data();
    chunk_.place = {&segment_, nullptr, v * kVectorRows};
    for (std::size_t m = 0; m < query_.measures.size(); ++m) {
      const MeasureNeed& need = query_.measures[m];
      chunk_.measures[m] = {};
      if ((!need.aggregated() && !need.filtered) || !segment_.HasMeasure(need.id)) continue;
      QUIPU_TRY(segment_.ReadMeasure(need.id, v, &measures_[m]));
      const MeasureVector& in = measures_[m];
      if (in.present_count == 0) continue;
      chunk_.measures[m] = {true, in.scale, in.all_present ? nullptr : in.present.data(),
                            in.is_wide ? nullptr : in.narrow.data(),
                            in.is_wide ? in.wide.data() : nullptr};
    }
    for (std::size_t d = 0; d < query_.dimensions.size(); ++d) {
      chunk_.dimensions[d] = {};
      if (!segment_.HasDimension(query_.dimensions[d])) continue;
      QUIPU_TRY(segment_.ReadDimension(query_.dimensions[d], v, &dimensions_[d]));
      if (!dimensions_[d].dictionary) continue;
      chunk_.dimensions[d] = {dimensions_[d].codes.data(), dimensions_[d].dictionary.get()};
    }
    return {};
  }

  const BoundQuery& query_;
  const SegmentReader& segment_;
  const SegmentPlan& plan_;
  RowSink* sink_;
  std::uint32_t row_ = 0;
  std::uint32_t row_group_ = 0xFFFFFFFF;
  Chunk chunk_;
  std::vector<TimeUs> times_;
  std::vector<CustomerOrdinal> customers_;
  std::vector<ServiceOrdinal> services_;
  std::vector<MeasureVector> measures_;
  std::vector<DimensionVector> dimensions_;
  std::vector<std::uint32_t> selected_;
};

/// The chunk that starts at row `at` of a batch in memory.
void PointInto(const BoundQuery& query, const RowBatch& rows, std::size_t at, Chunk* chunk) {
  chunk->times = rows.times.data() + at;
  chunk->customers = rows.customers.data() + at;
  chunk->services = rows.services.data() + at;
  chunk->place = {nullptr, &rows, static_cast<std::uint32_t>(at)};
  for (std::size_t m = 0; m < query.measures.size(); ++m) {
    const DecimalColumn* column = rows.FindMeasure(query.measures[m].id);
    chunk->measures[m] = {};
    if (column == nullptr) continue;
    chunk->measures[m] = {true, column->scale,
                          column->present.empty() ? nullptr : column->present.data() + at,
                          column->is_wide() ? nullptr : column->narrow.data() + at,
                          column->is_wide() ? column->wide.data() + at : nullptr};
  }
  for (std::size_t d = 0; d < query.dimensions.size(); ++d) {
    const CodedColumn* column = rows.FindDimension(query.dimensions[d]);
    chunk->dimensions[d] = {};
    if (column != nullptr) chunk->dimensions[d] = {column->codes.data() + at, &column->dictionary};
  }
}

}  // namespace

Status ScanSegment(const BoundQuery& query, const SegmentReader& segment, const SegmentPlan& plan,
                   RowSink* sink, std::uint64_t* rows) {
  if (plan.raw.empty()) return {};
  sink->OnNewDictionaries();
  return SegmentScan(query, segment, plan, sink).Run(rows);
}

Status ScanHotBatch(const BoundQuery& query, const HotBatch& batch, RowSink* sink,
                    std::uint64_t* rows) {
  if (query.empty || batch.rows.empty() || batch.time_max < query.from ||
      batch.time_min >= query.to)
    return {};
  sink->OnNewDictionaries();
  Chunk chunk;
  chunk.measures.resize(query.measures.size());
  chunk.dimensions.resize(query.dimensions.size());
  std::vector<std::uint32_t> selected;
  for (std::size_t at = 0; at < batch.rows.size(); at += kVectorRows) {
    const std::size_t n = std::min<std::size_t>(kVectorRows, batch.rows.size() - at);
    PointInto(query, batch.rows, at, &chunk);
    selected.clear();
    for (std::uint32_t i = 0; i < n; ++i) {
      const TimeUs t = chunk.times[i];
      if (t < query.from || t >= query.to) continue;
      if (query.WantsCustomer(chunk.customers[i]) && query.WantsService(chunk.services[i]))
        selected.push_back(i);
    }
    *rows += n;
    if (!selected.empty())
      QUIPU_TRY(sink->OnRows(chunk, static_cast<std::uint32_t>(at), &selected));
  }
  return {};
}

}  // namespace quipu
