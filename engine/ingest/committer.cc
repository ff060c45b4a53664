#include "ingest/committer.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "base/named_thread.h"
#include "ingest/batch_view.h"
#include "store/hot_tier.h"

namespace quipu {
namespace {

constexpr std::chrono::microseconds kShortestWait(
    100);  // for the next interval sync: no busy loop on a rounded clock
/// Of Options::commit_bytes_max: what must wait for the next group to be prepared while one is written.
constexpr std::size_t kAheadShare = 4;
/// Of Options::commit_bytes_max: a group up to this size is written by whoever prepared it.
constexpr std::size_t kSmallShare = 16;

}  // namespace

Committer::Committer(Store* store, std::uint64_t random_seed)
    : store_(store), preparer_(store, random_seed) {
  last_sync_us_ = store_->clock()->MonotonicUs();
  hot_full_.store(store_->hot_bytes() > store_->options().hot_bytes_max);
  const auto start = [this](const char* name, void (Committer::*run)()) {
    return StartThread(name, [this, run] {
      GiveWayInThisThread(store_->options().ingest_nice);
      (this->*run)();
    });
  };
  writer_ = start("quipu-write", &Committer::RunWriter);
  thread_ = start("quipu-prepare", &Committer::Run);
}

Committer::~Committer() {
  if (Status s = Stop(); !s.ok()) store_->Log(LogLevel::kError, "stopping ingest: " + s.ToString());
}

Status Committer::Submit(EventBatch batch, IngestDone done) {
  IngestRequest request;
  request.owned = std::move(batch);
  request.done = std::move(done);
  return Enqueue(std::move(request));
}

Result<IngestReply> Committer::SubmitAndWait(const EventBatch& batch) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<Result<IngestReply>> answer;
  IngestRequest request;
  request.batch = &batch;
  request.done = [&](Result<IngestReply> reply) {
    const std::lock_guard lock(mutex);
    answer.emplace(std::move(reply));
    answered.notify_one();
  };
  QUIPU_TRY(Enqueue(std::move(request)));
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return answer.has_value(); });
  return std::move(*answer);
}

Status Committer::Enqueue(IngestRequest request) {
  const EventBatch& events = request.events();
  if (events.empty()) return Status::InvalidArgument("the batch has no events");
  if (events.size() > kBatchEventsMax || events.bytes() > kBatchBytesMax) {
    return Status::InvalidArgument("the batch is too large (" + std::to_string(events.size()) +
                                   " events, " + std::to_string(events.bytes()) +
                                   " bytes); at most 65536 events and 64 MiB");
  }
  request.bytes = events.bytes();
  request.event_count = events.size();
  QUIPU_TRY(store_->CheckDiskFor(request.bytes));
  std::unique_lock lock(mutex_);
  if (!HasRoom(request.bytes)) QUIPU_TRY(WaitForRoom(lock, request.bytes));
  const bool was_due = IsGroupDue();
  queued_bytes_ += request.bytes;
  queue_.push_back(std::move(request));
  const bool is_due = IsGroupDue();
  lock.unlock();
  if (is_due && !was_due) work_.notify_one();
  return {};
}

/// The usual case, without asking anyone but this object.
bool Committer::HasRoom(std::size_t bytes) const {
  return !stopping_ && !store_->has_failed() && !hot_full_.load(std::memory_order_relaxed) &&
         (queued_bytes_ == 0 || queued_bytes_ + bytes <= store_->options().queue_bytes_max);
}

