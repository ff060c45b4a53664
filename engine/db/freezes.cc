// Freezes: to make one is to seal and to write its row, with no other seal between. The store's part is store/freeze.h.
#include "db/database_impl.h"
#include "ingest/sealer.h"
#include "store/erasure.h"

namespace quipu {
namespace {

Result<FreezeInfo> InfoOf(const FreezeRecord& record, const View& view) {
  FreezeInfo info;
  info.name = record.name;
  info.commit = record.seq;
  info.created = record.created_us;
  info.events = record.totals.rows;
  info.events_at_freeze = record.rows_at_freeze;
  info.altered_by_erasure = record.is_erased;
  info.altered_by_retention = record.is_expired;
  info.altered_by_repair = record.is_repaired;
  if (view.erased.empty()) return info;
  // What is hidden and not gone yet.
  for (const SegmentPtr& segment : view.segments) {
    if (segment->meta().spec.seq_last > record.seq) continue;
    QUIPU_TRY_ASSIGN(const std::uint64_t hidden, ErasedRows(*segment, view.erased));
    info.events -= hidden;
    info.altered_by_erasure = info.altered_by_erasure || hidden > 0;
  }
  return info;
}

}  // namespace

Result<FreezeInfo> Database::Impl::Freeze(const std::string& name) {
  QUIPU_TRY(CheckFreezeName(name));
  const std::lock_guard lock(seal_mutex_);
  QUIPU_TRY(SealHotRows(store_.get()));
  QUIPU_TRY_ASSIGN(const FrozenPtr frozen, store_->Freeze(name));
  // Of one moment: an erasure may take rows out of it meanwhile, and what is hidden is counted by the view. (Somebody may have dropped it already.)
  const ViewPtr view = store_->view();
  const FrozenPtr now = FindFreeze(*view->freezes, name);
  return InfoOf((now ? now : frozen)->record, *view);
}

Result<std::vector<FreezeInfo>> Database::Impl::Freezes(const View& view) const {
  std::vector<FreezeInfo> list;
  for (const FrozenPtr& frozen : *view.freezes) {
    QUIPU_TRY_ASSIGN(FreezeInfo info, InfoOf(frozen->record, view));
    list.push_back(std::move(info));
  }
  return list;
}

}  // namespace quipu
