// A store that follows: it shows what another process writes, and changes nothing.
//
//     KvFollower --Load--> rows: names into the catalogue, manifest into `rows`, blobs into `blobs`
//         |
//         +-----Next--> each later Write, likewise        CatchUp: as many as there are, then one new view
//
// A commit costs what it costs at an open: one blob decoded, one hot batch appended. A seal, a merge or an archive changes the manifest: the list of
// segments is made anew from its rows by the code that opens a store (store_recovery.cc), with the readers that are open already.
//
// Invariants:
//   (1) A view is that after one Write of the writer's: the state behind a prefix of its Writes, with totals that add up as at an open.
//   (2) as_of never goes back. A store that went back (restored from a backup, or another store at the same path) is kConflict.
//   (3) Nothing in the folder is written, locked or removed; the Vfs here refuses to.
//   (4) A segment's file that the writer has removed is never taken for an answer: reading it is kIoError and counted (lost_reads), and
//       whoever asked catches up and asks again. Files never change and their names are never used again, so no other file can stand in for it.
//
// Worked example: the view has segments 1 to 8 and hot commits 90 to 95. The writer commits 96, merges 1 to 8 into 9, removes the eight files and seals
// up to 96 into 10. CatchUp reads those Writes: blob 96 is put and deleted again, rows segment/1 to /8 are gone, /9 and /10 are there, sealed is 96. Two
// files are opened, no blob is decoded, and the next view has segments 9 and 10 and as_of 96.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "store/hot_tier.h"
#include "store/live_segment.h"
#include "store/manifest.h"
#include "store/store.h"

namespace quipu {
namespace {

constexpr std::string_view kKvName = "kv";
/// Segments may be replaced while they are being opened; a store that does so more often than this in one look is not to be followed.
constexpr int kShowTriesMax = 100;
/// After a look that failed, for so long the next ones fail likewise: they begin with the whole of kv/.
constexpr std::int64_t kLookPauseUs = 1'000'000;

Status Refused(const std::string& path) {
  return Status::Unsupported("a follower changes nothing in the store's folder: " + path);
}

/// Reads what another process may remove at any time.
class FollowedFile final : public ReadableFile {
 public:
  FollowedFile(std::unique_ptr<ReadableFile> file,
               std::shared_ptr<std::atomic<std::uint64_t>> lost_reads)
      : file_(std::move(file)), lost_reads_(std::move(lost_reads)) {}
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    Status read = file_->ReadAt(offset, out);
    // It was closed for want of descriptors, and its name is gone.
    if (read.code() != StatusCode::kNotFound) return read;
    lost_reads_->fetch_add(1);
    return Status::IoError("removed by the process that writes the store: " + read.ToString());
  }

