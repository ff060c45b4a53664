// MemoryVfs: a tree of nodes in which every folder keeps two maps, what a process sees and what is on the medium, and every file
// remembers how many of its bytes are on the medium. What changes names (create, rename, unlink) waits in `pending` until a
// SyncFolder; a power cut lets each waiting change happen or not, a rename as a whole.
#include <algorithm>
#include <deque>

#include "base/check.h"
#include "base/vfs_testing.h"

namespace quipu {
namespace {

constexpr std::size_t kSectorBytes = 512;

struct Node {
  bool is_folder = false;
  std::string data;                                  // files
  std::size_t synced = 0;                            // files: this prefix of data is durable
  std::map<std::string, std::shared_ptr<Node>> now;  // folders: what a process sees
  std::map<std::string, std::shared_ptr<Node>>
      durable;  // folders: what a power cut leaves for sure
};
using NodePtr = std::shared_ptr<Node>;

/// One change of names that is not durable yet: `node` appears as to/to_name, or disappears from from/from_name, or both.
struct Change {
  NodePtr node, from, to;
  std::string from_name, to_name;

  void Apply() const {
    if (from) {
      auto it = from->durable.find(from_name);
      if (it != from->durable.end() && it->second == node) from->durable.erase(it);
    }
    if (to) to->durable[to_name] = node;
  }
};

std::vector<std::string_view> SplitPath(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.push_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

/// What is left of an unsynced file: each sector after the synced prefix arrived, did not, or did in part.
std::string SurvivingBytes(const Node& file, Random& random, int percent) {
  const bool by_chance = percent > 0 && percent < 100;
  std::string kept = file.data.substr(0, file.synced);
  for (std::size_t at = file.synced; at < file.data.size();) {
    const std::size_t end = std::min(file.data.size(), (at / kSectorBytes + 1) * kSectorBytes);
    std::size_t arrived = 0;
    if (random.Below(100) < static_cast<std::uint64_t>(percent)) {
      arrived = end - at;
    } else if (by_chance && random.Below(8) == 0) {
      arrived = random.Below(end - at);
    }
    if (arrived > 0) {
      kept.resize(at, '\0');  // sectors lost before it read as zeros
      kept.append(file.data, at, arrived);
    }
    at = end;
  }
  if (by_chance && kept.size() < file.data.size() && random.Below(4) == 0) {
    const std::size_t longer = file.data.size() - kept.size();
    const bool zeros = random.Below(2) == 0;
    for (std::size_t n = 1 + random.Below(longer); n > 0; --n)
      kept.push_back(zeros ? '\0' : static_cast<char>(random.Next()));
  }
  return kept;
}

/// The tree that a restart finds, made of new nodes.
NodePtr Survivor(const NodePtr& old, Random& random, int percent,
                 std::map<const Node*, NodePtr>* done) {
  NodePtr& copy = (*done)[old.get()];  // a file may survive under two names
  if (copy) return copy;
  copy = std::make_shared<Node>();
  const NodePtr made = copy;
  made->is_folder = old->is_folder;
  made->data = SurvivingBytes(*old, random, percent);
  made->synced = made->data.size();
  for (const auto& [name, child] : old->durable) {
    made->durable[name] = Survivor(child, random, percent, done);
  }
  made->now = made->durable;
  return made;
}

}  // namespace

struct MemoryVfs::State {
  std::mutex mutex;
  NodePtr root = std::make_shared<Node>();
  std::deque<Change> pending;
  std::map<const Node*, std::weak_ptr<FileLock>> locks;
  bool ignores_file_syncs = false, ignores_folder_syncs = false;

