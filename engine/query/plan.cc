#include "query/plan.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "query/run_sums.h"
#include "store/erasure.h"

namespace quipu {
namespace {

/// The cells of one (customer or all, service), by level.
struct CellRanges {
  SummaryTable::Range hours, days, months;
};

/// Finds the cells of runs that come in ascending order: a step forward mostly, since runs and groups of cells are sorted alike.
class CellFinder {
 public:
  explicit CellFinder(const SummaryTable& table) : groups_(table.groups()) {}

  CellRanges Find(CustomerOrdinal customer, ServiceOrdinal service) {
    const SummaryTable::GroupKey wanted{customer, service, CellLevel::kHour};
    const auto less = [](const auto& group, const SummaryTable::GroupKey& key) {
      return group.first < key;
    };
    // Steps that double, then the gap halved: as short as the way is.
    std::size_t step = 1, last = at_;
    while (last < groups_.size() && groups_[last].first < wanted) {
      at_ = last + 1;
      last += step;
      step *= 2;
    }
    const auto begin = groups_.begin();
    at_ = static_cast<std::size_t>(
        std::lower_bound(begin + static_cast<std::ptrdiff_t>(at_),
                         begin + static_cast<std::ptrdiff_t>(std::min(last, groups_.size())),
                         wanted, less) -
        begin);
    CellRanges found;
    for (std::size_t i = at_; i < groups_.size() && groups_[i].first.customer == customer &&
                              groups_[i].first.service == service;
         ++i) {
      (groups_[i].first.level == CellLevel::kHour  ? found.hours
       : groups_[i].first.level == CellLevel::kDay ? found.days
                                                   : found.months) = groups_[i].second;
    }
    return found;
  }

 private:
  const std::vector<std::pair<SummaryTable::GroupKey, SummaryTable::Range>>& groups_;
  std::size_t at_ = 0;
};

/// Tiles time ranges of one (scope, service) with cells; what cells cannot serve becomes intervals of raw rows.
class Tiler {
 public:
  Tiler(const BoundQuery& query, const SummaryTable& table, const SegmentMeta& meta,
        CustomerOrdinal customer, ServiceOrdinal service, const CellRanges& ranges,
        SegmentPlan* plan)
      : query_(query),
        table_(table),
        meta_(meta),
        customer_(customer),
        service_(service),
        plan_(plan),
        month_(ranges.months),
        days_(ranges.days),
        hours_(ranges.hours) {}

  /// True if no cell exists: then the whole run is one raw piece, without a walk over the windows.
  [[nodiscard]] bool HasNoCells() const { return month_.first == month_.last; }

  /// Tiles [from, to), which lies in window w.
  void Tile(TimeUs from, TimeUs to, std::uint32_t w) {
    window_ = w;
    covered_to_ = from;
    const bool whole = from <= meta_.time_min && to > meta_.time_max;  // as good as the whole month
    if (whole && month_.first != month_.last && Serves(month_.first)) {
      Use(month_.first, from, to, &plan_->month_cells);
    } else {
      TileDays(from, to);
    }
    QUIPU_DCHECK(covered_to_ ==
                 to);  // the pieces tile the range: each began where the one before ended
  }

  [[nodiscard]] const std::vector<Interval>& raw() const { return raw_; }
  /// True if rows are needed that have expired.
  [[nodiscard]] bool NeedsExpiredRows() const { return needs_expired_rows_; }

  /// Without cells: are there rows in [from, to) that have expired?
  void WantRows(TimeUs from, TimeUs to) {
    covered_to_ = from;
    Raw(from, to, &plan_->reasons.edges);
  }

