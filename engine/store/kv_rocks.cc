// KvStore over RocksDB. How it is set up: kv_rocks_settings.h.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "base/check.h"
#include "base/vfs.h"
#include "store/kv.h"
#include "store/kv_log.h"
#include "store/kv_rocks_held_files.h"
#include "store/kv_rocks_settings.h"
#include "store/kv_salvage.h"
#include "store/kv_torn_log.h"

namespace quipu {
namespace {

/// Purge deletes a key of so many zero bytes from every family; none is ever put: longer than any of ours.
constexpr std::size_t kTouchKeyBytes = 4096;
/// Deleted blobs below this are not worth the work of getting rid of them at close.
constexpr std::uint64_t kBlobTableBytesMin = 1u << 20;

/// What a database that is written works through.
struct WrittenFiles {
  std::shared_ptr<HeldFiles> held = std::make_shared<HeldFiles>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(held);
};

class RocksKv final : public KvStore {
 public:
  /// `files`: through which `db` works; null if it writes nothing.
  RocksKv(std::string path, std::shared_ptr<FailStop> fail_stop,
          std::unique_ptr<WrittenFiles> files, std::unique_ptr<rocksdb::DB> db,
          std::vector<rocksdb::ColumnFamilyHandle*> spaces)
      : path_(std::move(path)),
        fail_stop_(std::move(fail_stop)),
        files_(std::move(files)),
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

  Status ReleaseOldFiles() override {
    if (files_ == nullptr) return {};
    return FromRocks(files_->held->Release(), "delete old files", path_);
  }

  Status Close() override { return CloseDb(/*flush=*/true); }

