// KvStore over RocksDB 7.8.3 (Debian's). The only file that includes RocksDB.
//
// RocksDB is kept small: it holds the unsealed commits (tens of MB), the catalogue and the manifest. Everything that is large or old
// lives in our own checksummed segments. Each setting below has its reason; those that refer to a defect name the version that
// mended it, since 7.8 does not have the mend.
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/canary.h"
#include "base/check.h"
#include "base/vfs.h"
#include "store/kv.h"
#include "store/kv_log.h"
#include "store/kv_torn_log.h"

namespace quipu {
namespace {

/// Purge deletes a key of so many zero bytes from every family; none is ever put: longer than any of ours.
constexpr std::size_t kTouchKeyBytes = 4096;
constexpr std::size_t kBlobMemtableBytes = 64u << 20;
constexpr std::size_t kSmallMemtableBytes = 8u << 20;
/// Deleted blobs below this are not worth the work of getting rid of them at close.
constexpr std::uint64_t kBlobTableBytesMin = 1u << 20;
/// A follower that opens while the writer removes logs or tables tries so often.
constexpr int kLoadTriesMax = 40;
constexpr std::chrono::milliseconds kLoadPause(25);
constexpr std::string_view kLogSuffix = ".log";

rocksdb::Slice ToSlice(std::string_view s) { return {s.data(), s.size()}; }
std::string_view ToView(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

Status FromRocks(const rocksdb::Status& s, std::string_view what, const std::string& path) {
  if (s.ok()) return {};
  std::string message = "key-value store " + path + ": " + std::string(what) + ": " + s.ToString();
  if (s.IsCorruption()) return Status::Corruption(std::move(message));
  if (s.IsNotSupported()) return Status::Unsupported(std::move(message));
  return Status::IoError(std::move(message));
}

/// Remembers the first background failure: from then on nothing may be acknowledged. The default of RocksDB is to heal itself, which was
/// seen to go on acknowledging after a failed fsync.
class FailStop final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                         rocksdb::Status* status) override {
    const std::lock_guard lock(mutex_);
    if (failed_.load()) return;
    first_ = status->ToString();
    failed_.store(true);
  }
  [[nodiscard]] Status status(const std::string& path) const {
    if (!failed_.load()) return {};
    const std::lock_guard lock(mutex_);
    return Status::IoError("key-value store " + path +
                           ": stopped after a background error: " + first_ + "; reopen the store");
  }

