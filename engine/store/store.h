// Store: what is durable and what is visible.
//
//     folder/
//       LOCK            held while open
//       WATERMARK-N     how far the commits had come, to notice a log that was cut (watermark.h)
//       kv/             RocksDB: catalogue, manifest, producers, one blob per commit
//       segments/       NNNNNNNNNN-YYYY-MM.seg
//       quarantine/     files that the manifest does not know; moved here, never deleted (but unfinished *.tmp files are)
//
// There is one record of progress: the KvStore. A commit is one synced Write {blob, producer rows, new names, totals, seq}; a
// seal or a merge is one synced Write {segments added, segments removed, blobs deleted, sealed_seq}. A file becomes visible only after
// the Write that names it, and is unlinked only after the Write that drops it and after its last reader.
//
// Invariants:
//   (1) Commit numbers (seq) are 1, 2, 3, ... without gaps; blobs are exactly those of sealed_seq + 1 .. last seq. (A commit without
//       rows takes a number too; while the hot tier is empty it counts as sealed at once and leaves no blob.)
//   (2) A view's segments and hot batches hold every accepted event up to as_of once.
//   (3) totals(view) = sum over segments + sum over hot rows, checked at open and at each seal and merge. Rows that expire leave both sides
//       in the same Write.
//   (4) Segment ids come from a counter whose high-water mark is durable before the id is used; ids are never reused.
//   (5) After a failed Write the outcome is unknown: the store refuses further writes (kIoError) until it is reopened.
//
// Worked example: commit 1 holds 3 events, commit 2 holds 2. Seal writes segment 1 (March, 4 rows) and segment 2 (April, 1 row),
// then one Write: +segment 1, +segment 2, -blob 1, -blob 2, sealed_seq = 2.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/vfs.h"
#include "quipu/options.h"
#include "segment/segment.h"
#include "store/catalogue.h"
#include "store/disk_space.h"
#include "store/erasure.h"
#include "store/kv.h"
#include "store/summary_sets.h"
#include "store/view.h"
#include "store/watermark.h"

namespace quipu {

inline constexpr std::uint32_t kStoreFormatVersion = 1;
/// Records of erasures that are done; older ones go.
inline constexpr std::size_t kErasuresKept = 10'000;

/// Where a store gets its surroundings from; the defaults are the real ones.
struct StoreEnvironment {
  Vfs* vfs = Vfs::Posix();
  Clock* clock = Clock::System();
  std::uint64_t random_seed = 0;  ///< 0 = from the system.
  /// Opens the KvStore of the folder; null = RocksDB.
  std::function<Result<std::unique_ptr<KvStore>>(const std::string& path)> open_kv{};
  /// Likewise for Store::Follow.
  std::function<Result<std::unique_ptr<KvFollower>>(const std::string& path)> follow_kv{};
};

/// What the last few batches of a producer were answered, for replays.
struct ProducerState {
  static constexpr std::size_t kRepliesKept = 5;
  std::uint64_t epoch = 0;
  std::uint64_t last_sequence = 0;
  struct Reply {
    std::uint64_t sequence = 0;
    std::uint64_t seq = 0;      ///< The commit.
    std::uint64_t content = 0;  ///< Hash of the batch as it was sent.
    std::vector<std::uint8_t> outcomes;
    std::vector<std::pair<std::uint32_t, std::string>> generated_ids;
  };
  std::vector<Reply> replies;  ///< Ascending sequences, at most kRepliesKept.
};

/// One commit, ready to be made durable. `extra` carries new catalogue rows.
struct CommitRequest {
  RowBatch rows;  ///< May be empty if only producers change (a batch of nothing but duplicates).
  std::vector<std::pair<std::string, ProducerState>> producers;
  KvBatch extra;
  bool sync = true;
};

/// A commit whose bytes are made: what is left is to write and to show it.
struct PreparedCommit {
  std::uint64_t seq = 0;
  std::uint64_t first_row = 0;  ///< Number of its first hot row.
  HotBatchPtr hot;              ///< Null if it has no rows.
  std::string blob;
  KvBatch rows_beside;  ///< Names and producers.
  bool has_producers = false;
  bool sync = true;
};

struct CommitResult {
  std::uint64_t seq = 0;
  std::uint64_t first_row =
      0;  ///< Number of its first hot row (see HotBatch); of the next commit's, if it has no rows.
};

/// Segments in, segments out: one step of sealing, merging, retention or erasure.
struct SegmentEdit {
  std::vector<SegmentMeta> add;
  std::vector<std::uint64_t> remove;  ///< Segment ids.
  /// Rows that leave the store for good: by policy or because their customer is erased. What is removed = what is added + this.
  Totals expired;
  /// Rows whose ids leave the store with this step, on purpose (they expire, or go to an archive without ids).
  ForgottenMonths forgotten;
  bool is_erasure = false;  ///< `expired` are rows of an erased customer.
  /// A seal: the rows of commits up to this one are now in `add`. Any commit will do: hot batches that straddle it are cut.
  std::optional<std::uint64_t> sealed_through;
};

class Store {
 public:
  /// Opens, recovers or creates; see Database::Open for the errors. Recovery: lock; read the manifest; open every segment (size and
  /// footer checked); move unknown files to quarantine/; decode the blobs into hot batches; check seq and totals.
  static Result<std::unique_ptr<Store>> Open(const std::string& folder, const Options& options,
                                             const StoreEnvironment& environment = {});
  /// Follows a store that another process writes, or that nobody has open: see store_follow.cc. Nothing in the folder is changed or locked; all
  /// that writes is kUnsupported. kNotFound also while the store is being created.
  static Result<std::unique_ptr<Store>> Follow(const std::string& folder, const Options& options,
                                               const StoreEnvironment& environment = {});
  ~Store();