 private:
  void TileDays(TimeUs from, TimeUs to) {
    const TimeUs first_day = -FloorTo(-from, kDayUs);  // the first midnight at or after `from`
    const TimeUs last_day = FloorTo(to, kDayUs);
    if (first_day >= last_day) {
      TileHours(from, to);
      return;
    }
    if (from < first_day) TileHours(from, first_day);
    for (TimeUs day = first_day; day < last_day; day += kDayUs) {
      const std::uint32_t cell = FindCell(days_, day, &next_day_);
      if (cell == kNone) {
        Missing(day, day + kDayUs);
      } else if (Serves(cell)) {
        Use(cell, day, day + kDayUs, &plan_->day_cells);
      } else {
        TileHours(day, day + kDayUs);
      }
    }
    if (last_day < to) TileHours(last_day, to);
  }

  void TileHours(TimeUs from, TimeUs to) {
    const TimeUs first_hour = -FloorTo(-from, kHourUs);
    const TimeUs last_hour = FloorTo(to, kHourUs);
    if (first_hour >= last_hour) {
      Raw(from, to, &plan_->reasons.edges);
      return;
    }
    if (from < first_hour) Raw(from, first_hour, &plan_->reasons.edges);
    for (TimeUs hour = first_hour; hour < last_hour; hour += kHourUs) {
      const std::uint32_t cell = FindCell(hours_, hour, &next_hour_);
      if (cell == kNone) {
        Missing(hour, hour + kHourUs);
      } else if (Serves(cell)) {
        Use(cell, hour, hour + kHourUs, &plan_->hour_cells);
      } else {
        Raw(hour, hour + kHourUs, &plan_->reasons.no_sketch);
      }
    }
    if (last_hour < to) Raw(last_hour, to, &plan_->reasons.edges);
  }

  /// `next` (of this range): where to look first. Times ascend, so it is mostly the cell behind the last one.
  std::uint32_t FindCell(SummaryTable::Range range, TimeUs start, std::uint32_t* next) const {
    if (*next >= range.first && *next < range.last && table_.start(*next) == start)
      return (*next)++;
    std::uint32_t low = range.first;
    std::uint32_t high = range.last;
    while (low < high) {
      const std::uint32_t mid = low + (high - low) / 2;
      if (table_.start(mid) < start) {
        low = mid + 1;
      } else {
        high = mid;
      }
    }
    *next = low;
    if (low == range.last || table_.start(low) != start) return kNone;
    return (*next)++;
  }

  /// Can the cell give everything that is asked?
  [[nodiscard]] bool Serves(std::uint32_t cell) const {
    for (const MeasureNeed& need : query_.measures) {
      if (need.quantiles && !table_.HasQuantiles(cell, need.id)) return false;
    }
    // Distinct customers of one customer's cell is that customer.
    return query_.distincts.empty() || customer_ != kAllCustomers ||
           table_.HasDistinctCustomers(cell);
  }

