#include "query/row_stream.h"

#include <algorithm>

#include "query/plan.h"
#include "query/scan.h"
#include "sketch/exact_sum.h"

namespace quipu {

/// Turns chunks into rows.
class RowStreamSink final : public RowSink {
 public:
  RowStreamSink(RowStream* stream, const BoundQuery& query, const RowVisitor& visit)
      : stream_(*stream),
        query_(query),
        visit_(visit),
        filter_(query, stream->catalogue_),
        memos_(query.group_by.size()),
        dimensions_(query.group_by.size()),
        measures_(query.aggregates.size()),
        key_(query.group_by.size()),
        values_(query.aggregates.size()),
        present_(query.aggregates.size()) {}

  Status OnRows(Chunk* chunk, Selection* selection) override {
    QUIPU_TRY(filter_.Apply(chunk, selection));
    if (selection->spans.empty()) return {};
    QUIPU_TRY_ASSIGN(const TimeUs* const times, chunk->Times());
    for (std::size_t f = 0; f < query_.group_by.size(); ++f) {
      if (query_.group_by[f].kind != FieldKind::kDimension) continue;
      QUIPU_TRY_ASSIGN(dimensions_[f], chunk->Dimension(query_.group_slots[f]));
      memos_[f].Use(dimensions_[f]->dictionary);
    }
    for (std::size_t a = 0; a < values_.size(); ++a) {
      QUIPU_TRY_ASSIGN(measures_[a], chunk->Measure(query_.aggregates[a].slot));
    }
    for (const RowSpan& span : selection->spans) {
      for (std::uint32_t k = span.begin; k < span.end; ++k) {
        const std::uint32_t i = selection->RowAt(k);
        StreamRow row;
        row.time = times[i];
        row.group = GroupOf(span, i);
        row.place = chunk->place();
        row.place.row += i;
        for (std::size_t a = 0; a < values_.size(); ++a) {
          const Chunk::MeasureColumn& column = *measures_[a];
          present_[a] = column.IsPresent(i) ? 1 : 0;
          if (present_[a] != 0) values_[a] = AtSumScale(column.Mantissa(i), column.scale);
        }
        row.values = values_;
        row.present = present_;
        QUIPU_TRY(visit_(row));
      }
    }
    return {};
  }

 private:
  std::uint32_t KeyPart(std::size_t f, const RowSpan& span, std::uint32_t i) {
    if (query_.group_by[f].kind == FieldKind::kCustomer) return span.customer;
    if (query_.group_by[f].kind == FieldKind::kService) return span.service;
    const Chunk::DimensionColumn& column = *dimensions_[f];
    const std::uint32_t code = column.codes == nullptr ? 0 : column.codes[i];
    if (code == 0) return 0;
    return memos_[f].Of(code, [&](std::string_view s) { return strings_.Intern(s); });
  }

  std::uint32_t GroupOf(const RowSpan& span, std::uint32_t i) {
    for (std::size_t f = 0; f < key_.size(); ++f) key_[f] = KeyPart(f, span, i);
    if (has_last_ && key_ == last_key_) return last_group_;
    const auto [it, is_new] = groups_.try_emplace(key_, 0);
    if (is_new) it->second = Number();
    last_key_ = key_;
    last_group_ = it->second;
    has_last_ = true;
    return last_group_;
  }

  /// The number of key_ in the stream.
  std::uint32_t Number() {
    SeriesTexts texts;
    for (std::size_t f = 0; f < key_.size(); ++f) {
      switch (query_.group_by[f].kind) {
        case FieldKind::kCustomer:
          texts.push_back("+" + std::string(stream_.catalogue_.Customer(key_[f])));
          break;
        case FieldKind::kService:
          texts.push_back("+" + std::string(stream_.catalogue_.Service(key_[f])));
          break;
        default:
          texts.push_back(key_[f] == 0 ? std::string() : "+" + std::string(strings_[key_[f]]));
      }
    }
    const auto [it, is_new] =
        stream_.ids_.try_emplace(texts, static_cast<std::uint32_t>(stream_.texts_.size()));
    if (is_new) stream_.texts_.push_back(std::move(texts));
    return it->second;
  }

  RowStream& stream_;
  const BoundQuery& query_;
  const RowVisitor& visit_;
  RowFilter filter_;
  std::vector<DictionaryMemo> memos_;  // per group-by field
  // Of the chunk at hand: per group-by field that is a dimension, and per aggregate.
  std::vector<const Chunk::DimensionColumn*> dimensions_;
  std::vector<const Chunk::MeasureColumn*> measures_;
  Interner strings_;
  std::map<std::vector<std::uint32_t>, std::uint32_t> groups_;
  std::vector<std::uint32_t> key_, last_key_;
  std::uint32_t last_group_ = 0;
  bool has_last_ = false;
  std::vector<Int128> values_;
  std::vector<std::uint8_t> present_;
};

Status RowStream::Read(TimeUs from, TimeUs to, const RowVisitor& visit, QueryRun* run) {
  QuerySpec spec = spec_;
  spec.from = from;
  spec.to = to;
  spec.window = {};
  spec.raw_only = true;
  QUIPU_TRY_ASSIGN(const BoundQuery bound, Bind(view_, catalogue_, spec));
  if (bound.empty) return {};
  RowStreamSink sink(this, bound, visit);
  ScanStats sealed, hot;
  for (const SegmentPtr& segment : view_.segments) {
    QUIPU_TRY(run->control.CheckTime());
    QUIPU_TRY_ASSIGN(const SegmentPlan plan, PlanSegment(bound, *segment, false));
    if (plan.raw_pieces() == 0) continue;
    ++run->stats.segments;
    QUIPU_TRY(ScanSegment(bound, *segment, plan, 0, segment->vectors(), &sink, &sealed));
  }
  for (std::size_t b = 0; b < view_.hot.size(); ++b)
    QUIPU_TRY(ScanHotBatch(bound, view_.hot, b, &sink, &hot));
  run->stats.rows += sealed.rows;
  run->stats.hot_rows += hot.rows;
  return {};
}

Result<std::vector<Hash128>> IdentitiesOf(const std::vector<RowPlace>& places) {
  std::vector<Hash128> identities(places.size());
  std::map<const SegmentReader*, std::vector<std::size_t>> by_segment;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].hot != nullptr) {
      identities[i] = places[i].hot->identities[places[i].row];
    } else {
      by_segment[places[i].segment].push_back(i);
    }
  }
  std::vector<std::uint32_t> rows;
  std::vector<Hash128> keys;
  std::vector<IdForm> forms;
  for (auto& [segment, wanted] : by_segment) {
    if (!segment->has_ids()) {
      for (const std::size_t i : wanted)
        identities[i] = Hash128{segment->meta().spec.segment_id, places[i].row};
      continue;
    }
    std::sort(wanted.begin(), wanted.end(),
              [&](std::size_t a, std::size_t b) { return places[a].row < places[b].row; });
    rows.clear();
    for (const std::size_t i : wanted) rows.push_back(places[i].row);
    QUIPU_TRY(segment->ReadIdentities(rows, &keys, &forms));
    for (std::size_t k = 0; k < wanted.size(); ++k) identities[wanted[k]] = keys[k];
  }
  return identities;
}

}  // namespace quipu
