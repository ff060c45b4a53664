// Whole rows out of a segment: column by column, each vector that is touched decoded once.
#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "batch/decimal_align.h"
#include "segment/dimension_page.h"
#include "segment/id_page.h"
#include "segment/segment_reader_state.h"

namespace quipu {
namespace {

// The wanted rows of one vector, as positions in it.
struct VectorPick {
  std::uint32_t vector = 0;
  std::vector<std::uint16_t> positions;  // ascending
};
using Picks = std::vector<VectorPick>;

Picks PicksOf(std::span<const std::uint32_t> rows) {
  Picks picks;
  for (const std::uint32_t row : rows) {
    const std::uint32_t vector = row / kVectorRows;
    if (picks.empty() || picks.back().vector != vector) picks.push_back({vector, {}});
    picks.back().positions.push_back(static_cast<std::uint16_t>(row % kVectorRows));
  }
  return picks;
}

Picks PicksOfRange(std::uint32_t first, std::uint32_t count) {
  Picks picks;
  const std::uint64_t end = std::uint64_t{first} + count;
  for (std::uint64_t row = first; row < end;) {
    VectorPick pick;
    pick.vector = static_cast<std::uint32_t>(row / kVectorRows);
    const std::uint64_t vector_end =
        std::min<std::uint64_t>(end, (row / kVectorRows + 1) * kVectorRows);
    pick.positions.reserve(vector_end - row);
    for (; row < vector_end; ++row)
      pick.positions.push_back(static_cast<std::uint16_t>(row % kVectorRows));
    picks.push_back(std::move(pick));
  }
  return picks;
}

// Gives codes of several dictionaries new ones in a united dictionary, on first sight.
class DictionaryUnion {
 public:
  // `is_only`: no other dictionary follows, so equal strings cannot meet.
  void Begin(DictionaryPtr from, std::size_t rows, bool is_only) {
    if (from == from_) return;
    from_ = std::move(from);
    is_only_ = is_only;
    sparse_.clear();
    dense_.clear();
    // Few rows of a large dictionary do not pay for a table as large as it.
    constexpr std::size_t kEntriesPerRow = 4;
    is_dense_ = from_->size() <= rows * kEntriesPerRow;
    if (is_dense_) dense_.assign(from_->size() + 1, 0);
  }
  std::uint32_t operator()(std::uint32_t code, StringList* dictionary) {
    if (code == 0) return 0;
    std::uint32_t& known = is_dense_ ? dense_[code] : sparse_[code];
    if (known != 0) return known;
    const std::string_view text = (*from_)[code - 1];
    if (is_only_) {
      dictionary->Add(text);
      known = static_cast<std::uint32_t>(dictionary->size());
    } else {
      known = index_.FindOrAdd(text, dictionary);
    }
    return known;
  }

 private:
  DictionaryPtr from_;
  bool is_only_ = false, is_dense_ = false;
  std::vector<std::uint32_t> dense_;
  std::unordered_map<std::uint32_t, std::uint32_t> sparse_;
  DictionaryIndex index_;
};

// Collects the values of one measure over vectors of different scales.
class MeasureCollector {
 public:
  void Add(const MeasureVector& vector, const VectorPick& pick) {
    parts_.push_back({vector.scale, vector.is_wide, values_.size(), wide_.size()});
    for (const std::uint16_t i : pick.positions) {
      present_.push_back(vector.present[i]);
      any_ = any_ || vector.present[i] != 0;
      all_ = all_ && vector.present[i] != 0;
      if (vector.is_wide) {
        wide_.push_back(vector.wide[i]);
      } else {
        values_.push_back(vector.narrow[i]);
      }
    }
    parts_.back().rows = pick.positions.size();
    scale_ = std::max(scale_, vector.scale);
  }

  [[nodiscard]] bool any() const { return any_; }

  DecimalColumn Finish(ColumnId id) && {
    DecimalColumn column;
    column.id = id;
    column.scale = scale_;
    if (!FinishNarrow(&column)) FinishWide(&column);
    if (!all_) column.present = std::move(present_);
    return column;
  }

 private:
  struct Part {
    int scale = 0;
    bool is_wide = false;
    std::size_t first_narrow = 0, first_wide = 0;
    std::size_t rows = 0;
  };