  void Use(std::uint32_t cell, TimeUs from, TimeUs to, std::uint64_t* count) {
    Cover(from, to);
    plan_->cells.push_back({customer_, service_, cell, window_});
    ++*count;
  }
  /// No cell: no rows at all for all customers, too few to pay for a cell for one customer.
  /// Where only summaries are left, a day without a cell has no rows for one customer either; but hours may be unknown (summary.h).
  void Missing(TimeUs from, TimeUs to) {
    if (customer_ == kAllCustomers && (!IsSummariesOnly() || hours_.first != hours_.last)) {
      Cover(from, to);
    } else {
      Raw(from, to, &plan_->reasons.few_rows);
    }
  }
  void Raw(TimeUs from, TimeUs to, bool* reason) {
    Cover(from, to);
    *reason = true;
    if (IsSummariesOnly()) {
      needs_expired_rows_ = needs_expired_rows_ || HasDayIn(from, to);
      return;
    }
    if (!raw_.empty() && raw_.back().to == from) {
      raw_.back().to = to;
    } else {
      raw_.push_back({from, to});
    }
  }
  [[nodiscard]] bool IsSummariesOnly() const { return meta_.spec.summaries_only; }
  [[nodiscard]] bool HasDayIn(TimeUs from, TimeUs to) const {
    for (std::uint32_t cell = days_.first; cell < days_.last; ++cell) {
      if (table_.start(cell) < to && table_.end(cell) > from) return true;
    }
    return false;
  }
  void Cover(TimeUs from, TimeUs to) {
    QUIPU_DCHECK(from == covered_to_ && to > from);
    covered_to_ = to;
  }

  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  const BoundQuery& query_;
  const SummaryTable& table_;
  const SegmentMeta& meta_;
  const CustomerOrdinal customer_;
  const ServiceOrdinal service_;
  SegmentPlan* plan_;
  const SummaryTable::Range month_, days_, hours_;
  std::vector<Interval> raw_;
  bool needs_expired_rows_ = false;
  std::uint32_t window_ = 0;
  std::uint32_t next_day_ = 0, next_hour_ = 0;  // cells: see FindCell
  TimeUs covered_to_ = 0;
};

/// The intervals in which rows of some services are read: places in SegmentPlan::intervals.
class RawServices {
 public:
  struct Intervals {
    std::uint32_t first = 0, intervals = 0;  // none: the service's rows are not read
  };
  explicit RawServices(std::uint32_t services_end) : by_service_(services_end) {}
  void Add(ServiceOrdinal service, std::uint32_t first, std::size_t intervals) {
    by_service_[service] = {first, static_cast<std::uint32_t>(intervals)};
    ++size_;
  }
  [[nodiscard]] const Intervals& Of(ServiceOrdinal service) const { return by_service_[service]; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::vector<Intervals> by_service_;  // asked for each run: an array, no table
  std::size_t size_ = 0;
};

class SegmentPlanner {
 public:
  SegmentPlanner(const BoundQuery& query, const SegmentReader& segment, bool run_sums)
      : query_(query),
        run_sums_(run_sums),
        segment_(segment),
        from_(std::max(query.from, segment.meta().time_min)),
        to_(std::min(query.to, segment.meta().time_max + 1)) {}

  Result<SegmentPlan> Plan() {
    if (query_.empty || from_ >= to_) return std::move(plan_);
    // Runs are of no other services than these (SegmentReader::directory).
    const auto& services = segment_.services();
    if (!services.empty() && services.back().first >= query_.services_end)
      return Status::Corruption(segment_.path() + ": service '" + services.back().second +
                                "' has a number that the catalogue does not know");
    if (!query_.cells_allowed && query_.dimension_cells_allowed) {
      QUIPU_TRY_ASSIGN(const bool hides, HoldsAny(segment_, query_.erased));
      plan_.reasons.hidden = hides;
      if (!hides) {
        QUIPU_TRY(PlanDimensions());
        return std::move(plan_);
      }
    }
    if (segment_.meta().spec.summaries_only && !query_.cells_allowed) {
      QUIPU_TRY(CheckNoRowsWanted());
      return std::move(plan_);
    }
    if (!query_.cells_allowed) {
      QUIPU_TRY(PlanRaw());
    } else {
      // Cells of all customers count the erased ones, too.
      QUIPU_TRY_ASSIGN(const bool hides, HoldsAny(segment_, query_.erased));
      if (query_.all_customers && !query_.groups_by_customer && !hides) {
        QUIPU_TRY(PlanAllCustomers());
      } else {
        plan_.reasons.hidden = hides;
        QUIPU_TRY_ASSIGN(const bool planned, PlanRunSums());
        if (!planned) QUIPU_TRY(PlanByCustomer());
      }
    }
    return std::move(plan_);
  }

