// Vfs: every touch of the file system by our own code, in one narrow interface, so that tests can make it fail, forget and be
// watched. (RocksDB brings its own Env; it lives in the store's kv/ folder and is reached only through KvStore.)
//
// The rules that an implementation and its users keep:
//   (1) A file is written once, front to back, through one WritableFile, synced, and from then on never changed.
//   (2) Creating a file or renaming it is durable only after SyncFolder of its folder.
//   (3) A failed write or sync leaves the file in an unknown state: abandon it, never retry on it.
//   (4) Paths are absolute or relative to the process, '/'-separated; no path is interpreted twice.
//
// Commit order is checked, not hoped for: whoever makes a set of files *live* (the manifest) calls `OnPublish` before and
// `OnRetire` when it drops them. PosixVfs ignores both; OrderCheckingVfs (used by every test) aborts when a published file is not
// synced together with its folder, when a live file is unlinked or renamed, or a synced one is opened for writing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "quipu/status.h"

namespace quipu {

class WritableFile {
 public:
  virtual ~WritableFile() =
      default;  ///< Closes; errors at this point do not matter, Close() reports them.
  virtual Status Append(Bytes data) = 0;
  virtual Status Sync() = 0;  ///< fdatasync
  virtual Status Close() = 0;
};

/// Positional reads; safe from several threads.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Reads exactly out.size() bytes at `offset`; kCorruption if the file ends before, kIoError otherwise.
  virtual Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const = 0;
};

/// Holds a lock until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class Vfs {
 public:
  virtual ~Vfs() = default;
  /// Creates a file that must not exist yet (O_EXCL).
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path) = 0;
  virtual Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) = 0;
  virtual Status Rename(const std::string& from,
                        const std::string& to) = 0;  ///< Refuses to replace: kAlreadyExists.
  virtual Status Unlink(const std::string& path) = 0;
  virtual Status MakeFolder(const std::string& path) = 0;  ///< OK if it exists; parents must exist.
  virtual Status SyncFolder(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> List(
      const std::string& folder) = 0;  ///< Names, sorted, without . and ..
  virtual Result<bool> Exists(const std::string& path) = 0;
  /// What this process may still write to the file system that holds `path`.
  virtual Result<std::uint64_t> FreeBytes(const std::string& path) = 0;
  /// Exclusive, non-blocking, tied to the process: kAlreadyExists with the holder's pid if taken, also within this process.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;

  virtual void OnPublish(const std::vector<std::string>& /*paths*/) {}
  virtual void OnRetire(const std::vector<std::string>& /*paths*/) {}

  static Vfs* Posix();
};

/// Reads a whole file of at most `bytes_max` bytes.
Result<std::string> ReadWholeFile(Vfs& vfs, const std::string& path, std::uint64_t bytes_max);
/// Creates `path` durably: writes path + ".tmp", syncs it, renames it, syncs the folder.
Status WriteFileDurably(Vfs& vfs, const std::string& path, Bytes data);
/// "a/b" + "c" = "a/b/c".
std::string JoinPath(std::string_view folder, std::string_view name);
std::string FolderOf(std::string_view path);

}  // namespace quipu