  NodePtr Find(const std::string& path) const {
    NodePtr node = root;
    for (std::string_view part : SplitPath(path)) {
      auto it = node->now.find(std::string(part));
      if (it == node->now.end()) return nullptr;
      node = it->second;
    }
    return node;
  }
  /// The folder of `path`, and the last part of the path in `name`; null if there is no such folder.
  NodePtr FindParent(const std::string& path, std::string* name) const {
    const auto parts = SplitPath(path);
    if (parts.empty()) return nullptr;
    *name = std::string(parts.back());
    NodePtr node = root;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      auto it = node->now.find(std::string(parts[i]));
      if (it == node->now.end()) return nullptr;
      node = it->second;
    }
    return node->is_folder ? node : nullptr;
  }
  /// A new node at `path`.
  Result<NodePtr> Make(const std::string& path, bool is_folder) {
    std::string name;
    const NodePtr folder = FindParent(path, &name);
    if (!folder) return Status::NotFound("create " + path + ": no such folder");
    if (folder->now.count(name) != 0) {
      return Status::AlreadyExists("create " + path + ": it exists already");
    }
    NodePtr node = std::make_shared<Node>();
    node->is_folder = is_folder;
    folder->now[name] = node;
    pending.push_back({node, nullptr, folder, {}, name});
    return node;
  }
};

namespace {

Status Missing(std::string_view what, const std::string& path) {
  return Status::NotFound(std::string(what) + " " + path + ": no such file or folder");
}

/// `Shared` is MemoryVfs::State, whose name is private.
template <class Shared>
class MemoryWritableFile final : public WritableFile {
 public:
  MemoryWritableFile(std::shared_ptr<Shared> state, NodePtr node, std::string path)
      : state_(std::move(state)), node_(std::move(node)), path_(std::move(path)) {}
  Status Append(Bytes data) override {
    if (closed_) return Closed();
    std::lock_guard lock(state_->mutex);
    node_->data.append(AsText(data));
    return {};
  }
  Status Sync() override {
    if (closed_) return Closed();
    std::lock_guard lock(state_->mutex);
    if (!state_->ignores_file_syncs) node_->synced = node_->data.size();
    return {};
  }
  Status Close() override {
    if (closed_) return Closed();
    closed_ = true;
    return {};
  }

 private:
  Status Closed() const { return Status::IoError(path_ + ": used after it was closed"); }

  std::shared_ptr<Shared> state_;
  NodePtr node_;
  std::string path_;
  bool closed_ = false;
};

template <class Shared>
class MemoryReadableFile final : public ReadableFile {
 public:
  MemoryReadableFile(std::shared_ptr<Shared> state, NodePtr node, std::string path)
      : state_(std::move(state)),
        node_(std::move(node)),
        path_(std::move(path)),
        size_(node_->data.size()) {}
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    std::lock_guard lock(state_->mutex);
    const std::uint64_t have = std::min<std::uint64_t>(size_, node_->data.size());
    if (offset > have || out.size() > have - offset) {
      return Status::Corruption(path_ + ": ends too early: " + std::to_string(out.size()) +
                                " bytes wanted at offset " + std::to_string(offset) +
                                ", file has " + std::to_string(have));
    }
    std::copy_n(node_->data.data() + offset, out.size(), out.data());
    return {};
  }

 private:
  std::shared_ptr<Shared> state_;
  NodePtr node_;
  std::string path_;
  std::uint64_t size_;
};

class MemoryLock final : public FileLock {};

/// Keeps the token alive that `State::locks` watches.
class MemoryLockHolder final : public FileLock {
 public:
  explicit MemoryLockHolder(std::shared_ptr<FileLock> token) : token_(std::move(token)) {}

 private:
  std::shared_ptr<FileLock> token_;
};

}  // namespace

MemoryVfs::MemoryVfs() : state_(std::make_shared<State>()) { state_->root->is_folder = true; }
MemoryVfs::~MemoryVfs() = default;

Result<std::unique_ptr<WritableFile>> MemoryVfs::Create(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  QUIPU_TRY_ASSIGN(NodePtr node, state_->Make(path, false));
  return std::unique_ptr<WritableFile>(
      std::make_unique<MemoryWritableFile<State>>(state_, std::move(node), path));
}

Result<std::unique_ptr<ReadableFile>> MemoryVfs::OpenForRead(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  NodePtr node = state_->Find(path);
  if (!node) return Missing("open", path);
  if (node->is_folder) return Status::IoError("open " + path + ": is a folder");
  return std::unique_ptr<ReadableFile>(
      std::make_unique<MemoryReadableFile<State>>(state_, std::move(node), path));
}

Status MemoryVfs::Rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(state_->mutex);
  std::string from_name, to_name;
  const NodePtr from_folder = state_->FindParent(from, &from_name);
  const NodePtr to_folder = state_->FindParent(to, &to_name);
  const NodePtr node = state_->Find(from);
  if (!node || !from_folder || !to_folder) return Missing("rename " + from + " to", to);
  if (to_folder->now.count(to_name) != 0) {
    return Status::AlreadyExists("rename " + from + " to " + to + ": it exists already");
  }
  from_folder->now.erase(from_name);
  to_folder->now[to_name] = node;
  state_->pending.push_back({node, from_folder, to_folder, from_name, to_name});
  return {};
}