 private:
  /// Dimensions, values and single events went with the rows.
  Status CheckNoRowsWanted() {
    QUIPU_TRY_ASSIGN(const SummaryTable* table, segment_.summaries());
    const Run* missing = nullptr;
    CellFinder cells(*table);
    QUIPU_TRY(ForEachRun([&](const Run& run) {
      Tiler tiler(query_, *table, segment_.meta(), run.customer, run.service,
                  cells.Find(run.customer, run.service), &plan_);
      tiler.WantRows(from_, to_);
      if (missing == nullptr && tiler.NeedsExpiredRows()) missing = &run;
    }));
    return missing == nullptr ? Status() : Expired(missing->service);
  }

  /// What a smaller answer would hide.
  [[nodiscard]] Status Expired(ServiceOrdinal service) const {
    std::string name;
    for (const auto& [id, text] : segment_.services()) {
      if (id == service) name = text;
    }
    const MonthIndex month = segment_.meta().spec.month;
    return Status::OutOfRange(
        "single events of service '" + name + "' in " + MonthText(month) +
        " have expired, only daily summaries are left: ask for whole UTC days, without filters or "
        "groups by dimension, first, latest and quantiles by customer, or from " +
        FormatTime(MonthStart(month + 1)) + " on");
  }

  Status PlanRaw() {
    if (!query_.all_customers) {
      const std::uint32_t whole = AddIntervals({{from_, to_}});
      return ForEachRun([&](const Run& run) { AddRaw(run, whole); });
    }
    QUIPU_TRY_ASSIGN(const std::uint32_t whole, CutRuns());
    if (query_.all_services && query_.erased.empty()) {
      plan_.all_runs = runs_;
    } else {
      for (const Run& run : runs_) {
        if (query_.WantsService(run.service) && !IsErased(query_.erased, run.customer))
          AddRaw(run, whole);
      }
    }
    return {};
  }

  /// Sets runs_: what the range has of the runs of all customers. Returns the interval that their rows lie in.
  Result<std::uint32_t> CutRuns() {
    const SegmentMeta& meta = segment_.meta();
    const bool is_part = from_ > meta.time_min || to_ <= meta.time_max;
    // Where rows are told apart by windows, their times are decoded anyway.
    if (is_part && query_.windows.size() == 1) {
      QUIPU_TRY_ASSIGN(plan_.slices, RunSlices::Load(segment_, {query_.from, query_.to}));
    }
    if (plan_.slices) {
      runs_ = plan_.slices->runs();
      return AddIntervals({{meta.time_min, meta.time_max + 1}});
    }
    QUIPU_TRY_ASSIGN(const Directory* const directory, LoadDirectory());
    runs_ = directory->runs();
    return AddIntervals({{from_, to_}});
  }

  Status PlanAllCustomers() {
    QUIPU_TRY_ASSIGN(const SummaryTable* table, segment_.summaries());
    RawServices raw_services(query_.services_end);
    for (const auto& [service, name] : segment_.services()) {
      if (!query_.WantsService(service)) continue;
      Tiler tiler(query_, *table, segment_.meta(), kAllCustomers, service,
                  CellFinder(*table).Find(kAllCustomers, service), &plan_);
      TileWindows(&tiler);
      if (tiler.NeedsExpiredRows()) return Expired(service);
      if (tiler.raw().empty()) continue;
      raw_services.Add(service, AddIntervals(tiler.raw()), tiler.raw().size());
    }
    if (raw_services.size() == 0) return {};
    return AddRuns(raw_services);
  }