 private:
  mutable std::mutex mutex_;
  std::atomic<bool> failed_{false};
  std::string first_;
};

rocksdb::DBOptions MakeDbOptions(const std::shared_ptr<FailStop>& fail_stop) {
  rocksdb::DBOptions o;
  o.create_if_missing = true;
  o.create_missing_column_families =
      true;  // a crash between creating two families is mended at the next open
  // The default, point-in-time recovery, drops every commit after one flipped bit and says nothing (measured). This mode refuses to
  // open then, and still accepts a last record that is cut short. (kAbsoluteConsistency would refuse that too.) See OpenRocksKv for one that
  // is torn inside.
  if (!IsCanary(Canary::kDefaultWalRecovery))
    o.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  o.paranoid_checks = true;        // stop at the first damaged block
  o.max_bgerror_resume_count = 0;  // no self-healing: an error stops writes (FailStop)
  o.track_and_verify_wals_in_manifest =
      false;  // false "missing WAL" (mended in 7.10), and no gain in our tests
  o.wal_compression = rocksdb::kNoCompression;  // recovery defect (8.0)
  o.recycle_log_file_num = 0;  // recovery defects (9.3); cannot tell a torn tail from an old record
  o.manual_wal_flush = false;  // families may diverge after a WAL error (9.7)
  o.two_write_queues = false;  // only for two-phase commit, which we do not use
  o.atomic_flush =
      false;  // stuck after a failed flush (8.7); not needed, every Write is in the WAL
  // Else every log takes 1.1 x the largest table from the disk before it holds anything: an empty store 70 MB, gone from the free space that
  // the disk reserve is compared with. A log that grows by appends must have its size written by each fdatasync anyway.
  o.allow_fallocate = false;
  o.max_background_jobs = 2;  // more jobs than buffers retried failed flushes out of order (7.9)
  o.max_open_files = -1;      // a handful of files; keep them open
  // An idle family pins every WAL (the meta and producer families change little), so cap their sum; this also bounds what a reopen
  // after a crash must replay: about a second.
  o.max_total_wal_size = 256u << 20;
  o.max_manifest_file_size =
      16u << 20;  // of RocksDB's own manifest; the default of 1 GB suits no embedded store
  o.max_log_file_size = 1u << 20;  // its text log, LOG: at most 3 MB of it
  o.keep_log_file_num = 3;
  o.stats_dump_period_sec = 0;     // no statistics into that log, no timer thread for it
  o.stats_persist_period_sec = 0;  // likewise
  o.listeners.push_back(fail_stop);
  return o;
}

rocksdb::ColumnFamilyOptions MakeSpaceOptions(KvSpace space,
                                              const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions o;
  // Thrice the blobs of a seal of the default size: most are deleted while they are still in the memtable, and a flush then drops put and delete
  // together but for a small tombstone. Larger would only hold dead blobs in memory.
  o.write_buffer_size = space == KvSpace::kBlobs ? kBlobMemtableBytes : kSmallMemtableBytes;
  o.max_write_buffer_number = 2;  // see max_background_jobs
  o.compression =
      rocksdb::kNoCompression;  // blobs live for minutes and names are few: not worth the processor
  o.bottommost_compression = rocksdb::kDisableCompressionOption;
  o.paranoid_file_checks =
      true;  // read back what a flush has written: 7.8 cannot verify record counts (8.7)
  o.force_consistency_checks = true;
  rocksdb::BlockBasedTableOptions table;
  table.checksum = rocksdb::kXXH3;
  table.block_cache = cache;
  // Producers are looked up one by one; meta and blobs are only scanned.
  if (space == KvSpace::kProducers) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

Result<std::optional<std::string>> GetRow(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* space,
                                          std::string_view key, const std::string& path) {
  std::string value;
  const rocksdb::Status s = db->Get(rocksdb::ReadOptions(), space, ToSlice(key), &value);
  if (s.IsNotFound()) return std::optional<std::string>();
  QUIPU_TRY(FromRocks(s, "get", path));
  return std::optional<std::string>(std::move(value));
}

Status ScanRows(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* space, std::string_view from,
                const KvReader::Visitor& visit, const std::string& path) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // scans happen at open, once
  // Deleted blobs leave tombstones; the bound keeps the iterator from walking those before `from` (20 us became 13 ms, #10300).
  const rocksdb::Slice lower = ToSlice(from);
  options.iterate_lower_bound = &lower;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(options, space));
  bool stop = false;
  for (it->Seek(lower); it->Valid() && !stop; it->Next()) {
    QUIPU_TRY(visit(ToView(it->key()), ToView(it->value()), &stop));
  }
  // A loop that ends by an error looks like one that ends by the last key.
  return FromRocks(it->status(), "scan", path);
}

class RocksKv final : public KvStore {
 public:
  RocksKv(std::string path, std::shared_ptr<FailStop> fail_stop, std::unique_ptr<rocksdb::DB> db,
          std::vector<rocksdb::ColumnFamilyHandle*> spaces)
      : path_(std::move(path)),
        fail_stop_(std::move(fail_stop)),
        db_(std::move(db)),
        spaces_(std::move(spaces)) {}
  ~RocksKv() override { static_cast<void>(CloseDb(/*flush=*/false)); }

