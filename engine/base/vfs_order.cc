#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/vfs_testing.h"

namespace quipu {
namespace {

/// What is known about one file or folder that was made through the checking Vfs.
struct Tracked {
  bool bytes_synced = true;   // false from an append (or creation) to the next sync
  bool entry_synced = false;  // false from a create or rename to the next sync of its folder
  bool failed = false;        // a write or sync failed: nothing may rely on it again
  bool live = false;          // published, not retired
};
using TrackedPtr = std::shared_ptr<Tracked>;

std::string_view WithoutTrailingSlash(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

/// `Shared` is OrderCheckingVfs::State, whose name is private.
template <class Shared>
class OrderWritableFile final : public WritableFile {
 public:
  OrderWritableFile(std::shared_ptr<Shared> state, std::unique_ptr<WritableFile> below,
                    TrackedPtr file)
      : state_(std::move(state)), below_(std::move(below)), file_(std::move(file)) {}

  Status Append(Bytes data) override {
    {
      std::lock_guard lock(state_->mutex);
      QUIPU_CHECK(!file_->live && "a published file is written to");
      QUIPU_CHECK(!file_->failed && "a file is written to after a failed write or sync");
      file_->bytes_synced = false;
    }
    return Noted(below_->Append(data));
  }
  Status Sync() override {
    {
      std::lock_guard lock(state_->mutex);
      QUIPU_CHECK(!file_->failed && "a file is synced again after a failed write or sync");
    }
    Status status = Noted(below_->Sync());
    if (status.ok()) {
      std::lock_guard lock(state_->mutex);
      file_->bytes_synced = true;
    }
    return status;
  }
  Status Close() override { return Noted(below_->Close()); }

 private:
  Status Noted(Status status) {
    if (!status.ok()) {
      std::lock_guard lock(state_->mutex);
      file_->failed = true;
    }
    return status;
  }

  std::shared_ptr<Shared> state_;
  std::unique_ptr<WritableFile> below_;
  TrackedPtr file_;
};

}  // namespace

struct OrderCheckingVfs::State {
  std::mutex mutex;
  std::map<std::string, TrackedPtr, std::less<>> known;
  std::set<std::string, std::less<>> gone;  // unlinked or renamed away, and not made again

