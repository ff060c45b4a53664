#include "query/executor.h"

#include <algorithm>

#include "base/check.h"
#include "query/bind.h"
#include "query/groups.h"
#include "query/plan.h"
#include "query/scan.h"

namespace quipu {
namespace {

class Execution final : public RowSink {
 public:
  Execution(const View& view, const Catalogue& catalogue, const BoundQuery& query, Groups* groups)
      : view_(view),
        catalogue_(catalogue),
        query_(query),
        groups_(*groups),
        aggregator_(query, catalogue, groups) {}

  Status Run(QueryStats* stats) {
    if (!query_.empty) {
      for (const SegmentPtr& segment : view_.segments) {
        QUIPU_TRY_ASSIGN(const SegmentPlan plan, PlanSegment(query_, *segment));
        if (plan.cells.empty() && plan.raw.empty()) continue;
        ++stats_.segments;
        QUIPU_TRY(AddCells(*segment, plan));
        QUIPU_TRY(ScanSegment(query_, *segment, plan, this, &stats_.rows));
      }
      for (const HotBatchPtr& batch : view_.hot)
        QUIPU_TRY(ScanHotBatch(query_, *batch, this, &stats_.hot_rows));
    }
    stats->segments += stats_.segments;
    stats->cells += stats_.cells;
    stats->rows += stats_.rows;
    stats->hot_rows += stats_.hot_rows;
    return groups_.SettleTies();
  }

  Status OnRows(const Chunk& chunk, std::uint32_t /*first_row*/,
                std::vector<std::uint32_t>* selected) override {
    QUIPU_TRY(aggregator_.Add(chunk, selected));
    return groups_.CheckTies();
  }
  void OnNewDictionaries() override { aggregator_.ForgetDictionaries(); }

 private:
  Status AddCells(const SegmentReader& segment, const SegmentPlan& plan) {
    if (plan.cells.empty()) return {};
    QUIPU_TRY_ASSIGN(const SummaryTable* table, segment.summaries());
    std::vector<std::uint32_t> key(groups_.key_width());
    for (const CellUse& use : plan.cells) {
      key[0] = use.window;
      for (std::size_t f = 0; f < query_.group_by.size(); ++f) {
        key[f + 1] = query_.group_by[f].kind == FieldKind::kCustomer ? use.customer : use.service;
      }
      QUIPU_TRY_ASSIGN(const std::uint32_t g, groups_.Find(key));
      QUIPU_TRY(AddCell(*table, use, g));
      QUIPU_TRY(groups_.CheckMemory(Groups::kCellWeight));
    }
    stats_.cells += plan.cells.size();
    return {};
  }

  Status AddCell(const SummaryTable& table, const CellUse& use, std::uint32_t g) {
    groups_.rows(g) += table.rows(use.cell);
    for (std::size_t m = 0; m < query_.measures.size(); ++m) {
      const MeasureNeed& need = query_.measures[m];
      if (need.stats) groups_.stats(g, m).Merge(table.Measure(use.cell, need.id));
      if (need.quantiles)
        QUIPU_TRY(table.MergeQuantiles(use.cell, need.id, &groups_.quantiles(g, m)));
    }
    for (std::size_t d = 0; d < query_.distincts.size();
         ++d) {  // only `customer` comes here, see BoundQuery::cells_allowed
      if (use.customer == kAllCustomers) {
        QUIPU_TRY(table.MergeDistinctCustomers(use.cell, &groups_.distinct(g, d)));
      } else {
        groups_.distinct(g, d).Add(Hash64(catalogue_.Customer(use.customer)));
      }
    }
    return {};
  }

  const View& view_;
  const Catalogue& catalogue_;
  const BoundQuery& query_;
  Groups& groups_;
  Aggregator aggregator_;
  QueryStats stats_;
};

}  // namespace

Status ExecuteQuery(const View& view, const Catalogue& catalogue, const BoundQuery& query,
                    Groups* groups, QueryStats* stats) {
  return Execution(view, catalogue, query, groups).Run(stats);
}

}  // namespace quipu