  /// Service by service, since a set may cover some and not others.
  Status PlanDimensions() {
    RawServices raw_services(query_.services_end);
    bool raw_is_whole = true;  // the range of each
    for (const auto& [service, name] : segment_.services()) {
      if (!query_.WantsService(service) || !PassesAsService(name)) continue;
      QUIPU_TRY_ASSIGN(const DimensionPlan part,
                       PlanByDimension(query_, segment_, service, from_, to_));
      plan_.dimension_cells.insert(plan_.dimension_cells.end(), part.cells.begin(),
                                   part.cells.end());
      plan_.reasons.no_set |= !part.has_set;
      plan_.reasons.edges |= part.edges;
      plan_.reasons.no_sketch |= part.no_sketch;
      if (part.raw.empty()) continue;
      if (segment_.meta().spec.summaries_only) {
        QUIPU_TRY_ASSIGN(const bool expired, HasCellsIn(service, part.raw));
        if (expired) return Expired(service);
        continue;
      }
      raw_services.Add(service, AddIntervals(part.raw), part.raw.size());
      raw_is_whole = raw_is_whole && part.raw.size() == 1 && part.raw[0].from == from_ &&
                     part.raw[0].to == to_;
    }
    // One set after another.
    std::stable_sort(
        plan_.dimension_cells.begin(), plan_.dimension_cells.end(),
        [](const DimensionCellUse& a, const DimensionCellUse& b) { return a.set < b.set; });
    if (raw_services.size() == 0) return {};
    if (plan_.dimension_cells.empty() && raw_services.size() == segment_.services().size()) {
      plan_.intervals.clear();
      return PlanRaw();
    }
    if (raw_is_whole && query_.all_customers) {
      QUIPU_TRY_ASSIGN(const std::uint32_t whole, CutRuns());
      for (const Run& run : runs_) {
        if (raw_services.Of(run.service).intervals != 0 && !IsErased(query_.erased, run.customer))
          AddRaw(run, whole);
      }
      return {};
    }
    return AddRuns(raw_services);
  }

  [[nodiscard]] bool PassesAsService(const std::string& name) const {
    return std::all_of(query_.filters.begin(), query_.filters.end(), [&](const BoundFilter& f) {
      return f.field.kind != FieldKind::kService || f.MatchesText(name);
    });
  }

  /// Where only summaries are left: had the service rows in one of the intervals?
  Result<bool> HasCellsIn(ServiceOrdinal service, const std::vector<Interval>& intervals) {
    QUIPU_TRY_ASSIGN(const SummaryTable* table, segment_.summaries());
    const SummaryTable::Range days = table->Find(kAllCustomers, service, CellLevel::kDay);
    for (const Interval& interval : intervals) {
      for (std::uint32_t cell = days.first; cell < days.last; ++cell) {
        if (table->start(cell) < interval.to && table->end(cell) > interval.from) return true;
      }
    }
    return false;
  }

  /// Many customers, sums only, everything inside one window?
  Result<bool> PlanRunSums() {
    const SegmentMeta& meta = segment_.meta();
    if (!run_sums_ || !query_.all_customers || !query_.groups_by_customer ||
        !query_.WantsSumsOnly() || from_ > meta.time_min || to_ <= meta.time_max ||
        meta.spec.summaries_only)
      return false;
    const std::size_t window = query_.WindowOf(meta.time_min);
    if (query_.WindowEnd(window) <= meta.time_max) return false;
    QUIPU_TRY_ASSIGN(const Directory* const directory, LoadDirectory());
    const std::size_t runs = directory->runs().size();
    if (runs > kRunSumsMax || directory->rows() < kRunSumsRowsMin * runs) return false;
    plan_.run_sums_window = static_cast<std::uint32_t>(window);
    return true;
  }

