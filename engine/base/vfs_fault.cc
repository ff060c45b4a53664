#include <algorithm>

#include "base/check.h"
#include "base/vfs_testing.h"

namespace quipu {
namespace {

constexpr int kNone = -1;

Status Injected(int fault, const std::string& what) {
  if (static_cast<FaultVfs::Fault>(fault) == FaultVfs::Fault::kNoSpace) {
    return Status::IoError(what + ": disk full (injected fault)");
  }
  return Status::IoError(what + ": injected fault");
}

class FaultWritableFile final : public WritableFile {
 public:
  FaultWritableFile(FaultVfs* vfs, std::unique_ptr<WritableFile> below, std::string path)
      : vfs_(vfs), below_(std::move(below)), path_(std::move(path)) {}

  Status Append(Bytes data) override {
    const int fault = vfs_->NextFault(false);
    if (fault == kNone && !vfs_->Take(data.size()))
      return Injected(static_cast<int>(FaultVfs::Fault::kNoSpace), "write " + path_);
    if (fault == kNone) return below_->Append(data);
    if (static_cast<FaultVfs::Fault>(fault) == FaultVfs::Fault::kTornWrite) {
      QUIPU_TRY(below_->Append(data.first(data.size() / 2)));
    }
    return Injected(fault, "write " + path_);
  }
  Status Sync() override {
    const int fault = vfs_->NextFault(false);
    return fault == kNone ? below_->Sync() : Injected(fault, "sync " + path_);
  }
  Status Close() override {
    const int fault = vfs_->NextFault(false);
    Status status = below_->Close();  // a failed close closes all the same
    return fault == kNone ? status : Injected(fault, "close " + path_);
  }

 private:
  FaultVfs* vfs_;
  std::unique_ptr<WritableFile> below_;
  std::string path_;
};

class FaultReadableFile final : public ReadableFile {
 public:
  FaultReadableFile(FaultVfs* vfs, std::unique_ptr<ReadableFile> below, std::string path)
      : vfs_(vfs), below_(std::move(below)), path_(std::move(path)) {}
  [[nodiscard]] std::uint64_t size() const override { return below_->size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    const int fault = vfs_->NextFault(true);
    return fault == kNone ? below_->ReadAt(offset, out) : Injected(fault, "read " + path_);
  }

 private:
  FaultVfs* vfs_;
  std::unique_ptr<ReadableFile> below_;
  std::string path_;
};

}  // namespace

void FaultVfs::FailNth(std::uint64_t n, Fault fault, bool persistent, bool reads) {
  QUIPU_CHECK(n > 0);
  fault_ = fault;
  persistent_ = persistent;
  reads_ = reads;
  fired_ = false;
  calls_ = 0;
  fail_at_ = n;
}

void FaultVfs::Heal() { fail_at_ = 0; }

int FaultVfs::NextFault(bool read) {
  if (read && !reads_) return kNone;
  const std::uint64_t call = ++calls_;
  const std::uint64_t at = fail_at_;
  if (at == 0 || call < at || (call > at && !persistent_)) return kNone;
  if (!fired_.exchange(true) && on_fire_) on_fire_();
  return static_cast<int>(fault_.load());
}

Result<std::unique_ptr<WritableFile>> FaultVfs::Create(const std::string& path) {
  if (int fault = NextFault(false); fault != kNone) return Injected(fault, "create " + path);
  QUIPU_TRY_ASSIGN(std::unique_ptr<WritableFile> file, below_->Create(path));
  return std::unique_ptr<WritableFile>(
      std::make_unique<FaultWritableFile>(this, std::move(file), path));
}

Result<std::unique_ptr<ReadableFile>> FaultVfs::OpenForRead(const std::string& path) {
  if (int fault = NextFault(true); fault != kNone) return Injected(fault, "open " + path);
  QUIPU_TRY_ASSIGN(std::unique_ptr<ReadableFile> file, below_->OpenForRead(path));
  return std::unique_ptr<ReadableFile>(
      std::make_unique<FaultReadableFile>(this, std::move(file), path));
}

Status FaultVfs::Rename(const std::string& from, const std::string& to) {
  const int fault = NextFault(false);
  return fault == kNone ? below_->Rename(from, to)
                        : Injected(fault, "rename " + from + " to " + to);
}

Status FaultVfs::Unlink(const std::string& path) {
  const int fault = NextFault(false);
  return fault == kNone ? below_->Unlink(path) : Injected(fault, "unlink " + path);
}

Status FaultVfs::MakeFolder(const std::string& path) {
  const int fault = NextFault(false);
  return fault == kNone ? below_->MakeFolder(path) : Injected(fault, "make folder " + path);
}

Status FaultVfs::SyncFolder(const std::string& path) {
  const int fault = NextFault(false);
  return fault == kNone ? below_->SyncFolder(path) : Injected(fault, "sync folder " + path);
}

Result<std::vector<std::string>> FaultVfs::List(const std::string& folder) {
  if (int fault = NextFault(true); fault != kNone) return Injected(fault, "list " + folder);
  return below_->List(folder);
}

Result<std::uint64_t> FaultVfs::FreeBytes(const std::string& path) {
  if (const std::int64_t room = free_bytes_; room != kEndless)
    return static_cast<std::uint64_t>(std::max<std::int64_t>(room, 0));
  return below_->FreeBytes(path);
}

void FaultVfs::SetFreeBytes(std::uint64_t bytes) { free_bytes_ = static_cast<std::int64_t>(bytes); }

void FaultVfs::SetEndless() { free_bytes_ = kEndless; }

bool FaultVfs::Take(std::uint64_t bytes) {
  std::int64_t room = free_bytes_;
  do {
    if (room == kEndless) return true;
    if (room < static_cast<std::int64_t>(bytes)) return false;
  } while (!free_bytes_.compare_exchange_weak(room, room - static_cast<std::int64_t>(bytes)));
  return true;
}

Result<bool> FaultVfs::Exists(const std::string& path) {
  if (int fault = NextFault(true); fault != kNone) return Injected(fault, "look up " + path);
  return below_->Exists(path);
}

Result<std::unique_ptr<FileLock>> FaultVfs::Lock(const std::string& path) {
  if (int fault = NextFault(false); fault != kNone) return Injected(fault, "lock " + path);
  return below_->Lock(path);
}

}  // namespace quipu
