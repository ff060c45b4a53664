#include "query/executor.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "base/check.h"
#include "query/aggregator.h"
#include "query/bind.h"
#include "query/groups.h"
#include "query/hot_runs.h"
#include "query/plan.h"
#include "query/run_sketches.h"
#include "query/run_sums.h"
#include "query/scan.h"
#include "query/sketch_sums.h"

namespace quipu {
namespace {

/// Raw rows that one worker takes at a time: vectors of a segment, or hot batches.
struct Task {
  std::size_t segment = 0;                          // index in the plans
  std::uint32_t first_vector = 0, last_vector = 0;  // none: hot batches [first_hot, last_hot)
  std::size_t first_hot = 0, last_hot = 0;
};

/// A worker: groups that no other one touches, so that nothing is shared while rows are read. The first has those of the caller.
class Worker final : public RowSink {
 public:
  /// `groups` null: it makes its own.
  Worker(const BoundQuery& query, const Catalogue& catalogue, QueryControl* control, Groups* groups)
      : control_(control),
        own_(groups == nullptr ? std::make_unique<Groups>(query, control) : nullptr),
        groups_(groups == nullptr ? *own_ : *groups),
        aggregator_(query, catalogue, &groups_),
        wants_places_(std::any_of(query.measures.begin(), query.measures.end(),
                                  [](const MeasureNeed& need) { return need.ends; })) {}

  Status OnRows(Chunk* chunk, Selection* selection) override {
    constexpr std::uint32_t kChunksPerCheck = 16;
    if (++chunks_ % kChunksPerCheck == 0) QUIPU_TRY(control_->CheckTime());
    QUIPU_TRY(aggregator_.Add(chunk, selection));
    return groups_.CheckTies();
  }
  [[nodiscard]] bool wants_places() const override { return wants_places_; }
  [[nodiscard]] Groups& groups() { return groups_; }

  Status status;
  std::vector<ScanStats> scanned;  // by plan, the hot tier last

 private:
  QueryControl* control_;
  std::unique_ptr<Groups> own_;
  Groups& groups_;
  Aggregator aggregator_;
  const bool wants_places_;
  std::uint32_t chunks_ = 0;
};

class Execution {
 public:
  Execution(const View& view, const Catalogue& catalogue, const BoundQuery& query, QueryRun* run)
      : view_(view),
        catalogue_(catalogue),
        query_(query),
        run_(run),
        control_(&run->control),
        stats_(run->stats),
        takes_hot_runs_(WantsHotRuns(query)) {}

