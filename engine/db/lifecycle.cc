// Retention and archive, as requests and in the background. Both hold the merges' lock: they replace the same segments.
#include <algorithm>

#include "base/calendar.h"
#include "db/database_impl.h"
#include "ingest/sealer.h"

namespace quipu {

bool Database::Impl::RetainIfDue() {
  const std::int64_t now = store_->clock()->MonotonicUs();
  const std::int64_t period_us = std::int64_t{store_->options().retention_check_ms} * 1000;
  if (period_us == 0 || now < retain_retry_.again_us) return false;
  if (retained_us_ != 0 && now - retained_us_ < period_us) return false;
  if (store_->retention().rules.empty()) return false;
  const std::unique_lock lock(merge_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  retained_us_ = std::max<std::int64_t>(now, 1);
  const auto done = quipu::Retain(store_.get(), store_->clock()->NowUs(), &rhythm_, &merge_rate_,
                                  [this](std::uint64_t) {
                                    (void)SealIfDue();
                                    return !closing_.load();
                                  });
  if (done.error().code() == StatusCode::kCancelled) return false;
  const bool ok = CheckStep("retention", done.error(), &retain_retry_);
  return ok && done->months > 0;
}

Result<RetentionReport> Database::Impl::Retain(const Progress& progress) {
  QUIPU_TRY(Seal());
  const std::lock_guard lock(merge_mutex_);
  const std::uint64_t total = store_->view()->totals.rows;
  return quipu::Retain(
      store_.get(), store_->clock()->NowUs(), nullptr, &merge_rate_,
      [&](std::uint64_t rows) { return !progress || progress(std::min(rows, total), total); });
}

Result<RetentionReport> Database::Impl::Archive(const ArchiveRequest& request,
                                                const Progress& progress) {
  const TimeUs now = store_->clock()->NowUs();
  if (MonthStart(MonthOf(request.before)) > now) {
    return Status::InvalidArgument("only months that are over can be archived, and " +
                                   FormatTime(request.before) + " lies in the future");
  }
  QUIPU_TRY(Seal());
  const std::lock_guard lock(merge_mutex_);
  QUIPU_TRY_ASSIGN(const std::uint32_t archive, ChooseArchive(store_.get(), request.folder));
  const std::uint64_t total = store_->view()->totals.rows;
  return ArchiveBefore(
      store_.get(), std::min(request.before, now), archive, request.drop_ids, now, &merge_rate_,
      [&](std::uint64_t rows) { return !progress || progress(std::min(rows, total), total); });
}

Status Database::Impl::DetachArchive(const std::string& folder) {
  const std::lock_guard lock(merge_mutex_);
  return DetachArchiveFolder(store_.get(), folder, store_->clock()->NowUs());
}

Status Database::Impl::AttachArchive(const std::string& folder) {
  const std::lock_guard lock(merge_mutex_);
  return AttachArchiveFolder(store_.get(), folder);
}

Status Database::Impl::SetCustomerClass(const std::string& customer,
                                        const std::string& customer_class) {
  if (customer_class.size() > kNameBytesMax)
    return Status::InvalidArgument("a customer class has at most 256 bytes");
  const auto ordinal = store_->catalogue().Find(NameKind::kCustomer, customer);
  if (!ordinal) {
    return Status::NotFound("no event has customer '" + customer +
                            "' yet; put them into a class once there is one");
  }
  return store_->SetCustomerClass(*ordinal, customer_class);
}

Result<std::vector<ArchiveInfo>> Database::Impl::Archives(const View& view) const {
  std::vector<ArchiveInfo> list;
  for (const ArchiveFolder& folder : view.archives) {
    ArchiveInfo& info = list.emplace_back();
    info.folder = store_->ArchivePath(folder.path);
    info.attached = folder.is_attached;
    const auto add = [&](const SegmentMeta& meta) {
      if (meta.archive != folder.number) return;
      ++info.segments;
      info.events += meta.totals.rows;
      info.bytes += meta.file_bytes;
      const std::string month = MonthText(meta.spec.month);
      if (info.first_month.empty() || month < info.first_month) info.first_month = month;
      if (info.last_month.empty() || month > info.last_month) info.last_month = month;
    };
    for (const SegmentPtr& segment : view.segments) add(segment->meta());
    for (const SegmentMeta& meta : view.detached) add(meta);
  }
  return list;
}

}  // namespace quipu
