#include "query/run_sums.h"

#include <algorithm>
#include <cstring>

#include "segment/vector_cursor.h"
#include "sketch/exact_sum.h"
#include "store/erasure.h"

namespace quipu {
namespace {

// As kept: scale (8 bytes, or kNone), the sums (8 each), the counts (4 each).
constexpr std::int64_t kNone = -1;

// Of narrow values: 1,024 of them are far from the end of the type.
Int128 SumOf(const MeasureVector& v, std::uint32_t begin, std::uint32_t end, std::uint32_t* count) {
  Int128 sum = 0;
  const std::int64_t* const values = v.narrow.data();
  for (std::uint32_t i = begin; i < end; ++i) sum += values[i];
  if (v.all_present) {
    *count += end - begin;
  } else {
    for (std::uint32_t i = begin; i < end; ++i) *count += v.present[i];
  }
  return sum;
}

/// The sums in the making, at the largest scale so far.
struct Sums {
  int scale = 0;
  std::vector<std::int64_t> sums;
  std::vector<std::uint32_t> counts;

  // False: something does not fit.
  bool RaiseTo(int to) {
    if (to <= scale) return true;
    const auto factor = PowerOf10I64(to - scale);
    for (std::int64_t& sum : sums) {
      if (__builtin_mul_overflow(sum, factor, &sum)) return false;
    }
    scale = to;
    return true;
  }
  bool Add(std::size_t run, Int128 sum, int at_scale) {
    Int128 more = 0;
    if (__builtin_mul_overflow(sum, static_cast<Int128>(PowerOf10(scale - at_scale)), &more))
      return false;
    more += sums[run];
    sums[run] = static_cast<std::int64_t>(more);
    return more == sums[run];
  }
};

std::string Encode(bool fits, const Sums& sums) {
  std::string bytes;
  const std::int64_t scale = fits ? sums.scale : kNone;
  bytes.append(reinterpret_cast<const char*>(&scale), sizeof scale);
  if (!fits) return bytes;
  bytes.append(reinterpret_cast<const char*>(sums.sums.data()), sums.sums.size() * 8);
  bytes.append(reinterpret_cast<const char*>(sums.counts.data()), sums.counts.size() * 4);
  return bytes;
}

Result<std::string> Compute(const SegmentReader& segment, ColumnId measure) {
  QUIPU_TRY_ASSIGN(const Directory* const directory, segment.directory());
  const std::span<const Run> runs = directory->runs();
  VectorCursor cursor(segment, {measure}, {});
  Sums sums;
  sums.sums.resize(runs.size());
  sums.counts.resize(runs.size());
  std::size_t run = 0;
  bool fits = true;
  for (std::uint32_t v = 0; v < segment.vectors() && fits; ++v) {
    cursor.Seek(v);
    QUIPU_TRY_ASSIGN(const MeasureVector* const values, cursor.Measure(0));
    const std::uint32_t first = v * kVectorRows;
    const auto end = static_cast<std::uint32_t>(first + cursor.rows());
    fits = values->present_count == 0 || (!values->is_wide && sums.RaiseTo(values->scale));
    while (run < runs.size() && runs[run].first_row < end && fits) {
      const std::uint32_t run_end = runs[run].first_row + runs[run].rows;
      const std::uint32_t from = std::max(first, runs[run].first_row), to = std::min(end, run_end);
      if (values->present_count > 0)
        fits = sums.Add(run, SumOf(*values, from - first, to - first, &sums.counts[run]),
                        values->scale);
      if (run_end > end) break;
      ++run;
    }
  }
  return Encode(fits, sums);
}

/// The runs of a customer as one, of each customer.
std::string FoldRuns(std::span<const Run> runs) {
  std::vector<Run> folded;
  for (const Run& run : runs) {
    if (folded.empty() || folded.back().customer != run.customer) {
      folded.push_back(run);
    } else {
      folded.back().rows += run.rows;
    }
  }
  return {reinterpret_cast<const char*>(folded.data()), folded.size() * sizeof(Run)};
}

/// The sums of a customer's runs as one; `of_runs` null: they do not fit.
std::string FoldSums(std::span<const Run> runs, const RunSums* of_runs) {
  Sums folded;
  bool fits = of_runs != nullptr;
  for (std::size_t r = 0; r < runs.size() && fits; ++r) {
    if (r == 0 || runs[r].customer != runs[r - 1].customer) {
      folded.sums.push_back(0);
      folded.counts.push_back(0);
      folded.scale = of_runs->scale();
    }
    fits = folded.Add(folded.sums.size() - 1, of_runs->sum(r), of_runs->scale());
    folded.counts.back() += of_runs->count(r);
  }
  return Encode(fits, folded);
}

}  // namespace

Result<RunSums> RunSums::View(PagePtr page, std::size_t runs) {
  const char* const bytes = page->data();
  std::int64_t scale = 0;
  std::memcpy(&scale, bytes, sizeof scale);
  if (scale == kNone) return Status::OutOfRange("sums by run do not fit 64 bits");
  RunSums view;
  view.scale_ = static_cast<int>(scale);
  // A string's bytes are aligned for any number.
  view.sums_ = reinterpret_cast<const std::int64_t*>(bytes + 8);
  view.counts_ = reinterpret_cast<const std::uint32_t*>(bytes + 8 + 8 * runs);
  view.page_ = std::move(page);
  return view;
}

Result<RunTotals> RunTotals::Load(const SegmentReader& segment,
                                  std::span<const MeasureNeed> measures, bool by_customer) {
  constexpr std::uint32_t kByRun = 0, kByCustomer = 1, kCustomers = 2;
  QUIPU_TRY_ASSIGN(const Directory* const directory, segment.directory());
  const std::span<const Run> runs = directory->runs();
  RunTotals totals;
  totals.runs = runs;
  if (by_customer) {
    QUIPU_TRY_ASSIGN(totals.page, segment.Derived({DerivedKind::kRunSums, kCustomers, 0}, [&] {
      return Result<std::string>(FoldRuns(runs));
    }));
    totals.runs = {reinterpret_cast<const Run*>(totals.page->data()),
                   totals.page->size() / sizeof(Run)};
  }
  for (const MeasureNeed& need : measures) {
    const auto by_run = [&] {
      return segment.Derived({DerivedKind::kRunSums, kByRun, need.id},
                             [&] { return Compute(segment, need.id); });
    };
    const auto folded = [&]() -> Result<std::string> {
      QUIPU_TRY_ASSIGN(PagePtr unfolded, by_run());
      const Result<RunSums> of_runs = RunSums::View(std::move(unfolded), runs.size());
      return FoldSums(runs, of_runs ? &*of_runs : nullptr);
    };
    QUIPU_TRY_ASSIGN(PagePtr kept,
                     by_customer
                         ? segment.Derived({DerivedKind::kRunSums, kByCustomer, need.id}, folded)
                         : by_run());
    QUIPU_TRY_ASSIGN(RunSums of_measure, RunSums::View(std::move(kept), totals.runs.size()));
    totals.sums.push_back(std::move(of_measure));
  }
  return totals;
}

bool WantsCustomerTotals(const BoundQuery& query) {
  return !query.groups_by_service && query.all_services && query.erased.empty();
}

Status AddRunTotals(const BoundQuery& query, const RunTotals& totals, std::uint32_t window,
                    Groups* groups) {
  const std::span<const Run> runs = totals.runs;
  const bool all_wanted = query.all_services && query.erased.empty();
  if (groups->size() == 0 && (query.groups_by_service || WantsCustomerTotals(query))) {
    QUIPU_TRY(groups->Reserve(runs.size()));
  }
  std::vector<std::int64_t> factors;
  for (const RunSums& sums : totals.sums) factors.push_back(PowerOf10I64(kSumScale - sums.scale()));
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const Run& run = runs[r];
    if (!all_wanted && (!query.WantsService(run.service) || IsErased(query.erased, run.customer)))
      continue;
    QUIPU_TRY_ASSIGN(const std::uint32_t g, groups->Find(window, run.customer, run.service));
    groups->rows(g) += run.rows;
    for (std::size_t m = 0; m < factors.size(); ++m) {
      const RunSums& sums = totals.sums[m];
      if (sums.count(r) > 0) groups->sum(g, m).AddScaledSum(sums.count(r), sums.sum(r), factors[m]);
    }
    if (r % Groups::kCellWeight == 0) QUIPU_TRY(groups->CheckMemory(Groups::kCellWeight));
  }
  return {};
}

}  // namespace quipu
