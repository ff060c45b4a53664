#include "segment/summary_fold.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/check.h"
#include "segment/summary_columns.h"

namespace quipu {
namespace {

/// Sketches up to here; cells beyond have none.
constexpr std::uint64_t kFoldSketchBytesMax = kSummarySketchBytesMax / 2;
constexpr std::uint64_t kFoldCellsMax = kSummaryCellsMax / 4;
constexpr std::uint64_t kFoldEntriesMax = kSummaryEntriesMax / 4;

using CellKey = SummaryTable::GroupKey;

/// One measure of a cell that is being added up.
struct FoldedMeasure {
  MeasureStats stats;
  QuantileSketch quantiles;
};

struct FoldedCell {
  std::uint64_t rows = 0;
  std::uint32_t inputs = 0;  ///< That have it.
  bool has_quantiles = true, has_distinct = true;
  std::map<ColumnId, FoldedMeasure> measures;
  DistinctSketch customers;
};
using FoldedGroup = std::map<TimeUs, FoldedCell>;  // by start

TimeUs UnitOf(CellLevel level) { return level == CellLevel::kHour ? kHourUs : kDayUs; }

class Fold {
 public:
  Fold(const std::vector<const SegmentReader*>& inputs, const KeepRun& keep)
      : inputs_(inputs), keep_(keep), month_start_(MonthStart(inputs[0]->meta().spec.month)) {}

  Result<FoldedSummaries> FoldAll() {
    QUIPU_TRY(Load());
    QUIPU_TRY(FoldRuns());
    // Groups are sorted by customer, all customers last: what they are made of is known by then.
    std::set<CellKey> keys;
    for (const SummaryTable* table : tables_) {
      for (const auto& [key, range] : table->groups()) keys.insert(key);
    }
    for (const CellKey& key : keys) {
      if (key.customer != kAllCustomers && !keep_(key.customer, key.service)) continue;
      if (key.customer == kAllCustomers && leaving_services_.contains(key.service)) continue;
      QUIPU_TRY(FoldGroup(key));
    }
    for (const ServiceOrdinal service : leaving_services_) QUIPU_TRY(AddUpService(service));
    QUIPU_TRY(SumUp());
    Emit();
    return std::move(out_);
  }

 private:
  Status Load() {
    for (const SegmentReader* input : inputs_) {
      QUIPU_CHECK(input->meta().spec.summaries_only &&
                  input->meta().spec.month == inputs_[0]->meta().spec.month);
      QUIPU_TRY_ASSIGN(const SummaryTable* const table, input->summaries());
      tables_.push_back(table);
      const SegmentMeta& meta = input->meta();
      const bool first = tables_.size() == 1;
      out_.time_min = first ? meta.time_min : std::min(out_.time_min, meta.time_min);
      out_.time_max = first ? meta.time_max : std::max(out_.time_max, meta.time_max);
    }
    return {};
  }

  Status FoldRuns() {
    std::map<std::pair<CustomerOrdinal, ServiceOrdinal>, std::uint64_t> runs;
    for (const SegmentReader* input : inputs_) {
      QUIPU_TRY_ASSIGN(const Directory* const directory, input->directory());
      for (const Run& run : directory->runs()) {
        if (keep_(run.customer, run.service)) {
          runs[{run.customer, run.service}] += run.rows;
        } else {
          leaving_services_.insert(run.service);
        }
      }
    }
    std::uint64_t rows = 0;
    for (const auto& [key, count] : runs) rows += count;
    if (rows > kSegmentRowsMax) return TooMuch("rows");
    for (const auto& [key, count] : runs) {
      out_.directory.Append(key.first, key.second, static_cast<std::uint32_t>(count));
    }
    return {};
  }

  static Status TooMuch(const char* what) {
    return Status::Exhausted(std::string("folding summaries: too many ") + what +
                             " for one segment; fold fewer");
  }