  Status PlanByCustomer() {
    QUIPU_TRY_ASSIGN(const SummaryTable* table, segment_.summaries());
    // As of a million customers with a few rows each. Cells of all customers come last.
    const bool has_cells =
        !table->groups().empty() && table->groups().front().first.customer != kAllCustomers;
    if (!has_cells && !segment_.meta().spec.summaries_only) {
      plan_.reasons.few_rows = true;
      return PlanRaw();
    }
    const std::uint32_t whole = AddIntervals({{from_, to_}});
    const Run* missing = nullptr;
    const Run* lost = nullptr;
    CellFinder cells(*table);
    QUIPU_TRY(ForEachRun([&](const Run& run) {
      Tiler tiler(query_, *table, segment_.meta(), run.customer, run.service,
                  cells.Find(run.customer, run.service), &plan_);
      if (tiler.HasNoCells()) {
        if (lost == nullptr) lost = &run;
        plan_.reasons.few_rows = true;
        AddRaw(run, whole);
        return;
      }
      TileWindows(&tiler);
      if (missing == nullptr && tiler.NeedsExpiredRows()) missing = &run;
      if (tiler.raw().empty()) return;
      const std::uint32_t first = AddIntervals(tiler.raw());
      plan_.raw.push_back({run, first, static_cast<std::uint32_t>(tiler.raw().size())});
    }));
    if (lost != nullptr && segment_.meta().spec.summaries_only) {
      return Status::Corruption(segment_.path() + ": customer " + std::to_string(lost->customer) +
                                " has neither rows nor summaries; run `quipu verify`");
    }
    return missing == nullptr ? Status() : Expired(missing->service);
  }

  void TileWindows(Tiler* tiler) {
    // A range that reaches the segment's first or last row reaches the edge of its month: nothing lies between, and
    // whole hours and days can be cells instead of ragged edges.
    const SegmentMeta& meta = segment_.meta();
    const TimeUs from = from_ <= meta.time_min ? MonthStart(meta.spec.month) : from_;
    const TimeUs to = to_ > meta.time_max ? MonthStart(meta.spec.month + 1) : to_;
    for (std::size_t w = query_.WindowOf(from_);
         w < query_.windows.size() && query_.windows[w] < to_; ++w) {
      tiler->Tile(std::max(from, query_.windows[w]), std::min(to, query_.WindowEnd(w)),
                  static_cast<std::uint32_t>(w));
    }
  }

  /// Its customers are of the catalogue: places in arrays.
  Result<const Directory*> LoadDirectory() {
    QUIPU_TRY_ASSIGN(const Directory* const directory, segment_.directory());
    const std::span<const Run> runs = directory->runs();
    if (!runs.empty() && runs.back().customer >= query_.all_customers_end)
      return Status::Corruption(segment_.path() + ": customer " +
                                std::to_string(runs.back().customer) +
                                " is not in the catalogue; run `quipu verify`");
    return directory;
  }

  template <class Visit>
  Status ForEachRun(Visit&& visit) {
    QUIPU_TRY_ASSIGN(const Directory* directory, LoadDirectory());
    if (query_.all_customers) {
      for (const Run& run : directory->runs()) {
        if (query_.WantsService(run.service) && !IsErased(query_.erased, run.customer)) visit(run);
      }
      return {};
    }
    for (const CustomerOrdinal customer : query_.customers) {
      for (const Run& run : directory->Find(customer)) {
        if (query_.WantsService(run.service)) visit(run);
      }
    }
    return {};
  }

  std::uint32_t AddIntervals(const std::vector<Interval>& intervals) {
    const auto first = static_cast<std::uint32_t>(plan_.intervals.size());
    plan_.intervals.insert(plan_.intervals.end(), intervals.begin(), intervals.end());
    return first;
  }
  Status AddRuns(const RawServices& services) {
    return ForEachRun([&](const Run& run) {
      const RawServices::Intervals& at = services.Of(run.service);
      if (at.intervals != 0) plan_.raw.push_back({run, at.first, at.intervals});
    });
  }
  void AddRaw(const Run& run, std::uint32_t interval) { plan_.raw.push_back({run, interval, 1}); }

  const BoundQuery& query_;
  const bool run_sums_;
  const SegmentReader& segment_;
  const TimeUs from_, to_;
  SegmentPlan plan_;
  std::span<const Run> runs_;  // see CutRuns
};

}  // namespace

Result<SegmentPlan> PlanSegment(const BoundQuery& query, const SegmentReader& segment,
                                bool run_sums) {
  return SegmentPlanner(query, segment, run_sums).Plan();
}

}  // namespace quipu
