// Store while it runs: commits, seals, merges. Opening and recovery are in store_recovery.cc.
#include "store/store.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/canary.h"
#include "base/check.h"
#include "store/commit_blob.h"
#include "store/hot_tier.h"
#include "store/live_segment.h"
#include "store/manifest.h"

namespace quipu {
namespace {

bool IdLess(const SegmentPtr& a, const SegmentPtr& b) {
  return a->meta().spec.segment_id < b->meta().spec.segment_id;
}

std::uint64_t BytesOf(const KvBatch& batch) {
  std::uint64_t bytes = 0;
  for (const KvBatch::Op& op : batch.ops()) bytes += op.key.size() + op.value.size();
  return bytes;
}

const SegmentReader* FindSegment(const View& view, std::uint64_t id) {
  const auto it = std::lower_bound(
      view.segments.begin(), view.segments.end(), id,
      [](const SegmentPtr& s, std::uint64_t n) { return s->meta().spec.segment_id < n; });
  if (it == view.segments.end() || (*it)->meta().spec.segment_id != id) return nullptr;
  return it->get();
}

}  // namespace

Store::LiveSegment::~LiveSegment() {
  const std::string path = reader->path();
  const std::uint64_t id = reader->meta().spec.segment_id;
  reader.reset();
  cache->Forget(id);
  if (!is_retired.load()) return;
  const Status s = vfs->Unlink(path);
  if (!s.ok() && s.code() != StatusCode::kNotFound && log) {
    log(LogLevel::kWarning,
        "a merged segment could not be removed, the next open will move it to quarantine/: " +
            s.ToString());
  }
}

Store::Store(std::string folder, const Options& options, const StoreEnvironment& environment)
    : folder_(std::move(folder)),
      options_(options),
      environment_(environment),
      cache_(std::make_shared<PageCache>(options.cache_bytes, options.identity_bytes_max)),
      disk_(environment.vfs, environment.clock, folder_, options.disk_reserve_bytes) {}

Store::~Store() {
  if (const Status s = Close(); !s.ok())
    Log(LogLevel::kError, "closing the store: " + s.ToString());
}

void Store::Log(LogLevel level, const std::string& line) const {
  if (options_.log) options_.log(level, line);
}

ViewPtr Store::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

Status Store::write_error() const {
  const std::lock_guard lock(mutex_);
  return write_error_;
}

void Store::WaitForChange(const View* seen, std::int64_t timeout_us) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(timeout_us),
                    [&] { return view_.get() != seen || !write_error_.ok() || waiting_ended_; });
}

void Store::StopWaiting() {
  {
    const std::lock_guard lock(mutex_);
    waiting_ended_ = true;
  }
  changed_.notify_all();
}

void Store::Publish(std::shared_ptr<View> next) {
  const std::uint64_t hot_bytes = next->hot_bytes();
  ViewPtr old;  // dies outside the lock: its segments may be unlinked then
  {
    const std::lock_guard lock(mutex_);
    old = std::exchange(view_, std::move(next));
    hot_bytes_.store(hot_bytes);
  }
  changed_.notify_all();
}

void Store::Publish(std::shared_ptr<View> next, Lists lists) {
  {
    const std::lock_guard lock(mutex_);
    lists_ = std::move(lists);
  }
  Publish(std::move(next));
}

