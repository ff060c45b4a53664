// The real file system. Calls interrupted by a signal are repeated; a failed fsync never is: the kernel may have dropped the pages
// and would report success the second time ("Can Applications Recover from fsync Failures?", Rebello et al., 2020).
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <list>
#include <memory>
#include <mutex>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/vfs.h"

namespace quipu {
namespace {

constexpr std::size_t kReadBytesMax = std::size_t{1} << 30;  // one pread; Linux stops at 2 GiB
// One write. A kernel that is not built to preempt itself gives nobody else the processor until a write ends: 4 MB took up to 12 ms.
constexpr std::size_t kWriteBytesMax = std::size_t{128} << 10;
constexpr std::size_t kReadDescriptorsMax = 512;
constexpr ::mode_t kFileMode = 0644;
constexpr ::mode_t kFolderMode = 0755;

Status Failed(std::string_view what, const std::string& path, int error) {
  std::string message(what);
  message += " " + path + ": ";
  if (error == ENOSPC || error == EDQUOT) {
    message += "disk full: free some space and try again (";
    message += std::generic_category().message(error) + ")";
    return Status::IoError(std::move(message));
  }
  message += std::generic_category().message(error);
  switch (error) {
    case ENOENT:
      return Status::NotFound(std::move(message));
    case EEXIST:
      return Status::AlreadyExists(std::move(message));
    default:
      return Status::IoError(std::move(message));
  }
}

template <class Call>
auto Retried(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  /// 0, or the error. The descriptor is gone either way.
  int Close() { return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR ? 0 : errno; }

 private:
  int fd_;
};

Result<Descriptor> Open(std::string_view what, const std::string& path, int flags) {
  const int fd = Retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); });
  if (fd < 0) return Failed(what, path, errno);
  return Descriptor(fd);
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status Append(Bytes data) override {
    QUIPU_TRY(Usable());
    while (!data.empty()) {
      const std::size_t n = std::min(data.size(), kWriteBytesMax);
      const ssize_t written = Retried([&] { return ::write(fd_.get(), data.data(), n); });
      if (written <= 0) return Abandon("write", written < 0 ? errno : EIO);
      data = data.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }

  Status Sync() override {
    QUIPU_TRY(Usable());
    return ::fdatasync(fd_.get()) == 0 ? Status() : Abandon("sync", errno);
  }

  Status Close() override {
    if (fd_.get() < 0) return Status::IoError("close " + path_ + ": it is closed already");
    const int error = fd_.Close();
    return error == 0 ? Status() : Abandon("close", error);
  }

 private:
  Status Usable() const {
    if (failed_) return Status::IoError(path_ + ": given up after an earlier failed write or sync");
    if (fd_.get() < 0) return Status::IoError(path_ + ": written to after it was closed");
    return {};
  }
  Status Abandon(std::string_view what, int error) {
    failed_ = true;
    return Failed(what, path_, error);
  }

  Descriptor fd_;
  std::string path_;
  bool failed_ = false;
};

/// Descriptors of files open for reading, at most kReadDescriptorsMax: a store of many months has more segments than a process
/// may have files open. The least recently used one is closed; a file is opened again by its path, which is the same file because files
/// never change and their names are never used again.
class ReadDescriptors {
 public:
  using Ptr = std::shared_ptr<const Descriptor>;

  /// Those of the process, which share its limit. Never destroyed: files in static objects may outlive it otherwise.
  static ReadDescriptors& OfProcess() {
    static auto* const descriptors = new ReadDescriptors;
    return *descriptors;
  }

  Result<Ptr> Get(const void* file, const std::string& path) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto it = places_.find(file); it != places_.end()) {
        recent_.splice(recent_.begin(), recent_, it->second);
        return recent_.front().second;
      }
    }
    QUIPU_TRY_ASSIGN(Descriptor fd, Open("open", path, O_RDONLY));
    auto opened = std::make_shared<const Descriptor>(std::move(fd));
    Put(file, opened);
    return opened;
  }
  void Put(const void* file, Ptr descriptor) {
    const std::lock_guard lock(mutex_);
    if (places_.contains(file)) return;  // another thread was faster
    recent_.emplace_front(file, std::move(descriptor));
    places_[file] = recent_.begin();
    if (recent_.size() > kReadDescriptorsMax) {
      places_.erase(recent_.back().first);
      recent_.pop_back();  // closed once the last read on it is done
    }
  }
  void Drop(const void* file) {
    const std::lock_guard lock(mutex_);
    const auto it = places_.find(file);
    if (it == places_.end()) return;
    recent_.erase(it->second);
    places_.erase(it);
  }

 private:
  std::mutex mutex_;
  std::list<std::pair<const void*, Ptr>> recent_;  // most recently used first
  std::unordered_map<const void*, decltype(recent_)::iterator> places_;
};

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(Descriptor fd, std::string path, std::uint64_t size)
      : path_(std::move(path)), size_(size) {
    ReadDescriptors::OfProcess().Put(this, std::make_shared<const Descriptor>(std::move(fd)));
  }
  ~PosixReadableFile() override { ReadDescriptors::OfProcess().Drop(this); }

  [[nodiscard]] std::uint64_t size() const override { return size_; }

  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    if (offset > size_ || out.size() > size_ - offset) return TooShort(offset, out.size());
    QUIPU_TRY_ASSIGN(const ReadDescriptors::Ptr fd, ReadDescriptors::OfProcess().Get(this, path_));
    while (!out.empty()) {
      const std::size_t n = std::min(out.size(), kReadBytesMax);
      const ssize_t got =
          Retried([&] { return ::pread(fd->get(), out.data(), n, static_cast<::off_t>(offset)); });
      if (got < 0) return Failed("read", path_, errno);
      if (got == 0) return TooShort(offset, out.size());
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

 private:
  Status TooShort(std::uint64_t offset, std::size_t n) const {
    return Status::Corruption(path_ + ": ends too early: " + std::to_string(n) +
                              " bytes wanted at offset " + std::to_string(offset) + ", file has " +
                              std::to_string(size_));
  }

  std::string path_;
  std::uint64_t size_;
};

