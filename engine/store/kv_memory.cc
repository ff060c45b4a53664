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
  bool is_followed = false;     // ever: Writes are kept in `log` from then on
  std::uint64_t log_first = 0;  // number of log[0]
  std::vector<KvBatch> log;     // all Writes since then, or since DropLog

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
    if (is_followed) log.push_back(batch);
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

  Status ReleaseOldFiles() override { return {}; }

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

class MemoryKvFollower final : public KvFollower {
 public:
  using State = MemoryKvDisk::State;
  explicit MemoryKvFollower(std::shared_ptr<State> state) : state_(std::move(state)) {}

  Result<std::unique_ptr<KvReader>> Load() override {
    const std::lock_guard lock(state_->mutex);
    if (state_->current[static_cast<std::size_t>(KvSpace::kMeta)].empty())
      return Status::NotFound("memory key-value store: is empty");
    next_ = state_->log_first + state_->log.size();
    return std::unique_ptr<KvReader>(new Rows(state_->current));
  }

  Result<Step> Next(KvBatch* write) override {
    const std::lock_guard lock(state_->mutex);
    if (!next_ || *next_ < state_->log_first) return Step::kLost;
    const std::uint64_t i = *next_ - state_->log_first;
    if (i >= state_->log.size()) return Step::kEnd;
    *write = state_->log[i];
    ++*next_;
    return Step::kWrite;
  }

 private:
  class Rows final : public KvReader {
   public:
    explicit Rows(State::Spaces rows) : rows_(std::move(rows)) {}
    Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
      const State::Space& map = rows_[static_cast<std::size_t>(space)];
      const auto it = map.find(key);
      if (it == map.end()) return std::optional<std::string>();
      return std::optional<std::string>(it->second);
    }
    Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
      const State::Space& map = rows_[static_cast<std::size_t>(space)];
      bool stop = false;
      for (auto it = map.lower_bound(from); it != map.end() && !stop; ++it)
        QUIPU_TRY(visit(it->first, it->second, &stop));
      return {};
    }

   private:
    State::Spaces rows_;
  };

  std::shared_ptr<State> state_;
  std::optional<std::uint64_t> next_;
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

Result<std::unique_ptr<KvFollower>> MemoryKvDisk::Follow() {
  const std::lock_guard lock(state_->mutex);
  state_->is_followed = true;
  return std::unique_ptr<KvFollower>(new MemoryKvFollower(state_));
}

void MemoryKvDisk::DropLog() {
  const std::lock_guard lock(state_->mutex);
  // One more than there were: a follower that had read all of them is lost, too.
  state_->log_first += state_->log.size() + 1;
  state_->log.clear();
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