  Status Write(const KvBatch& batch, bool sync) override {
    QUIPU_TRY(CheckUsable());
    std::size_t bytes = 64;
    for (const KvBatch::Op& op : batch.ops()) bytes += op.key.size() + op.value.size() + 16;
    rocksdb::WriteBatch rocks(bytes);
    for (const KvBatch::Op& op : batch.ops()) {
      // Plain Delete also for blobs: SingleDelete would save the tombstone, but is undefined if a key was ever put twice.
      const rocksdb::Status s =
          op.is_delete ? rocks.Delete(Space(op.space), ToSlice(op.key))
                       : rocks.Put(Space(op.space), ToSlice(op.key), ToSlice(op.value));
      QUIPU_TRY(FromRocks(s, "building a write", path_));
    }
    rocksdb::WriteOptions options;
    options.sync = sync;  // the only kind of sync we use: SyncWAL and FlushWAL have races (7.10)
    QUIPU_TRY(FromRocks(db_->Write(options, &rocks), "write", path_));
    return fail_stop_->status(path_);
  }

  Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
    QUIPU_TRY(CheckUsable());
    return GetRow(db_.get(), Space(space), key, path_);
  }

  Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
    QUIPU_TRY(CheckUsable());
    return ScanRows(db_.get(), Space(space), from, visit, path_);
  }

  Status Purge() override {
    QUIPU_TRY(CheckUsable());
    QUIPU_TRY_ASSIGN(const std::uint64_t log, LastLogNumber());
    // A family without a write does not move on to a new log. Every family is given one, so that none needs the old logs.
    rocksdb::WriteBatch touch;
    const std::string key(kTouchKeyBytes, '\0');
    for (rocksdb::ColumnFamilyHandle* space : spaces_) {
      QUIPU_TRY(FromRocks(touch.Delete(space, key), "purge", path_));
    }
    rocksdb::WriteOptions synced;
    synced.sync = true;
    QUIPU_TRY(FromRocks(db_->Write(synced, &touch), "purge", path_));
    QUIPU_TRY(FromRocks(db_->Flush(rocksdb::FlushOptions(), spaces_), "purge: flush", path_));
    rocksdb::CompactRangeOptions whole;
    whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    for (rocksdb::ColumnFamilyHandle* space : spaces_) {
      QUIPU_TRY(
          FromRocks(db_->CompactRange(whole, space, nullptr, nullptr), "purge: compact", path_));
    }
    // Replaced files are deleted now and then; this pair makes it now.
    QUIPU_TRY(FromRocks(db_->DisableFileDeletions(), "purge: list files", path_));
    QUIPU_TRY(FromRocks(db_->EnableFileDeletions(/*force=*/false), "purge: delete files", path_));
    QUIPU_TRY(CheckOldLogsGone(log));
    return fail_stop_->status(path_);
  }

  Status Close() override { return CloseDb(/*flush=*/true); }

 private:
  [[nodiscard]] Status CheckUsable() const {
    if (db_ == nullptr) return Status::Cancelled("key-value store " + path_ + ": is closed");
    return fail_stop_->status(path_);
  }
  /// Number of the newest log file, 0 if there is none.
  Result<std::uint64_t> LastLogNumber() const {
    rocksdb::VectorLogPtr logs;
    QUIPU_TRY(FromRocks(db_->GetSortedWalFiles(logs), "purge: list logs", path_));
    return logs.empty() ? std::uint64_t{0} : logs.back()->LogNumber();
  }
  /// Logs up to this one hold what is purged.
  Status CheckOldLogsGone(std::uint64_t log) const {
    rocksdb::VectorLogPtr logs;
    QUIPU_TRY(FromRocks(db_->GetSortedWalFiles(logs), "purge: list logs", path_));
    if (logs.empty() || logs.front()->LogNumber() > log) return {};
    return Status::IoError("key-value store " + path_ + ": purge: the old log " +
                           std::to_string(logs.front()->LogNumber()) +
                           " is still there; it is tried again later");
  }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* Space(KvSpace space) const {
    return spaces_[static_cast<std::size_t>(space)];
  }
  /// A memtable that was full held blobs whose seal was still to come, so its table has them although they are deleted since (one in
  /// four of all that are written). Four such tables are compacted in the background; fewer would stay in a closed store for good.
  Status DropDeletedBlobs() {
    rocksdb::TablePropertiesCollection tables;
    QUIPU_TRY(FromRocks(db_->GetPropertiesOfAllTables(Space(KvSpace::kBlobs), &tables),
                        "list tables at close", path_));
    std::uint64_t bytes = 0, deletions = 0;
    for (const auto& [name, table] : tables) {
      bytes += table->data_size;
      deletions += table->num_deletions;
    }
    // A compaction leaves no deletion behind: it is done once, not at every close.
    if (deletions == 0 || bytes < kBlobTableBytesMin) return {};
    return FromRocks(
        db_->CompactRange(rocksdb::CompactRangeOptions(), Space(KvSpace::kBlobs), nullptr, nullptr),
        "compact at close", path_);
  }
  /// A flush at an orderly close saves the next open the replay of the WAL.
  Status CloseDb(bool flush) {
    if (db_ == nullptr) return {};
    Status result;
    if (flush && fail_stop_->status(path_).ok()) {
      result = FromRocks(db_->Flush(rocksdb::FlushOptions(), spaces_), "flush at close", path_);
      if (result.ok()) result = DropDeletedBlobs();
    }
    for (rocksdb::ColumnFamilyHandle* space : spaces_) {
      static_cast<void>(db_->DestroyColumnFamilyHandle(space));
    }
    spaces_.clear();
    const Status closed = FromRocks(db_->Close(), "close", path_);
    db_.reset();
    return result.ok() ? closed : result;
  }

  std::string path_;
  std::shared_ptr<FailStop> fail_stop_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces_;
};