Status Committer::WaitForRoom(std::unique_lock<std::mutex>& lock, std::size_t bytes) {
  const Options& options = store_->options();
  Clock* clock = store_->clock();
  const std::int64_t deadline =
      clock->MonotonicUs() + std::int64_t{options.ingest_wait_ms_max} * 1000;
  for (;;) {
    if (stopping_) return Status::Cancelled("the store is being closed");
    QUIPU_TRY(store_->write_error());
    // A batch larger than the whole queue may pass when it is alone.
    const bool queue_full = queued_bytes_ > 0 && queued_bytes_ + bytes > options.queue_bytes_max;
    const ViewPtr view = store_->view();
    const bool hot_full = view->hot_bytes() > options.hot_bytes_max;
    hot_full_.store(hot_full, std::memory_order_relaxed);
    if (!queue_full && !hot_full) return {};
    if (clock->MonotonicUs() >= deadline) {
      return Status::Exhausted(std::string(hot_full ? "sealing" : "committing") +
                               " has not kept up for " +
                               std::to_string(options.ingest_wait_ms_max) +
                               " ms; nothing of the batch was stored, send it again later");
    }
    if (hot_full) {  // sealing changes the view, not the queue
      lock.unlock();
      store_->WaitForChange(view.get(), 20'000);
      lock.lock();
    } else {
      room_.wait_for(lock, std::chrono::milliseconds(20));
    }
  }
}

Status Committer::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    room_.notify_all();
  }
  if (!thread_.joinable()) return {};
  thread_.join();
  writer_.join();
  return unsynced_ ? store_->SyncNow() : Status();
}

Status Committer::RunBetweenCommits(const std::function<Status(KvBatch* names)>& task) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<Status> answer;
  const auto run = [&] {
    Status status = task(preparer_.pending_names());
    const std::lock_guard lock(mutex);
    answer = std::move(status);
    answered.notify_one();
  };
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Status::Cancelled("the store is being closed");
    tasks_.emplace_back(run);
    work_.notify_one();
  }
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return answer.has_value(); });
  return std::move(*answer);
}

void Committer::Run() {
  while (WaitForWork()) {
    RunTasks();
    if (next_ < backlog_.size()) WriteOrHandOver(TakeGroup());
  }
  const std::lock_guard lock(mutex_);
  all_prepared_ = true;
  handing_.notify_one();
}

/// Is it time to prepare what has been queued? While one group is being written, only if much has come together.
bool Committer::IsGroupDue() const {
  if (queued_bytes_ == 0) return false;
  if (IsWriterIdle() || stopping_) return true;
  return handed_ == nullptr && queued_bytes_ >= store_->options().commit_bytes_max / kAheadShare;
}

/// Waits for batches, which are in the backlog then, or for tasks; false if it is time to stop.
bool Committer::WaitForWork() {
  const auto interval = std::chrono::milliseconds(store_->options().sync_interval_ms);
  std::unique_lock lock(mutex_);
  // Tasks wait for the writer, and no group may overtake them.
  while (tasks_.empty() ? !IsGroupDue() : !IsWriterIdle()) {
    if (stopping_ && tasks_.empty() && IsWriterIdle()) return false;
    if (IsWriterIdle() && unsynced_ &&
        store_->write_error()
            .ok()) {  // interval mode: the last commits must not wait for the next ones
      const std::chrono::microseconds since(store_->clock()->MonotonicUs() - last_sync_us_);
      work_.wait_for(lock, std::clamp<std::chrono::microseconds>(
                               interval - since, kShortestWait,
                               std::max<std::chrono::microseconds>(interval, kShortestWait)));
      lock.unlock();
      SyncIfDue();  // only this thread makes the writer busy
      lock.lock();
    } else {
      work_.wait(lock);
    }
  }
  if (next_ * 2 >= backlog_.size()) {
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(next_));
    next_ = 0;
  }
  if (backlog_.empty()) {
    backlog_.swap(queue_);
  } else {
    std::move(queue_.begin(), queue_.end(), std::back_inserter(backlog_));
    queue_.clear();
  }
  return true;
}

void Committer::RunTasks() {
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    if (!IsWriterIdle()) return;
    tasks.swap(tasks_);
  }
  preparer_.ForgetWritten(store_->view()->as_of);
  for (const std::function<void()>& task : tasks) task();
}

