#include "query/dimension_plan.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "query/resources.h"

namespace quipu {
namespace {

constexpr std::size_t kNotThere = ~std::size_t{0};

bool Has(const std::vector<std::uint32_t>& ascending, std::uint32_t id) {
  return std::binary_search(ascending.begin(), ascending.end(), id);
}

/// Does the set have every dimension and measure of the question that rows of the segment can have?
bool Offers(const BoundQuery& query, const SegmentReader& segment, const DimensionSet& set) {
  for (const ColumnId id : query.dimensions) {
    // The dimensions of rows that have expired are not listed: they may have been there.
    const bool may_be_there = segment.meta().spec.summaries_only || segment.HasDimension(id);
    if (may_be_there && !Has(set.dimensions, id)) return false;
  }
  return std::all_of(query.measures.begin(), query.measures.end(), [&](const MeasureNeed& need) {
    return !segment.HasMeasure(need.id) || Has(set.measures, need.id);
  });
}

/// The smallest set that serves.
std::optional<std::uint32_t> ChooseSet(const BoundQuery& query, const SegmentReader& segment,
                                       ServiceOrdinal service) {
  std::optional<std::uint32_t> best;
  const auto& sets = segment.dimension_sets();
  for (std::uint32_t i = 0; i < sets.size(); ++i) {
    if (!Has(sets[i].covered, service) || !Offers(query, segment, sets[i].set)) continue;
    if (!best || sets[i].bytes < sets[*best].bytes) best = i;
  }
  return best;
}

/// Covers the range of one service, window by window.
class Tiling {
 public:
  Tiling(const DimensionCells::Levels& levels, bool wants_quantiles, std::uint32_t set,
         ServiceOrdinal service, DimensionPlan* plan)
      : hours_(levels.hours && !wants_quantiles),
        days_(!wants_quantiles || levels.day_quantiles),
        months_(!wants_quantiles || levels.month_quantiles),
        wants_quantiles_(wants_quantiles),
        set_(set),
        service_(service),
        plan_(plan) {}

  void Tile(TimeUs from, TimeUs to, bool whole, std::uint32_t window) {
    window_ = window;
    if (whole && months_) return Use(CellLevel::kMonth, from, to);
    const TimeUs first_day = -FloorTo(-from, kDayUs), last_day = FloorTo(to, kDayUs);
    if (!days_ || first_day >= last_day) return TileHours(from, to);
    if (from < first_day) TileHours(from, first_day);
    Use(CellLevel::kDay, first_day, last_day);
    if (last_day < to) TileHours(last_day, to);
  }

 private:
  void TileHours(TimeUs from, TimeUs to) {
    const TimeUs first_hour = -FloorTo(-from, kHourUs), last_hour = FloorTo(to, kHourUs);
    if (!hours_ || first_hour >= last_hour) return Raw(from, to);
    if (from < first_hour) Raw(from, first_hour);
    Use(CellLevel::kHour, first_hour, last_hour);
    if (last_hour < to) Raw(last_hour, to);
  }

  void Use(CellLevel level, TimeUs from, TimeUs to) {
    plan_->cells.push_back({set_, service_, level, window_, from, to});
  }

  void Raw(TimeUs from, TimeUs to) {
    (wants_quantiles_ && !days_ ? plan_->no_sketch : plan_->edges) = true;
    if (!plan_->raw.empty() && plan_->raw.back().to == from) {
      plan_->raw.back().to = to;
    } else {
      plan_->raw.push_back({from, to});
    }
  }

  const bool hours_, days_, months_;
  const bool wants_quantiles_;
  const std::uint32_t set_;
  const ServiceOrdinal service_;
  DimensionPlan* plan_;
  std::uint32_t window_ = 0;
};

/// Adds the cells of one set.
class SetAdder {
 public:
  SetAdder(const BoundQuery& query, const SegmentReader& segment, const DimensionCells& cells,
           const DimensionSet& set, Groups* groups)
      : query_(query), segment_(segment), cells_(cells), groups_(groups) {
    for (const ColumnId id : query.dimensions) {
      const auto found = std::lower_bound(set.dimensions.begin(), set.dimensions.end(), id);
      const bool has = found != set.dimensions.end() && *found == id;
      places_.push_back(has ? static_cast<std::size_t>(found - set.dimensions.begin()) : kNotThere);
    }
    LearnFilters();
    LearnGroups();
  }

