// Verification: everything that a segment says twice is compared. In this order, so that a later step may rely on an earlier one:
// checksums of all pages as they are in the file now; rows against their order, month, totals, statistics and dictionaries; the identity index
// against its totals, the rows' texts and times, and each row in it once; the summary cells against cells made anew from the rows.
#include <algorithm>

#include "base/check.h"
#include "segment/dimension_cell_builder.h"
#include "segment/dimension_page.h"
#include "segment/lone_summaries.h"
#include "segment/measure_page.h"
#include "segment/segment_reader_state.h"
#include "segment/time_page.h"

namespace quipu {
namespace {

constexpr std::size_t kProblemsMax = 100;

// What the names of a segment's own columns, services and customers are: those in the file.
class StoredNames final : public Names {
 public:
  StoredNames(const SegmentFooter& footer, const CustomerNames& customers)
      : footer_(footer), customers_(customers) {}
  std::string_view Customer(CustomerOrdinal ordinal) const override {
    const std::size_t rank = IndexOf(customers_.ordinals, ordinal);
    return rank < customers_.ordinals.size() ? customers_.names[rank] : std::string_view();
  }
  std::string_view Service(ServiceOrdinal ordinal) const override {
    return Find(footer_.services, ordinal);
  }
  std::string_view Dimension(ColumnId id) const override { return Find(footer_.dimensions, id); }
  std::string_view Measure(ColumnId id) const override { return Find(footer_.measures, id); }

 private:
  static std::string_view Find(const std::vector<NamedId>& named, std::uint32_t id) {
    const auto found =
        std::lower_bound(named.begin(), named.end(), id,
                         [](const NamedId& n, std::uint32_t wanted) { return n.id < wanted; });
    return found != named.end() && found->id == id ? std::string_view(found->name)
                                                   : std::string_view();
  }
  const SegmentFooter& footer_;
  const CustomerNames& customers_;
};

class Verifier {
 public:
  Verifier(const SegmentReader& reader, SegmentReader::State* state, SegmentVerifyReport* report)
      : reader_(reader), state_(state), footer_(state->footer), report_(report) {}

  Status Run() {
    QUIPU_TRY(Note(CheckPages()));
    if (!first_.ok()) return first_;  // what is damaged needs no second opinion
    if (footer_.spec.summaries_only) {
      QUIPU_TRY_ASSIGN(const SummaryTable* const table, state_->LoadSummaries());
      QUIPU_TRY_ASSIGN(const Directory* const directory, state_->LoadDirectory());
      QUIPU_TRY_ASSIGN(const CustomerNames* const names, state_->LoadNames());
      report_->cells += table->cells();
      std::vector<std::string> wrong;
      CheckLoneSummaries(footer_, *directory, *table, &wrong);
      if (names->names.size() != directory->customers()) wrong.emplace_back("names are missing");
      for (const std::string& problem : wrong) QUIPU_TRY(Wrong(problem));
      QUIPU_TRY(Note(CheckLoneDimensionCells(*table)));
      return first_;
    }
    QUIPU_TRY(Note(CheckRows()));
    if (first_.ok()) QUIPU_TRY(Note(CheckIdentities()));
    if (first_.ok()) QUIPU_TRY(Note(CheckSummaries()));
    for (std::size_t i = 0; first_.ok() && i < footer_.dimension_sets.size(); ++i)
      QUIPU_TRY(Note(CheckDimensionCells(i)));
    return first_;
  }

 private:
  // Keeps damage for the report and goes on; every other error ends the verification.
  Status Note(const Status& status) {
    if (status.ok()) return Status();
    if (status.code() != StatusCode::kCorruption && status.code() != StatusCode::kUnsupported)
      return status;
    if (report_->problems.size() < kProblemsMax) report_->problems.emplace_back(status.message());
    if (first_.ok()) first_ = status;
    return Status();
  }
  Status Wrong(const std::string& what) {
    return Note(Status::Corruption(state_->path + ": " + what));
  }

  Status CheckPages() {
    QUIPU_TRY(Note(CheckFrame(*state_)));
    for (const PlacedPage& page : PagesOf(footer_)) {
      const PagePlace& place = page.place;
      QUIPU_TRY(Note(state_->ReadPage(place.kind, place.column, place.ordinal, page.ref).error()));
      ++report_->pages;
    }
    ++report_->pages;
    return state_->ReadPage(PageKind::kFooter, 0, 0, state_->footer_ref).error();
  }