/// flock belongs to the open file, so a second Lock in the same process is refused too, and the kernel frees it when we die.
class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;
};

Status LockTaken(const Descriptor& fd, const std::string& path) {
  std::array<char, 24> text{};
  const ssize_t n = Retried([&] { return ::pread(fd.get(), text.data(), text.size(), 0); });
  long pid = 0;
  if (n > 0) std::from_chars(text.data(), text.data() + n, pid);
  return Status::AlreadyExists(path + ": locked by " +
                               (pid > 0 ? "process " + std::to_string(pid) : "another process") +
                               "; only one may have it open");
}

class PosixVfs final : public Vfs {
 public:
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    QUIPU_TRY_ASSIGN(Descriptor fd, Open("create", path, O_WRONLY | O_CREAT | O_EXCL));
    return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(std::move(fd), path));
  }

  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    QUIPU_TRY_ASSIGN(Descriptor fd, Open("open", path, O_RDONLY));
    struct ::stat info {};
    if (::fstat(fd.get(), &info) != 0) return Failed("open", path, errno);
    if (!S_ISREG(info.st_mode))
      return Failed("open", path, S_ISDIR(info.st_mode) ? EISDIR : EINVAL);
    return std::unique_ptr<ReadableFile>(std::make_unique<PosixReadableFile>(
        std::move(fd), path, static_cast<std::uint64_t>(info.st_size)));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    const std::string what = "rename " + from + " to";
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno != EINVAL && errno != ENOSYS) return Failed(what, to, errno);
    // A file system without RENAME_NOREPLACE: link refuses to replace as well. A crash between the two leaves both names.
    if (::link(from.c_str(), to.c_str()) != 0) return Failed(what, to, errno);
    return ::unlink(from.c_str()) == 0 ? Status() : Failed(what, to, errno);
  }

  Status Unlink(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status() : Failed("unlink", path, errno);
  }

  Status MakeFolder(const std::string& path) override {
    if (::mkdir(path.c_str(), kFolderMode) == 0) return {};
    const int error = errno;
    struct ::stat info {};
    if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    return Failed("make folder", path, error);
  }

  Status SyncFolder(const std::string& path) override {
    QUIPU_TRY_ASSIGN(Descriptor fd, Open("sync folder", path, O_RDONLY | O_DIRECTORY));
    return ::fsync(fd.get()) == 0 ? Status() : Failed("sync folder", path, errno);
  }

  Result<std::vector<std::string>> List(const std::string& folder) override {
    std::unique_ptr<::DIR, int (*)(::DIR*)> dir(::opendir(folder.c_str()), &::closedir);
    if (!dir) return Failed("list", folder, errno);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const ::dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return Failed("list", folder, errno);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::uint64_t> FreeBytes(const std::string& path) override {
    struct ::statvfs at {};
    int result = 0;
    do {
      result = ::statvfs(path.c_str(), &at);
    } while (result != 0 && errno == EINTR);
    if (result != 0) return Failed("free space of", path, errno);
    return std::uint64_t{at.f_bavail} * std::uint64_t{at.f_frsize};
  }

  Result<bool> Exists(const std::string& path) override {
    struct ::stat info {};
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return Failed("look up", path, errno);
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    QUIPU_TRY_ASSIGN(Descriptor fd, Open("lock", path, O_RDWR | O_CREAT));
    if (Retried([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno == EWOULDBLOCK) return LockTaken(fd, path);
      return Failed("lock", path, errno);
    }
    errno = 0;  // a short write sets none
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 ||
        ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      return Failed("lock", path, errno == 0 ? EIO : errno);
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(fd)));
  }
};

}  // namespace

Vfs* Vfs::Posix() {
  static PosixVfs vfs;
  return &vfs;
}

}  // namespace quipu
