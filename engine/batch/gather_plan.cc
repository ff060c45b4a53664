#include "batch/gather_plan.h"

#include "base/check.h"

namespace quipu {
namespace {

// A stretch costs about as much as a few single rows.
constexpr std::size_t kStretchRowsMin = 4;

bool Continues(const RowRef& before, const RowRef& ref) {
  return before.batch == ref.batch && before.row + 1 == ref.row;
}

}  // namespace

GatherPlan::GatherPlan(std::span<const RowBatch* const> batches, std::span<const RowRef> refs)
    : row_count_(refs.size()) {
  std::vector<std::uint32_t> sizes;
  for (const RowBatch* batch : batches) sizes.push_back(static_cast<std::uint32_t>(batch->size()));
  struct Counts {
    std::size_t rows = 0, stretches = 0;
  };
  std::vector<Counts> counts(batches.size());
  std::size_t stretches = 0;
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const RowRef& ref = refs[i];
    QUIPU_CHECK(ref.batch < sizes.size() && ref.row < sizes[ref.batch]);
    const std::size_t begins = i > 0 && Continues(refs[i - 1], ref) ? 0 : 1;
    ++counts[ref.batch].rows;
    counts[ref.batch].stretches += begins;
    stretches += begins;
  }
  const bool in_stretches = refs.size() / kStretchRowsMin >= stretches;
  std::vector<std::size_t> starts(batches.size());
  std::size_t next = 0;
  for (std::uint32_t b = 0; b < batches.size(); ++b) {
    starts[b] = next;
    next += in_stretches ? counts[b].stretches : counts[b].rows;
    if (next != starts[b]) parts_.push_back({b, starts[b], next});
  }
  if (in_stretches) {
    stretches_.resize(next);
    PlanStretches(refs, std::move(starts));
  } else {
    rows_.resize(next);
    places_.resize(next);
    PlanRows(refs, std::move(starts));
  }
}

void GatherPlan::PlanRows(std::span<const RowRef> refs, std::vector<std::size_t> starts) {
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const std::size_t at = starts[refs[i].batch]++;
    rows_[at] = refs[i].row;
    places_[at] = static_cast<std::uint32_t>(i);
  }
}

void GatherPlan::PlanStretches(std::span<const RowRef> refs, std::vector<std::size_t> starts) {
  for (std::size_t first = 0, last = 0; first < refs.size(); first = last) {
    for (last = first + 1; last < refs.size() && Continues(refs[last - 1], refs[last]);) ++last;
    stretches_[starts[refs[first].batch]++] = {refs[first].row, static_cast<std::uint32_t>(first),
                                               static_cast<std::uint32_t>(last - first)};
  }
}

}  // namespace quipu
