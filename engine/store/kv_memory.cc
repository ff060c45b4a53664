// KvStore in memory: a durable map, and the list of Writes that a power cut may still take back.
#include <array>
#include <map>
#include <mutex>

#include "base/check.h"
#include "store/kv.h"

namespace quipu {

struct MemoryKvDisk::State {
  using Space = std::map<std::string, std::string, std::less<>>;
  using Spaces = std::array<Space, kKvSpaces>;

  std::mutex mutex;
  Spaces durable;
  Spaces current;                 // durable + all of unsynced
  std::vector<KvBatch> unsynced;  // in order
  std::uint64_t generation = 0;   // stores opened under an older one have lost power
  bool open = false;
  std::uint64_t fail_in = 0;  // 0 = never, 1 = the next Write
  bool fail_applied = false;

  static void Apply(const KvBatch& batch, Spaces* spaces) {
    for (const KvBatch::Op& op : batch.ops()) {
      Space& space = (*spaces)[static_cast<std::size_t>(op.space)];
      if (op.is_delete) {
        space.erase(op.key);
      } else {
        space[op.key] = op.value;
      }
    }
  }
  void Write(const KvBatch& batch, bool sync) {
    Apply(batch, &current);
    unsynced.push_back(batch);
    if (!sync) return;
    for (const KvBatch& earlier : unsynced) Apply(earlier, &durable);
    unsynced.clear();
  }
};

namespace {

class MemoryKv final : public KvStore {
 public:
  using State = MemoryKvDisk::State;
  MemoryKv(std::shared_ptr<State> state, std::uint64_t generation)
      : state_(std::move(state)), generation_(generation) {}
  ~MemoryKv() override { static_cast<void>(Close()); }

  Status Write(const KvBatch& batch, bool sync) override {
    const std::lock_guard lock(state_->mutex);
    QUIPU_TRY(CheckUsable());
    if (state_->fail_in != 0 && --state_->fail_in == 0) {
      if (state_->fail_applied) state_->Write(batch, sync);
      return Status::IoError("memory key-value store: write failed on command");
    }
    state_->Write(batch, sync);
    return {};
  }

  Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
    const std::lock_guard lock(state_->mutex);
    QUIPU_TRY(CheckUsable());
    const State::Space& map = state_->current[static_cast<std::size_t>(space)];
    const auto it = map.find(key);
    if (it == map.end()) return std::optional<std::string>();
    return std::optional<std::string>(it->second);
  }

  Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
    State::Space copy;  // as of now, like an iterator of RocksDB; and the visitor may call us
    {
      const std::lock_guard lock(state_->mutex);
      QUIPU_TRY(CheckUsable());
      const State::Space& map = state_->current[static_cast<std::size_t>(space)];
      copy.insert(map.lower_bound(from), map.end());
    }
    bool stop = false;
    for (auto it = copy.begin(); it != copy.end() && !stop; ++it) {
      QUIPU_TRY(visit(it->first, it->second, &stop));
    }
    return {};
  }

  /// There are no old versions here: only unsynced Writes must become durable, so that no power cut brings back what they replaced.
  Status Purge() override {
    const std::lock_guard lock(state_->mutex);
    QUIPU_TRY(CheckUsable());
    state_->Write({}, /*sync=*/true);
    return {};
  }

  Status Close() override {
    const std::lock_guard lock(state_->mutex);
    if (closed_) return {};
    closed_ = true;
    if (generation_ == state_->generation) state_->open = false;
    return {};
  }

 private:
  [[nodiscard]] Status CheckUsable() const {
    if (closed_) return Status::Cancelled("memory key-value store: is closed");
    if (generation_ != state_->generation) {
      return Status::IoError("memory key-value store: power was cut");
    }
    return {};
  }
  std::shared_ptr<State> state_;
  std::uint64_t generation_;
  bool closed_ = false;
};

}  // namespace

MemoryKvDisk::MemoryKvDisk() : state_(std::make_shared<State>()) {}
MemoryKvDisk::~MemoryKvDisk() = default;

Result<std::unique_ptr<KvStore>> MemoryKvDisk::Open() {
  const std::lock_guard lock(state_->mutex);
  if (state_->open) return Status::AlreadyExists("memory key-value store: is open already");
  state_->open = true;
  return std::unique_ptr<KvStore>(new MemoryKv(state_, state_->generation));
}

void MemoryKvDisk::PowerCut(Random& random) {
  const std::lock_guard lock(state_->mutex);
  ++state_->generation;
  state_->open = false;
  const std::uint64_t kept = random.Below(state_->unsynced.size() + 1);
  for (std::uint64_t i = 0; i < kept; ++i) State::Apply(state_->unsynced[i], &state_->durable);
  state_->unsynced.clear();
  state_->current = state_->durable;
}

void MemoryKvDisk::FailNthWrite(std::uint64_t n, bool applied) {
  const std::lock_guard lock(state_->mutex);
  state_->fail_in = n;
  state_->fail_applied = applied;
}

}  // namespace quipu