  ~Execution() {
    // Less never fails.
    (void)control_->Charge(-static_cast<std::int64_t>(plan_bytes_));
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  Status Run(Groups* groups) {
    workers_.push_back(std::make_unique<Worker>(query_, catalogue_, control_, groups));
    if (!query_.empty) {
      QUIPU_TRY(Plan());
      run_->StepDone("plan");
      for (Planned& planned : plans_) {
        QUIPU_TRY(AddCells(&planned));
        if (WantsRunSketches(query_)) QUIPU_TRY(AddKeptSketches(&planned));
      }
      run_->StepDone("cells");
      QUIPU_TRY(Scan());
    }
    QUIPU_TRY(groups->SettleTies());
    run_->StepDone("rows");
    if (run_->explains) Explain(&run_->explanation);
    return {};
  }

 private:
  struct Planned {
    const SegmentReader* segment = nullptr;
    SegmentPlan plan;
    RunTotals run_totals;  // if planned
    DimensionCellCount dimension_cells;
    std::uint64_t run_sketches = 0;  // runs
  };

  Status Plan() {
    for (const SegmentPtr& segment : view_.segments) {
      // Most segments of a long history, and they must cost next to nothing.
      const SegmentMeta& meta = segment->meta();
      if (meta.time_max < query_.from || meta.time_min >= query_.to) continue;
      QUIPU_TRY(control_->CheckTime());
      Planned planned;
      planned.segment = segment.get();
      QUIPU_TRY_ASSIGN(planned.plan, PlanSegment(query_, *segment, true));
      if (planned.plan.run_sums_window) {
        QUIPU_TRY_ASSIGN(const bool loaded, LoadRunSums(&planned));
        if (!loaded) {
          QUIPU_TRY_ASSIGN(planned.plan, PlanSegment(query_, *segment, false));
        }
      }
      const SegmentPlan& plan = planned.plan;
      if (plan.cells.empty() && plan.dimension_cells.empty() && plan.raw_pieces() == 0 &&
          !plan.run_sums_window)
        continue;
      const std::uint64_t bytes = plan.bytes();
      plans_.push_back(std::move(planned));
      QUIPU_TRY(control_->Charge(static_cast<std::int64_t>(bytes)));
      plan_bytes_ += bytes;
    }
    stats_.segments += plans_.size();
    scanned_.resize(plans_.size() + 1);
    return {};
  }

  /// False: some sum does not fit.
  Result<bool> LoadRunSums(Planned* planned) {
    auto totals = RunTotals::Load(*planned->segment, query_.measures, WantsCustomerTotals(query_));
    if (!totals && totals.error().code() == StatusCode::kOutOfRange) return false;
    if (!totals) return totals.error();
    planned->run_totals = *std::move(totals);
    return true;
  }

  Status AddRunSums(const Planned& planned) {
    stats_.cells += planned.run_totals.runs.size();
    QUIPU_TRY(AddRunTotals(query_, planned.run_totals, *planned.plan.run_sums_window,
                           &workers_[0]->groups()));
    return control_->CheckTime();
  }

  Status AddCells(Planned* to_add) {
    const Planned& planned = *to_add;
    if (planned.plan.run_sums_window) return AddRunSums(planned);
    if (!planned.plan.dimension_cells.empty()) {
      QUIPU_TRY(AddByDimension(query_, *planned.segment, planned.plan.dimension_cells,
                               &workers_[0]->groups(), control_, &to_add->dimension_cells));
      stats_.cells += planned.dimension_cells.all();
      return {};
    }
    if (planned.plan.cells.empty()) return {};
    Groups& groups = workers_[0]->groups();
    QUIPU_TRY_ASSIGN(const SummaryTable* table, planned.segment->summaries());
    const bool has_quantiles = std::any_of(query_.measures.begin(), query_.measures.end(),
                                           [](const MeasureNeed& need) { return need.quantiles; });
    const std::vector<CellUse>& cells = planned.plan.cells;
    for (std::size_t i = 0; i < cells.size();) {
      const CellUse& use = cells[i];
      std::size_t end = i + 1;
      while (has_quantiles && end < cells.size() && IsNext(cells[end - 1], cells[end])) ++end;
      QUIPU_TRY_ASSIGN(const std::uint32_t g, groups.Find(use.window, use.customer, use.service));
      if (has_quantiles)
        QUIPU_TRY(AddQuantiles(*planned.segment, *table, {&use, end - i}, g, &groups));
      for (; i < end; ++i) {
        QUIPU_TRY(AddCell(*table, cells[i], g, &groups));
        QUIPU_TRY(groups.CheckMemory(Groups::kCellWeight));
      }
    }
    stats_.cells += cells.size();
    return control_->CheckTime();
  }

  /// Neighbours of one group of cells, which go to the same group of the answer.
  static bool IsNext(const CellUse& a, const CellUse& b) {
    return b.cell == a.cell + 1 && b.window == a.window && b.customer == a.customer &&
           b.service == a.service;
  }

  /// The sketches of neighbours: at once if they are a good part of the days or months of their group, else one by one.
  Status AddQuantiles(const SegmentReader& segment, const SummaryTable& table,
                      std::span<const CellUse> uses, std::uint32_t g, Groups* groups) {
    const std::uint32_t first = uses.front().cell, last = uses.back().cell + 1;
    SummaryTable::Range group;
    for (const CellLevel level : {CellLevel::kDay, CellLevel::kMonth}) {
      const auto range = table.Find(uses[0].customer, uses[0].service, level);
      if (first >= range.first && last <= range.last) group = range;
    }
    const bool at_once =
        group.last > group.first && uses.size() * kSketchSumsShare >= group.last - group.first;
    for (std::size_t m = 0; m < query_.measures.size(); ++m) {
      if (!query_.measures[m].quantiles) continue;
      const ColumnId id = query_.measures[m].id;
      QuantileSketch& sketch = groups->quantiles(g, m);
      if (at_once) {
        QUIPU_TRY_ASSIGN(const auto sums, SketchSums::Load(segment, table, group, id));
        if (sums && sums->MergeInto(first, last, &sketch)) continue;
      }
      for (const CellUse& use : uses) QUIPU_TRY(table.MergeQuantiles(use.cell, id, &sketch));
    }
    return {};
  }

  /// All but sketches of quantiles.
  Status AddCell(const SummaryTable& table, const CellUse& use, std::uint32_t g, Groups* groups) {
    groups->rows(g) += table.rows(use.cell);
    for (std::size_t m = 0; m < query_.measures.size(); ++m) {
      const MeasureNeed& need = query_.measures[m];
      if (need.stats) groups->AddStats(g, m, table.Measure(use.cell, need.id));
    }
    for (std::size_t d = 0; d < query_.distincts.size();
         ++d) {  // only `customer` comes here, see BoundQuery::cells_allowed
      if (use.customer == kAllCustomers) {
        QUIPU_TRY(table.MergeDistinctCustomers(use.cell, &groups->distinct(g, d)));
      } else {
        groups->distinct(g, d).Add(Hash64(catalogue_.Customer(use.customer)));
      }
    }
    return {};
  }

  /// Takes the pieces out of the plan that need no rows.
  Status AddKeptSketches(Planned* planned) {
    SegmentPlan& plan = planned->plan;
    if (plan.raw.empty()) return {};
    QUIPU_TRY_ASSIGN(const Directory* const directory, planned->segment->directory());
    const auto runs = directory->runs();
    std::vector<RawPiece> left;
    for (const RawPiece& piece : plan.raw) {
      QUIPU_TRY(control_->CheckTime());
      const auto run = std::partition_point(runs.begin(), runs.end(), [&](const quipu::Run& r) {
        return r.first_row < piece.run.first_row;
      });
      QUIPU_TRY_ASSIGN(
          const bool is_added,
          AddRunSketches(query_, *planned->segment, piece.run,
                         static_cast<std::size_t>(run - runs.begin()),
                         std::span(plan.intervals).subspan(piece.first_interval, piece.intervals),
                         &workers_[0]->groups()));
      if (is_added) {
        ++planned->run_sketches;
      } else {
        left.push_back(piece);
      }
    }
    plan.raw.swap(left);
    return {};
  }

  // ---- Raw rows ----

  /// Cuts what is to be read into tasks of some row groups.
  void MakeTasks() {
    constexpr std::uint32_t kVectorsPerTask = kRowGroupRows / kVectorRows;
    // One customer's rows are picked out of the others' at a fraction of what reading them costs.
    constexpr std::size_t kOneCustomer = 16;
    const std::size_t hot_rows_per_task = 65'536 * (takes_hot_runs_ ? kOneCustomer : 1);
    for (std::size_t i = 0; i < plans_.size(); ++i) {
      const SegmentPlan& plan = plans_[i].plan;
      const std::size_t pieces = plan.raw_pieces();
      if (pieces == 0) continue;
      const quipu::Run& last = plan.raw_run(pieces - 1);
      for (const RawPiece& piece : plan.raw) raw_rows_ += piece.run.rows;
      if (!plan.all_runs.empty()) raw_rows_ += last.first_row + last.rows;
      const std::uint32_t first = plan.raw_run(0).first_row / kVectorRows;
      const std::uint32_t end = (last.first_row + last.rows - 1) / kVectorRows + 1;
      for (std::uint32_t v = first; v < end;) {
        const std::uint32_t next = std::min(end, (v / kVectorsPerTask + 1) * kVectorsPerTask);
        tasks_.push_back({i, v, next, 0, 0});
        v = next;
      }
    }
    for (std::size_t h = 0; h < view_.hot.size();) {
      const std::size_t first = h;
      std::size_t rows = 0;
      for (; h < view_.hot.size() && rows < hot_rows_per_task; ++h)
        rows += view_.hot[h]->rows.size();
      raw_rows_ += query_.all_customers ? rows : rows / kOneCustomer;
      tasks_.push_back({0, 0, 0, first, h});
    }
  }

  Status RunTask(const Task& task, Worker* worker) {
    worker->scanned.resize(plans_.size() + 1);
    if (task.first_vector < task.last_vector) {
      const Planned& planned = plans_[task.segment];
      return ScanSegment(query_, *planned.segment, planned.plan, task.first_vector,
                         task.last_vector, worker, &worker->scanned[task.segment]);
    }
    return ScanHot(task.first_hot, task.last_hot, worker);
  }

  Status ScanHot(std::size_t first, std::size_t last, Worker* worker) {
    ScanStats* const stats = &worker->scanned.back();
    std::vector<std::size_t> rest;
    if (takes_hot_runs_) {
      QUIPU_TRY(
          AddHotRuns(query_, view_.hot, first, last, control_, &worker->groups(), stats, &rest));
      QUIPU_TRY(control_->CheckTime());
    } else {
      rest.resize(last - first);
      std::iota(rest.begin(), rest.end(), first);
    }
    for (const std::size_t b : rest) QUIPU_TRY(ScanHotBatch(query_, view_.hot, b, worker, stats));
    return {};
  }

  Status Scan() {
    MakeTasks();
    // A helper costs some microseconds, and its groups must be added to the others'. Where processors are short it costs milliseconds: it has begun, is put off its
    // processor, and the question waits for it.
    constexpr std::uint64_t kRowsPerWorker = 131'072;
    std::uint64_t most = std::min<std::uint64_t>(run_->resources->pool.threads(), tasks_.size());
    if (query_.spec->threads != 0) {
      most = std::min<std::uint64_t>(most, query_.spec->threads);
    } else {
      most = std::min(most, raw_rows_ / kRowsPerWorker);
    }
    const auto workers = static_cast<std::size_t>(std::max<std::uint64_t>(1, most));
    while (workers_.size() < workers)
      workers_.push_back(std::make_unique<Worker>(query_, catalogue_, control_, nullptr));
    std::atomic<std::size_t> next{0};
    const auto work = [&](std::uint32_t w) {
      Worker& worker = *workers_[w];
      for (std::size_t t = next++; t < tasks_.size() && worker.status.ok(); t = next++)
        worker.status = RunTask(tasks_[t], &worker);
      if (!worker.status.ok()) control_->Stop();
    };
    if (workers > 1) {
      run_->resources->pool.Run(static_cast<std::uint32_t>(workers), work);
    } else {
      work(0);
    }
    return Gather();
  }

  /// The groups of all workers into those of the first.
  Status Gather() {
    // Who was stopped because of another's failure has nothing to say.
    for (const auto& worker : workers_) {
      if (!worker->status.ok() && worker->status.code() != StatusCode::kCancelled)
        return worker->status;
    }
    for (const auto& worker : workers_) QUIPU_TRY(Status(worker->status));
    threads_ = static_cast<std::uint32_t>(workers_.size());
    for (std::size_t w = 0; w < workers_.size(); ++w) {
      const std::vector<ScanStats>& scanned = workers_[w]->scanned;
      for (std::size_t i = 0; i < scanned.size(); ++i) {
        scanned_[i].Add(scanned[i]);
        (i < plans_.size() ? stats_.rows : stats_.hot_rows) += scanned[i].rows;
      }
      if (w == 0) continue;
      QUIPU_TRY(workers_[0]->groups().Absorb(&workers_[w]->groups()));
      workers_[w].reset();
    }
    workers_.resize(1);
    return control_->CheckTime();
  }

  // ---- Explanation ----

  void Explain(Explanation* to) const {
    const bool by_dimension = std::any_of(plans_.begin(), plans_.end(), [](const Planned& p) {
      return !p.plan.dimension_cells.empty();
    });
    if (to->why_no_cells.empty() && !by_dimension) to->why_no_cells = query_.why_no_cells;
    to->segments_skipped += view_.segments.size() - plans_.size();
    to->threads = std::max(to->threads, threads_);
    to->groups += workers_[0]->groups().size();
    for (std::size_t i = 0; i < plans_.size(); ++i) {
      const SegmentPlan& plan = plans_[i].plan;
      ExplainedSource& source = to->sources.emplace_back();
      source.file = plans_[i].segment->meta().file_name;
      source.month = MonthText(plans_[i].segment->meta().spec.month);
      source.month_cells = plan.month_cells;
      source.day_cells = plan.day_cells;
      source.hour_cells = plan.hour_cells;
      if (!plan.dimension_cells.empty()) {
        const DimensionCellCount& count = plans_[i].dimension_cells;
        source.month_cells = count.months;
        source.day_cells = count.days;
        source.hour_cells = count.hours;
        source.cells_by = SetName(*plans_[i].segment, plan.dimension_cells.front().set, catalogue_);
      }
      source.runs = plan.raw_pieces();
      source.run_sums = plans_[i].run_totals.runs.size();
      source.run_sketches = plans_[i].run_sketches;
      source.why_rows = ReasonsOf(plan);
      Describe(scanned_[i], &source);
    }
    if (scanned_.empty() || scanned_.back().rows == 0) return;
    ExplainedSource& hot = to->sources.emplace_back();
    hot.file = "unsealed events";
    hot.why_rows = "summaries are made when events are sealed";
    Describe(scanned_.back(), &hot);
  }

  static void Describe(const ScanStats& scanned, ExplainedSource* source) {
    source->vectors = scanned.vectors;
    source->vectors_decoded = scanned.vectors_decoded;
    source->rows = scanned.rows;
    source->bytes = scanned.bytes;
  }

  [[nodiscard]] std::string ReasonsOf(const SegmentPlan& plan) const {
    std::string why;
    if (plan.raw_pieces() == 0) return why;
    if (!query_.cells_allowed && !query_.dimension_cells_allowed) return "the question needs rows";
    const auto add = [&why](bool holds, const char* text) {
      if (holds) why += (why.empty() ? "" : "; ") + std::string(text);
    };
    add(plan.reasons.edges, "the range or a window begins or ends inside an hour");
    if (plan.reasons.no_set) add(true, WhyNoSet(plan).c_str());
    add(plan.reasons.few_rows, "too few rows for cells of their own");
    add(plan.reasons.no_sketch, "cells without sketches of what is asked");
    add(plan.reasons.hidden, "cells of all customers count one that is being erased");
    return why;
  }

  /// What a set would have to have.
  [[nodiscard]] std::string WhyNoSet(const SegmentPlan& plan) const {
    std::string names;
    for (const ColumnId id : query_.dimensions)
      names += (names.empty() ? "" : ", ") + (id < catalogue_.size(NameKind::kDimension)
                                                  ? std::string(catalogue_.Dimension(id))
                                                  : std::string("?"));
    return (plan.dimension_cells.empty() ? "no summary" : "for some services no summary") +
           std::string(" by (") + names +
           ") with what is asked: not declared, not built yet, or left out as too fine";
  }

  const View& view_;
  const Catalogue& catalogue_;
  const BoundQuery& query_;
  QueryRun* run_;
  QueryControl* control_;
  QueryStats& stats_;
  const bool takes_hot_runs_;
  std::vector<Planned> plans_;
  std::uint64_t plan_bytes_ = 0;  // charged
  std::vector<Task> tasks_;
  std::uint64_t raw_rows_ = 0;  // of all tasks, before times and filters
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<ScanStats> scanned_;  // by plan, the hot tier last
  std::uint32_t threads_ = 1;
};

}  // namespace

Status ExecuteQuery(const View& view, const Catalogue& catalogue, const BoundQuery& query,
                    QueryRun* run, Groups* groups) {
  return Execution(view, catalogue, query, run).Run(groups);
}

}  // namespace quipu