  bool FinishNarrow(DecimalColumn* column) {
    if (!wide_.empty()) return false;
    bool overflow = false;
    std::vector<std::int64_t> out(values_.size());
    for (const Part& part : parts_) {
      const std::int64_t factor = ScaleFactor(scale_ - part.scale);
      for (std::size_t i = part.first_narrow; i < part.first_narrow + part.rows; ++i) {
        overflow |= __builtin_mul_overflow(values_[i], factor, &out[i]);
      }
    }
    if (overflow) return false;
    column->narrow = std::move(out);
    return true;
  }

  void FinishWide(DecimalColumn* column) {
    column->wide.reserve(present_.size());
    for (const Part& part : parts_) {
      const int more_digits = scale_ - part.scale;
      for (std::size_t i = 0; i < part.rows; ++i) {
        const Int128 mantissa =
            part.is_wide ? wide_[part.first_wide + i] : Int128{values_[part.first_narrow + i]};
        column->wide.push_back(AlignMantissa(mantissa, more_digits));
      }
    }
  }

  std::vector<Part> parts_;
  std::vector<std::uint8_t> present_;
  std::vector<std::int64_t> values_;
  std::vector<Int128> wide_;
  int scale_ = 0;
  bool any_ = false, all_ = true;
};

// Builds the batch, one column after another.
class RowAssembler {
 public:
  RowAssembler(const SegmentReader& reader, SegmentReader::State* state, Picks picks,
               RowParts parts)
      : reader_(reader), state_(state), picks_(std::move(picks)), parts_(parts) {
    for (const VectorPick& pick : picks_) rows_ += pick.positions.size();
    is_one_group_ = PlaceOf(state_->footer, picks_.front().vector).group ==
                    PlaceOf(state_->footer, picks_.back().vector).group;
  }

  Result<RowBatch> Assemble() {
    QUIPU_TRY(AddRuns());
    QUIPU_TRY(AddTimes());
    for (const ColumnId id : ColumnsTouched(&RowGroupFooter::measure_ids))
      QUIPU_TRY(AddMeasure(id));
    for (const ColumnId id : ColumnsTouched(&RowGroupFooter::dimension_ids))
      QUIPU_TRY(AddDimension(id));
    QUIPU_TRY(AddIds());
    if (parts_ == RowParts::kAll) QUIPU_TRY(AddKeys());
    return std::move(batch_);
  }

 private:
  Status AddRuns() {
    QUIPU_TRY_ASSIGN(const Directory* const directory, state_->LoadDirectory());
    batch_.customers.reserve(rows_);
    batch_.services.reserve(rows_);
    const Run* run = nullptr;
    for (const VectorPick& pick : picks_) {
      for (const std::uint16_t position : pick.positions) {
        const std::uint32_t row = pick.vector * kVectorRows + position;
        if (run == nullptr || row - run->first_row >= run->rows) run = &directory->RunOf(row);
        batch_.customers.push_back(run->customer);
        batch_.services.push_back(run->service);
      }
    }
    return Status();
  }

  Status AddTimes() {
    batch_.times.reserve(rows_);
    std::vector<TimeUs> times;
    for (const VectorPick& pick : picks_) {
      QUIPU_TRY(reader_.ReadTimes(pick.vector, &times));
      for (const std::uint16_t i : pick.positions) batch_.times.push_back(times[i]);
    }
    return Status();
  }

