#include "segment/vector_cursor.h"

#include <algorithm>

#include "base/check.h"
#include "segment/segment_reader_state.h"
#include "segment/time_page.h"

namespace quipu {

VectorCursor::VectorCursor(const SegmentReader& segment, std::vector<ColumnId> measures,
                           std::span<const ColumnId> dimensions)
    : state_(segment.state_.get()), measures_(measures.size()), dimensions_(dimensions.size()) {
  for (std::size_t m = 0; m < measures.size(); ++m) measures_[m].id = measures[m];
  for (std::size_t d = 0; d < dimensions.size(); ++d) dimensions_[d].id = dimensions[d];
  quantity_.id = kQuantityColumn;
}

void VectorCursor::Seek(std::uint32_t v) {
  if (v == vector_) return;
  const VectorPlace at = PlaceOf(state_->footer, v);
  vector_ = v;
  group_ = static_cast<std::uint32_t>(at.group);
  place_ = at.vector;
  rows_ = at.rows;
  group_rows_ = at.group_rows;
}

Status VectorCursor::At(const Status& status, PageKind kind, ColumnId id) const {
  return state_->AtPage(status, kind, id, group_);
}

// `ref` null: the row group lacks the column.
Status VectorCursor::Fetch(PageKind kind, ColumnId id, const PageRef* ref, Page* page) {
  if (page->group == group_) return {};
  page->page = nullptr;
  if (ref != nullptr) {
    QUIPU_TRY_ASSIGN(page->page, state_->CachedPage(kind, id, group_, *ref));
    bytes_read_ += page->page->size();
  }
  page->group = group_;
  return {};
}

Status VectorCursor::FetchTimes() {
  return Fetch(PageKind::kTimes, 0, &state_->footer.row_groups[group_].times, &times_page_);
}

Status VectorCursor::FetchMeasure(MeasureState* m) {
  if (m->page.group == group_) return {};
  const RowGroupFooter& group = state_->footer.row_groups[group_];
  const std::size_t column = IndexOf(group.measure_ids, m->id);
  const bool exists = column < group.measure_ids.size();
  return Fetch(PageKind::kMeasure, m->id, exists ? &group.measures[column] : nullptr, &m->page);
}

Status VectorCursor::FetchDimension(DimensionState* d) {
  if (d->page.group == group_) return {};
  const RowGroupFooter& group = state_->footer.row_groups[group_];
  const std::size_t column = IndexOf(group.dimension_ids, d->id);
  const bool exists = column < group.dimension_ids.size();
  return Fetch(PageKind::kDimension, d->id, exists ? &group.codes[column] : nullptr, &d->page);
}

Result<TimeBounds> VectorCursor::Bounds() {
  QUIPU_TRY(FetchTimes());
  Result<TimeBounds> bounds = DecodeTimeBounds(AsBytes(*times_page_.page), group_rows_, place_);
  if (!bounds) return At(bounds.error(), PageKind::kTimes, 0);
  return bounds;
}

Result<const TimeUs*> VectorCursor::Times() {
  if (times_of_ != vector_) {
    QUIPU_TRY(FetchTimes());
    QUIPU_TRY(At(DecodeTimes(AsBytes(*times_page_.page), group_rows_, place_, &times_),
                 PageKind::kTimes, 0));
    times_of_ = vector_;
    ++vectors_decoded_;
  }
  return static_cast<const TimeUs*>(times_.data());
}

Result<const MeasureVectorStats*> VectorCursor::Stats(std::size_t measure) {
  MeasureState& m = measures_[measure];
  if (m.stats_of != vector_) {
    QUIPU_TRY(FetchMeasure(&m));
    if (m.page.page == nullptr) {
      m.stats = {};
    } else {
      Result<MeasureVectorStats> stats =
          DecodeMeasureStats(AsBytes(*m.page.page), group_rows_, place_);
      if (!stats) return At(stats.error(), PageKind::kMeasure, m.id);
      m.stats = *std::move(stats);
    }
    m.stats_of = vector_;
  }
  return static_cast<const MeasureVectorStats*>(&m.stats);
}

Result<const MeasureVector*> VectorCursor::Measure(std::size_t measure) {
  MeasureState& m = measures_[measure];
  QUIPU_TRY(Decode(&m));
  return static_cast<const MeasureVector*>(&m.values);
}

// The quantity's vector, which costs may be derived from; decoded once, whoever asks.
Result<const MeasureVector*> VectorCursor::Quantity() {
  const auto asked = std::find_if(measures_.begin(), measures_.end(),
                                  [](const auto& m) { return m.id == kQuantityColumn; });
  MeasureState* const quantity = asked == measures_.end() ? &quantity_ : &*asked;
  QUIPU_TRY(Decode(quantity));
  return static_cast<const MeasureVector*>(&quantity->values);
}

Status VectorCursor::Decode(MeasureState* m) {
  if (m->values_of == vector_) return {};
  QUIPU_TRY(FetchMeasure(m));
  if (m->page.page == nullptr) {
    FillAbsent(rows_, &m->values);
  } else {
    const Bytes payload = AsBytes(*m->page.page);
    const Result<bool> derived = IsDerived(payload, group_rows_, place_);
    if (!derived) return At(derived.error(), PageKind::kMeasure, m->id);
    const MeasureVector* quantity = nullptr;
    // Never the quantity from itself: a file that says so has no quantity to offer.
    if (*derived && m->id != kQuantityColumn) {
      QUIPU_TRY_ASSIGN(quantity, Quantity());
    }
    QUIPU_TRY(At(DecodeMeasureVector(payload, quantity, group_rows_, place_, &m->values),
                 PageKind::kMeasure, m->id));
    ++vectors_decoded_;
  }
  m->values_of = vector_;
  return {};
}

Result<const DictionaryPtr*> VectorCursor::Dictionary(std::size_t dimension) {
  DimensionState& d = dimensions_[dimension];
  if (d.dictionary_of != group_) {
    const RowGroupFooter& group = state_->footer.row_groups[group_];
    const std::size_t column = IndexOf(group.dimension_ids, d.id);
    if (column == group.dimension_ids.size()) {
      d.dictionary = nullptr;
    } else {
      QUIPU_TRY_ASSIGN(d.dictionary, state_->DimensionDictionary(group_, column));
    }
    d.dictionary_of = group_;
  }
  return static_cast<const DictionaryPtr*>(&d.dictionary);
}

Result<CodeBounds> VectorCursor::BoundsOfCodes(std::size_t dimension) {
  DimensionState& d = dimensions_[dimension];
  QUIPU_TRY(FetchDimension(&d));
  if (d.page.page == nullptr) return CodeBounds{0, 0, true};
  Result<CodeBounds> bounds = DecodeCodeBounds(AsBytes(*d.page.page), group_rows_, place_);
  if (!bounds) return At(bounds.error(), PageKind::kDimension, d.id);
  return bounds;
}

Result<const std::uint32_t*> VectorCursor::Codes(std::size_t dimension) {
  DimensionState& d = dimensions_[dimension];
  QUIPU_TRY(FetchDimension(&d));
  if (d.page.page == nullptr) return static_cast<const std::uint32_t*>(nullptr);
  if (d.codes_of != vector_) {
    QUIPU_TRY_ASSIGN(const DictionaryPtr* const dictionary, Dictionary(dimension));
    QUIPU_TRY(
        At(DecodeCodes(AsBytes(*d.page.page), group_rows_, place_, (*dictionary)->size(), &d.codes),
           PageKind::kDimension, d.id));
    d.codes_of = vector_;
    ++vectors_decoded_;
  }
  return static_cast<const std::uint32_t*>(d.codes.data());
}

}  // namespace quipu