 private:
  std::unique_ptr<ReadableFile> file_;
  std::shared_ptr<std::atomic<std::uint64_t>> lost_reads_;
};

class FollowedFiles final : public Vfs {
 public:
  explicit FollowedFiles(Vfs* below) : below_(below) {}
  [[nodiscard]] std::uint64_t lost_reads() const { return lost_reads_->load(); }

  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    QUIPU_TRY_ASSIGN(std::unique_ptr<ReadableFile> file, below_->OpenForRead(path));
    return std::unique_ptr<ReadableFile>(
        std::make_unique<FollowedFile>(std::move(file), lost_reads_));
  }
  Result<std::vector<std::string>> List(const std::string& folder) override {
    return below_->List(folder);
  }
  Result<bool> Exists(const std::string& path) override { return below_->Exists(path); }
  Result<std::uint64_t> FreeBytes(const std::string& path) override {
    return below_->FreeBytes(path);
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    return Refused(path);
  }
  Status Rename(const std::string& from, const std::string& /*to*/) override {
    return Refused(from);
  }
  Status Unlink(const std::string& path) override { return Refused(path); }
  Status MakeFolder(const std::string& path) override { return Refused(path); }
  Status SyncFolder(const std::string& path) override { return Refused(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override { return Refused(path); }

 private:
  Vfs* below_;
  std::shared_ptr<std::atomic<std::uint64_t>> lost_reads_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// The manifest's rows in memory.
class ManifestRows final : public KvReader {
 public:
  void Put(std::string_view key, std::string_view value) {
    rows_.insert_or_assign(std::string(key), std::string(value));
  }
  void Delete(std::string_view key) {
    if (const auto it = rows_.find(key); it != rows_.end()) rows_.erase(it);
  }
  void Clear() { rows_.clear(); }
  Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
    QUIPU_CHECK(space == KvSpace::kMeta);
    const auto it = rows_.find(key);
    if (it == rows_.end()) return std::optional<std::string>();
    return std::optional<std::string>(it->second);
  }
  Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
    QUIPU_CHECK(space == KvSpace::kMeta);
    bool stop = false;
    for (auto it = rows_.lower_bound(from); it != rows_.end() && !stop; ++it)
      QUIPU_TRY(visit(it->first, it->second, &stop));
    return {};
  }

 private:
  std::map<std::string, std::string, std::less<>> rows_;
};

/// Do rows of that key say what segments there are, or what is to be hidden of them?
bool IsOfManifest(std::string_view key) {
  for (const std::string_view prefix :
       {kSegmentKeyPrefix, kArchiveKeyPrefix, kClassKeyPrefix, kErasureKeyPrefix,
        kForgottenKeyPrefix, kFreezeKeyPrefix, kRetentionKey, kSummarySetsKey}) {
    if (key.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

struct Store::Following {
  explicit Following(Vfs* vfs) : files(vfs) {}

  FollowedFiles files;
  std::mutex mutex;  // one look at a time; guards what follows
  std::unique_ptr<KvFollower> kv;
  bool is_loaded = false;
  ManifestRows rows;                           // of kMeta, without names
  std::map<std::uint64_t, std::string> blobs;  // of commits that the view does not have
  std::set<CustomerOrdinal> erased;            // whose name leads nowhere
  bool is_dirty = true;                        // the view is behind what was read
  bool is_manifest_dirty = true;               // likewise, as to segments
  Totals segment_totals;                       // of the view's segments, detached ones included

  std::atomic<std::int64_t> caught_up_us{0};
  Status failure;              // of the last look
  std::int64_t failed_us = 0;  // when
};

Result<std::unique_ptr<Store>> Store::Follow(const std::string& folder, const Options& options,
                                             const StoreEnvironment& environment) {
  std::unique_ptr<Store> store(new Store(folder, options, environment));
  Vfs& vfs = *environment.vfs;
  const std::string kv_path = JoinPath(folder, kKvName);
  QUIPU_TRY_ASSIGN(const bool has_kv, vfs.Exists(kv_path));
  if (!has_kv) return Status::NotFound("there is no store in " + folder);
  store->following_ = std::make_shared<Following>(&vfs);
  store->environment_.vfs = &store->following_->files;
  store->write_error_ = Status::Unsupported(
      "this is a follower of " + folder + ": it only reads; ask the process that writes the store");
  store->failed_.store(true);
  QUIPU_TRY_ASSIGN(store->following_->kv,
                   environment.follow_kv ? environment.follow_kv(kv_path) : FollowRocksKv(kv_path));
  QUIPU_TRY(store->CatchUp());
  const ViewPtr view = store->view();
  store->Log(LogLevel::kInfo, "following store " + folder + " from commit " +
                                  std::to_string(view->as_of) + " on, " +
                                  std::to_string(view->segments.size()) + " segments, " +
                                  std::to_string(view->hot_rows()) + " unsealed rows");
  return store;
}

std::int64_t Store::caught_up_us() const { return following_->caught_up_us.load(); }

std::uint64_t Store::lost_reads() const { return following_->files.lost_reads(); }

Status Store::CatchUp() {
  Following& f = *following_;
  const std::int64_t asked = environment_.clock->MonotonicUs();
  const std::lock_guard lock(f.mutex);
  // Strictly: two moments may bear the same number.
  if (f.caught_up_us.load() > asked) return {};  // somebody looked while we waited
  const std::int64_t now = environment_.clock->MonotonicUs();
  if (!f.failure.ok() && now - f.failed_us < kLookPauseUs) return f.failure;
  try {
    f.failure = TakeOverWrites();
  } catch (const std::bad_alloc&) {
    f.failure = Status::Exhausted("out of memory");  // short: needs but one small allocation
  }
  // Something may have been taken over in part: the next look starts from the store's files.
  if (!f.failure.ok()) f.is_loaded = false;
  f.failed_us = environment_.clock->MonotonicUs();
  if (f.failure.ok()) f.caught_up_us.store(now);
  return f.failure;
}

/// All Writes that are there, and then one view of them.
Status Store::TakeOverWrites() {
  Following& f = *following_;
  for (int i = 0; i < kShowTriesMax; ++i) {
    const auto any = AbsorbWrites();
    QUIPU_TRY(any.error());
    const std::uint64_t lost_before = lost_reads();
    const Status shown = f.is_dirty ? ShowFollowed() : Status();
    if (shown.ok()) return {};
    // Gone before it was opened, or between that and the first read.
    const bool is_gone = shown.code() == StatusCode::kNotFound || lost_reads() > lost_before;
    if (!is_gone) return shown;
    // A file is removed after the Write that drops it from the manifest, so that Write is there to be read by now.
    if (i > 0 && !*any) {
      return Status::Corruption("a segment is in the manifest but not on disk: " +
                                shown.ToString());
    }
  }
  return Status::IoError("store " + folder_ +
                         ": segments are replaced faster than they can be opened");
}

/// True if there were any.
Result<bool> Store::AbsorbWrites() {
  Following& f = *following_;
  for (bool any = false;; any = true) {
    KvBatch write;
    KvFollower::Step step = KvFollower::Step::kLost;
    if (f.is_loaded) {
      QUIPU_TRY_ASSIGN(step, f.kv->Next(&write));
    }
    if (step == KvFollower::Step::kEnd) return any;
    if (step == KvFollower::Step::kLost) {
      f.is_loaded = false;
      QUIPU_TRY(LoadFollowed());
      f.is_loaded = true;
    } else {
      QUIPU_TRY(Absorb(write));
    }
  }
}

/// Takes over all rows: at the start, and when the thread was lost.
Status Store::LoadFollowed() {
  Following& f = *following_;
  QUIPU_TRY_ASSIGN(const std::unique_ptr<KvReader> rows, f.kv->Load());
  QUIPU_TRY_ASSIGN(const std::optional<std::string> record,
                   rows->Get(KvSpace::kMeta, kStoreRecordKey));
  if (!record) {
    return Status::NotFound("there is no store in " + folder_ +
                            " yet: it is being created, or its creation was interrupted");
  }
  QUIPU_TRY_ASSIGN(const StoreRecord store, DecodeStoreRecord(*record));
  const ViewPtr current = view();
  if (current && store_id_ != store.store_id) {
    return Status::Conflict("another store is in " + folder_ + " now; open a new follower");
  }
  if (!current) store_id_ = store.store_id;
  f.rows.Clear();
  f.blobs.clear();
  f.is_dirty = f.is_manifest_dirty = true;
  QUIPU_TRY(rows->Scan(KvSpace::kMeta, "",
                       [&](std::string_view key, std::string_view value, bool* /*stop*/) {
                         return AbsorbRow(key, value);
                       }));
  QUIPU_TRY_ASSIGN(std::uint64_t seq, ReadCounter(f.rows, kSealedKey));
  if (current) seq = std::max(seq, current->as_of);
  return rows->Scan(KvSpace::kBlobs, MakeBlobKey(seq + 1),
                    [&](std::string_view key, std::string_view value, bool* /*stop*/) -> Status {
                      QUIPU_TRY_ASSIGN(const std::uint64_t blob, ParseBlobKey(key));
                      f.blobs.emplace(blob, value);
                      return {};
                    });
}

Status Store::Absorb(const KvBatch& write) {
  Following& f = *following_;
  for (const KvBatch::Op& op : write.ops()) {
    if (op.space == KvSpace::kBlobs) {
      const auto seq = ParseBlobKey(op.key);
      if (!op.is_delete && !seq) return seq.error();
      if (!seq) continue;  // KvStore::Purge deletes a key that nobody has put
      if (op.is_delete) {
        f.blobs.erase(*seq);
      } else {
        f.blobs.insert_or_assign(*seq, op.value);
      }
      f.is_dirty = true;
    } else if (op.space == KvSpace::kMeta && op.is_delete) {
      f.rows.Delete(op.key);
      if (IsOfManifest(op.key)) f.is_dirty = f.is_manifest_dirty = true;
    } else if (op.space == KvSpace::kMeta) {
      QUIPU_TRY(AbsorbRow(op.key, op.value));
    }
  }
  return {};
}

/// A row of kMeta. Names and erasures have their effect on the catalogue in the order in which they were written.
Status Store::AbsorbRow(std::string_view key, std::string_view value) {
  Following& f = *following_;
  if (key.starts_with(kNameKeyPrefix)) {
    const auto name = ParseNameKey(key);
    const bool is_erased = name && name->kind == static_cast<std::uint8_t>(NameKind::kCustomer) &&
                           f.erased.contains(name->ordinal);
    return catalogue_.Follow(key, value, is_erased);
  }
  if (key == kSyncKey) return {};
  if (key.starts_with(kErasureKeyPrefix)) {
    QUIPU_TRY_ASSIGN(const ErasureRecord erasure, DecodeErasure(key, value));
    f.erased.insert(erasure.customer);
    if (erasure.customer < catalogue_.size(NameKind::kCustomer))
      catalogue_.ForgetIfFound(erasure.customer);
  }
  f.rows.Put(key, value);
  f.is_dirty = true;
  if (IsOfManifest(key)) f.is_manifest_dirty = true;
  return {};
}

/// The next view, from what was read. kNotFound: a segment's file is gone.
Status Store::ShowFollowed() {
  Following& f = *following_;
  const std::lock_guard write_lock(write_mutex_);
  const ViewPtr current = view();
  auto next = current ? std::make_shared<View>(*current) : std::make_shared<View>();
  QUIPU_TRY_ASSIGN(next->sealed_seq, ReadCounter(f.rows, kSealedKey));
  const std::optional<std::string> record = *f.rows.Get(KvSpace::kMeta, kLastCommitKey);
  if (!record) return Status::Corruption("manifest: the record of the last commit is missing");
  QUIPU_TRY_ASSIGN(const LastCommit last, DecodeLastCommit(*record));
  if (current && (last.seq < current->as_of || next->sealed_seq < current->sealed_seq)) {
    return Status::Conflict("store " + folder_ + " went back from commit " +
                            std::to_string(current->as_of) +
                            " (was it restored from a backup?); open a new follower");
  }
  Lists lists;
  const bool is_manifest_new = f.is_manifest_dirty;
  if (is_manifest_new) {
    QUIPU_TRY(ShowManifest(next.get(), &lists));
  } else {
    next->totals = f.segment_totals;
  }
  const Totals segment_totals = next->totals;
  QUIPU_TRY(ShowCommits(next.get()));
  QUIPU_TRY(CheckTotals(f.rows, next.get()));
  f.segment_totals = segment_totals;
  f.blobs.clear();
  f.is_dirty = f.is_manifest_dirty = false;
  if (is_manifest_new) {
    Publish(std::move(next), std::move(lists));
  } else {
    Publish(std::move(next));
  }
  return {};
}

/// What the manifest says of segments, as at an open; next->totals are theirs.
Status Store::ShowManifest(View* next, Lists* lists) {
  const KvReader& rows = following_->rows;
  std::erase_if(live_segments_, [](const auto& live) { return live.second.expired(); });
  next->segments.clear();
  next->detached.clear();
  next->archives.clear();
  next->totals = {};
  next->forgotten = std::make_shared<const ForgottenIds>();
  QUIPU_TRY(LoadErasures(rows, next, lists));
  QUIPU_TRY(LoadLifecycle(rows, next, lists));
  QUIPU_TRY(LoadFreezes(rows, next));
  QUIPU_TRY(OpenSegments(rows, next));
  Forget({}, next);
  return {};
}

/// The hot tier: without what is sealed, and with the commits that came.
Status Store::ShowCommits(View* next) {
  const Following& f = *following_;
  DropHotThrough(next->sealed_seq, &next->hot);
  next->as_of = std::max(next->as_of, next->sealed_seq);
  for (const HotBatchPtr& batch : next->hot) next->totals.Add(batch->totals);
  for (auto it = f.blobs.upper_bound(next->as_of); it != f.blobs.end(); ++it) {
    QUIPU_TRY_ASSIGN(HotBatchPtr batch, ReplayBlob(it->first, it->second, next));
    if (batch) AppendHot(std::move(batch), &next->hot);
  }
  return {};
}

/// The reader that is open already for a segment whose record is still the same.
SegmentPtr Store::FindOpen(const SegmentMeta& meta, const View& view) const {
  const auto it = live_segments_.find(meta.spec.segment_id);
  if (it == live_segments_.end()) return nullptr;
  const std::shared_ptr<LiveSegment> live = it->second.lock();
  if (!live || live->reader->path() != JoinPath(FolderOfSegment(meta, view), meta.file_name) ||
      EncodeSegment(live->reader->meta()) != EncodeSegment(meta)) {
    return nullptr;
  }
  return {live, live->reader.get()};
}

}  // namespace quipu
