// The store's part in freezes: their rows, and that no segment ever lies across one. See freeze.h.
#include <algorithm>

#include "base/check.h"
#include "store/manifest.h"
#include "store/store.h"
#include "store/view_as_of.h"

namespace quipu {

Status Store::LoadFreezes(const KvReader& kv, View* view) {
  FreezeList freezes;
  QUIPU_TRY(kv.Scan(KvSpace::kMeta, kFreezeKeyPrefix,
                    [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                      if (!key.starts_with(kFreezeKeyPrefix)) {
                        *stop = true;
                        return {};
                      }
                      QUIPU_TRY_ASSIGN(FreezeRecord record, DecodeFreeze(key, value));
                      if (record.seq > view->sealed_seq) {
                        return Status::Corruption("manifest: freeze '" + record.name +
                                                  "' is of commit " + std::to_string(record.seq) +
                                                  ", which is not sealed");
                      }
                      freezes.push_back(std::make_shared<const FrozenState>(std::move(record)));
                      return {};
                    }));
  SortFreezes(&freezes);
  view->freezes = std::make_shared<const FreezeList>(std::move(freezes));
  return {};
}

Result<FrozenPtr> Store::Freeze(const std::string& name) {
  QUIPU_TRY(CheckFreezeName(name));
  const std::lock_guard lock(write_mutex_);
  QUIPU_TRY(write_error());
  const ViewPtr current = view();
  FreezeRecord record;
  record.name = name;
  record.seq = current->sealed_seq;
  record.created_us = environment_.clock->NowUs();
  record.totals = current->totals;
  for (const HotBatchPtr& batch : current->hot) QUIPU_CHECK(record.totals.Subtract(batch->totals));
  record.rows_at_freeze = record.totals.rows;
  if (const FrozenPtr known = FindFreeze(*current->freezes, name)) {
    const bool is_of_all = known->record.totals == record.totals && current->hot.empty();
    if (is_of_all) return known;
    return Status::AlreadyExists("freeze '" + name + "' stands for commit " +
                                 std::to_string(known->record.seq) +
                                 ", and events have come since; a freeze never moves: choose "
                                 "another name, or drop it first");
  }
  if (current->freezes->size() >= kFreezesMax) {
    return Status::Exhausted(
        "the store has " + std::to_string(kFreezesMax) +
        " freezes, and more would be too many; drop some that nobody asks for");
  }
  if (Status proven = ProveFreeze(*current, record); !proven.ok())
    return Status::Internal(std::string(proven.message()));
  KvBatch batch;
  batch.Put(KvSpace::kMeta, MakeFreezeKey(name), EncodeFreeze(record));
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  AdvanceWatermark(current->as_of);  // the synced write took all earlier commits with it
  FreezeList freezes = *current->freezes;
  auto frozen = std::make_shared<const FrozenState>(std::move(record));
  freezes.push_back(frozen);
  SortFreezes(&freezes);
  auto next = std::make_shared<View>(*current);
  next->freezes = std::make_shared<const FreezeList>(std::move(freezes));
  Publish(std::move(next));
  return FrozenPtr(std::move(frozen));
}

Status Store::DropFreeze(const std::string& name) {
  const std::lock_guard lock(write_mutex_);
  QUIPU_TRY(write_error());
  const ViewPtr current = view();
  if (!FindFreeze(*current->freezes, name))
    return Status::NotFound("the store has no freeze '" + name + "'");
  KvBatch batch;
  batch.Delete(KvSpace::kMeta, MakeFreezeKey(name));
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  AdvanceWatermark(current->as_of);
  FreezeList freezes = *current->freezes;
  std::erase_if(freezes, [&](const FrozenPtr& f) { return f->record.name == name; });
  auto next = std::make_shared<View>(*current);
  next->freezes = std::make_shared<const FreezeList>(std::move(freezes));
  Publish(std::move(next));
  return {};
}

/// Segments never move across a freeze, neither by being merged nor by being rewritten.
Status Store::CheckEpochs(const SegmentEdit& edit, const View& view) {
  const FreezeList& freezes = *view.freezes;
  if (freezes.empty()) return {};
  const auto refuse = [](const SegmentMeta& meta, const FrozenState& freeze) {
    return Status::Internal("install: segment " + std::to_string(meta.spec.segment_id) +
                            " of commits " + std::to_string(meta.spec.seq_first) + " to " +
                            std::to_string(meta.spec.seq_last) + " would change freeze '" +
                            freeze.record.name + "' of commit " +
                            std::to_string(freeze.record.seq));
  };
  std::optional<std::uint64_t> epoch;
  const auto check = [&](const SegmentMeta& meta) -> Status {
    const SegmentSpec& spec = meta.spec;
    if (const auto* straddled = StraddledFreeze(freezes, spec.seq_first, spec.seq_last))
      return refuse(meta, *straddled);
    const std::uint64_t own = EpochOf(freezes, spec.seq_first);
    if (epoch && own != *epoch) return refuse(meta, *freezes[std::min(own, *epoch)]);
    epoch = own;
    return {};
  };
  for (const SegmentMeta& meta : edit.add) QUIPU_TRY(check(meta));
  for (const SegmentPtr& segment : view.segments) {
    const std::uint64_t id = segment->meta().spec.segment_id;
    if (std::find(edit.remove.begin(), edit.remove.end(), id) != edit.remove.end())
      QUIPU_TRY(check(segment->meta()));
  }
  return {};
}

/// Rows that leave the store leave the freezes that they are in.
Status Store::ThawExpired(const SegmentEdit& edit, const View& current, View* next) {
  if (edit.expired == Totals{} || current.freezes->empty() || edit.remove.empty()) return {};
  std::uint64_t seq_last = 0;
  for (const SegmentPtr& segment : current.segments) {
    if (segment->meta().spec.segment_id == edit.remove[0]) seq_last = segment->meta().spec.seq_last;
  }
  FreezeList freezes;
  bool changed = false;
  for (const FrozenPtr& f : *current.freezes) {
    if (f->record.seq < seq_last) {
      freezes.push_back(f);
      continue;
    }
    FreezeRecord record = f->record;
    if (!record.totals.Subtract(edit.expired)) {
      return Status::Internal("install: more rows would leave freeze '" + record.name +
                              "' than it holds: " + edit.expired.ToString() + " of " +
                              record.totals.ToString());
    }
    (edit.is_erasure ? record.is_erased : record.is_expired) = true;
    freezes.push_back(std::make_shared<const FrozenState>(std::move(record)));
    changed = true;
  }
  if (changed) next->freezes = std::make_shared<const FreezeList>(std::move(freezes));
  return {};
}

}  // namespace quipu