  std::vector<ColumnId> ColumnsTouched(std::vector<ColumnId> RowGroupFooter::*list) const {
    std::vector<ColumnId> ids;
    std::size_t last_group = state_->footer.row_groups.size();
    for (const VectorPick& pick : picks_) {
      const std::size_t group = PlaceOf(state_->footer, pick.vector).group;
      if (group == last_group) continue;
      const std::vector<ColumnId>& more = state_->footer.row_groups[group].*list;
      ids.insert(ids.end(), more.begin(), more.end());
      last_group = group;
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  Status AddMeasure(ColumnId id) {
    MeasureCollector collector;
    MeasureVector vector;
    for (const VectorPick& pick : picks_) {
      QUIPU_TRY(reader_.ReadMeasure(id, pick.vector, &vector));
      collector.Add(vector, pick);
    }
    if (collector.any()) batch_.measures.push_back(std::move(collector).Finish(id));
    return Status();
  }

  Status AddDimension(ColumnId id) {
    CodedColumn column;
    column.id = id;
    column.codes.reserve(rows_);
    DictionaryUnion unite;
    DimensionVector vector;
    for (const VectorPick& pick : picks_) {
      QUIPU_TRY(reader_.ReadDimension(id, pick.vector, &vector));
      unite.Begin(vector.dictionary, rows_, is_one_group_);
      for (const std::uint16_t i : pick.positions)
        column.codes.push_back(unite(vector.codes[i], &column.dictionary));
    }
    if (column.dictionary.size() != 0) batch_.dimensions.push_back(std::move(column));
    return Status();
  }

  Status AddIds() {
    static const DictionaryPtr kNoSource = [] {
      StringList list;
      list.Add("");
      return std::make_shared<const StringList>(std::move(list));
    }();
    batch_.sources.codes.reserve(rows_);
    DictionaryUnion unite;
    std::vector<TimeUs> times;
    IdVector ids;
    for (const VectorPick& pick : picks_) {
      const VectorPlace at = PlaceOf(state_->footer, pick.vector);
      const RowGroupFooter& group = state_->footer.row_groups[at.group];
      if (group.ids.bytes == 0 || parts_ == RowParts::kWithoutIds) {
        unite.Begin(kNoSource, rows_, is_one_group_);
        const std::uint32_t code = unite(1, &batch_.sources.dictionary);
        batch_.sources.codes.insert(batch_.sources.codes.end(), pick.positions.size(), code);
        continue;
      }
      QUIPU_TRY_ASSIGN(const PagePtr page,
                       state_->CachedPage(PageKind::kIds, 0, at.group, group.ids));
      QUIPU_TRY_ASSIGN(const DictionaryPtr sources, state_->Sources(at.group, AsBytes(*page)));
      QUIPU_TRY(reader_.ReadTimes(pick.vector, &times));
      const Status decoded =
          DecodeIdVector(AsBytes(*page), at.group_rows, at.vector, sources->size(), times, &ids);
      QUIPU_TRY(state_->AtPage(decoded, PageKind::kIds, 0, at.group));
      unite.Begin(sources, rows_, is_one_group_);
      for (const std::uint16_t i : pick.positions) AddIdRow(ids, i, &unite);
    }
    if (batch_.id_texts.size() != 0) FillTexts(rows_);
    if (!batch_.id_millis.empty()) batch_.id_millis.resize(rows_, 0);
    return Status();
  }

  void AddIdRow(const IdVector& ids, std::size_t i, DictionaryUnion* unite) {
    const std::size_t row = batch_.sources.codes.size();
    batch_.sources.codes.push_back((*unite)(ids.source_codes[i], &batch_.sources.dictionary));
    if (const std::string_view text = ids.Text(i); !text.empty()) {
      FillTexts(row);
      batch_.id_texts.Add(text);
    }
    if (!ids.millis.empty() && ids.millis[i] != 0) {
      batch_.id_millis.resize(row, 0);
      batch_.id_millis.push_back(ids.millis[i]);
    }
  }

  void FillTexts(std::size_t rows) {
    while (batch_.id_texts.size() < rows) batch_.id_texts.Add({});
  }

  Status AddKeys() {
    std::vector<std::uint32_t> rows;
    rows.reserve(rows_);
    for (const VectorPick& pick : picks_) {
      for (const std::uint16_t i : pick.positions) rows.push_back(pick.vector * kVectorRows + i);
    }
    return reader_.ReadIdentities(rows, &batch_.identities, &batch_.id_forms);
  }

  const SegmentReader& reader_;
  SegmentReader::State* state_;
  Picks picks_;
  RowParts parts_;
  std::size_t rows_ = 0;
  bool is_one_group_ = false;
  RowBatch batch_;
};

}  // namespace

Result<RowBatch> SegmentReader::ReadRows(std::uint32_t first, std::uint32_t count,
                                         RowParts parts) const {
  QUIPU_CHECK(count > 0 && first < rows() && count <= rows() - first);
  return RowAssembler(*this, state_.get(), PicksOfRange(first, count), parts).Assemble();
}

Result<RowBatch> SegmentReader::ReadRows(std::span<const std::uint32_t> wanted,
                                         RowParts parts) const {
  if (wanted.empty()) return RowBatch{};
  QUIPU_CHECK(std::is_sorted(wanted.begin(), wanted.end()) && wanted.back() < rows());
  return RowAssembler(*this, state_.get(), PicksOf(wanted), parts).Assemble();
}

}  // namespace quipu
