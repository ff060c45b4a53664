// HeldFiles: a file system for RocksDB that keeps what an open would delete until the store has found itself whole.
//
// An open of RocksDB ends, or is soon followed, by the removal of every table and log that its list of files does not name. If the list was cut (a damaged disk), these
// are the only copies of what it has lost: the store then notices what is missing and refuses to open, and a repair would come too late.
//
//     list: table 7                 open: tables 8 and 9 are superfluous    -> held
//     folder: tables 7, 8, 9        commits 16 to 20 are missing: refused   -> they are still there, `quipu repair` makes the list anew
//                                   nothing is missing: Release()           -> they are deleted
//
// What is held when the process ends stays in the folder, and the next open deletes it.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace quipu {

/// Thread-safe.
class HeldFiles final : public rocksdb::FileSystemWrapper {
 public:
  HeldFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  [[nodiscard]] const char* Name() const override { return "HeldFiles"; }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  /// A new file of a held one's name is not held.
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  /// Deletes what is held, and from now on holds nothing. The first failure; what it concerns stays, as after a failed deletion of RocksDB's own.
  rocksdb::IOStatus Release();

 private:
  std::mutex mutex_;
  bool is_holding_ = true;
  std::vector<std::string> held_;  // a handful
};

}  // namespace quipu