  Status CheckRows() {
    QUIPU_TRY_ASSIGN(const CustomerNames* const customers, state_->LoadNames());
    names_ = std::make_unique<StoredNames>(footer_, *customers);
    SummaryBounds bounds;
    bounds.cell_rows_min = footer_.cell_rows_min;
    bounds.sketch_rows_min = footer_.sketch_rows_min;
    summaries_ = std::make_unique<SummaryBuilder>(footer_.spec.month, names_.get(), bounds);
    for (const DimensionSetFooter& entry : footer_.dimension_sets)
      dimension_cells_.emplace_back(footer_.spec.month, entry.set);
    RowBatch previous;  // the last row of the group before
    for (std::size_t g = 0; g < footer_.row_groups.size(); ++g) {
      const auto first = static_cast<std::uint32_t>(g * kRowGroupRows);
      const std::uint32_t count = footer_.row_groups[g].rows;
      QUIPU_TRY_ASSIGN(const RowBatch rows, reader_.ReadRows(first, count, RowParts::kWithoutKeys));
      QUIPU_TRY(NoteIds(rows, first));
      QUIPU_TRY(CheckOrder(previous, rows, first));
      QUIPU_TRY(CheckGroup(g, rows));
      QUIPU_TRY(CheckStatistics(g));
      // The builder may rely on order and month.
      if (first_.ok()) QUIPU_TRY(summaries_->Add(rows));
      for (DimensionCellBuilder& builder : dimension_cells_) {
        if (first_.ok()) builder.Add(rows);
      }
      QUIPU_TRY_ASSIGN(previous, reader_.ReadRows(first + count - 1, 1, RowParts::kWithoutKeys));
      report_->rows += count;
    }
    return Status();
  }

  Status CheckOrder(const RowBatch& previous, const RowBatch& rows, std::uint32_t first) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = first + static_cast<std::uint32_t>(i);
      const bool descends = i > 0 ? SegmentOrderLess(rows, i, rows, i - 1)
                                  : !previous.empty() && SegmentOrderLess(rows, 0, previous, 0);
      if (descends) QUIPU_TRY(Wrong("row " + std::to_string(row) + " is out of order"));
      if (MonthOf(rows.times[i]) != footer_.spec.month) {
        QUIPU_TRY(Wrong("row " + std::to_string(row) + " is of another month"));
      }
      if (names_->Service(rows.services[i]).empty()) {
        QUIPU_TRY(Wrong("row " + std::to_string(row) + " is of a service without a name"));
      }
    }
    return Status();
  }

  Status CheckGroup(std::size_t g, const RowBatch& rows) {
    const RowGroupFooter& group = footer_.row_groups[g];
    Totals totals = TotalsOf(rows);
    totals.identities = {};
    if (!(totals == group.totals)) {
      QUIPU_TRY(Wrong("row group " + std::to_string(g) + ": the rows add up to " +
                      totals.ToString() + ", the footer says " + group.totals.ToString()));
    }
    const auto [min, max] = std::minmax_element(rows.times.begin(), rows.times.end());
    if (*min != group.time_min || *max != group.time_max) {
      QUIPU_TRY(Wrong("row group " + std::to_string(g) + ": other time bounds than its rows"));
    }
    return Status();
  }

  // The statistics of each vector, and that dictionaries hold what is used and nothing else.
  Status CheckStatistics(std::size_t g) {
    const RowGroupFooter& group = footer_.row_groups[g];
    const auto first = static_cast<std::uint32_t>(g * (kRowGroupRows / kVectorRows));
    const std::uint32_t vectors = (group.rows + kVectorRows - 1) / kVectorRows;
    for (std::uint32_t v = first; v < first + vectors; ++v) {
      std::vector<TimeUs> times;
      QUIPU_TRY(reader_.ReadTimes(v, &times));
      QUIPU_TRY_ASSIGN(const TimeBounds bounds, reader_.TimeBoundsOf(v));
      const auto [min, max] = std::minmax_element(times.begin(), times.end());
      if (*min != bounds.min || *max != bounds.max)
        QUIPU_TRY(Wrong(Vector(v) + "time bounds are not those of its rows"));
    }
    for (std::size_t i = 0; i < group.measure_ids.size(); ++i)
      QUIPU_TRY(CheckMeasure(g, i, first, vectors));
    for (std::size_t i = 0; i < group.dimension_ids.size(); ++i)
      QUIPU_TRY(CheckDimension(g, i, first, vectors));
    return Status();
  }

