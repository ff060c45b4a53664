// Opening a store: create, or recover. Nothing on disk is changed before everything that the manifest promises has been found, so a
// refused open leaves the evidence as it was (but for RocksDB, which tidies its own folder when it opens).
#include <algorithm>
#include <set>

#include "base/canary.h"
#include "base/check.h"
#include "store/commit_blob.h"
#include "store/hot_tier.h"
#include "store/live_segment.h"
#include "store/manifest.h"
#include "store/store.h"

namespace quipu {
namespace {

constexpr std::string_view kLockName = "LOCK";
constexpr std::string_view kKvName = "kv";
constexpr std::string_view kSegmentsName = "segments";
constexpr std::string_view kQuarantineName = "quarantine";
constexpr std::string_view kUnfinishedSuffix = ".tmp";
constexpr std::string_view kSegmentSuffix = ".seg";

Result<bool> IsStoreFolder(Vfs& vfs, const std::string& folder) {
  return vfs.Exists(JoinPath(folder, kKvName));
}

/// A typing error must not turn a home folder into a store.
Status CheckFolderIsFree(Vfs& vfs, const std::string& folder) {
  QUIPU_TRY_ASSIGN(const std::vector<std::string> names, vfs.List(folder));
  for (const std::string& name : names) {
    // What an interrupted creation leaves behind; and what a fresh file system has at its root.
    if (name == kLockName || name == kKvName || name == kSegmentsName || name == kQuarantineName ||
        name == "lost+found" || name.starts_with(kWatermarkPrefix)) {
      continue;
    }
    return Status::AlreadyExists("folder " + folder + " is not empty (it has " + name +
                                 ") and is not a store; choose another folder");
  }
  return {};
}

Status NoStore(const std::string& folder) {
  return Status::NotFound("there is no store in " + folder + "; create one with `quipu init " +
                          folder + "`");
}

/// Collects neighbouring commits until they fill a hot batch, so that a recovered row is copied once.
class HotCollector {
 public:
  explicit HotCollector(std::vector<HotBatchPtr>* hot) : hot_(hot) {}
  void Add(HotBatchPtr batch) {
    if (rows_ + batch->rows.size() > kHotBatchRowsMax) Flush();
    rows_ += batch->rows.size();
    pending_.push_back(std::move(batch));
  }
  void Flush() {
    if (!pending_.empty()) hot_->push_back(MergeHotBatches(pending_));
    pending_.clear();
    rows_ = 0;
  }

