#include "query/source.h"

#include "base/check.h"
#include "query/executor.h"
#include "query/finish.h"

namespace quipu {
namespace {

/// Adds all that group `f` of `from` has to group `t` of `to`.
void MergeGroup(const BoundQuery& query, Groups* from, std::uint32_t f, Groups* to,
                std::uint32_t t) {
  to->rows(t) += from->rows(f);
  for (std::size_t m = 0; m < query.measures.size(); ++m) {
    const MeasureNeed& need = query.measures[m];
    if (need.stats) to->MergeStats(t, m, *from, f);
    if (need.quantiles) to->quantiles(t, m).Merge(from->quantiles(f, m));
    if (!need.ends) continue;
    for (const Ends::End& e : from->ends(f, m).first) to->AddEnd(t, m, e);
    for (const Ends::End& e : from->ends(f, m).latest) to->AddEnd(t, m, e);
  }
  for (std::size_t d = 0; d < query.distincts.size(); ++d)
    to->distinct(t, d).Merge(from->distinct(f, d));
}

}  // namespace

Source::Source(const View& view, const Catalogue& catalogue, QuerySpec spec)
    : view_(view), catalogue_(catalogue), spec_(std::move(spec)) {}

Status Source::Bind() {
  QUIPU_TRY_ASSIGN(bound_, quipu::Bind(view_, catalogue_, spec_));
  return {};
}

Status Source::Run(QueryRun* run) {
  groups_.emplace(*bound_, &run->control);
  return ExecuteQuery(view_, catalogue_, *bound_, run, &*groups_);
}

Result<ResultSet> Source::All() { return FinishQuery(*bound_, catalogue_, &*groups_); }

Result<ResultSet> Source::Others(const std::function<bool(const SeriesTexts&)>& is_kept) {
  QuerySpec spec = spec_;
  spec.group_by.clear();
  QUIPU_TRY_ASSIGN(const BoundQuery bound, quipu::Bind(view_, catalogue_, spec));
  QUIPU_CHECK(bound.measures.size() == bound_->measures.size() &&
              bound.distincts.size() == bound_->distincts.size());  // the same slots
  Groups merged(bound);
  for (std::uint32_t g = 0; g < groups_->size(); ++g) {
    if (is_kept(TextsOf(g))) continue;
    const std::uint32_t window = groups_->key(g)[0];
    QUIPU_TRY_ASSIGN(const std::uint32_t t, merged.Find({&window, 1}));
    MergeGroup(*bound_, &*groups_, g, &merged, t);
    QUIPU_TRY(merged.CheckTies());
    QUIPU_TRY(merged.CheckMemory(Groups::kCellWeight));
  }
  QUIPU_TRY(merged.SettleTies());
  return FinishQuery(bound, catalogue_, &merged);
}

SeriesTexts Source::TextsOf(std::uint32_t group) const {
  SeriesTexts texts;
  for (std::size_t f = 0; f < bound_->group_by.size(); ++f) {
    const std::uint32_t v = groups_->key(group)[f + 1];
    switch (bound_->group_by[f].kind) {
      case FieldKind::kCustomer:
        texts.push_back("+" + std::string(catalogue_.Customer(v)));
        break;
      case FieldKind::kService:
        texts.push_back("+" + std::string(catalogue_.Service(v)));
        break;
      default:
        texts.push_back(v == 0 ? std::string() : "+" + std::string(groups_->strings()[v]));
    }
  }
  return texts;
}

}  // namespace quipu