 private:
  [[nodiscard]] Status CheckUsable() const {
    if (db_ == nullptr) return Status::Cancelled("key-value store " + path_ + ": is closed");
    return fail_stop_->status(path_);
  }
  /// Ascending. While they are listed none may go away, which 7.8 takes for an I/O error (a compaction that an open has begun deletes an old log meanwhile).
  Result<rocksdb::VectorLogPtr> ListLogs() const {
    QUIPU_TRY(FromRocks(db_->DisableFileDeletions(), "purge: list logs", path_));
    rocksdb::VectorLogPtr logs;
    const rocksdb::Status listed = db_->GetSortedWalFiles(logs);
    QUIPU_TRY(FromRocks(db_->EnableFileDeletions(/*force=*/false), "purge: list logs", path_));
    QUIPU_TRY(FromRocks(listed, "purge: list logs", path_));
    return logs;
  }
  /// Number of the newest log file, 0 if there is none.
  Result<std::uint64_t> LastLogNumber() const {
    QUIPU_TRY_ASSIGN(const rocksdb::VectorLogPtr logs, ListLogs());
    return logs.empty() ? std::uint64_t{0} : logs.back()->LogNumber();
  }
  /// Logs up to this one hold what is purged.
  Status CheckOldLogsGone(std::uint64_t log) const {
    QUIPU_TRY_ASSIGN(const rocksdb::VectorLogPtr logs, ListLogs());
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
  std::unique_ptr<WrittenFiles> files_;  // outlives db_
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces_;
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
  return std::unique_ptr<KvStore>(new RocksKv(path, std::make_shared<FailStop>(), nullptr,
                                              std::unique_ptr<rocksdb::DB>(db), std::move(spaces)));
}

/// Numbers of files from here on are not those of a store.
constexpr std::uint64_t kPlantedNumber = 1'000'000'000;

/// RocksDB's repair knows the families of which it finds tables, and drops what logs say of others. So the folder `to`, which is made here, gets a table of
/// each, under the number that it has in every store. It says only that a key which nobody has is not there.
Status PlantFamilies(const std::string& to) {
  rocksdb::Env* const env = rocksdb::Env::Default();
  {
    QUIPU_TRY_ASSIGN(const auto kv, OpenRocksKv(to));
    KvBatch touch;
    for (int space = 0; space < kKvSpaces; ++space)
      touch.Delete(static_cast<KvSpace>(space), std::string(kTouchKeyBytes, '\0'));
    QUIPU_TRY(kv->Write(touch, /*sync=*/false));
    QUIPU_TRY(kv->Close());
  }
  std::vector<std::string> names;
  QUIPU_TRY(FromRocks(env->GetChildren(to, &names), "list", to));
  std::uint64_t number = kPlantedNumber;
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    const std::string path = JoinPath(to, name);
    const rocksdb::Status s =
        name.ends_with(".sst")
            ? env->RenameFile(path, JoinPath(to, std::to_string(number++) + ".sst"))
            : env->DeleteFile(path);
    QUIPU_TRY(FromRocks(s, "make room", path));
  }
  return {};
}

/// A copy of the folder, whose list of tables and logs is then made anew from what is there.
Status Rebuild(const std::string& from, const std::string& to) {
  rocksdb::Env* const env = rocksdb::Env::Default();
  QUIPU_TRY(PlantFamilies(to));
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

/// For writing: a table of a family that cannot be read may have taken the family along.
Result<std::unique_ptr<KvStore>> OpenRebuilt(const std::string& path) {
  rocksdb::DBOptions options = MakeReadOnlyOptions(/*is_damaged=*/true);
  options.create_missing_column_families = true;
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces;
  const rocksdb::Status s = rocksdb::DB::Open(options, path, MakeFamilies(), &spaces, &db);
  QUIPU_TRY(FromRocks(s, "open the rebuilt copy", path));
  return std::unique_ptr<KvStore>(new RocksKv(path, std::make_shared<FailStop>(), nullptr,
                                              std::unique_ptr<rocksdb::DB>(db), std::move(spaces)));
}

/// Whether the list of files had a last change that nobody was told is durable, and has it no more.
bool CutTornManifest(const std::string& path) {
  const auto torn = FindTornManifest(Vfs::Posix(), path);
  if (!torn || !*torn) return false;
  std::error_code error;
  std::filesystem::resize_file((*torn)->path, (*torn)->whole_bytes, error);
  return !error;
}

}  // namespace

Result<std::unique_ptr<KvStore>> OpenRocksKv(const std::string& path) {
  auto fail_stop = std::make_shared<FailStop>();
  auto files = std::make_unique<WrittenFiles>();
  rocksdb::DBOptions options = MakeDbOptions(fail_stop);
  options.env = files->env.get();
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces;
  rocksdb::Status s = rocksdb::DB::Open(options, path, MakeFamilies(), &spaces, &db);
  if (s.IsCorruption() && CutTornManifest(path))
    s = rocksdb::DB::Open(options, path, MakeFamilies(), &spaces, &db);
  if (s.IsCorruption()) {
    // A power cut may leave a last record that has its whole length and zeros in it, which the recovery mode takes for damage.
    const Result<bool> is_torn = IsOnlyTailTorn(Vfs::Posix(), path);
    if (is_torn && *is_torn) {
      options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
      s = rocksdb::DB::Open(options, path, MakeFamilies(), &spaces, &db);
    }
  }
  QUIPU_TRY(FromRocks(s, "open", path));
  return std::unique_ptr<KvStore>(new RocksKv(path, std::move(fail_stop), std::move(files),
                                              std::unique_ptr<rocksdb::DB>(db), std::move(spaces)));
}

Result<std::unique_ptr<KvStore>> OpenDamagedRocksKv(const std::string& path,
                                                    const std::string& scratch,
                                                    std::vector<std::string>* problems) {
  auto opened = OpenReadOnly(path, /*is_damaged=*/false);
  if (opened) return opened;
  problems->emplace_back(opened.error().message());
  opened = OpenReadOnly(path, /*is_damaged=*/true);
  if (opened || scratch.empty()) return opened;
  return OpenRebuiltRocksKv(path, scratch);
}

Result<std::unique_ptr<KvStore>> OpenRebuiltRocksKv(const std::string& path,
                                                    const std::string& scratch) {
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