 private:
  std::vector<HotBatchPtr>* hot_;
  std::vector<HotBatchPtr> pending_;
  std::size_t rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const std::string& folder, const Options& options,
                                           const StoreEnvironment& environment) {
  std::unique_ptr<Store> store(new Store(folder, options, environment));
  if (Status s = store->OpenFolder(); !s.ok()) return s;
  return store;
}

Status Store::OpenFolder() {
  Vfs& vfs = *environment_.vfs;
  QUIPU_TRY_ASSIGN(const bool has_folder, vfs.Exists(folder_));
  bool has_kv = false;
  if (has_folder) {
    QUIPU_TRY_ASSIGN(has_kv, IsStoreFolder(vfs, folder_));
  }
  if (!has_kv && !options_.create_if_missing) return NoStore(folder_);
  if (!has_folder) {
    QUIPU_TRY(vfs.MakeFolder(folder_));
    QUIPU_TRY(vfs.SyncFolder(FolderOf(folder_)));
  }
  if (!has_kv) QUIPU_TRY(CheckFolderIsFree(vfs, folder_));
  // The lock comes before everything that changes or interprets the contents.
  QUIPU_TRY_ASSIGN(lock_, vfs.Lock(JoinPath(folder_, kLockName)));
  if (!has_kv || options_.create_if_missing) QUIPU_TRY(MakeFolders());
  const std::string kv_path = JoinPath(folder_, kKvName);
  QUIPU_TRY_ASSIGN(kv_,
                   environment_.open_kv ? environment_.open_kv(kv_path) : OpenRocksKv(kv_path));
  QUIPU_TRY_ASSIGN(const std::optional<std::string> record,
                   kv_->Get(KvSpace::kMeta, kStoreRecordKey));
  // The record is the last thing that a creation writes: without it there is no store yet.
  if (!record) {
    QUIPU_TRY(CheckNothingIsBuried());
    if (!options_.create_if_missing) return NoStore(folder_);
    QUIPU_TRY(Create());
    return kv_->ReleaseOldFiles();
  }
  if (options_.error_if_exists) {
    return Status::AlreadyExists("there is a store in " + folder_ + " already");
  }
  QUIPU_TRY(Recover(*record));
  return kv_->ReleaseOldFiles();
}

Status Store::MakeFolders() {
  Vfs& vfs = *environment_.vfs;
  for (const std::string_view name : {kKvName, kSegmentsName, kQuarantineName}) {
    QUIPU_TRY(vfs.MakeFolder(JoinPath(folder_, name)));
  }
  QUIPU_TRY(vfs.SyncFolder(folder_));
  // Also after an interrupted creation, whose own sync may not have happened.
  return vfs.SyncFolder(FolderOf(folder_));
}

/// Segments without a manifest mean that kv/ was lost: an empty store here would bury them.
Status Store::CheckNothingIsBuried() const {
  QUIPU_TRY_ASSIGN(const std::vector<std::string> above, environment_.vfs->List(folder_));
  for (const std::string& name : above) {
    // An interrupted creation leaves none: the first watermark is written after the store's record.
    if (!name.starts_with(kWatermarkPrefix)) continue;
    return Status::Corruption("store " + folder_ + ": kv/ has no manifest but there is a " + name +
                              "; restore kv/ from a backup");
  }
  QUIPU_TRY_ASSIGN(const bool has_segments, environment_.vfs->Exists(segments_folder()));
  if (!has_segments) return {};
  QUIPU_TRY_ASSIGN(const std::vector<std::string> names, environment_.vfs->List(segments_folder()));
  if (names.empty()) return {};
  return Status::Corruption("store " + folder_ + ": kv/ has no manifest but segments/ has files (" +
                            names[0] + "); restore kv/ from a backup");
}

Status Store::Create() {
  const std::uint64_t seed =
      environment_.random_seed != 0 ? environment_.random_seed : Random::SystemSeed();
  Random random(seed);
  StoreRecord record;
  record.store_id = {random.Next(), random.Next()};
  record.created_us = environment_.clock->NowUs();
  store_id_ = record.store_id;
  KvBatch batch;
  batch.Put(KvSpace::kMeta, std::string(kStoreRecordKey), EncodeStoreRecord(record));
  batch.Put(KvSpace::kMeta, std::string(kLastCommitKey), EncodeLastCommit({}));
  batch.Put(KvSpace::kMeta, std::string(kSealedKey), EncodeCounter(kSealedKey, 0));
  batch.Put(KvSpace::kMeta, std::string(kNextSegmentKey), EncodeCounter(kNextSegmentKey, 1));
  QUIPU_TRY(kv_->Write(batch, /*sync=*/true));
  QUIPU_TRY_ASSIGN(watermark_,
                   Watermark::Start(environment_.vfs, environment_.clock, folder_, store_id_, 0));
  Publish(std::make_shared<View>());
  Log(LogLevel::kInfo, "created store " + folder_);
  return {};
}

Status Store::Recover(std::string_view store_record) {
  QUIPU_TRY_ASSIGN(const StoreRecord record, DecodeStoreRecord(store_record));
  store_id_ = record.store_id;
  QUIPU_TRY(MakeFolders());  // quarantine/ may have been emptied and removed by hand
  auto view = std::make_shared<View>();
  Lists lists;
  QUIPU_TRY(LoadErasures(*kv_, view.get(), &lists));
  QUIPU_TRY(catalogue_.Load(*kv_, view->erased));
  QUIPU_TRY_ASSIGN(view->sealed_seq, ReadCounter(*kv_, kSealedKey));
  QUIPU_TRY(LoadLifecycle(*kv_, view.get(), &lists));
  QUIPU_TRY(LoadFreezes(*kv_, view.get()));
  QUIPU_TRY(OpenSegments(*kv_, view.get()));
  Forget({}, view.get());
  QUIPU_TRY(ReplayBlobs(*kv_, view.get()));
  QUIPU_TRY(CheckTotals(*kv_, view.get()));
  QUIPU_TRY(CheckProducers(*view));
  QUIPU_TRY(CheckWatermark(*view));
  QUIPU_TRY(QuarantineUnknownFiles(*view));
  std::vector<std::string> paths;
  for (const SegmentPtr& segment : view->segments) paths.push_back(segment->path());
  environment_.vfs->OnPublish(paths);
  // The watermark witnesses only what is durable, and the last commits of a killed process (interval mode) may not be, though they were found.
  KvBatch marker;
  marker.Put(KvSpace::kMeta, std::string(kSyncKey), "");
  QUIPU_TRY(kv_->Write(marker, /*sync=*/true));
  QUIPU_TRY_ASSIGN(watermark_, Watermark::Start(environment_.vfs, environment_.clock, folder_,
                                                store_id_, view->as_of));
  Log(LogLevel::kInfo, "opened store " + folder_ + ": commit " + std::to_string(view->as_of) +
                           ", " + std::to_string(view->segments.size()) + " segments, " +
                           std::to_string(view->hot_rows()) + " unsealed rows");
  Publish(std::move(view), std::move(lists));
  return {};
}

Status Store::OpenSegments(const KvReader& kv, View* view) {
  QUIPU_TRY_ASSIGN(next_segment_id_, ReadCounter(kv, kNextSegmentKey));
  return kv.Scan(
      KvSpace::kMeta, kSegmentKeyPrefix,
      [&](std::string_view key, std::string_view value, bool* stop) -> Status {
        if (!key.starts_with(kSegmentKeyPrefix)) {
          *stop = true;
          return {};
        }
        QUIPU_TRY_ASSIGN(const SegmentMeta meta, DecodeSegment(key, value, store_id_));
        if (meta.spec.segment_id >= next_segment_id_) {
          return Status::Corruption("manifest: segment " + std::to_string(meta.spec.segment_id) +
                                    " has an id that was never reserved");
        }
        const auto folder = std::find_if(
            view->archives.begin(), view->archives.end(),
            [&](const ArchiveFolder& archive) { return archive.number == meta.archive; });
        if (meta.archive != 0 && folder == view->archives.end()) {
          return Status::Corruption("manifest: segment " + std::to_string(meta.spec.segment_id) +
                                    " lies in an archive folder that was never recorded");
        }
        if (meta.archive != 0 && !folder->is_attached) {
          view->totals.Add(meta.totals);
          view->detached.push_back(meta);
          return {};
        }
        SegmentPtr segment = FindOpen(meta, *view);
        if (!segment) {
          // A follower may look at a manifest that the writer has replaced meanwhile.
          QUIPU_TRY_ASSIGN(segment, OpenSegment(meta, *view, /*must_be_right=*/!is_follower()));
        }
        view->totals.Add(segment->meta().totals);
        view->segments.push_back(std::move(segment));
        return {};
      });
}

Result<HotBatchPtr> Store::ReplayBlob(std::uint64_t seq, std::string_view blob, View* view) const {
  const std::string where = "commit " + std::to_string(seq);
  if (seq != view->as_of + 1) {
    return Status::Corruption("commit " + std::to_string(view->as_of + 1) +
                              " is missing, the next one found is " + where);
  }
  auto decoded = DecodeCommit(blob, catalogue_);
  if (!decoded) return decoded.error().WithContext(where);
  if (decoded->seq != seq) {
    return Status::Corruption(where + ": its blob is that of commit " +
                              std::to_string(decoded->seq));
  }
  view->as_of = seq;
  if (decoded->rows.empty()) return HotBatchPtr();
  Totals totals = TotalsOf(decoded->rows);
  view->totals.Add(totals);
  const std::uint64_t first_row = view->next_row;
  view->next_row += decoded->rows.size();
  return MakeHotBatch(seq, first_row, environment_.clock->MonotonicUs(), std::move(decoded->rows),
                      std::move(totals));
}

Status Store::ReplayBlobs(const KvReader& kv, View* view) {
  HotCollector collector(&view->hot);
  view->as_of = view->sealed_seq;
  // From the first live key, never from the first key: a queue's deleted front makes a scan slow.
  QUIPU_TRY(kv.Scan(KvSpace::kBlobs, MakeBlobKey(view->sealed_seq + 1),
                    [&](std::string_view key, std::string_view value, bool* /*stop*/) -> Status {
                      QUIPU_TRY_ASSIGN(const std::uint64_t seq, ParseBlobKey(key));
                      QUIPU_TRY_ASSIGN(HotBatchPtr batch, ReplayBlob(seq, value, view));
                      if (batch) collector.Add(std::move(batch));
                      return {};
                    }));
  collector.Flush();
  return {};
}

/// Also takes over what only that record knows.
Status Store::CheckTotals(const KvReader& kv, View* view) const {
  QUIPU_TRY_ASSIGN(const std::optional<std::string> value, kv.Get(KvSpace::kMeta, kLastCommitKey));
  if (!value) return Status::Corruption("manifest: the record of the last commit is missing");
  QUIPU_TRY_ASSIGN(const LastCommit last, DecodeLastCommit(*value));
  if (last.seq != view->as_of) {
    return Status::Corruption("commits " + std::to_string(view->as_of + 1) + " to " +
                              std::to_string(last.seq) + " are missing from store " + folder_);
  }
  view->written = last.written;
  view->producers_written = last.producers_written;
  if (last.totals == view->totals || IsCanary(Canary::kTotalsUnchecked)) return {};
  return Status::Corruption("store " + folder_ + ": the totals do not add up at commit " +
                            std::to_string(last.seq) + ": recorded " + last.totals.ToString() +
                            ", found in segments and unsealed commits " + view->totals.ToString());
}

/// Without its newest rows a batch that is sent again would not be known.
Status Store::CheckProducers(const View& view) const {
  QUIPU_TRY_ASSIGN(const std::uint64_t written, ReadProducersWritten(*kv_));
  if (written == view.producers_written) return {};
  return Status::Corruption("store " + folder_ + ": " + std::to_string(view.producers_written) +
                            " writes of producers are recorded and " + std::to_string(written) +
                            " are in kv/: its list of files was cut or lost; repair the store, or "
                            "restore the folder from a backup");
}

/// Totals and numbers may fit together and still be those of last week.
Status Store::CheckWatermark(const View& view) const {
  QUIPU_TRY_ASSIGN(const std::uint64_t witnessed,
                   Watermark::Read(*environment_.vfs, folder_, store_id_));
  if (witnessed == 0 && view.as_of > 0) {
    Log(LogLevel::kWarning,
        "store " + folder_ + " has no sound watermark: a cut log would go unnoticed this time");
  }
  if (view.as_of >= witnessed || IsCanary(Canary::kWatermarkUnchecked)) return {};
  return Status::Corruption("store " + folder_ + ": commits " + std::to_string(view.as_of + 1) +
                            " to " + std::to_string(witnessed) +
                            " were acknowledged but are not in kv/: its log was cut or lost; "
                            "restore the folder from a backup");
}

/// Only what can be read is known to be in the way; a damaged file is moved aside as ever.
bool Store::HoldsErasedRows(const std::string& path, const View& view) {
  if (view.erased.empty()) return false;
  const auto reader = SegmentReader::Open(environment_.vfs, path, nullptr, cache_.get());
  if (!reader || (*reader)->meta().spec.store_id != store_id_) return false;
  const auto holds = HoldsAny(**reader, view.erased);
  cache_->Forget((*reader)->meta().spec.segment_id);
  return holds && *holds;
}

/// "<id>-" of files that a merge was writing.
Result<std::set<std::string>> Store::UnfinishedMergeFiles() const {
  std::set<std::string> prefixes;
  QUIPU_TRY(kv_->Scan(KvSpace::kMeta, kMergingKeyPrefix,
                      [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                        if (!key.starts_with(kMergingKeyPrefix)) {
                          *stop = true;
                          return {};
                        }
                        QUIPU_TRY_ASSIGN(const std::uint64_t id, DecodeCounter(key, value));
                        const std::string name = SegmentFileName(id, 0);
                        prefixes.insert(name.substr(0, name.find('-') + 1));
                        return {};
                      }));
  return prefixes;
}

/// Once their files are gone.
Status Store::ForgetUnfinishedMerges() {
  KvBatch batch;
  QUIPU_TRY(kv_->Scan(KvSpace::kMeta, kMergingKeyPrefix,
                      [&](std::string_view key, std::string_view, bool* stop) -> Status {
                        *stop = !key.starts_with(kMergingKeyPrefix);
                        if (!*stop) batch.Delete(KvSpace::kMeta, std::string(key));
                        return {};
                      }));
  if (batch.empty()) return {};
  QUIPU_TRY(environment_.vfs->SyncFolder(segments_folder()));
  return kv_->Write(batch, /*sync=*/true);
}

std::vector<std::string> Store::quarantine_folders() const {
  std::vector<std::string> folders = {JoinPath(folder_, kQuarantineName)};
  const ViewPtr current = view();
  for (const ArchiveFolder& folder : current->archives) {
    if (folder.is_attached) folders.push_back(JoinPath(ArchivePath(folder.path), kQuarantineName));
  }
  return folders;
}

Status Store::QuarantineUnknownFiles(const View& view) {
  QUIPU_TRY(QuarantineUnknown(segments_folder(), JoinPath(folder_, kQuarantineName), view,
                              /*of_archive=*/false));
  for (const ArchiveFolder& folder : view.archives) {
    if (!folder.is_attached) continue;
    const std::string path = ArchivePath(folder.path);
    QUIPU_TRY(QuarantineUnknown(path, JoinPath(path, kQuarantineName), view, /*of_archive=*/true));
    QUIPU_TRY(environment_.vfs->SyncFolder(path));
  }
  return ForgetUnfinishedMerges();
}

/// An archive folder may be the root of a disk with other things on it: there only segment files are ours.
Status Store::QuarantineUnknown(const std::string& folder, const std::string& quarantine,
                                const View& view, bool of_archive) {
  Vfs& vfs = *environment_.vfs;
  std::set<std::string> known;
  for (const SegmentPtr& segment : view.segments) {
    const bool is_here = FolderOf(segment->path()) == folder;
    if (is_here || (of_archive && segment->meta().archive != 0))
      known.insert(segment->meta().file_name);
  }
  // Two spellings of one path may be two archive folders: what the store remembers of any of them stays where it is.
  for (const SegmentMeta& meta : view.detached) {
    if (of_archive) known.insert(meta.file_name);
  }
  QUIPU_TRY_ASSIGN(const std::vector<std::string> names, vfs.List(folder));
  QUIPU_TRY_ASSIGN(const std::set<std::string> merging, UnfinishedMergeFiles());
  bool moved = false;
  for (const std::string& name : names) {
    if (known.contains(name)) continue;
    const bool unfinished = name.ends_with(kUnfinishedSuffix);
    if (of_archive && !name.ends_with(kSegmentSuffix) &&
        !name.ends_with(std::string(kSegmentSuffix) + std::string(kUnfinishedSuffix))) {
      continue;
    }
    const std::string from = JoinPath(folder, name);
    vfs.OnRetire(
        {from});  // it may have been announced by an Install whose Write has turned out not to have happened
    if (unfinished || merging.contains(name.substr(0, name.find('-') + 1))) {
      QUIPU_TRY(vfs.Unlink(from));
      Log(LogLevel::kInfo, "removed the unfinished file " + from);
      continue;
    }
    if (HoldsErasedRows(from, view)) {
      // Put aside it would stand in the way of the erasure. Its rows are in other segments or in unsealed commits, or were erased.
      QUIPU_TRY(vfs.Unlink(from));
      Log(LogLevel::kInfo, "removed " + from +
                               ", which the manifest does not know and which holds rows of a "
                               "customer that is being erased");
      continue;
    }
    if (!moved && of_archive) {
      QUIPU_TRY_ASSIGN(const bool exists, vfs.Exists(quarantine));
      if (!exists) QUIPU_TRY(vfs.MakeFolder(quarantine));
    }
    // A timestamp tells a second file of the same name apart; a counter, two in the same microsecond.
    std::string to = JoinPath(quarantine, name);
    const TimeUs now = environment_.clock->NowUs();
    for (std::uint64_t n = 0;; ++n) {
      QUIPU_TRY_ASSIGN(const bool taken, vfs.Exists(to));
      if (!taken) break;
      to = JoinPath(quarantine,
                    name + "." + std::to_string(now) + (n == 0 ? "" : "-" + std::to_string(n)));
    }
    QUIPU_TRY(vfs.Rename(from, to));
    moved = true;
    Log(LogLevel::kWarning, "moved " + from + ", which the manifest does not know, to " + to);
  }
  if (!moved) return {};
  QUIPU_TRY(vfs.SyncFolder(quarantine));
  return vfs.SyncFolder(folder);
}

}  // namespace quipu
