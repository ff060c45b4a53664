#include "query/scan.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "segment/vector_cursor.h"
#include "store/hot_tier.h"

namespace quipu {
namespace {

class SegmentChunk final : public Chunk {
 public:
  SegmentChunk(const BoundQuery& query, const SegmentReader& segment)
      : segment_(segment),
        cursor_(segment, IdsOf(query), query.dimensions),
        measures_(query.measures.size()),
        dimensions_(query.dimensions.size()),
        measures_of_(measures_.size(), kNone),
        dimensions_of_(dimensions_.size(), kNone) {}

  /// These are enough: every row is wanted, and all are in one window. No page of times is fetched then, unless a time is asked for.
  void TakeBounds(const TimeBounds& bounds) {
    bounds_ = bounds;
    has_bounds_ = true;
  }

  Status Seek(std::uint32_t v) {
    cursor_.Seek(v);
    rows_ = static_cast<std::uint32_t>(cursor_.rows());
    place_ = {&segment_, nullptr, v * kVectorRows};
    if (has_bounds_) return {};
    QUIPU_TRY_ASSIGN(bounds_, cursor_.Bounds());
    return {};
  }
  [[nodiscard]] const VectorCursor& cursor() const { return cursor_; }

  Result<const TimeUs*> Times() override { return cursor_.Times(); }
  Result<const MeasureColumn*> Measure(std::size_t slot) override {
    if (measures_of_[slot] != cursor_.vector()) {
      QUIPU_TRY_ASSIGN(const MeasureVector* const in, cursor_.Measure(slot));
      measures_[slot] = ColumnFrom(*in);
      measures_of_[slot] = cursor_.vector();
    }
    return static_cast<const MeasureColumn*>(&measures_[slot]);
  }
  Result<const DimensionColumn*> Dimension(std::size_t slot) override {
    if (dimensions_of_[slot] != cursor_.vector()) {
      QUIPU_TRY_ASSIGN(const DictionaryPtr* const dictionary, cursor_.Dictionary(slot));
      if (dimensions_[slot].dictionary != *dictionary) dimensions_[slot].dictionary = *dictionary;
      QUIPU_TRY_ASSIGN(dimensions_[slot].codes, cursor_.Codes(slot));
      dimensions_of_[slot] = cursor_.vector();
    }
    return static_cast<const DimensionColumn*>(&dimensions_[slot]);
  }
  Result<const MeasureVectorStats*> Stats(std::size_t slot) override { return cursor_.Stats(slot); }
  Result<bool> ZoneOfCodes(std::size_t slot, CodeBounds* bounds,
                           DictionaryPtr* dictionary) override {
    QUIPU_TRY_ASSIGN(const DictionaryPtr* const found, cursor_.Dictionary(slot));
    *dictionary = *found;
    QUIPU_TRY_ASSIGN(*bounds, cursor_.BoundsOfCodes(slot));
    return true;
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static std::vector<ColumnId> IdsOf(const BoundQuery& query) {
    std::vector<ColumnId> ids;
    for (const MeasureNeed& need : query.measures) ids.push_back(need.id);
    return ids;
  }

  const SegmentReader& segment_;
  bool has_bounds_ = false;
  VectorCursor cursor_;
  std::vector<MeasureColumn> measures_;
  std::vector<DimensionColumn> dimensions_;
  std::vector<std::uint32_t> measures_of_, dimensions_of_;  // vectors
};

/// Goes through the vectors of one segment that its raw pieces touch.
class SegmentScan {
 public:
  SegmentScan(const BoundQuery& query, const SegmentReader& segment, const SegmentPlan& plan,
              RowSink* sink, ScanStats* stats)
      : plan_(plan), chunk_(query, segment), sink_(sink), stats_(stats) {
    const TimeBounds all{segment.meta().time_min, segment.meta().time_max};
    const bool is_whole =
        std::all_of(plan.intervals.begin(), plan.intervals.end(),
                    [&](const Interval& i) { return i.from <= all.min && i.to > all.max; });
    // Pages of events have no windows, and look at the times of each vector. (Slices of runs say the whole segment, and begin no earlier than what is asked.)
    if (!is_whole || query.windows.empty()) return;
    const TimeUs first = std::max(all.min, query.from);
    if (query.WindowEnd(query.WindowOf(first)) > all.max) chunk_.TakeBounds(all);
  }

