// The store's archive folders and what it remembers about the life cycle of its data: policy and customer classes.
//
// An archive folder holds segments that are like those in segments/ and listed in the same manifest; only their records name the folder.
// To detach is to record that the folder is absent: its segments leave the views as readers and stay as records (View::detached), so
// that totals add up and a question that needs them can be refused. To attach is to find every one of them again, byte for byte.
#include <algorithm>

#include "base/check.h"
#include "store/live_segment.h"
#include "store/manifest.h"
#include "store/store.h"

namespace quipu {
namespace {

ArchiveFolder* FindFolder(std::vector<ArchiveFolder>* folders, std::uint32_t number) {
  const auto found = std::find_if(folders->begin(), folders->end(),
                                  [&](const ArchiveFolder& f) { return f.number == number; });
  return found == folders->end() ? nullptr : &*found;
}

bool MetaIdLess(const SegmentMeta& a, const SegmentMeta& b) {
  return a.spec.segment_id < b.spec.segment_id;
}

Status NoFolder(std::uint32_t number) {
  return Status::NotFound("the store has no archive folder of number " + std::to_string(number));
}

}  // namespace

std::string Store::FolderOfSegment(const SegmentMeta& meta, const View& view) const {
  if (meta.archive == 0) return segments_folder();
  for (const ArchiveFolder& folder : view.archives) {
    if (folder.number == meta.archive) return ArchivePath(folder.path);
  }
  QUIPU_CHECK(false);
}

std::string Store::ArchivePath(const std::string& path) const {
  return path.starts_with('/') ? path : JoinPath(folder_, path);
}

Status Store::LoadLifecycle(const KvReader& kv, View* view, Lists* lists) const {
  QUIPU_TRY(kv.Scan(KvSpace::kMeta, kArchiveKeyPrefix,
                    [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                      if (!key.starts_with(kArchiveKeyPrefix)) {
                        *stop = true;
                        return {};
                      }
                      QUIPU_TRY_ASSIGN(ArchiveFolder folder, DecodeArchive(key, value));
                      view->archives.push_back(std::move(folder));
                      return {};
                    }));
  QUIPU_TRY(kv.Scan(KvSpace::kMeta, kClassKeyPrefix,
                    [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                      if (!key.starts_with(kClassKeyPrefix)) {
                        *stop = true;
                        return {};
                      }
                      QUIPU_TRY_ASSIGN(CustomerClass c, DecodeClass(key, value));
                      lists->classes[c.customer] = std::move(c.name);
                      return {};
                    }));
  ForgottenMonths forgotten;
  QUIPU_TRY(kv.Scan(KvSpace::kMeta, kForgottenKeyPrefix,
                    [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                      if (!key.starts_with(kForgottenKeyPrefix)) {
                        *stop = true;
                        return {};
                      }
                      return DecodeForgotten(key, value, &forgotten);
                    }));
  Forget(forgotten, view);
  QUIPU_TRY_ASSIGN(const std::optional<std::string> policy, kv.Get(KvSpace::kMeta, kRetentionKey));
  if (policy) {
    QUIPU_TRY_ASSIGN(lists->retention, DecodePolicy(*policy));
  }
  QUIPU_TRY_ASSIGN(const std::optional<std::string> sets, kv.Get(KvSpace::kMeta, kSummarySetsKey));
  if (sets) {
    QUIPU_TRY_ASSIGN(lists->summary_sets, DecodeSummarySets(*sets));
  }
  // A disk that is not there is not damage: the store works without those months, and says so when they are asked for.
  const ViewPtr current = this->view();
  for (ArchiveFolder& folder : view->archives) {
    if (!folder.is_attached) continue;
    QUIPU_TRY_ASSIGN(const bool is_there, environment_.vfs->Exists(ArchivePath(folder.path)));
    if (is_there) continue;
    folder.is_attached = false;
    const bool is_known =
        current && std::any_of(current->archives.begin(), current->archives.end(),
                               [&](const ArchiveFolder& known) {
                                 return known.number == folder.number && !known.is_attached;
                               });
    if (is_known) continue;  // a follower has said so already
    Log(LogLevel::kWarning, "archive folder " + ArchivePath(folder.path) +
                                " is not there: its months cannot be asked for until it is mounted "
                                "and the store opened again, or `quipu archive --attach` finds it "
                                "elsewhere");
  }
  return {};
}

/// Also for what is detached in `next` by now.
void Store::Forget(const ForgottenMonths& added, View* next) {
  ForgottenMonths months = next->forgotten->recorded();
  for (const auto& [month, services] : added)
    months[month].insert(services.begin(), services.end());
  next->forgotten = std::make_shared<const ForgottenIds>(std::move(months), next->detached);
}

RetentionPolicy Store::retention() const {
  const std::lock_guard lock(mutex_);
  return lists_.retention;
}

std::unordered_map<CustomerOrdinal, std::string> Store::customer_classes() const {
  const std::lock_guard lock(mutex_);
  return lists_.classes;
}

Status Store::SetRetention(const RetentionPolicy& policy) {
  QUIPU_TRY(CheckPolicy(policy));
  const std::lock_guard write_lock(write_mutex_);
  KvBatch batch;
  batch.Put(KvSpace::kMeta, std::string(kRetentionKey), EncodePolicy(policy));
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  const std::lock_guard lock(mutex_);
  lists_.retention = policy;
  return {};
}

Status Store::SetCustomerClass(CustomerOrdinal customer, const std::string& name) {
  const std::lock_guard write_lock(write_mutex_);
  KvBatch batch;
  if (name.empty()) {
    batch.Delete(KvSpace::kMeta, MakeClassKey(customer));
  } else {
    batch.Put(KvSpace::kMeta, MakeClassKey(customer), EncodeClass(customer, name));
  }
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  const std::lock_guard lock(mutex_);
  if (name.empty()) {
    lists_.classes.erase(customer);
  } else {
    lists_.classes[customer] = name;
  }
  return {};
}

Result<std::uint32_t> Store::UseArchive(const std::string& path) {
  const std::lock_guard lock(write_mutex_);
  const ViewPtr current = view();
  ArchiveFolder folder;
  folder.number = 1;
  folder.path = path;
  for (const ArchiveFolder& known : current->archives) {
    folder.number = std::max(folder.number, known.number + 1);
    if (ArchivePath(known.path) != ArchivePath(path)) continue;
    if (known.is_attached) return known.number;
    return Status::Conflict("archive folder " + ArchivePath(path) +
                            " is detached; attach it first, or name another folder");
  }
  const std::string full = ArchivePath(path);
  QUIPU_TRY_ASSIGN(const bool exists, environment_.vfs->Exists(full));
  if (!exists) {
    QUIPU_TRY(environment_.vfs->MakeFolder(full));
    QUIPU_TRY(environment_.vfs->SyncFolder(FolderOf(full)));
  }
  KvBatch batch;
  batch.Put(KvSpace::kMeta, MakeArchiveKey(folder.number), EncodeArchive(folder));
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  auto next = std::make_shared<View>(*current);
  next->archives.push_back(folder);
  Publish(std::move(next));
  return folder.number;
}

Status Store::WriteArchive(const ArchiveFolder& folder) {
  KvBatch batch;
  batch.Put(KvSpace::kMeta, MakeArchiveKey(folder.number), EncodeArchive(folder));
  return WriteOrStop(batch, /*sync=*/true);
}

Status Store::DetachArchive(std::uint32_t number) {
  const std::lock_guard lock(write_mutex_);
  const ViewPtr current = view();
  auto next = std::make_shared<View>(*current);
  ArchiveFolder* folder = FindFolder(&next->archives, number);
  if (folder == nullptr) return NoFolder(number);
  folder->is_attached = false;
  QUIPU_TRY(WriteArchive(*folder));
  for (const SegmentPtr& segment : current->segments) {
    if (segment->meta().archive != number) continue;
    next->detached.push_back(segment->meta());
    live_segments_.erase(segment->meta().spec.segment_id);
  }
  std::erase_if(next->segments, [&](const SegmentPtr& s) { return s->meta().archive == number; });
  std::sort(next->detached.begin(), next->detached.end(), MetaIdLess);
  Forget({}, next.get());
  Publish(std::move(next));
  return {};
}

Status Store::AttachArchive(std::uint32_t number, const std::string& path) {
  const std::lock_guard lock(write_mutex_);
  const ViewPtr current = view();
  auto next = std::make_shared<View>(*current);
  ArchiveFolder* folder = FindFolder(&next->archives, number);
  if (folder == nullptr) return NoFolder(number);
  if (folder->is_attached) return Status::Conflict("the archive folder is attached already");
  for (const ArchiveFolder& known : current->archives) {
    if (known.number == number || ArchivePath(known.path) != ArchivePath(path)) continue;
    return Status::Conflict(ArchivePath(path) + " is another archive folder of the store");
  }
  folder->is_attached = true;
  folder->path = path;
  for (const SegmentMeta& meta : current->detached) {
    if (meta.archive != number) continue;
    auto opened = OpenSegment(meta, *next, /*must_be_right=*/true);
    if (!opened) return opened.error().WithContext("attaching " + ArchivePath(path));
    next->segments.push_back(*std::move(opened));
  }
  std::erase_if(next->detached, [&](const SegmentMeta& m) { return m.archive == number; });
  Forget({}, next.get());
  std::sort(
      next->segments.begin(), next->segments.end(),
      [](const SegmentPtr& a, const SegmentPtr& b) { return MetaIdLess(a->meta(), b->meta()); });
  QUIPU_TRY(WriteArchive(*folder));
  Publish(std::move(next));
  return {};
}

}  // namespace quipu
