// Database as a follower: it reads what another process writes. The store's part is store/store_follow.cc.
#include <algorithm>
#include <chrono>

#include "base/named_thread.h"
#include "db/database_impl.h"

namespace quipu {

Database::Impl::Impl(std::unique_ptr<Store> store, const FollowerOptions& options)
    : store_(std::move(store)),
      follower_(options),
      query_resources_(store_->options().query_threads, store_->options().query_memory_bytes_max,
                       store_->clock()),
      erasure_(store_.get(), {}),
      merge_rate_(store_->clock(), 0) {
  upkeep_ = StartThread("quipu-follow", [this] { RunCatchUp(); });
}

Status Database::Impl::CheckWritable() const {
  QUIPU_TRY(CheckOpen());
  return store_->is_follower() ? store_->write_error() : Status();
}

void Database::Impl::RunCatchUp() {
  bool is_well = true;
  std::unique_lock lock(pause_mutex_);
  while (!closing_changed_.wait_for(lock, std::chrono::milliseconds(follower_.refresh_ms),
                                    [this] { return closing_.load(); })) {
    lock.unlock();
    const Status status = store_->CatchUp();
    if (status.ok() != is_well) {
      store_->Log(status.ok() ? LogLevel::kInfo : LogLevel::kWarning,
                  status.ok() ? "following " + store_->folder() + " again"
                              : "the store cannot be looked at just now: " + status.ToString());
    }
    is_well = status.ok();
    lock.lock();
  }
}

Result<Database::Impl::Snapshot> Database::Impl::TakeSnapshot(bool anew) const {
  QUIPU_TRY(CheckOpen());
  if (!store_->is_follower()) return Snapshot{store_->view(), std::nullopt};
  const auto age_us = [this] { return store_->clock()->MonotonicUs() - store_->caught_up_us(); };
  if (anew || age_us() >= std::int64_t{follower_.refresh_ms} * 1000) {
    const Status status = store_->CatchUp();
    if (!status.ok() && (anew || age_us() > std::int64_t{follower_.staleness_ms_max} * 1000))
      return status.WithContext("following " + store_->folder());
  }
  // In this order: the view may be newer than the age says, never older.
  const std::int64_t staleness_us = std::max<std::int64_t>(age_us(), 0);
  return Snapshot{store_->view(), staleness_us};
}

Result<std::uint64_t> Database::Impl::CatchUp() const {
  QUIPU_TRY_ASSIGN(const Snapshot snapshot, TakeSnapshot(/*anew=*/true));
  return snapshot.view->as_of;
}

Result<Database> OpenFollowerIn(const std::string& path, const FollowerOptions& options,
                                const StoreEnvironment& environment) {
  if (options.refresh_ms == 0)
    return Status::InvalidArgument("FollowerOptions::refresh_ms is at least 1");
  Options of_store;
  of_store.cache_bytes = options.cache_bytes;
  of_store.log = options.log;
  return Reading([&]() -> Result<Database> {
    QUIPU_TRY_ASSIGN(auto store, Store::Follow(path, of_store, environment));
    return Database(std::make_unique<Database::Impl>(std::move(store), options));
  });
}

Result<Database> Database::OpenFollower(const std::string& path, const FollowerOptions& options) {
  return OpenFollowerIn(path, options, {});
}

bool Database::is_follower() const { return impl_->store().is_follower(); }

Result<std::uint64_t> Database::CatchUp() const {
  return Reading([&] { return impl_->CatchUp(); });
}

}  // namespace quipu