Status MemoryVfs::Unlink(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  std::string name;
  const NodePtr folder = state_->FindParent(path, &name);
  const NodePtr node = state_->Find(path);
  if (!node || !folder) return Missing("unlink", path);
  if (node->is_folder) return Status::IoError("unlink " + path + ": is a folder");
  folder->now.erase(name);
  state_->pending.push_back({node, folder, nullptr, name, {}});
  return {};
}

Status MemoryVfs::MakeFolder(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->Find(path);
  if (node && node->is_folder) return {};
  return state_->Make(path, true).error();
}

Status MemoryVfs::SyncFolder(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  const NodePtr folder = state_->Find(path);
  if (!folder) return Missing("sync folder", path);
  if (!folder->is_folder) return Status::IoError("sync folder " + path + ": not a folder");
  if (state_->ignores_folder_syncs) return {};
  std::deque<Change> rest;
  for (Change& change : state_->pending) {
    if (change.from == folder || change.to == folder) {
      change.Apply();
    } else {
      rest.push_back(std::move(change));
    }
  }
  state_->pending = std::move(rest);
  return {};
}

Result<std::vector<std::string>> MemoryVfs::List(const std::string& folder) {
  std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->Find(folder);
  if (!node) return Missing("list", folder);
  if (!node->is_folder) return Status::IoError("list " + folder + ": not a folder");
  std::vector<std::string> names;
  for (const auto& [name, child] : node->now) names.push_back(name);
  return names;
}

Result<std::uint64_t> MemoryVfs::FreeBytes(const std::string& /*path*/) {
  return std::uint64_t{1} << 62;  // FaultVfs makes it less
}

Result<bool> MemoryVfs::Exists(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  return state_->Find(path) != nullptr;
}

Result<std::unique_ptr<FileLock>> MemoryVfs::Lock(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  NodePtr node = state_->Find(path);
  if (!node) {
    QUIPU_TRY_ASSIGN(node, state_->Make(path, false));
  }
  std::weak_ptr<FileLock>& held = state_->locks[node.get()];
  if (!held.expired()) {
    return Status::AlreadyExists(path + ": locked by this process; only one may have it open");
  }
  auto token = std::make_shared<MemoryLock>();
  held = token;
  return std::unique_ptr<FileLock>(std::make_unique<MemoryLockHolder>(std::move(token)));
}

void MemoryVfs::PowerCut(Random& random, int survive_percent) {
  std::lock_guard lock(state_->mutex);
  for (const Change& change : state_->pending) {
    if (random.Below(100) < static_cast<std::uint64_t>(survive_percent)) change.Apply();
  }
  std::map<const Node*, NodePtr> done;
  // Open handles keep the old nodes and with them a world that nobody else sees any more.
  state_->root = Survivor(state_->root, random, survive_percent, &done);
  state_->pending.clear();
  state_->locks.clear();
}

void MemoryVfs::IgnoreSyncs(bool files, bool folders) {
  std::lock_guard lock(state_->mutex);
  state_->ignores_file_syncs = files;
  state_->ignores_folder_syncs = folders;
}

Status MemoryVfs::FlipBit(const std::string& path, std::uint64_t byte, int bit) {
  QUIPU_CHECK(bit >= 0 && bit < 8);
  std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->Find(path);
  if (!node || node->is_folder) return Missing("flip a bit of", path);
  if (byte >= node->data.size()) {
    return Status::OutOfRange("flip a bit of " + path + ": it has no byte " + std::to_string(byte));
  }
  char& target = node->data[static_cast<std::size_t>(byte)];
  target = static_cast<char>(static_cast<unsigned char>(target) ^ (1u << bit));
  return {};
}

Status MemoryVfs::Truncate(const std::string& path, std::uint64_t size) {
  std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->Find(path);
  if (!node || node->is_folder) return Missing("truncate", path);
  if (size > node->data.size()) {
    return Status::OutOfRange("truncate " + path + ": it is shorter than " + std::to_string(size));
  }
  node->data.resize(static_cast<std::size_t>(size));
  node->synced = std::min(node->synced, node->data.size());
  return {};
}

}  // namespace quipu