  Status CheckMeasure(std::size_t g, std::size_t column, std::uint32_t first,
                      std::uint32_t vectors) {
    const RowGroupFooter& group = footer_.row_groups[g];
    const ColumnId id = group.measure_ids[column];
    QUIPU_TRY_ASSIGN(const PagePtr page,
                     state_->CachedPage(PageKind::kMeasure, id, g, group.measures[column]));
    for (std::uint32_t v = 0; v < vectors; ++v) {
      MeasureVector vector;
      QUIPU_TRY(reader_.ReadMeasure(id, first + v, &vector));
      const Result<MeasureVectorStats> stats = DecodeMeasureStats(AsBytes(*page), group.rows, v);
      if (!stats) return state_->AtPage(stats.error(), PageKind::kMeasure, id, g);
      if (!(*stats == StatsOf(vector))) {
        QUIPU_TRY(Wrong(Vector(first + v) + "statistics of measure " + std::to_string(id) +
                        " are not those of its rows"));
      }
    }
    return Status();
  }

  Status CheckDimension(std::size_t g, std::size_t column, std::uint32_t first,
                        std::uint32_t vectors) {
    const RowGroupFooter& group = footer_.row_groups[g];
    const ColumnId id = group.dimension_ids[column];
    QUIPU_TRY_ASSIGN(const PagePtr page,
                     state_->CachedPage(PageKind::kDimension, id, g, group.codes[column]));
    std::vector<bool> used;
    for (std::uint32_t v = 0; v < vectors; ++v) {
      DimensionVector vector;
      QUIPU_TRY(reader_.ReadDimension(id, first + v, &vector));
      used.resize(vector.dictionary->size() + 1, false);
      for (const std::uint32_t code : vector.codes) used[code] = true;
      const Result<CodeBounds> bounds = DecodeCodeBounds(AsBytes(*page), group.rows, v);
      if (!bounds) return state_->AtPage(bounds.error(), PageKind::kDimension, id, g);
      if (!(*bounds == BoundsOf(vector.codes))) {
        QUIPU_TRY(Wrong(Vector(first + v) + "bounds of dimension " + std::to_string(id) +
                        " are not those of its rows"));
      }
    }
    if (std::find(used.begin() + 1, used.end(), false) != used.end()) {
      return Wrong("row group " + std::to_string(g) + ": the dictionary of dimension " +
                   std::to_string(id) + " holds values that no row has");
    }
    return Status();
  }

