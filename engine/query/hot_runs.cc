#include "query/hot_runs.h"

#include <algorithm>

#include "store/hot_tier.h"

namespace quipu {
namespace {

using Runs = std::span<const HotIndex::Run>;

/// The customer's runs in one batch.
struct Found {
  std::size_t batch = 0;  // in the list
  const HotIndex* index = nullptr;
  Runs runs;
};

void PrefetchSums(const std::vector<Found>& found, ColumnId measure) {
  for (const Found& f : found) {
    const std::size_t column = f.index->FindMeasure(measure);
    if (column == HotIndex::kNoColumn) continue;
    const std::vector<HotIndex::Sum>& sums = f.index->Sums(column).sums;
    if (!sums.empty()) __builtin_prefetch(&sums[f.index->NumberOf(f.runs.front())]);
  }
}

/// In the indexes of hot batches [first, last); those that have none go to `rest`.
Result<std::vector<Found>> FindRuns(const BoundQuery& query, std::span<const HotBatchPtr> hot,
                                    std::size_t first, std::size_t last, QueryControl* control,
                                    std::vector<std::size_t>* rest) {
  const CustomerOrdinal customer = query.customers.front();
  for (std::size_t b = first; b < last; ++b) {
    __builtin_prefetch(&hot[b]->time_min);
    __builtin_prefetch(&hot[b]->rows);
    __builtin_prefetch(&hot[b]->made_index);
  }
  std::vector<Found> found;
  found.reserve(last - first);
  for (std::size_t b = first; b < last; ++b) {
    const HotBatch& batch = *hot[b];
    if (batch.time_max < query.from || batch.time_min >= query.to) continue;
    found.push_back({b, nullptr, {}});
    if (const HotIndex* const index = batch.made_index.peek()) index->Prefetch();
  }
  const std::size_t settled = SettledBatches(hot);
  constexpr std::size_t kBatchesPerCheck = 16;  // their indexes may have to be made
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i % kBatchesPerCheck == 0) QUIPU_TRY(control->CheckTime());
    Found& f = found[i];
    f.index = IndexToAsk(hot, f.batch, settled);
    if (f.index == nullptr) rest->push_back(f.batch);
  }
  std::erase_if(found, [](const Found& f) { return f.index == nullptr; });
  for (const Found& f : found) f.index->PrefetchPlaceOf(customer);
  for (const Found& f : found) f.index->PrefetchRunsOf(customer);
  for (Found& f : found) f.runs = f.index->RunsOf(customer);
  std::erase_if(found, [](const Found& f) { return f.runs.empty(); });
  for (const MeasureNeed& need : query.measures) {
    if (need.stats) PrefetchSums(found, need.id);
  }
  return found;
}

/// Adds runs to groups, each as a whole.
class RunAdder {
 public:
  RunAdder(const BoundQuery& query, Groups* groups) : query_(query), groups_(groups) {}

  /// False, and nothing is done: some wanted run must be cut, or has a sum that does not fit.
  Result<bool> Add(const Found& found) {
    if (!CanTake(found)) return false;
    for (const HotIndex::Run& run : found.runs) {
      if (!IsWanted(run)) continue;
      UseWindowOf(run.min);
      QUIPU_TRY_ASSIGN(const std::uint32_t group,
                       groups_->Find(window_, run.customer, run.service));
      const std::uint32_t end = (&run + 1)->first;
      groups_->rows(group) += end - run.first;
      for (std::size_t m = 0; m < query_.measures.size(); ++m) AddMeasure(found, run, m, group);
    }
    return true;
  }

 private:
  [[nodiscard]] bool IsWanted(const HotIndex::Run& run) const {
    return query_.WantsService(run.service) && run.max >= query_.from && run.min < query_.to;
  }

  void UseWindowOf(TimeUs t) {
    if (t >= window_start_ && t < window_end_) return;
    const std::size_t window = query_.WindowOf(t);
    window_ = static_cast<std::uint32_t>(window);
    window_start_ = query_.windows[window];
    window_end_ = query_.WindowEnd(window);
  }

  bool CanTake(const Found& found) {
    for (const HotIndex::Run& run : found.runs) {
      if (!IsWanted(run)) continue;
      if (run.min < query_.from || run.max >= query_.to) return false;
      UseWindowOf(run.min);
      if (run.max >= window_end_) return false;
    }
    for (const MeasureNeed& need : query_.measures) {
      const std::size_t column = found.index->FindMeasure(need.id);
      if (need.stats && column != HotIndex::kNoColumn && found.index->Sums(column).sums.empty())
        return false;
    }
    return true;
  }

  void AddMeasure(const Found& found, const HotIndex::Run& run, std::size_t m,
                  std::uint32_t group) {
    const MeasureNeed& need = query_.measures[m];
    const HotIndex& index = *found.index;
    const std::size_t column = index.FindMeasure(need.id);
    if (column == HotIndex::kNoColumn) return;
    if (need.stats) {
      const HotIndex::RunSums& sums = index.Sums(column);
      const HotIndex::Sum& sum = sums.sums[index.NumberOf(run)];
      if (sum.count > 0) groups_->sum(group, m).AddSum(sum.count, sum.sum, sums.scale);
    }
    if (need.quantiles) AddQuantiles(index, column, run, &groups_->quantiles(group, m));
  }

  /// From codes, where a histogram comes of it; few values must be kept as they are.
  void AddQuantiles(const HotIndex& index, std::size_t column, const HotIndex::Run& run,
                    QuantileSketch* sketch) {
    const std::uint32_t end = (&run + 1)->first;
    if (sketch->CanTake(end - run.first)) {
      const HotIndex::RunCodes& coded = index.CodesOfRuns(column);
      const QuantileSketch::Bounds& bounds = coded.bounds[index.NumberOf(run)];
      if (bounds.count == 0) return;
      if (sketch->CanTake(bounds.count)) {
        sketch->AddCodes(bounds, std::span(coded.codes).subspan(run.first, end - run.first));
        return;
      }
    }
    AddToSketch(ColumnFrom(index.Measure(column), 0), run.first, end, nullptr, &room_, sketch);
  }

  const BoundQuery& query_;
  Groups* groups_;
  std::uint32_t window_ = 0;                  // the last window ...
  TimeUs window_start_ = 0, window_end_ = 0;  // ... and its bounds; empty at first
  std::vector<std::int64_t> room_;
};

}  // namespace

bool WantsHotRuns(const BoundQuery& query) {
  return !query.empty && !query.all_customers && query.customers.size() == 1 &&
         query.filters.empty() && query.dimensions.empty() && query.distincts.empty() &&
         std::none_of(query.measures.begin(), query.measures.end(),
                      [](const MeasureNeed& need) { return need.ends || need.extremes; });
}

Status AddHotRuns(const BoundQuery& query, std::span<const HotBatchPtr> hot, std::size_t first,
                  std::size_t last, QueryControl* control, Groups* groups, ScanStats* stats,
                  std::vector<std::size_t>* rest) {
  QUIPU_TRY_ASSIGN(const std::vector<Found> all, FindRuns(query, hot, first, last, control, rest));
  RunAdder adder(query, groups);
  for (const Found& found : all) {
    QUIPU_TRY_ASSIGN(const bool is_taken, adder.Add(found));
    if (!is_taken) {
      rest->push_back(found.batch);
      continue;
    }
    const std::uint32_t rows = (&found.runs.back() + 1)->first - found.runs.front().first;
    stats->rows += rows;
    QUIPU_TRY(groups->CheckMemory(rows));
  }
  return {};
}

}  // namespace quipu