  Status Run(std::uint32_t first_vector, std::uint32_t last_vector) {
    row_ = first_vector * kVectorRows;
    // The first piece that reaches beyond the rows in front.
    std::size_t p = 0, beyond = plan_.raw_pieces();
    while (p < beyond) {
      const std::size_t middle = p + (beyond - p) / 2;
      if (EndOf(plan_.raw_run(middle)) <= row_) {
        p = middle + 1;
      } else {
        beyond = middle;
      }
    }
    while (p < plan_.raw_pieces()) {
      const std::uint32_t v = std::max(row_, plan_.raw_run(p).first_row) / kVectorRows;
      if (v >= last_vector) break;
      QUIPU_TRY(ScanVector(v, p));
      row_ = (v + 1) * kVectorRows;
      while (p < plan_.raw_pieces() && EndOf(plan_.raw_run(p)) <= row_) ++p;
    }
    stats_->vectors_decoded += chunk_.cursor().vectors_decoded();
    stats_->bytes += chunk_.cursor().bytes_read();
    return {};
  }

 private:
  static std::uint32_t EndOf(const quipu::Run& run) { return run.first_row + run.rows; }
  [[nodiscard]] std::span<const Interval> IntervalsOf(const RawPiece& piece) const {
    return {plan_.intervals.data() + piece.first_interval, piece.intervals};
  }

  Status ScanVector(std::uint32_t v, std::size_t p) {
    QUIPU_TRY(chunk_.Seek(v));
    selection_.Clear();
    QUIPU_TRY(Select(v, p));
    if (selection_.spans.empty()) return {};
    for (const RowSpan& span : selection_.spans) stats_->rows += span.end - span.begin;
    ++stats_->vectors;
    return sink_->OnRows(&chunk_, &selection_);
  }

  Status Select(std::uint32_t v, std::size_t p) {
    const std::uint32_t begin = v * kVectorRows;
    const std::uint32_t end = begin + chunk_.rows();
    const TimeBounds& bounds = chunk_.bounds();
    for (; p < plan_.raw_pieces() && plan_.raw_run(p).first_row < end; ++p) {
      const RawPiece piece = plan_.raw_piece(p);
      const std::uint32_t a = std::max(begin, piece.run.first_row) - begin;
      const std::uint32_t b = std::min(end, EndOf(piece.run)) - begin;
      std::uint32_t at = a;
      for (const Interval& interval : IntervalsOf(piece)) {
        if (interval.from > bounds.max || interval.to <= bounds.min) continue;
        std::uint32_t from = at, to = b;
        if (interval.from > bounds.min || interval.to <= bounds.max) {
          QUIPU_TRY_ASSIGN(const TimeUs* const times, chunk_.Times());
          from = at + CountBefore(times + at, b - at, interval.from);
          to = from + CountBefore(times + from, b - from, interval.to);
        }
        if (from < to)
          selection_.spans.push_back({from, to, piece.run.customer, piece.run.service});
        at = to;
        if (at == b) break;
      }
    }
    return {};
  }

  const SegmentPlan& plan_;
  SegmentChunk chunk_;
  RowSink* sink_;
  ScanStats* stats_;
  std::uint32_t row_ = 0;
  Selection selection_;
};

/// `codes` into the column's dictionary, without a share in that: the view holds the batch.
Chunk::DimensionColumn Column(const CodedColumn& c, const std::uint32_t* codes) {
  return {codes, DictionaryPtr(DictionaryPtr(), &c.dictionary)};
}

/// Rows of a batch in memory.
class HotChunk final : public Chunk {
 public:
  HotChunk(const BoundQuery& query, const RowBatch& rows)
      : rows_of_(rows), measures_(query.measures.size()), dimensions_(query.dimensions.size()) {
    for (const MeasureNeed& need : query.measures) columns_.push_back(rows.FindMeasure(need.id));
    for (const ColumnId id : query.dimensions) coded_.push_back(rows.FindDimension(id));
  }

  /// Select may follow; the rest of a chunk is there after Settle, which is only worth its time if some row is wanted.
  void Seek(std::uint32_t at) {
    at_ = at;
    rows_ = std::min(kVectorRows, static_cast<std::uint32_t>(rows_of_.size()) - at);
  }

  /// The whole batch.
  void SeekAll() {
    at_ = 0;
    rows_ = static_cast<std::uint32_t>(rows_of_.size());
  }

  void Settle() {
    const auto times = rows_of_.times.begin() + at_;
    const auto [low, high] = std::minmax_element(times, times + rows_);
    Settle({*low, *high});
  }

  /// `bounds`: of the rows that are selected, at least.
  void Settle(const TimeBounds& bounds) {
    const std::uint32_t at = at_;
    place_ = {nullptr, &rows_of_, at};
    bounds_ = bounds;
    for (std::size_t m = 0; m < measures_.size(); ++m) {
      if (columns_[m] != nullptr) measures_[m] = ColumnFrom(*columns_[m], at);
    }
    for (std::size_t d = 0; d < dimensions_.size(); ++d) {
      if (coded_[d] != nullptr) dimensions_[d] = Column(*coded_[d], coded_[d]->codes.data() + at);
    }
  }