  Status AddCell(const SummaryTable& table, std::uint32_t cell, FoldedCell* into) {
    into->rows += table.rows(cell);
    ++into->inputs;
    for (const ColumnId id : table.measures()) {
      const MeasureStats stats = table.Measure(cell, id);
      if (stats.count == 0) continue;
      FoldedMeasure& measure = into->measures[id];
      measure.stats.Merge(stats);
      if (into->has_quantiles && table.HasQuantiles(cell, id))
        QUIPU_TRY(table.MergeQuantiles(cell, id, &measure.quantiles));
    }
    into->has_quantiles = into->has_quantiles && table.HasQuantiles(cell, 0);
    into->has_distinct = into->has_distinct && table.HasDistinctCustomers(cell);
    if (into->has_distinct) QUIPU_TRY(table.MergeDistinctCustomers(cell, &into->customers));
    return {};
  }

  /// How many inputs have rows of this customer (or all) and service on that day.
  [[nodiscard]] std::uint32_t InputsWithDay(const CellKey& key, TimeUs day) const {
    std::uint32_t count = 0;
    for (const SummaryTable* table : tables_) {
      const SummaryTable::Range days = table->Find(key.customer, key.service, CellLevel::kDay);
      for (std::uint32_t c = days.first; c < days.last; ++c) {
        if (table->start(c) == day) ++count;
      }
    }
    return count;
  }

  [[nodiscard]] bool AllHaveHours(ServiceOrdinal service) const {
    for (const SummaryTable* table : tables_) {
      const auto days = table->Find(kAllCustomers, service, CellLevel::kDay);
      const auto hours = table->Find(kAllCustomers, service, CellLevel::kHour);
      if (days.first != days.last && hours.first == hours.last) return false;
    }
    return true;
  }

  Status FoldGroup(const CellKey& key) {
    const bool of_all = key.customer == kAllCustomers;
    if (of_all && key.level == CellLevel::kHour && !AllHaveHours(key.service)) return {};
    FoldedGroup group;
    for (const SummaryTable* table : tables_) {
      const SummaryTable::Range cells = table->Find(key.customer, key.service, key.level);
      for (std::uint32_t c = cells.first; c < cells.last; ++c)
        QUIPU_TRY(AddCell(*table, c, &group[table->start(c)]));
    }
    if (!of_all && key.level == CellLevel::kHour) {
      std::erase_if(group, [&](const auto& cell) {
        return cell.second.inputs != InputsWithDay(key, FloorTo(cell.first, kDayUs));
      });
    }
    if (!of_all && key.level == CellLevel::kDay && leaving_services_.contains(key.service)) {
      for (const auto& [start, cell] : group) AddStatistics(cell, &anew_[key.service][start]);
    }
    return Emit(key, group);
  }

  static void AddStatistics(const FoldedCell& from, FoldedCell* into) {
    into->rows += from.rows;
    into->has_quantiles = into->has_distinct = false;
    for (const auto& [id, measure] : from.measures) into->measures[id].stats.Merge(measure.stats);
  }

  /// Rule (3).
  Status AddUpService(ServiceOrdinal service) {
    const FoldedGroup& days = anew_[service];
    if (days.empty()) return {};
    FoldedGroup month;
    for (const auto& [start, day] : days) AddStatistics(day, &month[month_start_]);
    QUIPU_TRY(Emit({kAllCustomers, service, CellLevel::kDay}, days));
    return Emit({kAllCustomers, service, CellLevel::kMonth}, month);
  }

  Status Emit(const CellKey& key, const FoldedGroup& group) {
    if (group.empty()) return {};
    if (key.customer == kAllCustomers && key.level == CellLevel::kMonth) {
      for (const auto& [start, cell] : group) {
        out_.totals.rows += cell.rows;
        for (const auto& [id, measure] : cell.measures) {
          MeasureTotal& total = out_.totals.measures[id];
          total.count += measure.stats.count;
          total.sum.Add(measure.stats.sum);
        }
      }
    }
    std::uint64_t entries = 0;
    for (const auto& [start, cell] : group) entries += cell.measures.size();
    cells_ += group.size();
    entries_ += entries;
    if (cells_ > kFoldCellsMax || entries_ > kFoldEntriesMax) return TooMuch("cells");
    groups_.emplace_back(key, Pack(key.level, group));
    return {};
  }

