// KvFollower over RocksDB: reads what another process writes, and cannot change anything there (docs/decisions/0026-follower.md).
#include <rocksdb/file_system.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <thread>

#include "base/check.h"
#include "store/kv_log.h"
#include "store/kv_rocks_settings.h"

namespace quipu {
namespace {

/// A follower that opens while the writer removes logs or tables tries so often.
constexpr int kLoadTriesMax = 40;
constexpr std::chrono::milliseconds kLoadPause(25);
constexpr std::string_view kLogSuffix = ".log";

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

}  // namespace quipu
