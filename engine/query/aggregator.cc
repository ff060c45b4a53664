#include "query/aggregator.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "base/hash.h"
#include "codec/kernels.h"

namespace quipu {
namespace {

// A table of slots is worth its room up to this many, and all tables together up to that many.
constexpr std::uint64_t kSlotsMax = 4096;
constexpr std::uint64_t kLoneSlotsMax = 1u << 20;  // if there is only one table
constexpr std::size_t kBlocksMax = 1u << 20;

/// What is learnt of the values of a piece.
struct PieceSum {
  std::uint64_t count = 0;
  Int128 sum = 0;
  std::int64_t low = std::numeric_limits<std::int64_t>::max();
  std::int64_t high = std::numeric_limits<std::int64_t>::min();
};

/// Sums that stay within 64 bits; compilers make wide registers of these loops.
PieceSum SumSmall(const std::int64_t* values, std::size_t n, bool extremes) {
  PieceSum result;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += values[i];
  if (extremes) {
    const IntRange range = Kernels().range(values, n);
    result.low = range.min;
    result.high = range.max;
  }
  result.sum = sum;
  result.count = n;
  return result;
}

/// Whether any of them add up within 64 bits; a look at all, which takes less time than a sum of 128 bits.
bool AreSmall(const std::int64_t* values, std::size_t n) {
  const IntRange range = Kernels().range(values, n);
  const auto most = std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(n);
  return range.min >= -most && range.max <= most;
}

template <class RowOf>
PieceSum SumRows(const Chunk::MeasureColumn& column, std::uint32_t begin, std::uint32_t end,
                 RowOf&& row_of) {
  PieceSum result;
  for (std::uint32_t k = begin; k < end; ++k) {
    const std::uint32_t row = row_of(k);
    if (column.present != nullptr && column.present[row] == 0) continue;
    const std::int64_t v = column.narrow[row];
    result.sum += v;
    result.low = std::min(result.low, v);
    result.high = std::max(result.high, v);
    ++result.count;
  }
  return result;
}

/// Adds stride x code for the first codes of `n`.
template <std::size_t kLanes>
void AddLanes(const std::uint32_t* codes, std::uint32_t n, std::uint32_t stride,
              std::array<std::uint32_t, kLanes>* lanes) {
  std::array<std::uint32_t, kLanes> taken;
  if (n >= kLanes) {
    std::copy_n(codes, kLanes, taken.begin());
  } else {
    taken.fill(0);
    std::copy_n(codes, n, taken.begin());
  }
  for (std::size_t i = 0; i < kLanes; ++i) (*lanes)[i] += stride * taken[i];
}

}  // namespace

Aggregator::Aggregator(const BoundQuery& query, const Catalogue& catalogue, Groups* groups)
    : query_(&query),
      catalogue_(&catalogue),
      groups_(groups),
      filter_(query, catalogue),
      dimensions_(query.group_by.size()),
      slot_dictionaries_(query.group_by.size()),
      strides_(query.group_by.size()),
      group_memos_(query.group_by.size()),
      key_(1 + query.group_by.size()) {
  for (const Field& f : query.group_by) by_dimension_ |= f.kind == FieldKind::kDimension;
  has_one_table_ =
      !query.groups_by_customer && !query.groups_by_service && query.windows.size() == 1;
  counts_only_ = has_one_table_ && query.distincts.empty() &&
                 std::none_of(query.measures.begin(), query.measures.end(),
                              [](const MeasureNeed& need) { return need.aggregated(); });
  for (const MeasureNeed& m : query.measures) wants_ends_ |= m.ends;
}

Status Aggregator::Add(Chunk* chunk, Selection* selection) {
  QUIPU_TRY(filter_.Apply(chunk, selection));
  if (selection->spans.empty()) return {};
  QUIPU_TRY(CutAtWindows(chunk, *selection));
  if (by_dimension_) {
    QUIPU_TRY(FindRowGroups(chunk, *selection));
  } else {
    QUIPU_TRY(FindPieceGroups());
  }
  for (std::size_t m = 0; m < query_->measures.size(); ++m) {
    if (!query_->measures[m].aggregated()) continue;
    QUIPU_TRY(by_dimension_ ? AddRows(m, chunk, *selection) : AddPieces(m, chunk, *selection));
  }
  for (std::size_t d = 0; d < query_->distincts.size(); ++d) {
    QUIPU_TRY(by_dimension_ ? AddRowDistinct(d, chunk, *selection)
                            : AddPieceDistinct(d, chunk, *selection));
  }
  return groups_->CheckMemory(pieces_.back().end - pieces_.front().begin);
}

// ---- Windows ----

void Aggregator::UseWindow(std::size_t w) {
  window_ = static_cast<std::uint32_t>(w);
  window_start_ = query_->windows[w];
  window_end_ = query_->WindowEnd(w);
}

Status Aggregator::CutAtWindows(Chunk* chunk, const Selection& selection) {
  pieces_.clear();
  const auto add = [this](const RowSpan& s, std::uint32_t begin, std::uint32_t end) {
    pieces_.push_back({begin, end, window_, s.customer, s.service, 0});
  };
  const TimeBounds& bounds = chunk->bounds();
  const TimeUs first = std::max(bounds.min, query_->from);
  if (first < window_start_ || first >= window_end_) UseWindow(query_->WindowOf(first));
  if (std::min(bounds.max, query_->to - 1) < window_end_) {
    for (const RowSpan& s : selection.spans) add(s, s.begin, s.end);
    return {};
  }
  QUIPU_TRY_ASSIGN(const TimeUs* const times, chunk->Times());
  for (const RowSpan& s : selection.spans) {
    std::uint32_t begin = s.begin;
    while (begin < s.end) {
      const TimeUs t = times[selection.RowAt(begin)];
      if (t < window_start_ || t >= window_end_) {
        // Mostly the next one.
        const std::size_t next = window_ + 1u;
        if (t >= window_end_ && next < query_->windows.size()) UseWindow(next);
        if (t < window_start_ || t >= window_end_) UseWindow(query_->WindowOf(t));
      }
      std::uint32_t end = s.end;
      if (times[selection.RowAt(s.end - 1)] >= window_end_) {
        end = begin + 1;
        while (times[selection.RowAt(end)] < window_end_) ++end;
      }
      add(s, begin, end);
      begin = end;
    }
  }
  return {};
}

// ---- A group a piece ----

Status Aggregator::FindPieceGroups() {
  std::size_t kept = 0;
  for (Piece& piece : pieces_) {
    QUIPU_TRY_ASSIGN(piece.group, groups_->Find(piece.window, piece.customer, piece.service));
    groups_->rows(piece.group) += piece.end - piece.begin;
    // Neighbours of one group become one piece, unless their rows must ascend in time.
    if (kept > 0 && pieces_[kept - 1].group == piece.group &&
        pieces_[kept - 1].end == piece.begin && !wants_ends_ && query_->distincts.empty()) {
      pieces_[kept - 1].end = piece.end;
    } else {
      pieces_[kept++] = piece;
    }
  }
  pieces_.resize(kept);
  return {};
}

Status Aggregator::AddPieces(std::size_t slot, Chunk* chunk, const Selection& selection) {
  const MeasureNeed& need = query_->measures[slot];
  bool done = false;
  if (!need.quantiles && !need.ends && !selection.listed && pieces_.size() == 1 &&
      pieces_[0].end - pieces_[0].begin == chunk->rows()) {
    QUIPU_TRY(AddWholeVector(slot, chunk, &done));
  }
  if (done) return {};
  QUIPU_TRY_ASSIGN(const Chunk::MeasureColumn* const column, chunk->Measure(slot));
  if (!column->exists) return {};
  for (const Piece& piece : pieces_) {
    if (need.stats) AddPieceStats(piece, slot, *column, selection);
    if (need.quantiles) AddPieceQuantiles(piece, slot, *column, selection);
    if (need.ends) QUIPU_TRY(AddPieceEnds(piece, slot, *column, chunk, selection));
  }
  return {};
}

Status Aggregator::AddWholeVector(std::size_t slot, Chunk* chunk, bool* done) {
  QUIPU_TRY_ASSIGN(const MeasureVectorStats* const in, chunk->Stats(slot));
  if (in == nullptr) return {};
  *done = true;
  if (in->present_count == 0) return {};
  groups_->AddStats(
      pieces_[0].group, slot,
      {in->present_count, in->sum, AtSumScale(in->min, in->scale), AtSumScale(in->max, in->scale)});
  return {};
}

void Aggregator::AddPieceStats(const Piece& piece, std::size_t slot,
                               const Chunk::MeasureColumn& column, const Selection& selection) {
  if (column.narrow == nullptr) {
    for (std::uint32_t k = piece.begin; k < piece.end; ++k) {
      const std::uint32_t row = selection.RowAt(k);
      if (column.IsPresent(row))
        groups_->AddValue(piece.group, slot, AtSumScale(column.wide[row], column.scale));
    }
    return;
  }
  const bool extremes = query_->measures[slot].extremes;
  const std::int64_t* const values = column.narrow + piece.begin;
  const std::size_t n = piece.end - piece.begin;
  PieceSum s;
  if (!selection.listed && column.present == nullptr && (column.small || AreSmall(values, n))) {
    s = SumSmall(values, n, extremes);
  } else if (selection.listed) {
    const std::uint32_t* const rows = selection.rows.data();
    s = SumRows(column, piece.begin, piece.end, [rows](std::uint32_t k) { return rows[k]; });
  } else {
    s = SumRows(column, piece.begin, piece.end, [](std::uint32_t k) { return k; });
  }
  if (s.count == 0) return;
  groups_->sum(piece.group, slot).AddSum(s.count, s.sum, column.scale);
  if (extremes) {
    groups_->extremes(piece.group, slot)
        .Widen(AtSumScale(s.low, column.scale), AtSumScale(s.high, column.scale));
  }
}

void Aggregator::AddPieceQuantiles(const Piece& piece, std::size_t slot,
                                   const Chunk::MeasureColumn& column, const Selection& selection) {
  AddToSketch(column, piece.begin, piece.end, selection.listed ? selection.rows.data() : nullptr,
              &values_, &groups_->quantiles(piece.group, slot));
}

// Times ascend: only the rows of the first and of the last instant matter.
Status Aggregator::AddPieceEnds(const Piece& piece, std::size_t slot,
                                const Chunk::MeasureColumn& column, Chunk* chunk,
                                const Selection& selection) {
  QUIPU_TRY_ASSIGN(const TimeUs* const times, chunk->Times());
  std::uint32_t first = piece.begin, last = piece.end;
  while (first < last && !column.IsPresent(selection.RowAt(first))) ++first;
  while (last > first && !column.IsPresent(selection.RowAt(last - 1))) --last;
  if (first == last) return {};
  const TimeUs earliest = times[selection.RowAt(first)];
  const TimeUs latest = times[selection.RowAt(last - 1)];
  const auto add = [&](std::uint32_t row) {
    if (!column.IsPresent(row)) return;
    RowPlace place = chunk->place();
    place.row += row;
    groups_->AddEnd(piece.group, slot,
                    {times[row], place, AtSumScale(column.Mantissa(row), column.scale), {}});
  };
  std::uint32_t k = first;
  for (; k < last && times[selection.RowAt(k)] == earliest; ++k) add(selection.RowAt(k));
  std::uint32_t from = last;
  while (from > k && times[selection.RowAt(from - 1)] == latest) --from;
  for (; from < last; ++from) add(selection.RowAt(from));
  return {};
}

std::uint64_t Aggregator::HashOfValue(const Field& field, std::uint32_t value,
                                      const Chunk::DimensionColumn* column) {
  switch (field.kind) {
    case FieldKind::kCustomer:
      return Hash64(catalogue_->Customer(value));
    case FieldKind::kService:
      return Hash64(catalogue_->Service(value));
    default:
      return Hash64((*column->dictionary)[value - 1]);
  }
}

Status Aggregator::AddPieceDistinct(std::size_t slot, Chunk* chunk, const Selection& selection) {
  const Field& field = query_->distincts[slot];
  if (field.kind != FieldKind::kDimension) {
    for (std::size_t p = 0; p < pieces_.size(); ++p) {
      const Piece& piece = pieces_[p];
      const bool by_customer = field.kind == FieldKind::kCustomer;
      const std::uint32_t value = by_customer ? piece.customer : piece.service;
      if (p > 0 && pieces_[p - 1].group == piece.group &&
          (by_customer ? pieces_[p - 1].customer : pieces_[p - 1].service) == value)
        continue;
      groups_->distinct(piece.group, slot).Add(HashOfValue(field, value, nullptr));
    }
    return {};
  }
  QUIPU_TRY_ASSIGN(const Chunk::DimensionColumn* const column,
                   chunk->Dimension(query_->distinct_slots[slot]));
  if (column->codes == nullptr) return {};
  for (const Piece& piece : pieces_) {
    DistinctSketch& sketch = groups_->distinct(piece.group, slot);
    std::uint32_t last = 0;
    for (std::uint32_t k = piece.begin; k < piece.end; ++k) {
      const std::uint32_t code = column->codes[selection.RowAt(k)];
      if (code == 0 || code == last) continue;  // absent is not a value
      last = code;
      sketch.Add(HashOfValue(field, code, column));
    }
  }
  return {};
}

// ---- A group a row ----

Status Aggregator::FindRowGroups(Chunk* chunk, const Selection& selection) {
  for (std::size_t f = 0; f < query_->group_by.size(); ++f) {
    if (query_->group_by[f].kind != FieldKind::kDimension) continue;
    QUIPU_TRY_ASSIGN(dimensions_[f], chunk->Dimension(query_->group_slots[f]));
    if (dimensions_[f]->codes != nullptr) group_memos_[f].Use(dimensions_[f]->dictionary);
  }
  const std::size_t room = pieces_.back().end + kLanes;
  if (group_of_.size() < room) group_of_.resize(room);
  if (!PrepareSlots()) return FindByKeys(selection);
  return counts_only_ && !selection.listed ? CountBySlots(chunk->rows()) : FindBySlots(selection);
}

// Whether tables of slots serve this chunk; if its dictionaries are new they start empty.
bool Aggregator::PrepareSlots() {
  bool same = slots_ != 0;
  for (std::size_t f = 0; f < dimensions_.size() && same; ++f) {
    if (dimensions_[f] != nullptr) same = dimensions_[f]->dictionary == slot_dictionaries_[f];
  }
  if (same) return true;
  std::uint64_t slots = 1;
  for (std::size_t f = 0; f < dimensions_.size(); ++f) {
    if (dimensions_[f] == nullptr) continue;
    slot_dictionaries_[f] = dimensions_[f]->dictionary;
    strides_[f] = static_cast<std::uint32_t>(slots);
    slots *= 1 + (slot_dictionaries_[f] == nullptr ? 0 : slot_dictionaries_[f]->size());
    if (slots > kLoneSlotsMax) break;
  }
  slots_ =
      slots <= (has_one_table_ ? kLoneSlotsMax : kSlotsMax) ? static_cast<std::size_t>(slots) : 0;
  blocks_.clear();
  block_of_.clear();
  last_block_ = kNoBlock;
  return slots_ != 0;
}

// Where the table of a piece's window, customer and service begins.
std::size_t Aggregator::BlockOf(const Piece& piece) {
  const Prefix prefix{piece.window, query_->groups_by_customer ? piece.customer : 0,
                      query_->groups_by_service ? piece.service : 0};
  if (last_block_ != kNoBlock && prefix == last_prefix_) return last_block_;
  if (blocks_.size() + slots_ > std::max(kBlocksMax, slots_)) {
    blocks_.clear();
    block_of_.clear();
  }
  const auto [at, is_new] = block_of_.try_emplace(prefix, blocks_.size());
  if (is_new) blocks_.resize(blocks_.size() + slots_, 0);
  last_prefix_ = prefix;
  return last_block_ = at->second;
}

void Aggregator::FillKey(const Piece& piece) {
  key_[0] = piece.window;
  for (std::size_t f = 0; f < query_->group_by.size(); ++f) {
    if (query_->group_by[f].kind == FieldKind::kCustomer) key_[f + 1] = piece.customer;
    if (query_->group_by[f].kind == FieldKind::kService) key_[f + 1] = piece.service;
  }
}

std::uint32_t Aggregator::DimensionPart(std::size_t field, std::uint32_t row) {
  const std::uint32_t* const codes = dimensions_[field]->codes;
  return PartOfCode(field, codes == nullptr ? 0 : codes[row]);
}

std::uint32_t Aggregator::PartOfCode(std::size_t field, std::uint32_t code) {
  if (code == 0) return 0;
  return group_memos_[field].Of(code,
                                [&](std::string_view s) { return groups_->strings().Intern(s); });
}

// The slots of all rows from the first piece to the last, column by column: of rows between pieces, too, since one long loop costs less than many short ones.
void Aggregator::MakeSlots(const Selection& selection) {
  const std::uint32_t begin = pieces_.front().begin, end = pieces_.back().end;
  std::uint32_t* const slots = group_of_.data();
  std::fill(slots + begin, slots + end, 0);
  for (std::size_t f = 0; f < dimensions_.size(); ++f) {
    if (dimensions_[f] == nullptr || dimensions_[f]->codes == nullptr) continue;
    const std::uint32_t* const codes = dimensions_[f]->codes;
    const std::uint32_t stride = strides_[f];
    if (selection.listed) {
      const std::uint32_t* const rows = selection.rows.data();
      for (std::uint32_t k = begin; k < end; ++k) slots[k] += stride * codes[rows[k]];
    } else {
      for (std::uint32_t k = begin; k < end; ++k) slots[k] += stride * codes[k];
    }
  }
}

Status Aggregator::FindBySlots(const Selection& selection) {
  MakeSlots(selection);
  std::uint32_t* const slots = group_of_.data();
  std::uint64_t* rows = groups_->all_rows();
  for (const Piece& piece : pieces_) {
    const std::size_t block = BlockOf(piece);  // may move the tables
    std::uint32_t* const table = blocks_.data() + block;
    for (std::uint32_t k = piece.begin; k < piece.end; ++k) {
      std::uint32_t& group = table[slots[k]];
      if (group == 0) {
        FillKey(piece);
        for (std::size_t f = 0; f < dimensions_.size(); ++f) {
          if (dimensions_[f] != nullptr) key_[f + 1] = DimensionPart(f, selection.RowAt(k));
        }
        QUIPU_TRY_ASSIGN(const std::uint32_t found, groups_->Find(key_));
        group = found + 1;
        rows = groups_->all_rows();  // it may have moved
      }
      slots[k] = group - 1;
      ++rows[group - 1];
    }
  }
  return {};
}

// The slots of the rows of all pieces side by side, and how many they are. Pieces are short and of any length, so a loop over each would end with a
// mispredicted branch: here up to kLanes rows are written at once, and what is beyond the piece is overwritten by the next.
std::uint32_t Aggregator::PackSlots(std::uint32_t chunk_rows) {
  std::uint32_t* const slots = group_of_.data();
  std::uint32_t packed = 0;
  for (const Piece& piece : pieces_) {
    for (std::uint32_t k = piece.begin; k < piece.end; k += kLanes) {
      std::array<std::uint32_t, kLanes> lanes{};
      for (std::size_t f = 0; f < dimensions_.size(); ++f) {
        if (dimensions_[f] == nullptr || dimensions_[f]->codes == nullptr) continue;
        AddLanes(dimensions_[f]->codes + k, chunk_rows - k, strides_[f], &lanes);
      }
      std::copy(lanes.begin(), lanes.end(), slots + packed);
      packed += std::min(kLanes, piece.end - k);
    }
  }
  return packed;
}

// A new slot's group: the codes come out of the slot again.
Result<std::uint32_t> Aggregator::FindSlot(std::uint32_t slot) {
  FillKey(pieces_.front());
  for (std::size_t f = dimensions_.size(); f-- > 0;) {
    if (dimensions_[f] == nullptr) continue;
    key_[f + 1] = PartOfCode(f, slot / strides_[f]);
    slot %= strides_[f];
  }
  return groups_->Find(key_);
}

// Nothing but the number of rows is asked, and all pieces have one table.
Status Aggregator::CountBySlots(std::uint32_t chunk_rows) {
  const std::size_t block = BlockOf(pieces_.front());  // may move the tables
  std::uint32_t* const table = blocks_.data() + block;
  const std::uint32_t n = PackSlots(chunk_rows);
  const std::uint32_t* const slots = group_of_.data();
  std::uint64_t* rows = groups_->all_rows();
  for (std::uint32_t i = 0; i < n; ++i) {
    std::uint32_t& group = table[slots[i]];
    if (group == 0) {
      QUIPU_TRY_ASSIGN(const std::uint32_t found, FindSlot(slots[i]));
      group = found + 1;
      rows = groups_->all_rows();  // it may have moved
    }
    ++rows[group - 1];
  }
  return {};
}

// Neighbouring rows often share their group: the table is asked only when the key changes.
Status Aggregator::FindByKeys(const Selection& selection) {
  last_key_.clear();
  std::uint32_t last_group = 0;
  for (const Piece& piece : pieces_) {
    FillKey(piece);
    for (std::uint32_t k = piece.begin; k < piece.end; ++k) {
      const std::uint32_t row = selection.RowAt(k);
      for (std::size_t f = 0; f < dimensions_.size(); ++f) {
        if (dimensions_[f] != nullptr) key_[f + 1] = DimensionPart(f, row);
      }
      if (key_ != last_key_) {
        QUIPU_TRY_ASSIGN(last_group, groups_->Find(key_));
        last_key_ = key_;
      }
      group_of_[k] = last_group;
      ++groups_->rows(last_group);
    }
  }
  return {};
}

Status Aggregator::AddRows(std::size_t slot, Chunk* chunk, const Selection& selection) {
  const MeasureNeed& need = query_->measures[slot];
  QUIPU_TRY_ASSIGN(const Chunk::MeasureColumn* const column, chunk->Measure(slot));
  if (!column->exists) return {};
  const TimeUs* times = nullptr;
  if (need.ends) {
    QUIPU_TRY_ASSIGN(times, chunk->Times());
  }
  for (const Piece& piece : pieces_) {
    for (std::uint32_t k = piece.begin; k < piece.end; ++k) {
      const std::uint32_t row = selection.RowAt(k);
      if (!column->IsPresent(row)) continue;
      const std::uint32_t g = group_of_[k];
      const Int128 mantissa = column->Mantissa(row);
      if (need.stats) groups_->AddValue(g, slot, AtSumScale(mantissa, column->scale));
      if (need.quantiles) groups_->quantiles(g, slot).Add(mantissa, column->scale);
      if (need.ends) {
        RowPlace place = chunk->place();
        place.row += row;
        groups_->AddEnd(g, slot, {times[row], place, AtSumScale(mantissa, column->scale), {}});
      }
    }
  }
  return {};
}

Status Aggregator::AddRowDistinct(std::size_t slot, Chunk* chunk, const Selection& selection) {
  const Field& field = query_->distincts[slot];
  const Chunk::DimensionColumn* column = nullptr;
  if (field.kind == FieldKind::kDimension) {
    QUIPU_TRY_ASSIGN(column, chunk->Dimension(query_->distinct_slots[slot]));
    if (column->codes == nullptr) return {};
  }
  constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::uint32_t last_value = kNone, last_group = kNone;
  for (const Piece& piece : pieces_) {
    for (std::uint32_t k = piece.begin; k < piece.end; ++k) {
      std::uint32_t value = field.kind == FieldKind::kCustomer ? piece.customer : piece.service;
      if (column != nullptr) {
        value = column->codes[selection.RowAt(k)];
        if (value == 0) continue;  // absent is not a value
      }
      if (value == last_value && group_of_[k] == last_group) continue;
      last_value = value;
      last_group = group_of_[k];
      groups_->distinct(last_group, slot).Add(HashOfValue(field, value, column));
    }
  }
  return {};
}

}  // namespace quipu