  /// Of a follower: takes over what was written since. The view becomes that after some Write of the writer's, and at the earliest that of the moment
  /// of the call. After an error the view is what it was; a call more than a second later tries again.
  Status CatchUp();
  /// Clock::MonotonicUs of the last CatchUp that went well: the view has all that was written before.
  [[nodiscard]] std::int64_t caught_up_us() const;
  /// How often a segment's file was found to be removed while it was read through a follower's view.
  [[nodiscard]] std::uint64_t lost_reads() const;
  [[nodiscard]] bool is_follower() const { return following_ != nullptr; }

  [[nodiscard]] ViewPtr view() const;
  /// Of the view's hot rows, without a lock.
  [[nodiscard]] std::uint64_t hot_bytes() const { return hot_bytes_.load(); }
  [[nodiscard]] Catalogue& catalogue() { return catalogue_; }
  [[nodiscard]] const Catalogue& catalogue() const { return catalogue_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] Vfs* vfs() const { return environment_.vfs; }
  [[nodiscard]] Clock* clock() const { return environment_.clock; }
  [[nodiscard]] PageCache* cache() { return cache_.get(); }
  [[nodiscard]] Hash128 store_id() const { return store_id_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string segments_folder() const { return JoinPath(folder_, "segments"); }
  /// Of the store and of its attached archive folders; the latter are there once something was put aside.
  [[nodiscard]] std::vector<std::string> quarantine_folders() const;
  void Log(LogLevel level, const std::string& line) const;

  /// Makes what commit `seq` will write. Its hot rows are numbered from `first_row` on. Changes nothing but the request, from which it takes the
  /// contents unless it fails (kExhausted, for a commit beyond the bounds). Needs no view: it may run while an earlier commit is written.
  Result<PreparedCommit> PrepareCommit(std::uint64_t seq, std::uint64_t first_row,
                                       CommitRequest* request) const;
  /// Makes one commit durable (if `sync`) and visible. In order of their numbers, one caller at a time: the committer.
  Status Commit(PreparedCommit commit);
  /// The next commit in one step; for callers that have one at a time.
  Result<CommitResult> Commit(CommitRequest request);
  /// Makes all earlier unsynced commits durable.
  Status SyncNow();
  [[nodiscard]] Result<std::optional<ProducerState>> Producer(std::string_view id) const;

  /// May `bytes` of new events come in? kExhausted while the disk is too full; cheap.
  Status CheckDiskFor(std::uint64_t bytes);
  /// Is there room for files of `bytes` that upkeep is about to write (`what`, for the message)? kExhausted if not.
  Status CheckRoomFor(std::uint64_t bytes, const char* what);
  /// Likewise in a folder that may be elsewhere (an archive's).
  Status CheckRoomIn(const std::string& folder, std::uint64_t bytes, const char* what) const;

  /// Reserves `count` segment ids (durably) and returns the first.
  Result<std::uint64_t> ReserveSegmentIds(std::uint64_t count);
  /// Reserves one id for a merge and marks it as such until Install adds the segment: a file of that id that no install has named holds
  /// nothing that its inputs do not, so an open removes it.
  Result<std::uint64_t> ReserveMergedId();
  /// Opens the added files, checks conservation (removed or sealed rows = added + expired rows, else kInternal), writes the manifest
  /// (with the store's totals, if rows expire), publishes the new view. Seals and merges may install concurrently; removing a segment that is gone already is kConflict, sealing commits that
  /// are sealed already too. After an error other than kIoError nothing has changed, and the added files are the caller's to remove.
  /// An added segment without a run is what the one removed segment was (a rewrite of it), else it starts a run of its own; a seal gets
  /// the time.
  Status Install(SegmentEdit edit);

  // Erasure (store_erasure.cc; erasure.h says what it is). The job's own order of steps is in upkeep/erase.h.

  /// Makes the erasure of a customer durable and visible: from now on the name means nobody. Between two commits only (no batch may be under
  /// way that has looked the name up); `names` are the rows of names that no commit has taken yet, empty once they are durable. The erasure that is under way
  /// already if the name has no newer events; kNotFound for a name that the store does not know.
  Result<ErasureRecord> EraseCustomer(std::string_view name, KvBatch* names);
  /// All that are under way, and the last kErasuresKept that are done, by id.
  [[nodiscard]] std::vector<ErasureRecord> erasures() const;
  /// Producers from `from` on that have ids of ours in their stored replies, until there are `generated_ids_max` of these.
  [[nodiscard]] Result<std::vector<std::pair<std::string, ProducerState>>> ProducersWithIds(
      std::string_view from, std::size_t generated_ids_max) const;
  /// Replaces producers. Between two commits only.
  Status PutProducers(const std::vector<std::pair<std::string, ProducerState>>& producers);
  /// Files that the manifest has dropped and that are still there: a reader has them, or they could not be unlinked (which is tried
  /// again here). Makes the unlinking of all others durable.
  Result<std::vector<std::string>> FilesLeft();
  /// The last steps: the customer's name becomes empty; then no old value is left in the key-value store's files; then the record says
  /// done. FinishErasure is kInternal while a row of the customer is stored.
  Status EmptyCustomerName(CustomerOrdinal customer);
  Status PurgeKv();
  Status FinishErasure(std::uint64_t id);

  // store_freeze.cc; freeze.h says what a freeze is.

  /// Freezes what is sealed; the caller has sealed what is to be in it, and keeps other seals away. The same again if the name stands for all that
  /// is stored, kAlreadyExists if it stands for less.
  Result<FrozenPtr> Freeze(const std::string& name);
  Status DropFreeze(const std::string& name);

  // store_archive.cc

  /// The archive folder at `path` (absolute, or relative to the store's folder), made and recorded if need be; its number.
  /// kConflict if it is detached.
  Result<std::uint32_t> UseArchive(const std::string& path);
  /// From now on the folder is not needed: its segments are known but absent (View::detached). kNotFound.
  Status DetachArchive(std::uint32_t number);
  /// Finds the segments of a detached folder again, under `path`. kCorruption names the first that is missing or another.
  Status AttachArchive(std::uint32_t number, const std::string& path);
  /// Where an archive folder of that path is.
  [[nodiscard]] std::string ArchivePath(const std::string& path) const;
  /// The folder that a segment of that view's lies in.
  [[nodiscard]] std::string FolderOfSegment(const SegmentMeta& meta, const View& view) const;
  [[nodiscard]] RetentionPolicy retention() const;
  Status SetRetention(const RetentionPolicy& policy);
  [[nodiscard]] std::unordered_map<CustomerOrdinal, std::string> customer_classes() const;
  /// An empty name takes the customer out of its class.
  Status SetCustomerClass(CustomerOrdinal customer, const std::string& name);

  // summary_sets.cc

  /// The declared sets, in order of declaration.
  [[nodiscard]] std::vector<SummarySet> summary_sets() const;
  /// By number: what new segments are made with.
  [[nodiscard]] std::vector<DimensionSet> DimensionSets() const;
  /// Declares a set, or changes the one of the same service and dimensions. kExhausted: there are kDimensionSetsMax others.
  Status DeclareSummarySet(const SummarySet& set);
  Status DropSummarySet(const SummarySet& set);
  /// A writer of a segment of this store: SegmentWriter::Create with the declared sets.
  [[nodiscard]] Result<std::unique_ptr<SegmentWriter>> NewSegment(const std::string& folder,
                                                                  const SegmentSpec& spec) const;

  /// Set after a failed Write; every later Commit and Install returns it.
  [[nodiscard]] Status write_error() const;
  /// Whether write_error() is set, without a lock.
  [[nodiscard]] bool has_failed() const { return failed_.load(std::memory_order_acquire); }
  /// Waits until the view changes from `seen` or `timeout_us` has passed. For back-pressure.
  void WaitForChange(const View* seen, std::int64_t timeout_us) const;
  /// From now on WaitForChange returns at once: the store is about to be closed.
  void StopWaiting();

  /// Closes the KvStore and gives up the lock. Views stay readable; Commit, Install and SyncNow are kCancelled from now on. No other
  /// call may be under way.
  Status Close();

 private:
  struct LiveSegment;
  Store(std::string folder, const Options& options, const StoreEnvironment& environment);

  // store_recovery.cc
  Status OpenFolder();
  Status CheckNothingIsBuried() const;
  Status Create();
  Status MakeFolders();
  Status Recover(std::string_view store_record);
  /// What stands beside the view.
  struct Lists {
    std::vector<ErasureRecord> erasures;  // by id
    RetentionPolicy retention;
    std::unordered_map<CustomerOrdinal, std::string> classes;
    std::vector<SummarySet> summary_sets;
  };
  Status LoadErasures(const KvReader& kv, View* view, Lists* lists) const;
  Status OpenSegments(const KvReader& kv, View* view);
  Status ReplayBlobs(const KvReader& kv, View* view);
  /// The hot rows of commit `seq`, the next of the view's; null if it has none. Counted in the view, not yet in its list.
  Result<HotBatchPtr> ReplayBlob(std::uint64_t seq, std::string_view blob, View* view) const;
  Status CheckTotals(const KvReader& kv, View* view) const;
  Status CheckProducers(const View& view) const;
  Status CheckWatermark(const View& view) const;
  Status QuarantineUnknownFiles(const View& view);
  [[nodiscard]] bool HoldsErasedRows(const std::string& path, const View& view);
  Result<std::set<std::string>> UnfinishedMergeFiles() const;
  Status ForgetUnfinishedMerges();
  Status QuarantineUnknown(const std::string& folder, const std::string& quarantine,
                           const View& view, bool of_archive);
  Status LoadLifecycle(const KvReader& kv, View* view, Lists* lists) const;
  Status WriteArchive(const ArchiveFolder& folder);
  static Status LoadFreezes(const KvReader& kv, View* view);
  static Status CheckEpochs(const SegmentEdit& edit, const View& view);
  static Status ThawExpired(const SegmentEdit& edit, const View& current, View* next);
  Status ChangeSummarySets(const std::vector<SummarySet>& sets);

  static void Forget(const ForgottenMonths& added, View* next);

  // store_follow.cc
  struct Following;
  Status LoadFollowed();
  Status TakeOverWrites();
  Result<bool> AbsorbWrites();
  Status Absorb(const KvBatch& batch);
  Status AbsorbRow(std::string_view key, std::string_view value);
  Status ShowFollowed();
  Status ShowManifest(View* next, Lists* lists);
  Status ShowCommits(View* next);

  // store.cc
  Result<std::uint64_t> ReserveIds(std::uint64_t count, bool is_merged);
  /// `opened`: if it is the reader of that file, it is taken.
  Result<SegmentPtr> OpenSegment(const SegmentMeta& meta, const View& view, bool must_be_right,
                                 std::shared_ptr<SegmentReader> opened = nullptr);
  /// Readers of the files of edit->add, ready for questions, if summaries of the store have been asked for: else the first question to each would wait until its
  /// summaries are decoded. Null where there is none.
  [[nodiscard]] std::vector<std::shared_ptr<SegmentReader>> PrepareAdded(SegmentEdit* edit) const;
  [[nodiscard]] SegmentPtr FindOpen(const SegmentMeta& meta, const View& view) const;
  Status CheckEdit(const SegmentEdit& edit, const View& view) const;
  void PlaceAdded(const View& view, SegmentEdit* edit) const;
  Status CheckConservation(const SegmentEdit& edit, const View& view) const;
  Status WriteOrStop(const KvBatch& batch, bool sync);
  Status WriteEdit(const SegmentEdit& edit, const View& current, const View& next);
  void Publish(std::shared_ptr<View> next);
  void Publish(std::shared_ptr<View> next, Lists lists);
  void AdvanceWatermark(std::uint64_t seq);
  void ForgetGoneFiles();
  void Stop(Status error);

  std::string folder_;
  Options options_;
  StoreEnvironment environment_;
  std::shared_ptr<PageCache>
      cache_;  // shared with segments, which views may keep longer than the store
  Catalogue catalogue_;
  Hash128 store_id_;
  DiskSpace disk_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<KvStore> kv_;           // null in a follower
  std::unique_ptr<Watermark> watermark_;  // the committer's; null after it failed

  // Held across "read the view, write to the KvStore, publish the next view", so that these steps never interleave. Taken before mutex_.
  std::mutex write_mutex_;
  std::uint64_t next_segment_id_ = 1;  // by write_mutex_
  std::map<std::uint64_t, std::weak_ptr<LiveSegment>>
      live_segments_;  // of the current view; by write_mutex_
  /// Of dropped segments, until their files are gone. By write_mutex_.
  std::vector<std::pair<std::string, std::weak_ptr<LiveSegment>>> retired_;

  mutable std::mutex mutex_;  // guards everything below; held for moments only
  mutable std::condition_variable changed_;
  ViewPtr view_;
  Lists lists_;  // written under write_mutex_, too
  Status write_error_;
  std::atomic<bool> failed_{false};          // write_error_ is set
  std::atomic<std::uint64_t> hot_bytes_{0};  // of view_
  bool waiting_ended_ = false;

  std::shared_ptr<Following> following_;  // null in the store of a writer
};

}  // namespace quipu