  struct PackedCell {
    std::uint32_t unit = 0;
    std::uint64_t rows = 0;
    std::uint8_t flags = 0;
    std::vector<std::tuple<ColumnId, MeasureStats, std::string>> measures;
    std::string distinct;
  };

  std::vector<PackedCell> Pack(CellLevel level, const FoldedGroup& group) {
    std::vector<PackedCell> cells;
    for (const auto& [start, cell] : group) {
      PackedCell& packed = cells.emplace_back();
      packed.unit = level == CellLevel::kMonth
                        ? 0
                        : static_cast<std::uint32_t>((start - month_start_) / UnitOf(level));
      packed.rows = cell.rows;
      const bool quantiles = cell.has_quantiles && sketch_bytes_ < kFoldSketchBytesMax;
      for (const auto& [id, measure] : cell.measures) {
        std::string sketch;
        if (quantiles) measure.quantiles.EncodeTo(&sketch);
        sketch_bytes_ += sketch.size();
        packed.measures.emplace_back(id, measure.stats, std::move(sketch));
      }
      if (quantiles) packed.flags |= kCellHasQuantiles;
      if (!cell.has_distinct || sketch_bytes_ >= kFoldSketchBytesMax) continue;
      cell.customers.EncodeTo(&packed.distinct);
      sketch_bytes_ += packed.distinct.size();
      packed.flags |= kCellHasDistinct;
    }
    return cells;
  }

  /// What leaves is what is no longer there.
  Status SumUp() {
    for (const SegmentReader* input : inputs_) out_.left.Add(input->meta().totals);
    out_.totals.identities = out_.left.identities;
    if (out_.left.Subtract(out_.totals)) return {};
    return Status::Corruption(inputs_[0]->path() +
                              ": its summaries add up to more than its totals; run `quipu verify`");
  }

  void Emit() {
    std::sort(groups_.begin(), groups_.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    SummaryColumns columns;
    std::map<ColumnId, SummaryColumns::Measure> measures;
    for (const auto& [key, cells] : groups_) {
      columns.groups.push_back(
          {key.customer, key.service, key.level, static_cast<std::uint32_t>(cells.size())});
      for (const PackedCell& cell : cells) {
        const auto index = static_cast<std::uint32_t>(columns.rows.size());
        columns.units.push_back(cell.unit);
        columns.rows.push_back(cell.rows);
        columns.flags.push_back(cell.flags);
        if ((cell.flags & kCellHasDistinct) != 0) {
          columns.distinct_bytes.push_back(static_cast<std::uint32_t>(cell.distinct.size()));
          columns.distinct_sketches += cell.distinct;
        }
        for (const auto& [id, stats, sketch] : cell.measures) {
          SummaryColumns::Measure& column = measures[id];
          column.id = id;
          column.cells.push_back(index);
          column.stats.push_back(stats);
          if ((cell.flags & kCellHasQuantiles) == 0) continue;
          column.sketch_bytes.push_back(static_cast<std::uint32_t>(sketch.size()));
          column.sketches += sketch;
        }
      }
    }
    for (auto& [id, measure] : measures) columns.measures.push_back(std::move(measure));
    out_.payload = columns.Encode();
  }

  const std::vector<const SegmentReader*>& inputs_;
  const KeepRun& keep_;
  const TimeUs month_start_;
  std::vector<const SummaryTable*> tables_;
  std::set<ServiceOrdinal> leaving_services_;
  std::map<ServiceOrdinal, FoldedGroup> anew_;
  std::vector<std::pair<CellKey, std::vector<PackedCell>>> groups_;
  std::uint64_t cells_ = 0, entries_ = 0, sketch_bytes_ = 0;
  FoldedSummaries out_;
};

}  // namespace

Result<FoldedSummaries> FoldSummaries(const std::vector<const SegmentReader*>& inputs,
                                      const KeepRun& keep) {
  QUIPU_CHECK(!inputs.empty());
  return Fold(inputs, keep).FoldAll();
}

}  // namespace quipu