  Status Add(std::span<const DimensionCellUse> uses, QueryControl* control,
             DimensionCellCount* count) {
    constexpr std::size_t kGroupsPerCheck = 1024;
    std::size_t seen = 0;
    for (const auto& [key, range] : cells_.table().groups()) {
      if (++seen % kGroupsPerCheck == 0) QUIPU_TRY(control->CheckTime());
      if (!Passes(key.customer)) continue;
      for (const DimensionCellUse& use : uses) {
        if (use.service == key.service && use.level == key.level)
          QUIPU_TRY(AddRange(use, key.customer, range, count));
      }
    }
    return {};
  }

 private:
  /// By filter on a dimension: what each code of it comes to.
  void LearnFilters() {
    for (const BoundFilter& filter : query_.filters) {
      if (filter.field.kind != FieldKind::kDimension) continue;  // of services: see the planner
      const std::size_t place = places_[filter.slot];
      std::vector<bool>& passes = passes_.emplace_back();
      passes.push_back(filter.MatchesAbsent());
      filter_places_.push_back(place);
      if (place == kNotThere) continue;
      const StringList& values = cells_.values(place);
      for (std::size_t i = 0; i < values.size(); ++i)
        passes.push_back(filter.MatchesText(values[i]));
    }
  }

  /// By group-by field: the numbers of values in the groups' keys.
  void LearnGroups() {
    for (std::size_t f = 0; f < query_.group_by.size(); ++f) {
      std::vector<std::uint32_t>& parts = parts_.emplace_back(1, 0);
      group_places_.push_back(kNotThere);
      if (query_.group_by[f].kind != FieldKind::kDimension) continue;
      group_places_.back() = places_[query_.group_slots[f]];
      if (group_places_.back() == kNotThere) continue;
      const StringList& values = cells_.values(group_places_.back());
      for (std::size_t i = 0; i < values.size(); ++i) parts.push_back(kUnknown);
    }
  }

  [[nodiscard]] std::uint32_t CodeAt(std::size_t place, std::uint32_t combination) const {
    return place == kNotThere ? 0 : cells_.code(combination, place);
  }

  [[nodiscard]] bool Passes(std::uint32_t combination) const {
    for (std::size_t f = 0; f < passes_.size(); ++f) {
      if (!passes_[f][CodeAt(filter_places_[f], combination)]) return false;
    }
    return true;
  }

  Result<std::uint32_t> GroupOf(const DimensionCellUse& use, std::uint32_t combination) {
    key_.assign(1, use.window);
    for (std::size_t f = 0; f < query_.group_by.size(); ++f) {
      if (query_.group_by[f].kind == FieldKind::kService) {
        key_.push_back(use.service);
        continue;
      }
      const std::uint32_t code = CodeAt(group_places_[f], combination);
      std::uint32_t& part = parts_[f][code];
      if (part == kUnknown)
        part = groups_->strings().Intern(cells_.values(group_places_[f])[code - 1]);
      key_.push_back(part);
    }
    return groups_->Find(key_);
  }

  Status AddRange(const DimensionCellUse& use, std::uint32_t combination,
                  const SummaryTable::Range& range, DimensionCellCount* count) {
    const SummaryTable& table = cells_.table();
    std::uint32_t first = range.first, last = range.last;
    if (use.level != CellLevel::kMonth) {
      first = Bound(range, use.from);
      last = Bound(range, use.to);
    }
    if (first == last) return {};
    QUIPU_TRY_ASSIGN(const std::uint32_t g, GroupOf(use, combination));
    for (std::uint32_t cell = first; cell < last; ++cell) {
      groups_->rows(g) += table.rows(cell);
      for (std::size_t m = 0; m < query_.measures.size(); ++m) {
        const MeasureNeed& need = query_.measures[m];
        if (!segment_.HasMeasure(need.id)) continue;
        if (need.stats) groups_->AddStats(g, m, table.Measure(cell, need.id));
        if (need.quantiles)
          QUIPU_TRY(table.MergeQuantiles(cell, need.id, &groups_->quantiles(g, m)));
      }
    }
    const std::uint64_t cells = last - first;
    (use.level == CellLevel::kHour  ? count->hours
     : use.level == CellLevel::kDay ? count->days
                                    : count->months) += cells;
    return groups_->CheckMemory(cells);
  }