/// From the backlog, at least one batch.
std::unique_ptr<CommitGroup> Committer::TakeGroup() {
  auto group = std::make_unique<CommitGroup>();
  std::size_t events = 0;
  std::size_t end = next_;
  for (; end < backlog_.size(); ++end) {
    const IngestRequest& next = backlog_[end];
    const bool fits = group->bytes + next.bytes <= store_->options().commit_bytes_max &&
                      events + next.event_count <= kBatchEventsMax;
    if (end > next_ && !fits) break;
    group->bytes += next.bytes;
    events += next.event_count;
  }
  if (next_ == 0 && end == backlog_.size()) {
    group->requests.swap(backlog_);
  } else {
    const auto first = backlog_.begin();
    group->requests.assign(std::make_move_iterator(first + static_cast<std::ptrdiff_t>(next_)),
                           std::make_move_iterator(first + static_cast<std::ptrdiff_t>(end)));
    next_ = end;
  }
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_ -= group->bytes;
  }
  room_.notify_all();
  return group;
}

void Committer::WriteOrHandOver(std::unique_ptr<CommitGroup> group) {
  preparer_.Prepare(group.get());
  const bool is_small = group->requests.size() == 1 ||
                        group->bytes <= store_->options().commit_bytes_max / kSmallShare;
  std::unique_lock lock(mutex_);
  if (is_small && IsWriterIdle()) {
    lock.unlock();
    WriteGroup(group.get());
    preparer_.ForgetWritten(store_->view()->as_of);
    return;
  }
  work_.wait(lock, [&] { return handed_ == nullptr; });
  handed_ = std::move(group);
  handing_.notify_one();
}

void Committer::RunWriter() {
  std::unique_lock lock(mutex_);
  for (;;) {
    handing_.wait(lock, [&] { return handed_ != nullptr || all_prepared_; });
    if (handed_ == nullptr) return;
    std::unique_ptr<CommitGroup> group = std::move(handed_);
    is_writing_ = true;
    work_.notify_one();  // the next one may be handed over
    lock.unlock();
    WriteGroup(group.get());
    group.reset();
    lock.lock();
    is_writing_ = false;
    work_.notify_one();
  }
}

void Committer::SyncIfDue() {
  if (!unsynced_ || !store_->write_error().ok()) return;
  const std::int64_t now = store_->clock()->MonotonicUs();
  if (now - last_sync_us_ < std::int64_t{store_->options().sync_interval_ms} * 1000) return;
  if (Status s = store_->SyncNow(); !s.ok()) {
    store_->Log(LogLevel::kError, "interval sync: " + s.ToString());
    return;  // still unsynced: Stop reports it
  }
  unsynced_ = false;
  last_sync_us_ = now;
}

/// Makes the group durable and visible, and answers.
void Committer::WriteGroup(CommitGroup* group) {
  Status status = group->status;
  if (status.ok() && group->commit) {
    status = store_->Commit(*std::move(group->commit));
    if (status.ok()) unsynced_ = unsynced_ || store_->options().durability != Durability::kSync;
  } else if (status.ok()) {
    status = store_->write_error();  // repeats of what an earlier group failed to write
  }
  // Before the replies: who has one must find the hot tier as full as it is.
  hot_full_.store(store_->hot_bytes() > store_->options().hot_bytes_max, std::memory_order_relaxed);
  constexpr std::size_t kAhead = 4;  // to free a small batch is mostly to wait for its memory
  for (std::size_t r = 0; r < group->requests.size(); ++r) {
    if (r + kAhead < group->requests.size())
      BatchView(group->requests[r + kAhead].events()).rows().PrefetchSelf();
    GroupMember& member = group->members[r];
    const Status& failure = member.status.ok() ? status : member.status;
    if (failure.ok() || (member.reply.replayed && member.status.ok() && !store_->has_failed())) {
      group->requests[r].done(std::move(member.reply));
    } else {
      group->requests[r].done(failure);
    }
  }
  SyncIfDue();
  PrepareIndexes(store_->view()->hot);
}

}  // namespace quipu
