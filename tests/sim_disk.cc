#include "tests/sim_disk.h"

#include "base/check.h"

namespace quipu {
namespace {

/// Shares the counter of the file operations.
class FaultKv final : public KvStore {
 public:
  /// `write_under_way` is what a fault may do while it fires: the Write that it hits.
  FaultKv(std::unique_ptr<KvStore> below, FaultVfs* faults, std::function<void()>* write_under_way,
          bool never_syncs)
      : below_(std::move(below)),
        faults_(faults),
        write_under_way_(write_under_way),
        never_syncs_(never_syncs) {}

  Status Write(const KvBatch& batch, bool sync) override {
    sync = sync && !never_syncs_;
    *write_under_way_ = [&] { (void)below_->Write(batch, sync); };
    const bool is_hit = faults_->NextFault(/*read=*/false) >= 0;
    *write_under_way_ = {};
    return is_hit ? Status::IoError("key-value store: injected fault") : below_->Write(batch, sync);
  }
  Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
    QUIPU_TRY(Read());
    return below_->Get(space, key);
  }
  Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
    QUIPU_TRY(Read());
    return below_->Scan(space, from, visit);
  }
  Status Purge() override {
    if (faults_->NextFault(/*read=*/false) >= 0)
      return Status::IoError("key-value store: injected fault");
    return below_->Purge();
  }
  Status ReleaseOldFiles() override { return below_->ReleaseOldFiles(); }
  Status Close() override { return below_->Close(); }

 private:
  [[nodiscard]] Status Read() const {
    if (faults_->NextFault(/*read=*/true) < 0) return {};
    return Status::IoError("key-value store: injected fault");
  }

  std::unique_ptr<KvStore> below_;
  FaultVfs* faults_;
  std::function<void()>* write_under_way_;
  bool never_syncs_;
};

}  // namespace

SimDisk::SimDisk(bool real, const DiskLies& lies)
    : real_(real),
      lies_(lies),
      clock_(ParseTime("2026-12-01")->time_us),
      faults_(real ? Vfs::Posix() : static_cast<Vfs*>(&memory_)) {
  memory_.IgnoreSyncs(lies.no_file_sync, lies.no_folder_sync);
  if (real_) folder_.emplace(FolderInMemory());
}

std::string SimDisk::store_path() const { return (folder_ ? folder_->path() : "") + "/store"; }

StoreEnvironment SimDisk::Environment(std::uint64_t seed) {
  order_ = std::make_unique<OrderCheckingVfs>(&faults_);
  StoreEnvironment environment;
  environment.vfs = order_.get();
  environment.clock = &clock_;
  environment.random_seed = seed;
  environment.open_kv = [this](const std::string& path) -> Result<std::unique_ptr<KvStore>> {
    if (faults_.NextFault(/*read=*/false) >= 0)
      return Status::IoError("key-value store: injected fault");
    auto below = real_ ? OpenRocksKv(path) : kv_.Open();
    if (!below) return below.error();
    return std::unique_ptr<KvStore>(std::make_unique<FaultKv>(
        *std::move(below), &faults_, &write_under_way_, lies_.no_log_sync));
  };
  return environment;
}

void SimDisk::PlanCut(const PowerCutPlan& plan) {
  faults_.OnFire([this, plan] { CutPower(plan); });
  faults_.FailNth(plan.n, FaultVfs::Fault::kError, /*persistent=*/true);
}

void SimDisk::CutNow(const PowerCutPlan& plan) {
  PlanCut({1, plan.survive_percent, plan.chance});
  (void)faults_.NextFault(/*read=*/false);
}

void SimDisk::PlanFault(const DiskFault& fault) {
  faults_.OnFire([this, fault] {
    if (fault.applied && write_under_way_) write_under_way_();
  });
  if (fault.n != 0) faults_.FailNth(fault.n, fault.kind, fault.persistent, fault.reads);
}

void SimDisk::CutPower(const PowerCutPlan& plan) {
  is_cut_ = true;
  Random random(plan.chance);
  if (write_under_way_ && random.Below(2) == 0)
    write_under_way_();  // it arrived, the answer did not
  if (real_) return;
  // First: what the manifest holds from now on, no later file operation may contradict.
  kv_.PowerCut(random);
  memory_.PowerCut(random, plan.survive_percent);
}

void SimDisk::Heal() {
  faults_.Heal();
  is_cut_ = false;
}

void SimDisk::EmptyQuarantine() {
  Vfs* const vfs = real_ ? Vfs::Posix() : static_cast<Vfs*>(&memory_);
  for (const char* name : {"/quarantine", "/archive/quarantine"}) {
    const std::string folder = store_path() + name;
    const auto exists = vfs->Exists(folder);
    if (!exists || !*exists) continue;
    const auto files = vfs->List(folder);
    QUIPU_CHECK(files.has_value());
    for (const std::string& file : *files) QUIPU_CHECK(vfs->Unlink(JoinPath(folder, file)).ok());
  }
}

}  // namespace quipu
