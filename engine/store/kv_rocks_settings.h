// How RocksDB is set up and spoken to: shared by what writes (kv_rocks.cc) and what follows (kv_rocks_follower.cc). Only files called
// engine/store/kv_rocks* include RocksDB.
//
// RocksDB is kept small: it holds the unsealed commits (tens of MB), the catalogue and the manifest. Everything that is large or old
// lives in our own checksummed segments. Each setting has its reason in kv_rocks_settings.cc.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>

#include <atomic>
#include <cstdarg>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/kv.h"

namespace quipu {

inline rocksdb::Slice ToSlice(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view ToView(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

/// What an error of RocksDB is to us; `what` was being done.
Status FromRocks(const rocksdb::Status& s, std::string_view what, const std::string& path);

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

/// Says nothing: RocksDB would write its log into the folder that it only reads.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

/// Settings of a database that is written. `fail_stop` hears of its background errors.
rocksdb::DBOptions MakeDbOptions(const std::shared_ptr<FailStop>& fail_stop);
/// The spaces, in the order of KvSpace.
std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies();

Result<std::optional<std::string>> GetRow(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* space,
                                          std::string_view key, const std::string& path);
Status ScanRows(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* space, std::string_view from,
                const KvReader::Visitor& visit, const std::string& path);

}  // namespace quipu