  /// Rows of the asked scope, as spans of neighbours of one customer and service.
  void Select(const BoundQuery& query, Selection* selection) const {
    selection->Clear();
    const TimeUs* const times = rows_of_.times.data() + at_;
    for (std::uint32_t i = 0; i < rows_; ++i) {
      const TimeUs t = times[i];
      if (t < query.from || t >= query.to) continue;
      const CustomerOrdinal customer = rows_of_.customers[at_ + i];
      const ServiceOrdinal service = rows_of_.services[at_ + i];
      if (!selection->spans.empty()) {
        RowSpan& last = selection->spans.back();
        if (last.end == i && last.customer == customer && last.service == service &&
            times[i - 1] <= t) {
          ++last.end;
          continue;
        }
      }
      if (query.WantsCustomer(customer) && query.WantsService(service))
        selection->spans.push_back({i, i + 1, customer, service});
    }
  }

  Result<const TimeUs*> Times() override {
    return static_cast<const TimeUs*>(rows_of_.times.data() + at_);
  }
  Result<const MeasureColumn*> Measure(std::size_t slot) override {
    return static_cast<const MeasureColumn*>(&measures_[slot]);
  }
  Result<const DimensionColumn*> Dimension(std::size_t slot) override {
    return static_cast<const DimensionColumn*>(&dimensions_[slot]);
  }
  Result<const MeasureVectorStats*> Stats(std::size_t) override {
    return static_cast<const MeasureVectorStats*>(nullptr);
  }
  Result<bool> ZoneOfCodes(std::size_t, CodeBounds*, DictionaryPtr*) override { return false; }

 private:
  const RowBatch& rows_of_;
  std::uint32_t at_ = 0;
  std::vector<const DecimalColumn*> columns_;
  std::vector<const CodedColumn*> coded_;
  std::vector<MeasureColumn> measures_;
  std::vector<DimensionColumn> dimensions_;
};

/// All rows of a batch in the order of its index. Where they are in the batch it does not say.
class IndexedChunk final : public Chunk {
 public:
  IndexedChunk(const BoundQuery& query, const HotBatch& batch, const HotIndex& index,
               const TimeBounds& bounds)
      : batch_(batch.rows), index_(index), query_(query), measures_(query.measures.size()) {
    dimensions_.resize(query.dimensions.size());
    rows_ = static_cast<std::uint32_t>(index_.size());
    bounds_ = bounds;
  }
  Result<const TimeUs*> Times() override { return index_.times().data(); }
  Result<const MeasureColumn*> Measure(std::size_t slot) override {
    const DecimalColumn* const in = batch_.FindMeasure(query_.measures[slot].id);
    measures_[slot] = {};
    if (in != nullptr) {
      const auto column = static_cast<std::size_t>(in - batch_.measures.data());
      measures_[slot] = ColumnFrom(index_.Measure(column), 0);
    }
    return static_cast<const MeasureColumn*>(&measures_[slot]);
  }
  Result<const DimensionColumn*> Dimension(std::size_t slot) override {
    const CodedColumn* const in = batch_.FindDimension(query_.dimensions[slot]);
    dimensions_[slot] = {};
    if (in != nullptr) {
      const auto column = static_cast<std::size_t>(in - batch_.dimensions.data());
      dimensions_[slot] = Column(*in, index_.Codes(column).data());
    }
    return static_cast<const DimensionColumn*>(&dimensions_[slot]);
  }
  Result<const MeasureVectorStats*> Stats(std::size_t) override {
    return static_cast<const MeasureVectorStats*>(nullptr);
  }
  Result<bool> ZoneOfCodes(std::size_t, CodeBounds*, DictionaryPtr*) override { return false; }