std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies() {
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(16u << 20);
  // The names are on disk. "default" must exist; it is the meta space.
  const std::array<std::string, kKvSpaces> names = {rocksdb::kDefaultColumnFamilyName, "producers",
                                                    "blobs"};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (int i = 0; i < kKvSpaces; ++i) {
    families.emplace_back(names[static_cast<std::size_t>(i)],
                          MakeSpaceOptions(static_cast<KvSpace>(i), cache));
  }
  return families;
}

/// Says nothing: RocksDB would write its log into the folder that it only reads.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::DBOptions MakeReadOnlyOptions(bool is_damaged) {
  rocksdb::DBOptions o = MakeDbOptions(std::make_shared<FailStop>());
  o.create_if_missing = false;
  o.create_missing_column_families = false;
  o.info_log = std::make_shared<NoLog>();
  if (!is_damaged) return o;
  // Every record of the log that its checksum allows, and every table that can be opened.
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  o.paranoid_checks = false;
  return o;
}

Result<std::unique_ptr<KvStore>> OpenReadOnly(const std::string& path, bool is_damaged) {
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces;
  const rocksdb::Status s = rocksdb::DB::OpenForReadOnly(MakeReadOnlyOptions(is_damaged), path,
                                                         MakeFamilies(), &spaces, &db);
  QUIPU_TRY(FromRocks(s, "open to read", path));
  return std::unique_ptr<KvStore>(new RocksKv(path, std::make_shared<FailStop>(),
                                              std::unique_ptr<rocksdb::DB>(db), std::move(spaces)));
}

/// A copy of the folder, whose list of tables and logs is then made anew from what is there.
Status Rebuild(const std::string& from, const std::string& to) {
  rocksdb::Env* const env = rocksdb::Env::Default();
  QUIPU_TRY(FromRocks(env->CreateDir(to), "make folder", to));
  std::vector<std::string> names;
  QUIPU_TRY(FromRocks(env->GetChildren(from, &names), "list", from));
  for (const std::string& name : names) {
    bool is_folder = false;
    if (name == "." || name == ".." || name == "LOCK") continue;
    if (env->IsDirectory(JoinPath(from, name), &is_folder).ok() && is_folder) continue;
    std::string bytes;
    // What cannot be read is as good as lost; the tables and logs beside it are not.
    if (!rocksdb::ReadFileToString(env, JoinPath(from, name), &bytes).ok()) continue;
    QUIPU_TRY(
        FromRocks(rocksdb::WriteStringToFile(env, bytes, JoinPath(to, name)), "copy " + name, to));
  }
  return FromRocks(rocksdb::RepairDB(to, MakeReadOnlyOptions(true), MakeFamilies()), "rebuild", to);
}

/// For writing, since it has the families only of which it found tables.
Result<std::unique_ptr<KvStore>> OpenRebuilt(const std::string& path) {
  rocksdb::DBOptions options = MakeReadOnlyOptions(/*is_damaged=*/true);
  options.create_missing_column_families = true;
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces;
  const rocksdb::Status s = rocksdb::DB::Open(options, path, MakeFamilies(), &spaces, &db);
  QUIPU_TRY(FromRocks(s, "open the rebuilt copy", path));
  return std::unique_ptr<KvStore>(new RocksKv(path, std::make_shared<FailStop>(),
                                              std::unique_ptr<rocksdb::DB>(db), std::move(spaces)));
}

