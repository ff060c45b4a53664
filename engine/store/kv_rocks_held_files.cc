#include "store/kv_rocks_held_files.h"

#include <string_view>
#include <utility>

namespace quipu {

rocksdb::IOStatus HeldFiles::DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                                        rocksdb::IODebugContext* debug) {
  {
    const std::string_view name = path;
    const std::lock_guard lock(mutex_);
    if (is_holding_ && (name.ends_with(".sst") || name.ends_with(".log"))) {
      held_.push_back(path);
      return rocksdb::IOStatus::OK();
    }
  }
  return FileSystemWrapper::DeleteFile(path, options, debug);
}

rocksdb::IOStatus HeldFiles::NewWritableFile(const std::string& path,
                                             const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                                             rocksdb::IODebugContext* debug) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(held_, path);
  }
  return FileSystemWrapper::NewWritableFile(path, options, file, debug);
}

rocksdb::IOStatus HeldFiles::Release() {
  std::vector<std::string> held;
  {
    const std::lock_guard lock(mutex_);
    is_holding_ = false;
    held = std::move(held_);
  }
  rocksdb::IOStatus first;
  for (const std::string& path : held) {
    rocksdb::IOStatus deleted = FileSystemWrapper::DeleteFile(path, {}, nullptr);
    if (!deleted.ok() && !deleted.IsNotFound() && !deleted.IsPathNotFound() && first.ok())
      first = std::move(deleted);
  }
  return first;
}

}  // namespace quipu