void Store::Stop(Status error) {
  {
    const std::lock_guard lock(mutex_);
    if (write_error_.ok()) write_error_ = std::move(error);
    failed_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
}

Status Store::WriteOrStop(const KvBatch& batch, bool sync) {
  QUIPU_TRY(write_error());
  Status written = kv_->Write(batch, sync);
  if (written.ok()) return {};
  Log(LogLevel::kError, "a write failed, the store takes no more writes: " + written.ToString());
  Stop(Status::IoError(
      "an earlier write failed and may or may not have happened, reopen the store: " +
      written.ToString()));
  return Status::IoError("the write may or may not have happened, reopen the store: " +
                         written.ToString());
}

Result<PreparedCommit> Store::PrepareCommit(std::uint64_t seq, std::uint64_t first_row,
                                            CommitRequest* request) const {
  PreparedCommit commit;
  QUIPU_TRY_ASSIGN(commit.blob, EncodeCommit(seq, request->rows));
  commit.seq = seq;
  commit.first_row = first_row;
  commit.sync = request->sync;
  commit.rows_beside = std::move(request->extra);
  commit.has_producers = !request->producers.empty();
  for (const auto& [id, state] : request->producers)
    commit.rows_beside.Put(KvSpace::kProducers, id, EncodeProducer(id, state));
  if (!request->rows.empty()) {
    Totals totals = TotalsOf(request->rows);
    commit.hot = MakeHotBatch(seq, first_row, environment_.clock->MonotonicUs(),
                              std::move(request->rows), std::move(totals));
  }
  return commit;
}

Status Store::Commit(PreparedCommit commit) {
  const std::lock_guard lock(write_mutex_);
  QUIPU_TRY(write_error());  // of the commit before this one, perhaps
  const ViewPtr current = view();
  QUIPU_CHECK(commit.seq == current->as_of + 1 && commit.first_row == current->next_row);
  auto next = std::make_shared<View>(*current);
  next->as_of = commit.seq;
  if (commit.hot) next->totals.Add(commit.hot->totals);
  KvBatch batch = std::move(commit.rows_beside);
  if (IsCanary(Canary::kClaimedFirst)) QUIPU_TRY(WriteOrStop(batch, commit.sync));
  if (commit.has_producers) CountProducersWrite(next.get(), &batch);
  next->written.logged_bytes += BytesOf(batch) + commit.blob.size();
  batch.Put(KvSpace::kMeta, std::string(kLastCommitKey), EncodeLastCommit(LastCommitOf(*next)));
  if (!commit.hot && current->hot.empty()) {
    // All blobs are those of commits without rows: nothing will ever seal them, so they go at once.
    for (std::uint64_t s = current->sealed_seq + 1; s < commit.seq; ++s) {
      batch.Delete(KvSpace::kBlobs, MakeBlobKey(s));
    }
    batch.Put(KvSpace::kMeta, std::string(kSealedKey), EncodeCounter(kSealedKey, commit.seq));
    next->sealed_seq = commit.seq;
  } else {
    batch.Put(KvSpace::kBlobs, MakeBlobKey(commit.seq), std::move(commit.blob));
  }
  QUIPU_TRY(WriteOrStop(batch, commit.sync));
  if (commit.sync) AdvanceWatermark(commit.seq);
  if (commit.hot) {
    next->next_row += commit.hot->rows.size();
    AppendHot(std::move(commit.hot), &next->hot);
  }
  Publish(std::move(next));
  return {};
}

Result<CommitResult> Store::Commit(CommitRequest request) {
  const ViewPtr before = view();
  const CommitResult result{before->as_of + 1, before->next_row};
  QUIPU_TRY_ASSIGN(PreparedCommit commit, PrepareCommit(result.seq, result.first_row, &request));
  QUIPU_TRY(Commit(std::move(commit)));
  return result;
}

Status Store::CheckDiskFor(std::uint64_t bytes) { return disk_.Admit(bytes, hot_bytes()); }

Status Store::CheckRoomFor(std::uint64_t bytes, const char* what) {
  return disk_.CheckRoomFor(bytes, hot_bytes(), what);
}

Status Store::CheckRoomIn(const std::string& folder, std::uint64_t bytes, const char* what) const {
  return disk_.CheckRoomIn(folder, bytes, view()->hot_bytes(), what);
}

Status Store::SyncNow() {
  // A synced write makes all earlier ones durable; RocksDB's own SyncWAL has a race in this version.
  KvBatch marker;
  marker.Put(KvSpace::kMeta, std::string(kSyncKey), "");
  QUIPU_TRY(WriteOrStop(marker, /*sync=*/true));
  AdvanceWatermark(view()->as_of);
  return {};
}

/// A watermark that cannot be written only weakens the check at the next open: no reason to refuse events.
void Store::AdvanceWatermark(std::uint64_t seq) {
  if (!watermark_) return;
  const Status advanced = watermark_->Advance(seq);
  if (advanced.ok()) return;
  watermark_.reset();
  Log(LogLevel::kWarning,
      "the watermark could not be written; until the store is reopened a cut log may go "
      "unnoticed: " +
          advanced.ToString());
}

Result<std::optional<ProducerState>> Store::Producer(std::string_view id) const {
  QUIPU_TRY(write_error());
  QUIPU_TRY_ASSIGN(const std::optional<std::string> value, kv_->Get(KvSpace::kProducers, id));
  if (!value) return std::optional<ProducerState>();
  QUIPU_TRY_ASSIGN(ProducerState state, DecodeProducer(id, *value));
  return std::optional<ProducerState>(std::move(state));
}

Result<std::uint64_t> Store::ReserveSegmentIds(std::uint64_t count) {
  return ReserveIds(count, /*is_merged=*/false);
}

Result<std::uint64_t> Store::ReserveMergedId() { return ReserveIds(1, /*is_merged=*/true); }

Result<std::uint64_t> Store::ReserveIds(std::uint64_t count, bool is_merged) {
  const std::lock_guard lock(write_mutex_);
  constexpr std::uint64_t kSegmentIdMax = 1ull << 62;
  if (count > kSegmentIdMax - next_segment_id_) {
    return Status::Exhausted("no segment ids are left in this store");
  }
  KvBatch batch;
  batch.Put(KvSpace::kMeta, std::string(kNextSegmentKey),
            EncodeCounter(kNextSegmentKey, next_segment_id_ + count));
  if (is_merged) {
    const std::string key = MakeMergingKey(next_segment_id_);
    batch.Put(KvSpace::kMeta, key, EncodeCounter(key, next_segment_id_));
  }
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  return std::exchange(next_segment_id_, next_segment_id_ + count);
}

std::vector<std::shared_ptr<SegmentReader>> Store::PrepareAdded(SegmentEdit* edit) const {
  const ViewPtr seen = view();
  std::vector<std::shared_ptr<SegmentReader>> readers(edit->add.size());
  const bool is_asked =
      std::any_of(seen->segments.begin(), seen->segments.end(),
                  [](const SegmentPtr& s) { return s->has_summaries_in_memory(); }) ||
      std::any_of(seen->hot.begin(), seen->hot.end(), [](const HotBatchPtr& b) {
        const HotIndex* const index = b->made_index.peek();
        return index != nullptr && index->was_asked();
      });
  const bool is_checked = std::all_of(  // enough of CheckEdit, which comes later
      edit->remove.begin(), edit->remove.end(),
      [&](std::uint64_t id) { return FindSegment(*seen, id) != nullptr; });
  if (!is_asked || !is_checked) return readers;
  PlaceAdded(*seen, edit);  // a reader knows its place; Install finds it done
  for (std::size_t i = 0; i < edit->add.size(); ++i) {
    const SegmentMeta& meta = edit->add[i];
    if (meta.archive != 0) continue;
    auto reader = SegmentReader::Open(environment_.vfs, JoinPath(segments_folder(), meta.file_name),
                                      &meta, cache_.get());
    if (!reader) continue;  // Install tries again, and says why
    (*reader)->PrepareForQuestions();
    readers[i] = *std::move(reader);
  }
  return readers;
}

Result<SegmentPtr> Store::OpenSegment(const SegmentMeta& meta, const View& view, bool must_be_right,
                                      std::shared_ptr<SegmentReader> opened) {
  const std::string path = JoinPath(FolderOfSegment(meta, view), meta.file_name);
  auto reader = opened != nullptr && opened->path() == path
                    ? Result<std::shared_ptr<SegmentReader>>(std::move(opened))
                    : SegmentReader::Open(environment_.vfs, path, &meta, cache_.get());
  if (!reader) {
    const Status error = reader.error();
    // What the manifest names must be there: a missing file is damage, whatever the file system calls it.
    if (must_be_right && error.code() == StatusCode::kNotFound) {
      return Status::Corruption("segment file " + path +
                                " is in the manifest but not on disk; restore it from a backup: " +
                                std::string(error.message()));
    }
    return error;
  }
  auto live =
      std::make_shared<LiveSegment>(*std::move(reader), environment_.vfs, cache_, options_.log);
  live_segments_[meta.spec.segment_id] = live;
  return SegmentPtr(live, live->reader.get());
}

/// What does not depend on the contents of the files.
Status Store::CheckEdit(const SegmentEdit& edit, const View& view) const {
  if (edit.sealed_through && !edit.remove.empty()) {
    return Status::Internal("install: a step either seals or merges");
  }
  if (edit.sealed_through && *edit.sealed_through <= view.sealed_seq) {
    return Status::Conflict("install: commits up to " + std::to_string(*edit.sealed_through) +
                            " are sealed already, up to " + std::to_string(view.sealed_seq));
  }
  if (edit.sealed_through && *edit.sealed_through > view.as_of) {
    return Status::Internal("install: commit " + std::to_string(*edit.sealed_through) +
                            " does not exist yet");
  }
  std::set<std::uint64_t> ids;
  for (const std::uint64_t id : edit.remove) {
    if (!ids.insert(id).second || FindSegment(view, id) == nullptr) {
      return Status::Conflict("install: segment " + std::to_string(id) + " is gone already");
    }
  }
  for (const SegmentMeta& meta : edit.add) {
    const std::uint64_t id = meta.spec.segment_id;
    if (!ids.insert(id).second || FindSegment(view, id) != nullptr || id >= next_segment_id_ ||
        meta.spec.store_id != store_id_ || meta.file_name != SegmentFileName(id, meta.spec.month)) {
      return Status::Internal("install: segment " + std::to_string(id) + " (" + meta.file_name +
                              ") has an id that is in use or was never reserved");
    }
    if (meta.archive != 0 &&
        std::none_of(view.archives.begin(), view.archives.end(), [&](const ArchiveFolder& folder) {
          return folder.number == meta.archive && folder.is_attached;
        })) {
      return Status::Conflict("install: the archive folder of segment " + std::to_string(id) +
                              " has been detached");
    }
  }
  return CheckEpochs(edit, view);
}

Status Store::CheckConservation(const SegmentEdit& edit, const View& view) const {
  Totals added;
  for (const SegmentMeta& meta : edit.add) added.Add(meta.totals);
  Totals dropped;
  if (edit.sealed_through) dropped = HotTotalsThrough(view.hot, *edit.sealed_through);
  for (const std::uint64_t id : edit.remove) dropped.Add(FindSegment(view, id)->meta().totals);
  const std::string added_text = added.ToString();
  added.Add(edit.expired);
  if (added == dropped || IsCanary(Canary::kTotalsUnchecked)) return {};
  return Status::Internal(
      "install: rows would be lost or counted twice; the new segments hold " + added_text +
      ", what they replace holds " + dropped.ToString() +
      (edit.expired == Totals{} ? "" : ", to expire are " + edit.expired.ToString()));
}

Status Store::WriteEdit(const SegmentEdit& edit, const View& current, const View& next) {
  KvBatch batch;
  for (const SegmentMeta& meta : edit.add) {
    batch.Put(KvSpace::kMeta, MakeSegmentKey(meta.spec.segment_id), EncodeSegment(meta));
    if (!edit.sealed_through) {
      batch.Delete(KvSpace::kMeta, MakeMergingKey(meta.spec.segment_id));
    }
  }
  for (const std::uint64_t id : edit.remove) batch.Delete(KvSpace::kMeta, MakeSegmentKey(id));
  for (const auto& [month, services] : edit.forgotten) {
    batch.Put(KvSpace::kMeta, MakeForgottenKey(month),
              EncodeForgotten(month, next.forgotten->recorded().at(month)));
  }
  for (std::size_t i = 0; i < next.freezes->size(); ++i) {  // those that rows have left
    const FreezeRecord& freeze = (*next.freezes)[i]->record;
    if ((*next.freezes)[i] != (*current.freezes)[i])
      batch.Put(KvSpace::kMeta, MakeFreezeKey(freeze.name), EncodeFreeze(freeze));
  }
  if (edit.sealed_through) {
    for (std::uint64_t seq = current.sealed_seq + 1; seq <= *edit.sealed_through; ++seq) {
      batch.Delete(KvSpace::kBlobs, MakeBlobKey(seq));
    }
    if (IsCanary(Canary::kProgressApart))
      QUIPU_TRY(WriteOrStop(std::exchange(batch, {}), /*sync=*/true));
    batch.Put(KvSpace::kMeta, std::string(kSealedKey),
              EncodeCounter(kSealedKey, *edit.sealed_through));
  }
  batch.Put(KvSpace::kMeta, std::string(kLastCommitKey), EncodeLastCommit(LastCommitOf(next)));
  return WriteOrStop(batch, /*sync=*/true);
}

/// Fills in what only the manifest knows of a segment, where the caller has not.
void Store::PlaceAdded(const View& view, SegmentEdit* edit) const {
  const bool is_rewrite = !edit->sealed_through && edit->remove.size() == 1;
  for (SegmentMeta& meta : edit->add) {
    if (meta.run != 0) continue;
    meta.run = meta.spec.segment_id;
    if (edit->sealed_through) meta.sealed_us = environment_.clock->NowUs();
    if (!is_rewrite) continue;
    const SegmentMeta& before = FindSegment(view, edit->remove[0])->meta();
    meta.run = before.run;
    meta.level = before.level;
    meta.sealed_us = before.sealed_us;
  }
}

Status Store::Install(SegmentEdit edit) {
  const auto readers = PrepareAdded(&edit);  // commits go on meanwhile
  const std::lock_guard lock(write_mutex_);
  QUIPU_TRY(write_error());
  const ViewPtr current = view();
  QUIPU_TRY(CheckEdit(edit, *current));
  PlaceAdded(*current, &edit);
  QUIPU_TRY(CheckConservation(edit, *current));
  auto next = std::make_shared<View>(*current);
  if (!next->totals.Subtract(edit.expired)) {
    return Status::Internal("install: more rows would expire than the store holds: " +
                            edit.expired.ToString() + " of " + current->totals.ToString());
  }
  QUIPU_TRY(ThawExpired(edit, *current, next.get()));
  std::vector<std::string> added_paths;
  for (std::size_t i = 0; i < edit.add.size(); ++i) {
    const SegmentMeta& meta = edit.add[i];
    QUIPU_TRY_ASSIGN(SegmentPtr segment,
                     OpenSegment(meta, *next, /*must_be_right=*/false, readers[i]));
    added_paths.push_back(segment->path());
    (edit.sealed_through ? next->written.sealed_bytes : next->written.merged_bytes) +=
        meta.file_bytes;
    next->segments.push_back(std::move(segment));
  }
  std::sort(next->segments.begin(), next->segments.end(), IdLess);
  const std::set<std::uint64_t> removed(edit.remove.begin(), edit.remove.end());
  std::erase_if(next->segments,
                [&](const SegmentPtr& s) { return removed.contains(s->meta().spec.segment_id); });
  if (edit.sealed_through) {
    next->sealed_seq = *edit.sealed_through;
    DropHotThrough(*edit.sealed_through, &next->hot);
  }
  if (!edit.forgotten.empty()) Forget(edit.forgotten, next.get());

  environment_.vfs->OnPublish(added_paths);
  QUIPU_TRY(WriteEdit(edit, *current, *next));
  std::vector<std::string> removed_paths;
  for (const std::uint64_t id : removed) {
    const auto it = live_segments_.find(id);
    QUIPU_CHECK(it != live_segments_.end());
    const std::shared_ptr<LiveSegment> live = it->second.lock();
    QUIPU_CHECK(live != nullptr);  // `current` has it
    removed_paths.push_back(live->reader->path());
    live->is_retired.store(true);
    retired_.emplace_back(live->reader->path(), live);
    live_segments_.erase(it);
  }
  environment_.vfs->OnRetire(removed_paths);
  Publish(std::move(next));
  ForgetGoneFiles();
  return {};
}

/// So that the list of dropped files stays as short as what readers hold.
void Store::ForgetGoneFiles() {
  std::erase_if(retired_, [&](const auto& retired) {
    if (!retired.second.expired()) return false;
    const auto exists = environment_.vfs->Exists(retired.first);
    return exists && !*exists;
  });
}

Status Store::Close() {
  const std::lock_guard lock(write_mutex_);
  Stop(Status::Cancelled("the store is closed"));
  Status closed;
  if (kv_) closed = kv_->Close();
  if (watermark_) (void)watermark_->Close();  // as in AdvanceWatermark
  watermark_.reset();
  lock_.reset();
  return closed;
}

}  // namespace quipu
