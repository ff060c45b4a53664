#include "db/compact_request.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "base/named_thread.h"
#include "upkeep/merge.h"

namespace quipu {

CompactRequest::CompactRequest(Store* store, RateLimiter* limiter, const Progress& progress)
    : store_(store),
      limiter_(limiter),
      progress_(progress),
      workers_(std::max<std::size_t>(1, store->options().compact_threads)) {}

Status CompactRequest::Run() {
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < workers_; ++i)
    others.push_back(StartThread("quipu-compact", [this] { Work(); }));
  Work();
  for (std::thread& other : others) other.join();
  QUIPU_TRY(status_);
  const std::uint64_t total = store_->view()->totals.rows;
  if (progress_) progress_(total, total);
  return {};
}

/// A worker that finds nothing ends: what a month under way needs next, the worker that has it will pick.
void CompactRequest::Work() {
  while (const std::optional<CompactionJob> job = Take()) End(job->month, Merge(*job));
}

std::optional<CompactionJob> CompactRequest::Take() {
  const std::lock_guard lock(mutex_);
  if (!status_.ok()) return std::nullopt;
  const ViewPtr view = store_->view();
  CompactionOrder order{.now_us = store_->clock()->NowUs(), .on_request = true};
  for (const SegmentPtr& segment : view->segments) {
    const SegmentSpec& spec = segment->meta().spec;
    if (under_way_.contains(spec.month)) order.except.insert(spec.segment_id);
  }
  std::optional<CompactionJob> job = PickCompactionOf(view, store_->options(), std::move(order));
  if (job) under_way_[job->month] = 0;
  return job;
}

Status CompactRequest::Merge(const CompactionJob& job) {
  QUIPU_TRY(store_->CheckRoomFor(job.bytes, "a merge"));
  return RunCompaction(
      store_, job, [&](std::uint64_t rows) { return Tell(job.month, rows); }, limiter_, nullptr,
      store_->options().upkeep_bytes_max / workers_);
}

bool CompactRequest::Tell(MonthIndex month, std::uint64_t rows) {
  const std::lock_guard lock(mutex_);
  under_way_[month] = rows;
  if (!status_.ok()) return false;
  std::uint64_t written = rows_done_;
  for (const auto& [other, its_rows] : under_way_) written += its_rows;
  const std::uint64_t total = store_->view()->totals.rows;
  return !progress_ || progress_(std::min(written, total), total);
}

void CompactRequest::End(MonthIndex month, const Status& status) {
  const std::lock_guard lock(mutex_);
  rows_done_ += under_way_[month];
  under_way_.erase(month);
  // Stopped by another's error, a merge says kCancelled: the first error is the one to tell.
  if (status_.ok()) status_ = status;
}

}  // namespace quipu