  /// The first cell that starts at or after `time`.
  [[nodiscard]] std::uint32_t Bound(const SummaryTable::Range& range, TimeUs time) const {
    std::uint32_t low = range.first, high = range.last;
    while (low < high) {
      const std::uint32_t mid = low + (high - low) / 2;
      if (cells_.table().start(mid) < time) {
        low = mid + 1;
      } else {
        high = mid;
      }
    }
    return low;
  }

  static constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
  const BoundQuery& query_;
  const SegmentReader& segment_;
  const DimensionCells& cells_;
  Groups* groups_;
  std::vector<std::size_t> places_;  // by dimension of the question, in the set
  std::vector<std::size_t> filter_places_;
  std::vector<std::vector<bool>> passes_;  // by filter, by code
  std::vector<std::size_t> group_places_;
  std::vector<std::vector<std::uint32_t>> parts_;  // by group-by field, by code
  std::vector<std::uint32_t> key_;
};

}  // namespace

Result<DimensionPlan> PlanByDimension(const BoundQuery& query, const SegmentReader& segment,
                                      ServiceOrdinal service, TimeUs from, TimeUs to) {
  DimensionPlan plan;
  const std::optional<std::uint32_t> set = ChooseSet(query, segment, service);
  if (!set) {
    plan.raw.push_back({from, to});
    return plan;
  }
  plan.has_set = true;
  QUIPU_TRY_ASSIGN(const DimensionCells* const cells, segment.dimension_cells(*set));
  const DimensionCells::Levels* const levels = cells->LevelsOf(service);
  QUIPU_CHECK(levels != nullptr);
  const bool wants_quantiles = std::any_of(
      query.measures.begin(), query.measures.end(),
      [&](const MeasureNeed& need) { return need.quantiles && segment.HasMeasure(need.id); });
  // As for cells of all customers: a range that reaches the first or last row reaches the edge of the month.
  const SegmentMeta& meta = segment.meta();
  const TimeUs wide_from = from <= meta.time_min ? MonthStart(meta.spec.month) : from;
  const TimeUs wide_to = to > meta.time_max ? MonthStart(meta.spec.month + 1) : to;
  Tiling tiling(*levels, wants_quantiles, *set, service, &plan);
  for (std::size_t w = query.WindowOf(from); w < query.windows.size() && query.windows[w] < to;
       ++w) {
    const TimeUs first = std::max(wide_from, query.windows[w]);
    const TimeUs last = std::min(wide_to, query.WindowEnd(w));
    const bool whole = first <= meta.time_min && last > meta.time_max;
    tiling.Tile(first, last, whole, static_cast<std::uint32_t>(w));
  }
  return plan;
}

Status AddByDimension(const BoundQuery& query, const SegmentReader& segment,
                      const std::vector<DimensionCellUse>& uses, Groups* groups,
                      QueryControl* control, DimensionCellCount* count) {
  for (std::size_t first = 0; first < uses.size();) {
    std::size_t last = first;
    while (last < uses.size() && uses[last].set == uses[first].set) ++last;
    const std::uint32_t set = uses[first].set;
    QUIPU_TRY_ASSIGN(const DimensionCells* const cells, segment.dimension_cells(set));
    SetAdder adder(query, segment, *cells, segment.dimension_sets()[set].set, groups);
    QUIPU_TRY(adder.Add(std::span(uses).subspan(first, last - first), control, count));
    first = last;
  }
  return control->CheckTime();
}

std::string SetName(const SegmentReader& segment, std::uint32_t set, const Catalogue& catalogue) {
  std::string name = "(";
  for (const ColumnId id : segment.dimension_sets()[set].set.dimensions)
    name += (name.size() == 1 ? "" : ", ") + std::string(catalogue.Dimension(id));
  return name + ")";
}

}  // namespace quipu
