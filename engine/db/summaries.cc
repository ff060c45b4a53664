// The building of summaries by dimension, as a request and in the background. Both hold the merges' lock: they replace the same segments.
#include <algorithm>

#include "db/database_impl.h"
#include "upkeep/summary_build.h"

namespace quipu {

/// After erasing, merging and retention, which make cells of the sets as they write anyway.
bool Database::Impl::BuildIfDue() {
  if (store_->clock()->MonotonicUs() < build_retry_.again_us) return false;
  if (BuildLeft(*store_, unbuildable_).segments == 0) return false;
  const std::unique_lock lock(merge_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  std::uint64_t failed = 0;
  const auto step = BuildNextSegment(
      store_.get(), unbuildable_, &merge_rate_,
      [this] {
        (void)SealIfDue();
        return !closing_.load();
      },
      &failed);
  if (step)
    return CheckStep("building of summaries", Status(), &build_retry_) && step->segment != 0;
  if (step.error().code() == StatusCode::kCancelled) return false;
  // As with merges: damage and bounds do not pass, and must not keep other segments waiting. Nor does a read-only archive.
  if (failed != 0 && step.error().code() != StatusCode::kConflict) unbuildable_.insert(failed);
  return CheckStep("building of summaries", step.error(), &build_retry_);
}

Status Database::Impl::BuildSummaries(const Progress& progress) {
  QUIPU_TRY(Seal());
  std::set<std::uint64_t> failed;
  Status first;
  std::uint64_t rows = 0;
  for (;;) {
    const std::lock_guard lock(merge_mutex_);  // let go between segments
    const std::uint64_t total = rows + BuildLeft(*store_, failed).rows;
    const auto go_on = [&] { return !closing_.load() && (!progress || progress(rows, total)); };
    std::uint64_t segment = 0;
    const auto step = BuildNextSegment(store_.get(), failed, &merge_rate_, go_on, &segment);
    if (step && step->segment == 0) return first;
    if (step) {
      rows += step->rows;
      if (!go_on()) return Status::Cancelled("the building of summaries was stopped");
      continue;
    }
    if (segment == 0 || step.error().code() == StatusCode::kCancelled) return step.error();
    failed.insert(segment);  // the others shall have theirs
    if (first.ok()) first = step.error();
    if (!store_->write_error().ok()) return first;
  }
}

}  // namespace quipu
