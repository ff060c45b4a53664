#include "db/database_impl.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/check.h"
#include "base/named_thread.h"
#include "db/compact_request.h"
#include "ingest/sealer.h"
#include "upkeep/merge.h"

namespace quipu {
namespace {

/// How long the upkeep thread sleeps when nothing happens: the precision of Options::seal_after_ms.
constexpr std::int64_t kUpkeepPollUs = 100'000;
/// How long FinishErasures waits for readers of dropped files (a query, a thread that looks at a view): a second in all.
constexpr std::chrono::milliseconds kReaderWait(10);
constexpr int kReaderWaitsMax = 100;
/// Nobody waits for upkeep, until the hot tier is full; and then ingest waits and leaves it the processors.
constexpr std::uint32_t kUpkeepNice = 10;
/// After a failed seal or merge.
constexpr std::int64_t kRetryPauseMinUs = kSecondUs;
constexpr std::int64_t kRetryPauseMaxUs = 60 * kSecondUs;

}  // namespace

Database::Impl::Impl(std::unique_ptr<Store> store, std::uint64_t random_seed)
    : store_(std::move(store)),
      committer_(std::make_unique<Committer>(store_.get(), random_seed)),
      query_resources_(store_->options().query_threads, store_->options().query_memory_bytes_max,
                       store_->clock()),
      erasure_(store_.get(),
               {[this] { return Seal(); },
                [this](const std::function<Status()>& task) {
                  return committer_->RunBetweenCommits([&](KvBatch*) { return task(); });
                }}),
      merge_rate_(store_->clock(), store_->options().upkeep_bytes_per_second_max) {
  if (store_->options().background_upkeep)
    upkeep_ = StartThread("quipu-upkeep", [this] {
      GiveWayInThisThread(std::max(kUpkeepNice, store_->options().ingest_nice));
      RunUpkeep();
    });
}

Database::Impl::~Impl() {
  if (Status s = Close(); !s.ok() && s.code() != StatusCode::kCancelled) {
    store_->Log(LogLevel::kError, "closing: " + s.ToString());
  }
}

Status Database::Impl::CheckOpen() const {
  if (closing_.load()) return Status::Cancelled("the store has been closed");
  return {};
}

void Database::Impl::RunUpkeep() {
  // After a failed write there is nothing left to do: the store refuses all others until it is reopened.
  while (!closing_.load() && store_->write_error().ok()) {
    if (UpkeepStep()) continue;
    const ViewPtr seen = store_->view();
    if (!closing_.load()) store_->WaitForChange(seen.get(), kUpkeepPollUs);
  }
}

bool Database::Impl::ShouldSeal(const View& view) const {
  if (view.hot.empty()) return false;
  const Options& options = store_->options();
  const std::int64_t age_us = store_->clock()->MonotonicUs() - view.hot.front()->committed_us;
  // A writer that waits for room must be let in even if seal_bytes is set above the hot tier's bound.
  const std::uint64_t seal_bytes = std::min(options.seal_bytes, options.hot_bytes_max);
  return view.hot_bytes() >= seal_bytes || age_us >= std::int64_t{options.seal_after_ms} * 1000;
}

bool Database::Impl::UpkeepStep() {
  return SealIfDue() || EraseIfDue() || MergeIfDue() || RetainIfDue() || BuildIfDue();
}

bool Database::Impl::SealIfDue() {
  if (!ShouldSeal(*store_->view()) || store_->clock()->MonotonicUs() < seal_retry_.again_us)
    return false;
  const std::lock_guard lock(seal_mutex_);
  if (!ShouldSeal(*store_->view())) return true;  // a request was faster
  const Status status = SealHotRows(store_.get());
  return CheckStep("sealing", status, &seal_retry_);
}

/// Notes how a step of background work went; a failed one (a full disk) is tried again, later each time.
bool Database::Impl::CheckStep(const char* what, const Status& status, Retry* retry) {
  if (status.ok()) {
    retry->pause_us = 0;
    return true;
  }
  retry->pause_us = std::clamp(retry->pause_us * 2, kRetryPauseMinUs, kRetryPauseMaxUs);
  retry->again_us = store_->clock()->MonotonicUs() + retry->pause_us;
  store_->Log(LogLevel::kError, std::string("background ") + what + " failed, next try in " +
                                    std::to_string(retry->pause_us / kSecondUs) +
                                    " s: " + status.ToString());
  return false;
}

bool Database::Impl::EraseIfDue() {
  if (store_->view()->erased.empty() || store_->clock()->MonotonicUs() < erase_retry_.again_us)
    return false;
  const std::unique_lock lock(merge_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;  // a request is merging or erasing
  const auto outcome = erasure_.Step([this](std::uint64_t) {
    (void)SealIfDue();
    return !closing_.load();
  });
  if (!outcome && outcome.error().code() == StatusCode::kCancelled) return false;
  if (!outcome) return CheckStep("erasing", outcome.error(), &erase_retry_);
  if (*outcome == ErasureJob::Outcome::kReaders && erase_retry_.pause_us == 0) {
    erase_retry_.pause_us = kUpkeepPollUs;  // most are gone in a moment
    erase_retry_.again_us = store_->clock()->MonotonicUs() + kUpkeepPollUs;
    return false;
  }
  if (*outcome != ErasureJob::Outcome::kWaits && *outcome != ErasureJob::Outcome::kReaders)
    return CheckStep("erasing", Status(), &erase_retry_);
  if (erase_retry_.pause_us <= kUpkeepPollUs)
    store_->Log(LogLevel::kWarning, "an erasure waits for " + erasure_.waits_for());
  erase_retry_.pause_us = std::clamp(erase_retry_.pause_us * 2, kRetryPauseMinUs, kRetryPauseMaxUs);
  erase_retry_.again_us = store_->clock()->MonotonicUs() + erase_retry_.pause_us;
  return false;
}

Result<ErasureInfo> Database::Impl::Erase(std::string_view customer) {
  ErasureRecord record;
  QUIPU_TRY(committer_->RunBetweenCommits([&](KvBatch* names) -> Status {
    QUIPU_TRY_ASSIGN(record, store_->EraseCustomer(customer, names));
    return {};
  }));
  const std::vector<ErasureInfo> list = Erasures();
  const auto mine = std::find_if(list.begin(), list.end(),
                                 [&](const ErasureInfo& info) { return info.id == record.id; });
  QUIPU_CHECK(mine != list.end());
  return *mine;
}

Status Database::Impl::FinishErasures(const Progress& progress) {
  for (int waits = 0;;) {
    std::unique_lock lock(merge_mutex_);
    const std::uint64_t total = store_->view()->totals.rows;
    QUIPU_TRY_ASSIGN(const auto outcome, erasure_.Step([&](std::uint64_t rows) {
      return !closing_.load() && (!progress || progress(std::min(rows, total), total));
    }));
    if (outcome == ErasureJob::Outcome::kMore) continue;
    if (outcome != ErasureJob::Outcome::kReaders || ++waits > kReaderWaitsMax) return {};
    lock.unlock();
    std::this_thread::sleep_for(kReaderWait);
  }
}

std::vector<ErasureInfo> Database::Impl::Erasures() const {
  return ListErasures(*store_, erasure_.waits_for());
}

bool Database::Impl::MergeIfDue() {
  if (store_->clock()->MonotonicUs() < merge_retry_.again_us) return false;
  const std::unique_lock lock(merge_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;  // a request is merging
  const auto job = PickCompactionOf(
      store_->view(), store_->options(),
      {.now_us = store_->clock()->NowUs(), .on_request = false, .except = unmergeable_});
  if (!job) return false;
  if (const Status fits = store_->CheckRoomFor(job->bytes, "a merge"); !fits.ok())
    return CheckStep("merging", fits, &merge_retry_);
  const MergeProgress step = [this](std::uint64_t) {
    (void)SealIfDue();
    return !closing_.load();
  };
  const Status status = RunCompaction(store_.get(), *job, step, &merge_rate_);
  if (status.code() == StatusCode::kCancelled) return false;
  // A failed read or a full disk may pass; damage and bounds do not, and must not keep other months from merging.
  if (!status.ok() && status.code() != StatusCode::kIoError)
    unmergeable_.insert(job->inputs.begin(), job->inputs.end());
  return CheckStep("merging", status, &merge_retry_);
}

Status Database::Impl::Seal() {
  const std::lock_guard lock(seal_mutex_);
  return SealHotRows(store_.get());
}

Status Database::Impl::Compact(const Progress& progress) {
  QUIPU_TRY(Seal());
  const std::lock_guard lock(merge_mutex_);
  return CompactRequest(store_.get(), &merge_rate_, progress).Run();
}

Status Database::Impl::Close() noexcept {
  {
    const std::lock_guard lock(pause_mutex_);
    if (closing_.exchange(true)) return Status::Cancelled("the store has been closed already");
  }
  closing_changed_.notify_all();
  store_->StopWaiting();
  if (upkeep_.joinable()) upkeep_.join();
  Status status = committer_ ? committer_->Stop() : Status();
  if (Status closed = store_->Close(); status.ok()) status = closed;
  return status;
}

}  // namespace quipu
