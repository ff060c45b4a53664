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
  std::string bytes;
  const std::int64_t scale = fits ? sums.scale : kNone;
  bytes.append(reinterpret_cast<const char*>(&scale), sizeof scale);
  if (!fits) return bytes;
  bytes.append(reinterpret_cast<const char*>(sums.sums.data()), sums.sums.size() * 8);
  bytes.append(reinterpret_cast<const char*>(sums.counts.data()), sums.counts.size() * 4);
  return bytes;
}

}  // namespace

Result<RunSums> RunSums::Load(const SegmentReader& segment, ColumnId measure) {
  RunSums loaded;
  QUIPU_TRY_ASSIGN(loaded.page_, segment.Derived({DerivedKind::kRunSums, 0, measure},
                                                 [&] { return Compute(segment, measure); }));
  QUIPU_TRY_ASSIGN(const Directory* const directory, segment.directory());
  const char* const bytes = loaded.page_->data();
  std::int64_t scale = 0;
  std::memcpy(&scale, bytes, sizeof scale);
  if (scale == kNone) return Status::OutOfRange("sums by run do not fit 64 bits");
  loaded.scale_ = static_cast<int>(scale);
  // A string's bytes are aligned for any number.
  loaded.sums_ = reinterpret_cast<const std::int64_t*>(bytes + 8);
  loaded.counts_ = reinterpret_cast<const std::uint32_t*>(bytes + 8 + 8 * directory->runs().size());
  return loaded;
}

Status AddRunSums(const BoundQuery& query, std::span<const Run> runs, std::span<const RunSums> sums,
                  std::uint32_t window, Groups* groups) {
  struct Sum {
    std::uint64_t count = 0;
    Int128 sum = 0;
  };
  const bool all_wanted = query.all_services && query.erased.empty();
  if (groups->size() == 0 && query.groups_by_service) {
    QUIPU_TRY(groups->Reserve(runs.size()));
  }
  std::vector<Sum> of_group(sums.size());
  std::uint64_t since_check = 0;
  for (std::size_t r = 0; r < runs.size();) {
    // The services of a customer, where they go to one group, are added up first: runs are sorted by customer.
    const Run& first = runs[r];
    std::uint64_t rows = 0;
    std::fill(of_group.begin(), of_group.end(), Sum());
    do {
      const Run& run = runs[r];
      if (all_wanted ||
          (query.WantsService(run.service) && !IsErased(query.erased, run.customer))) {
        rows += run.rows;
        for (std::size_t m = 0; m < sums.size(); ++m) {
          of_group[m].count += sums[m].count(r);
          of_group[m].sum += sums[m].sum(r);
        }
      }
      ++r;
    } while (r < runs.size() && !query.groups_by_service && runs[r].customer == first.customer);
    if (rows == 0) continue;
    QUIPU_TRY_ASSIGN(const std::uint32_t g, groups->Find(window, first.customer, first.service));
    groups->rows(g) += rows;
    for (std::size_t m = 0; m < sums.size(); ++m) {
      if (of_group[m].count > 0)
        groups->stats(g, m).AddSum(of_group[m].count, of_group[m].sum, sums[m].scale());
    }
    if (++since_check % Groups::kCellWeight == 0)
      QUIPU_TRY(groups->CheckMemory(Groups::kCellWeight));
  }
  return {};
}

}  // namespace quipu