  // What the rows say of their ids, to be found in the index: keys of texts, and who has milliseconds.
  Status NoteIds(const RowBatch& rows, std::uint32_t first) {
    if (!reader_.has_ids()) {
      const bool any = rows.id_texts.size() != 0 || !rows.id_millis.empty();
      return any ? Wrong("ids in a segment without ids") : Status();
    }
    has_millis_.resize(footer_.rows, false);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = first + static_cast<std::uint32_t>(i);
      has_millis_[row] = !rows.id_millis.empty() && rows.id_millis[i] != 0;
      const std::string_view text = rows.TextOf(i);
      if (text.empty()) continue;
      const Identity identity =
          MakeIdentity(names_->Customer(rows.customers[i]), rows.sources.Text(i), text);
      if (identity.form != IdForm::kText)
        QUIPU_TRY(Wrong("row " + std::to_string(row) + " has a text for an id that needs none"));
      texts_.push_back({identity.key, row, identity.form});
    }
    return Status();
  }

  Status CheckIdentities() {
    if (!reader_.has_ids()) return Status();
    IdentityTotal total;
    std::vector<bool> seen(footer_.rows, false);
    std::size_t texts = 0;
    Hash128 last;
    std::vector<IdentityEntry> entries;
    for (std::size_t p = 0; p < footer_.identities.rows.size(); ++p) {
      QUIPU_TRY(reader_.ReadIndexPage(p, &entries));
      for (std::size_t i = 0; i < entries.size(); i += kIdentityPrefixEntries) {
        const std::size_t prefix_page = (p * kIdentityRowsEntries + i) / kIdentityPrefixEntries;
        if (footer_.identities.first_highs[prefix_page] != entries[i].key.high)
          QUIPU_TRY(
              Wrong("identity page " + std::to_string(prefix_page) + " begins with another key"));
      }
      for (const IdentityEntry& e : entries) {
        if (e.key < last || seen[e.row])
          return Wrong("the identity index is out of order, or has row " + std::to_string(e.row) +
                       " twice");
        last = e.key;
        seen[e.row] = true;
        total.Add(e.key);
        texts += e.form == IdForm::kText ? 1 : 0;
        if (!IsOfItsRow(e))
          QUIPU_TRY(Wrong("the index has another id for row " + std::to_string(e.row)));
      }
    }
    if (texts != texts_.size()) QUIPU_TRY(Wrong("the index knows fewer texts than the rows"));
    if (!(total == footer_.totals.identities))
      QUIPU_TRY(Wrong("the identities do not add up to the footer's"));
    return Status();
  }

  [[nodiscard]] bool IsOfItsRow(const IdentityEntry& e) const {
    if (has_millis_[e.row] && !HasMillis(e.form)) return false;
    const int bits = LowBitsOf(e.form);
    if (e.form != IdForm::kText) return bits == 64 || e.key.low >> bits == 0;
    const auto found = std::lower_bound(
        texts_.begin(), texts_.end(), e.row,
        [](const IdentityEntry& text, std::uint32_t row) { return text.row < row; });
    return found != texts_.end() && *found == e;
  }

  Status CheckSummaries() {
    QUIPU_TRY_ASSIGN(const SummaryTable* const table, state_->LoadSummaries());
    report_->cells += table->cells();
    QUIPU_TRY_ASSIGN(const std::string stored,
                     state_->ReadPage(PageKind::kSummaries, 0, 0, footer_.summaries));
    QUIPU_TRY_ASSIGN(const std::string derived, summaries_->Finish());
    if (derived != stored) return Wrong("the summary cells are not those of the rows");
    return Status();
  }

  // As CheckSummaries, for the set at that place of the footer.
  Status CheckDimensionCells(std::size_t set) {
    const DimensionSetFooter& entry = footer_.dimension_sets[set];
    std::string stored;
    if (entry.cells.bytes > 0) {
      QUIPU_TRY_ASSIGN(const DimensionCells* const cells, state_->LoadDimensionCells(set));
      report_->cells += cells->table().cells();
      QUIPU_TRY_ASSIGN(stored, state_->ReadPage(PageKind::kDimensionCells, 0, set, entry.cells));
    }
    std::vector<ServiceOrdinal> services;
    for (const NamedId& service : footer_.services) services.push_back(service.id);
    QUIPU_TRY_ASSIGN(const FinishedDimensionCells derived,
                     dimension_cells_[set].Finish(services, state_->dimensions, state_->measures));
    if (!(derived.set == entry.set) || derived.covered != entry.covered ||
        derived.payload != stored) {
      return Wrong("the cells by dimension of set " + std::to_string(set) +
                   " are not those of the rows");
    }
    return Status();
  }

  // Without rows: all combinations of a service together are its cells of all customers.
  Status CheckLoneDimensionCells(const SummaryTable& table) {
    for (std::size_t set = 0; set < footer_.dimension_sets.size(); ++set) {
      if (footer_.dimension_sets[set].cells.bytes == 0) continue;
      QUIPU_TRY_ASSIGN(const DimensionCells* const cells, state_->LoadDimensionCells(set));
      report_->cells += cells->table().cells();
      std::vector<std::string> wrong;
      CheckAddsUp(*cells, footer_.dimension_sets[set], table, &wrong);
      for (const std::string& problem : wrong) QUIPU_TRY(Wrong(problem));
    }
    return Status();
  }

  static std::string Vector(std::uint32_t v) { return "vector " + std::to_string(v) + ": "; }

  const SegmentReader& reader_;
  SegmentReader::State* state_;
  const SegmentFooter& footer_;
  SegmentVerifyReport* report_;
  Status first_;
  std::unique_ptr<StoredNames> names_;
  std::unique_ptr<SummaryBuilder> summaries_;
  std::vector<DimensionCellBuilder> dimension_cells_;  // by set of the footer
  std::vector<IdentityEntry> texts_;                   // by row
  std::vector<bool> has_millis_;
};

}  // namespace

Status SegmentReader::Verify(SegmentVerifyReport* report) const {
  return Verifier(*this, state_.get(), report).Run();
}

}  // namespace quipu
