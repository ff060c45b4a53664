#include "query/resources.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {

// ---- Threads ----

QueryPool::QueryPool(std::uint32_t threads)
    : threads_(threads != 0 ? threads : std::max(1u, std::thread::hardware_concurrency())) {}

QueryPool::~QueryPool() {
  {
    const std::lock_guard lock(mutex_);
    QUIPU_CHECK(jobs_.empty());
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void QueryPool::StartHelpers() {
  while (helpers_.size() + 1 < threads_) helpers_.emplace_back([this] { Help(); });
}

void QueryPool::Run(std::uint32_t workers, const std::function<void(std::uint32_t)>& body) {
  workers = std::min(workers, threads_);
  if (workers <= 1) {
    body(0);
    return;
  }
  Job job;
  job.body = &body;
  job.workers = workers;
  std::list<Job*>::iterator at;
  {
    const std::lock_guard lock(mutex_);
    StartHelpers();
    at = jobs_.insert(jobs_.end(), &job);
  }
  for (std::uint32_t i = 1; i < workers; ++i) wake_.notify_one();
  std::exception_ptr thrown = CallBody(job, 0);
  std::unique_lock lock(mutex_);
  if (job.next < job.workers) jobs_.erase(at);  // else the last helper took it out
  job.done.wait(lock, [&] { return job.running == 0; });
  if (!thrown) thrown = job.thrown;
  if (thrown) std::rethrow_exception(thrown);
}

std::exception_ptr QueryPool::CallBody(const Job& job, std::uint32_t worker) {
  try {
    (*job.body)(worker);
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

void QueryPool::Help() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job* const job = jobs_.front();
    const std::uint32_t worker = job->next++;
    if (job->next == job->workers) jobs_.pop_front();
    ++job->running;
    lock.unlock();
    const std::exception_ptr thrown = CallBody(*job, worker);
    lock.lock();
    if (thrown) job->thrown = thrown;
    if (--job->running == 0) job->done.notify_one();
  }
}

// ---- Memory ----

bool QueryBudget::Take(std::uint64_t bytes) {
  std::uint64_t before = bytes_.load();
  do {
    if (bytes > bytes_max_ || before > bytes_max_ - bytes) return false;
  } while (!bytes_.compare_exchange_weak(before, before + bytes));
  return true;
}

QueryControl::QueryControl(const QuerySpec& spec, QueryResources* resources)
    : spec_(spec), resources_(resources) {
  if (spec.deadline_ms != 0)
    deadline_us_ = resources->clock->MonotonicUs() + std::int64_t{spec.deadline_ms} * 1000;
}

QueryControl::~QueryControl() { resources_->budget.Return(charged_); }

Status QueryControl::CheckTime() {
  if (stopped_ || (spec_.cancelled != nullptr && spec_.cancelled->load()))
    return Status::Cancelled("the query was called off");
  if (deadline_us_ != 0 && resources_->clock->MonotonicUs() > deadline_us_) {
    return Status::Exhausted("the query took longer than its deadline of " +
                             std::to_string(spec_.deadline_ms) +
                             " ms; narrow the question or raise deadline_ms");
  }
  return {};
}

Status QueryControl::Charge(std::int64_t bytes) {
  if (bytes <= 0) {
    charged_ -= static_cast<std::uint64_t>(-bytes);
    resources_->budget.Return(static_cast<std::uint64_t>(-bytes));
    return {};
  }
  const auto more = static_cast<std::uint64_t>(bytes);
  if (!resources_->budget.Take(more)) {
    return Status::Exhausted("all queries under way together need more than " +
                             std::to_string(resources_->budget.bytes_max()) +
                             " bytes of working memory; ask again when others are done, or raise "
                             "Options::query_memory_bytes_max");
  }
  const std::uint64_t now = charged_ += more;
  if (now > spec_.memory_bytes_max) {
    charged_ -= more;
    resources_->budget.Return(more);
    return Status::Exhausted("the query needs more than " + std::to_string(spec_.memory_bytes_max) +
                             " bytes of working memory; narrow the question or raise "
                             "memory_bytes_max");
  }
  std::uint64_t peak = peak_.load();
  while (peak < now && !peak_.compare_exchange_weak(peak, now)) {
  }
  return {};
}

}  // namespace quipu