// ---- following

/// Whatever RocksDB may think of in a folder that is another process's: here it cannot change anything.
class ReadOnlyFiles final : public rocksdb::FileSystemWrapper {
 public:
  ReadOnlyFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  [[nodiscard]] const char* Name() const override { return "quipu.ReadOnlyFiles"; }

  using Text = std::string;
  using Context = rocksdb::IODebugContext;
  using Io = rocksdb::IOOptions;
  using File = rocksdb::FileOptions;
  rocksdb::IOStatus NewWritableFile(const Text& f, const File& /*options*/,
                                    std::unique_ptr<rocksdb::FSWritableFile>* /*file*/,
                                    Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus ReopenWritableFile(const Text& f, const File& /*options*/,
                                       std::unique_ptr<rocksdb::FSWritableFile>* /*file*/,
                                       Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus ReuseWritableFile(const Text& f, const Text& /*old*/, const File& /*options*/,
                                      std::unique_ptr<rocksdb::FSWritableFile>* /*file*/,
                                      Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus NewRandomRWFile(const Text& f, const File& /*options*/,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* /*file*/,
                                    Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus DeleteFile(const Text& f, const Io& /*options*/,
                               Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus Truncate(const Text& f, std::size_t /*size*/, const Io& /*options*/,
                             Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus CreateDir(const Text& f, const Io& /*options*/, Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus CreateDirIfMissing(const Text& f, const Io& /*options*/,
                                       Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus DeleteDir(const Text& f, const Io& /*options*/, Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus RenameFile(const Text& f, const Text& /*to*/, const Io& /*options*/,
                               Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus LinkFile(const Text& f, const Text& /*to*/, const Io& /*options*/,
                             Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus LockFile(const Text& f, const Io& /*options*/, rocksdb::FileLock** /*lock*/,
                             Context* /*context*/) override {
    return Refuse(f);
  }
  rocksdb::IOStatus NewLogger(const Text& f, const Io& /*options*/,
                              std::shared_ptr<rocksdb::Logger>* /*logger*/,
                              Context* /*context*/) override {
    return Refuse(f);
  }

 private:
  static rocksdb::IOStatus Refuse(const Text& f) {
    return rocksdb::IOStatus::NotSupported("a follower changes nothing: " + f);
  }
};

/// A read-only instance: what the folder held when it was opened.
class RocksRows final : public KvReader {
 public:
  static Result<std::unique_ptr<RocksRows>> Open(const std::string& path) {
    std::unique_ptr<RocksRows> rows(new RocksRows(path));
    rocksdb::DBOptions options = MakeDbOptions(nullptr);
    options.create_if_missing = false;
    options.create_missing_column_families = false;
    options.listeners.clear();
    options.env = rows->env_.get();
    options.info_log = std::make_shared<NoLog>();
    rocksdb::DB* db = nullptr;
    const rocksdb::Status s =
        rocksdb::DB::OpenForReadOnly(options, path, MakeFamilies(), &rows->spaces_, &db);
    rows->db_.reset(db);
    QUIPU_TRY(FromRocks(s, "open to follow", path));
    return rows;
  }
  ~RocksRows() override {
    if (db_ == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* space : spaces_)
      static_cast<void>(db_->DestroyColumnFamilyHandle(space));
  }
  RocksRows(const RocksRows&) = delete;
  RocksRows& operator=(const RocksRows&) = delete;

  Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
    return GetRow(db_.get(), Space(space), key, path_);
  }
  Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
    return ScanRows(db_.get(), Space(space), from, visit, path_);
  }
  /// Of the last operation that is in it.
  [[nodiscard]] std::uint64_t sequence() const { return db_->GetLatestSequenceNumber(); }
  /// How the spaces are called in logs.
  [[nodiscard]] std::array<std::uint32_t, kKvSpaces> ids() const {
    std::array<std::uint32_t, kKvSpaces> ids{};
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = spaces_[i]->GetID();
    return ids;
  }

 private:
  explicit RocksRows(std::string path)
      : path_(std::move(path)), env_(rocksdb::NewCompositeEnv(std::make_shared<ReadOnlyFiles>())) {}
  [[nodiscard]] rocksdb::ColumnFamilyHandle* Space(KvSpace space) const {
    return spaces_[static_cast<std::size_t>(space)];
  }

  std::string path_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces_;
};

/// The operations of one write of RocksDB as a KvBatch.
class BatchMaker final : public rocksdb::WriteBatch::Handler {
 public:
  BatchMaker(const std::array<std::uint32_t, kKvSpaces>& ids, KvBatch* batch)
      : ids_(ids), batch_(batch) {}
  rocksdb::Status PutCF(std::uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    const auto space = Find(family);
    if (!space) return rocksdb::Status::Corruption("a write to an unknown family");
    batch_->Put(*space, key.ToString(), value.ToString());
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(std::uint32_t family, const rocksdb::Slice& key) override {
    const auto space = Find(family);
    if (!space) return rocksdb::Status::Corruption("a write to an unknown family");
    batch_->Delete(*space, key.ToString());
    return rocksdb::Status::OK();
  }

 private:
  [[nodiscard]] std::optional<KvSpace> Find(std::uint32_t family) const {
    const auto found = std::find(ids_.begin(), ids_.end(), family);
    if (found == ids_.end()) return std::nullopt;
    return static_cast<KvSpace>(found - ids_.begin());
  }
  const std::array<std::uint32_t, kKvSpaces>& ids_;
  KvBatch* batch_;
};

/// A base from a read-only instance, which is closed once it was read; then the logs, by our own reader. Why not a secondary instance:
/// docs/decisions/0026-follower.md.
class RocksFollower final : public KvFollower {
 public:
  explicit RocksFollower(std::string path) : path_(std::move(path)) {}

  Result<std::unique_ptr<KvReader>> Load() override {
    Status last;
    for (int i = 0; i < kLoadTriesMax; ++i) {
      if (i > 0) std::this_thread::sleep_for(kLoadPause);
      if (!env_->FileExists(path_ + "/CURRENT").ok())
        return Status::NotFound("there is no key-value store in " + path_);
      auto rows = TryLoad();
      if (rows) return std::unique_ptr<KvReader>(*std::move(rows));
      last = rows.error();
    }
    return last;
  }

  Result<Step> Next(KvBatch* write) override {
    std::string record;
    auto step = logs_.Next(&record);
    const std::string place = path_ + ", log " + std::to_string(logs_.log());
    if (!step) return step.error().WithContext("key-value store " + path_);
    if (*step == LogSeries::Step::kLost) return Step::kLost;
    if (*step == LogSeries::Step::kEnd) return Step::kEnd;
    *write = {};
    const rocksdb::WriteBatch batch(std::move(record));
    BatchMaker maker(ids_, write);
    QUIPU_TRY(FromRocks(batch.Iterate(&maker), "reading a write", place));
    return Step::kWrite;
  }

 private:
  Result<std::vector<std::uint64_t>> ListLogs() const {
    std::vector<std::string> names;
    QUIPU_TRY(FromRocks(env_->GetChildren(path_, &names), "list logs", path_));
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : names) {
      if (!name.ends_with(kLogSuffix)) continue;
      std::uint64_t number = 0;
      const char* end = name.data() + name.size() - kLogSuffix.size();
      const auto parsed = std::from_chars(name.data(), end, number);
      if (parsed.ec == std::errc() && parsed.ptr == end) numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

  Result<LogTail::Read> OpenLog(std::uint64_t number) const {
    std::string name = std::to_string(number);
    name = path_ + "/" + std::string(name.size() < 6 ? 6 - name.size() : 0, '0') + name +
           std::string(kLogSuffix);
    std::unique_ptr<rocksdb::RandomAccessFile> opened;
    const rocksdb::Status s =
        env_->NewRandomAccessFile(name, &opened, rocksdb::EnvOptions(rocksdb::DBOptions()));
    if (s.IsPathNotFound() || s.IsNotFound()) return Status::NotFound(name + " is gone");
    QUIPU_TRY(FromRocks(s, "open a log", name));
    const std::shared_ptr<rocksdb::RandomAccessFile> file(std::move(opened));
    return LogTail::Read(
        [name, file](std::uint64_t offset, std::size_t bytes, std::string* out) -> Status {
          out->resize(bytes);
          rocksdb::Slice got;
          const rocksdb::Status status = file->Read(offset, bytes, &got, out->data());
          if (!status.ok()) return FromRocks(status, "read a log", name);
          if (got.data() != out->data()) std::copy_n(got.data(), got.size(), out->data());
          out->resize(got.size());
          return {};
        });
  }

  /// While the instance is opened, the writer may remove what it is about to read. A log is removed only after the tables (and the list of
  /// tables) hold what it held. So if every log that was there before is there afterwards, the instance has found all that it needed, and what
  /// was written since follows without a gap from the last of those logs on.
  Result<std::unique_ptr<RocksRows>> TryLoad() {
    QUIPU_TRY_ASSIGN(const std::vector<std::uint64_t> before, ListLogs());
    QUIPU_TRY_ASSIGN(std::unique_ptr<RocksRows> rows, RocksRows::Open(path_));
    QUIPU_TRY_ASSIGN(const std::vector<std::uint64_t> after, ListLogs());
    const bool all_there = std::includes(after.begin(), after.end(), before.begin(), before.end());
    const Status found =
        all_there ? logs_.Find(rows->sequence() + 1, before.empty() ? 0 : before.back(), after)
                  : Status::IoError("logs were removed meanwhile, try again");
    if (!found.ok()) return found.WithContext("key-value store " + path_ + ": open to follow");
    ids_ = rows->ids();
    return rows;
  }

  std::string path_;
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(std::make_shared<ReadOnlyFiles>());
  LogSeries logs_{{[this] { return ListLogs(); }, [this](std::uint64_t n) { return OpenLog(n); }}};
  std::array<std::uint32_t, kKvSpaces> ids_{};
};

}  // namespace

Result<std::unique_ptr<KvFollower>> FollowRocksKv(const std::string& path) {
  return std::unique_ptr<KvFollower>(new RocksFollower(path));
}

Result<std::unique_ptr<KvStore>> OpenRocksKv(const std::string& path) {
  auto fail_stop = std::make_shared<FailStop>();
  rocksdb::DBOptions options = MakeDbOptions(fail_stop);
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces;
  rocksdb::Status s = rocksdb::DB::Open(options, path, MakeFamilies(), &spaces, &db);
  if (s.IsCorruption()) {
    // A power cut may leave a last record that has its whole length and zeros in it, which the recovery mode takes for damage.
    const Result<bool> is_torn = IsOnlyTailTorn(Vfs::Posix(), path);
    if (is_torn && *is_torn) {
      options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
      s = rocksdb::DB::Open(options, path, MakeFamilies(), &spaces, &db);
    }
  }
  QUIPU_TRY(FromRocks(s, "open", path));
  return std::unique_ptr<KvStore>(
      new RocksKv(path, std::move(fail_stop), std::unique_ptr<rocksdb::DB>(db), std::move(spaces)));
}

Result<std::unique_ptr<KvStore>> OpenDamagedRocksKv(const std::string& path,
                                                    const std::string& scratch,
                                                    std::vector<std::string>* problems) {
  auto opened = OpenReadOnly(path, /*is_damaged=*/false);
  if (opened) return opened;
  problems->emplace_back(opened.error().message());
  opened = OpenReadOnly(path, /*is_damaged=*/true);
  if (opened || scratch.empty()) return opened;
  QUIPU_TRY(Rebuild(path, scratch));
  return OpenRebuilt(scratch);
}

Status RemoveRocksFolder(const std::string& path) {
  rocksdb::Env* const env = rocksdb::Env::Default();
  std::vector<std::string> names;
  QUIPU_TRY(FromRocks(env->GetChildren(path, &names), "list", path));
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    const std::string inside = JoinPath(path, name);
    bool is_folder = false;
    QUIPU_TRY(FromRocks(env->IsDirectory(inside, &is_folder), "look at", inside));
    QUIPU_TRY(is_folder ? RemoveRocksFolder(inside)
                        : FromRocks(env->DeleteFile(inside), "remove", inside));
  }
  return FromRocks(env->DeleteDir(path), "remove folder", path);
}

}  // namespace quipu