  Tracked* Find(std::string_view path) const {
    auto it = known.find(WithoutTrailingSlash(path));
    return it == known.end() ? nullptr : it->second.get();
  }
  TrackedPtr Make(std::string_view path) {
    const std::string key(WithoutTrailingSlash(path));
    gone.erase(key);
    return known[key] = std::make_shared<Tracked>();
  }
  void Remove(std::string_view path) {
    const std::string key(WithoutTrailingSlash(path));
    known.erase(key);
    gone.insert(key);
  }
  bool IsLive(std::string_view path) const {
    const Tracked* tracked = Find(path);
    return tracked != nullptr && tracked->live;
  }
  /// After a rename of a folder: what is known about its contents goes along.
  void MoveContents(const std::string& from, const std::string& to) {
    std::map<std::string, TrackedPtr, std::less<>> moved;
    const std::string prefix = from + "/";
    for (auto it = known.lower_bound(prefix);
         it != known.end() && it->first.compare(0, prefix.size(), prefix) == 0;
         it = known.erase(it)) {
      QUIPU_CHECK(!it->second->live && "the folder of a published file is renamed");
      moved[to + it->first.substr(from.size())] = it->second;
    }
    known.merge(moved);
  }
};

OrderCheckingVfs::OrderCheckingVfs(Vfs* below) : below_(below), state_(std::make_shared<State>()) {}
OrderCheckingVfs::~OrderCheckingVfs() = default;

Result<std::unique_ptr<WritableFile>> OrderCheckingVfs::Create(const std::string& path) {
  {
    std::lock_guard lock(state_->mutex);
    QUIPU_CHECK(!state_->IsLive(path) && "a published file is opened for writing");
  }
  QUIPU_TRY_ASSIGN(std::unique_ptr<WritableFile> file, below_->Create(path));
  std::lock_guard lock(state_->mutex);
  TrackedPtr tracked = state_->Make(path);
  tracked->bytes_synced = false;
  return std::unique_ptr<WritableFile>(
      std::make_unique<OrderWritableFile<State>>(state_, std::move(file), std::move(tracked)));
}

Result<std::unique_ptr<ReadableFile>> OrderCheckingVfs::OpenForRead(const std::string& path) {
  return below_->OpenForRead(path);
}

Status OrderCheckingVfs::Rename(const std::string& from, const std::string& to) {
  {
    std::lock_guard lock(state_->mutex);
    QUIPU_CHECK(!state_->IsLive(from) && "a published file is renamed");
    QUIPU_CHECK(!state_->IsLive(to) && "a published file is renamed over");
  }
  QUIPU_TRY(below_->Rename(from, to));
  std::lock_guard lock(state_->mutex);
  const std::string old_key(WithoutTrailingSlash(from)), new_key(WithoutTrailingSlash(to));
  auto it = state_->known.find(old_key);
  TrackedPtr tracked = it == state_->known.end() ? std::make_shared<Tracked>() : it->second;
  tracked->entry_synced = false;
  state_->Remove(old_key);
  state_->gone.erase(new_key);
  state_->known[new_key] = std::move(tracked);
  state_->MoveContents(old_key, new_key);
  return {};
}

Status OrderCheckingVfs::Unlink(const std::string& path) {
  {
    std::lock_guard lock(state_->mutex);
    QUIPU_CHECK(!state_->IsLive(path) && "a published file is unlinked");
  }
  QUIPU_TRY(below_->Unlink(path));
  std::lock_guard lock(state_->mutex);
  state_->Remove(path);
  return {};
}

Status OrderCheckingVfs::MakeFolder(const std::string& path) {
  const Result<bool> existed = below_->Exists(path);
  QUIPU_TRY(below_->MakeFolder(path));
  if (existed && !*existed) {
    std::lock_guard lock(state_->mutex);
    state_->Make(path);
  }
  return {};
}

Status OrderCheckingVfs::SyncFolder(const std::string& path) {
  // Only what is there before the call is synced by it; another thread may add names meanwhile.
  std::vector<TrackedPtr> entries;
  {
    std::lock_guard lock(state_->mutex);
    const std::string_view folder = WithoutTrailingSlash(path);
    for (const auto& [name, tracked] : state_->known) {
      if (!tracked->entry_synced && FolderOf(name) == folder) entries.push_back(tracked);
    }
  }
  QUIPU_TRY(below_->SyncFolder(path));
  std::lock_guard lock(state_->mutex);
  for (const TrackedPtr& tracked : entries) tracked->entry_synced = true;
  return {};
}

Result<std::vector<std::string>> OrderCheckingVfs::List(const std::string& folder) {
  return below_->List(folder);
}

Result<std::uint64_t> OrderCheckingVfs::FreeBytes(const std::string& path) {
  return below_->FreeBytes(path);
}

Result<bool> OrderCheckingVfs::Exists(const std::string& path) { return below_->Exists(path); }

Result<std::unique_ptr<FileLock>> OrderCheckingVfs::Lock(const std::string& path) {
  return below_->Lock(path);
}

void OrderCheckingVfs::OnPublish(const std::vector<std::string>& paths) {
  {
    std::lock_guard lock(state_->mutex);
    for (const std::string& path : paths) {
      QUIPU_CHECK(state_->gone.count(WithoutTrailingSlash(path)) == 0 &&
                  "a file is published that was unlinked or renamed away");
      if (Tracked* file = state_->Find(path)) {
        QUIPU_CHECK(!file->failed && "a file is published after a failed write or sync");
        QUIPU_CHECK(file->bytes_synced && "a file is published before it is synced");
        QUIPU_CHECK(file->entry_synced && "a file is published before its folder is synced");
        file->live = true;
      } else {  // was there before this Vfs
        Tracked* older = state_->Make(path).get();
        older->entry_synced = true;
        older->live = true;
      }
      for (std::string folder = FolderOf(path); folder != "." && folder != "/";
           folder = FolderOf(folder)) {
        const Tracked* made = state_->Find(folder);
        QUIPU_CHECK((made == nullptr || made->entry_synced) &&
                    "a file is published in a folder whose own name is not synced");
      }
    }
  }
  below_->OnPublish(paths);
}

void OrderCheckingVfs::OnRetire(const std::vector<std::string>& paths) {
  {
    std::lock_guard lock(state_->mutex);
    for (const std::string& path : paths) {
      if (Tracked* file = state_->Find(path)) file->live = false;
    }
  }
  below_->OnRetire(paths);
}

}  // namespace quipu