 private:
  const RowBatch& batch_;
  const HotIndex& index_;
  const BoundQuery& query_;
  std::vector<MeasureColumn> measures_;
  std::vector<DimensionColumn> dimensions_;
};

// So many rows of a customer pay for columns in the order of the index (HotIndex::Measure); of fewer, each is read where it is.
constexpr std::uint32_t kArrangedRowsMin = 64;

/// What is asked of a hot batch: rows of one customer.
struct HotRows {
  Selection selection;  // of rows; of places in the batch's index, if `by_place`
  TimeBounds bounds;    // of the selected
  bool by_place = false;
};

/// Spans of places in the batch's index.
HotRows SelectByIndex(const BoundQuery& query, const HotBatch& batch, const HotIndex& index,
                      ScanStats* stats) {
  HotRows found;
  found.by_place = true;
  found.bounds = {batch.time_max, batch.time_min};
  for (const HotIndex::Run& run : index.RunsOf(query.customers.front())) {
    const std::uint32_t end = (&run + 1)->first;  // of the next customer's, or of the end
    stats->rows += end - run.first;
    if (!query.WantsService(run.service) || run.max < query.from || run.min >= query.to) continue;
    std::uint32_t from = run.first, to = end;
    if (run.min < query.from || run.max >= query.to) {
      const TimeUs* const times = index.times().data();
      from += CountBefore(times + from, end - from, query.from);
      to = from + CountBefore(times + from, end - from, query.to);
      if (from == to) continue;
    }
    found.selection.spans.push_back({from, to, run.customer, run.service});
    found.bounds.min = std::min(found.bounds.min, std::max(run.min, query.from));
    found.bounds.max = std::max(found.bounds.max, std::min(run.max, query.to - 1));
  }
  return found;
}

/// A list of rows, by service and time.
HotRows SelectByLooking(const BoundQuery& query, const HotBatch& batch, ScanStats* stats) {
  HotRows found;
  found.bounds = {batch.time_max, batch.time_min};
  const RowBatch& rows = batch.rows;
  const CustomerOrdinal customer = query.customers.front();
  const CustomerOrdinal* const customers = rows.customers.data();
  std::vector<std::uint32_t>& list = found.selection.rows;
  constexpr std::size_t kBlock = 256;  // most have no row of the customer
  for (std::size_t at = 0; at < rows.size(); at += kBlock) {
    const std::size_t end = std::min(rows.size(), at + kBlock);
    std::uint32_t matches = 0;
    for (std::size_t i = at; i < end; ++i) matches += customers[i] == customer ? 1u : 0u;
    if (matches == 0) continue;
    stats->rows += matches;
    for (std::size_t i = at; i < end; ++i) {
      if (customers[i] != customer) continue;
      if (rows.times[i] < query.from || rows.times[i] >= query.to) continue;
      if (query.WantsService(rows.services[i])) list.push_back(static_cast<std::uint32_t>(i));
    }
  }
  std::sort(list.begin(), list.end(), [&rows](std::uint32_t a, std::uint32_t b) {
    return std::pair(rows.services[a], rows.times[a]) < std::pair(rows.services[b], rows.times[b]);
  });
  found.selection.listed = true;
  std::vector<RowSpan>& spans = found.selection.spans;
  for (std::uint32_t k = 0; k < list.size(); ++k) {
    const ServiceOrdinal service = rows.services[list[k]];
    if (spans.empty() || spans.back().service != service)
      spans.push_back({k, k, customer, service});
    ++spans.back().end;
    found.bounds.min = std::min(found.bounds.min, rows.times[list[k]]);
    found.bounds.max = std::max(found.bounds.max, rows.times[list[k]]);
  }
  return found;
}

Status ScanHotRows(const BoundQuery& query, const HotBatch& batch, const HotIndex* index,
                   RowSink* sink, ScanStats* stats) {
  HotRows found = index == nullptr ? SelectByLooking(query, batch, stats)
                                   : SelectByIndex(query, batch, *index, stats);
  Selection& selection = found.selection;
  if (selection.spans.empty()) return {};
  if (found.by_place) {
    const bool is_long =
        selection.spans.back().end - selection.spans.front().begin >= kArrangedRowsMin;
    if (is_long && !sink->wants_places()) {
      IndexedChunk chunk(query, batch, *index, found.bounds);
      return sink->OnRows(&chunk, &selection);
    }
    selection.List();
    for (std::uint32_t& place : selection.rows) place = index->rows()[place];
  }
  HotChunk chunk(query, batch.rows);
  chunk.SeekAll();
  chunk.Settle(found.bounds);
  return sink->OnRows(&chunk, &selection);
}

}  // namespace

Status ScanSegment(const BoundQuery& query, const SegmentReader& segment, const SegmentPlan& plan,
                   std::uint32_t first_vector, std::uint32_t last_vector, RowSink* sink,
                   ScanStats* stats) {
  if (plan.raw_pieces() == 0) return {};
  return SegmentScan(query, segment, plan, sink, stats).Run(first_vector, last_vector);
}

Status ScanHotBatch(const BoundQuery& query, std::span<const HotBatchPtr> hot, std::size_t b,
                    RowSink* sink, ScanStats* stats) {
  const HotBatch& batch = *hot[b];
  if (query.empty || batch.time_max < query.from || batch.time_min >= query.to) return {};
  if (!query.all_customers && query.customers.size() == 1) {
    return ScanHotRows(query, batch, IndexToAsk(hot, b, SettledBatches(hot)), sink, stats);
  }
  HotChunk chunk(query, batch.rows);
  Selection selection;
  for (std::uint32_t at = 0; at < batch.rows.size(); at += kVectorRows) {
    chunk.Seek(at);
    stats->rows += chunk.rows();
    chunk.Select(query, &selection);
    if (selection.spans.empty()) continue;
    chunk.Settle();
    QUIPU_TRY(sink->OnRows(&chunk, &selection));
  }
  return {};
}

}  // namespace quipu
