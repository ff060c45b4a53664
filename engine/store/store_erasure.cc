// The store's part in erasing a customer: the record, the hiding, and the proof at the end that nothing is left. See erasure.h.
#include <algorithm>

#include "base/check.h"
#include "store/manifest.h"
#include "store/store.h"

namespace quipu {
namespace {

/// Ordinals whose erasure is under way, ascending.
std::vector<CustomerOrdinal> UnderWay(const std::vector<ErasureRecord>& erasures) {
  std::vector<CustomerOrdinal> ordinals;
  for (const ErasureRecord& e : erasures) {
    if (!e.done()) ordinals.push_back(e.customer);
  }
  std::sort(ordinals.begin(), ordinals.end());
  return ordinals;
}

std::size_t GeneratedIds(const ProducerState& state) {
  std::size_t ids = 0;
  for (const ProducerState::Reply& reply : state.replies) ids += reply.generated_ids.size();
  return ids;
}

}  // namespace

Status Store::LoadErasures(const KvReader& kv, View* view, Lists* lists) const {
  QUIPU_TRY(kv.Scan(KvSpace::kMeta, kErasureKeyPrefix,
                    [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                      if (!key.starts_with(kErasureKeyPrefix)) {
                        *stop = true;
                        return {};
                      }
                      QUIPU_TRY_ASSIGN(const ErasureRecord record, DecodeErasure(key, value));
                      lists->erasures.push_back(record);
                      return {};
                    }));
  view->erased = UnderWay(lists->erasures);
  if (std::adjacent_find(view->erased.begin(), view->erased.end()) != view->erased.end()) {
    return Status::Corruption("manifest: two erasures under way are of the same customer");
  }
  return {};
}

Result<ErasureRecord> Store::EraseCustomer(std::string_view name, KvBatch* names) {
  const std::lock_guard lock(write_mutex_);
  QUIPU_TRY(write_error());
  std::vector<ErasureRecord> erasures = this->erasures();
  const auto customer = catalogue_.Find(NameKind::kCustomer, name);
  if (!customer) {
    // The newest of that name: an older one may be under way still.
    const auto under_way =
        std::find_if(erasures.rbegin(), erasures.rend(), [&](const ErasureRecord& e) {
          return !e.done() && catalogue_.Customer(e.customer) == name;
        });
    if (under_way != erasures.rend()) return *under_way;
    return Status::NotFound("the store has no customer '" + std::string(name) + "'");
  }
  const ViewPtr current = view();
  ErasureRecord record;
  record.id = erasures.empty() ? 1 : erasures.back().id + 1;
  record.customer = *customer;
  record.seq = current->as_of;
  record.requested_us = environment_.clock->NowUs();
  KvBatch batch = *names;
  batch.Put(KvSpace::kMeta, MakeErasureKey(record.id), EncodeErasure(record));
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  *names = {};
  AdvanceWatermark(current->as_of);  // the synced write took all earlier commits with it
  erasures.push_back(record);
  auto next = std::make_shared<View>(*current);
  next->erased = UnderWay(erasures);
  {
    const std::lock_guard moment(mutex_);
    lists_.erasures = std::move(erasures);
  }
  Publish(std::move(next));
  catalogue_.Forget(*customer);
  return record;
}

std::vector<ErasureRecord> Store::erasures() const {
  const std::lock_guard lock(mutex_);
  return lists_.erasures;
}

Result<std::vector<std::pair<std::string, ProducerState>>> Store::ProducersWithIds(
    std::string_view from, std::size_t generated_ids_max) const {
  QUIPU_TRY(write_error());
  std::vector<std::pair<std::string, ProducerState>> producers;
  std::size_t ids = 0;
  QUIPU_TRY(kv_->Scan(KvSpace::kProducers, from,
                      [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                        if (key == kProducersWrittenKey) return {};
                        QUIPU_TRY_ASSIGN(ProducerState state, DecodeProducer(key, value));
                        const std::size_t more = GeneratedIds(state);
                        if (more == 0) return {};
                        ids += more;
                        producers.emplace_back(key, std::move(state));
                        *stop = ids >= generated_ids_max;
                        return {};
                      }));
  return producers;
}

Status Store::PutProducers(const std::vector<std::pair<std::string, ProducerState>>& producers) {
  KvBatch batch;
  for (const auto& [id, state] : producers)
    batch.Put(KvSpace::kProducers, id, EncodeProducer(id, state));
  const std::lock_guard lock(write_mutex_);
  auto next = std::make_shared<View>(*view());
  CountProducersWrite(next.get(), &batch);
  batch.Put(KvSpace::kMeta, std::string(kLastCommitKey), EncodeLastCommit(LastCommitOf(*next)));
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  Publish(std::move(next));
  return {};
}

Result<std::vector<std::string>> Store::FilesLeft() {
  const std::lock_guard lock(write_mutex_);
  std::vector<std::string> left;
  std::vector<std::pair<std::string, std::weak_ptr<LiveSegment>>> still_retired;
  for (auto& [path, segment] : retired_) {
    QUIPU_TRY_ASSIGN(bool exists, environment_.vfs->Exists(path));
    // Without a reader its own attempt has failed (or is under way, which does not matter).
    if (exists && segment.expired()) exists = !environment_.vfs->Unlink(path).ok();
    if (!exists) continue;
    left.push_back(path);
    still_retired.emplace_back(path, segment);
  }
  retired_ = std::move(still_retired);
  QUIPU_TRY(environment_.vfs->SyncFolder(segments_folder()));
  const ViewPtr current = view();
  for (const ArchiveFolder& folder : current->archives) {
    if (folder.is_attached) QUIPU_TRY(environment_.vfs->SyncFolder(ArchivePath(folder.path)));
  }
  return left;
}

Status Store::EmptyCustomerName(CustomerOrdinal customer) {
  KvBatch batch;
  batch.Put(KvSpace::kMeta, MakeNameKey({static_cast<std::uint8_t>(NameKind::kCustomer), customer}),
            "");
  const std::lock_guard lock(write_mutex_);
  QUIPU_CHECK(IsErased(view()->erased, customer));
  return WriteOrStop(batch, /*sync=*/true);
}

Status Store::PurgeKv() {
  QUIPU_TRY(write_error());
  // Running out of space in it would stop the store.
  QUIPU_TRY(CheckRoomFor(options_.disk_reserve_bytes / 2, "purging the key-value store"));
  return kv_->Purge();
}

Status Store::FinishErasure(std::uint64_t id) {
  const std::lock_guard lock(write_mutex_);
  QUIPU_TRY(write_error());
  std::vector<ErasureRecord> erasures = this->erasures();
  const auto record = std::find_if(erasures.begin(), erasures.end(),
                                   [&](const ErasureRecord& e) { return e.id == id; });
  QUIPU_CHECK(record != erasures.end() && !record->done());
  const ViewPtr current = view();
  const std::span<const CustomerOrdinal> customer(&record->customer, 1);
  for (const SegmentPtr& segment : current->segments) {
    QUIPU_TRY_ASSIGN(const bool holds, HoldsAny(*segment, customer));
    if (holds) return Status::Internal("erasure: " + segment->path() + " still holds rows");
  }
  for (const HotBatchPtr& batch : current->hot) {
    if (HoldsAny(batch->rows, customer)) {
      return Status::Internal("erasure: unsealed commits still hold rows");
    }
  }
  record->done_us = std::max<TimeUs>(environment_.clock->NowUs(), 1);
  KvBatch batch;
  batch.Put(KvSpace::kMeta, MakeErasureKey(id), EncodeErasure(*record));
  const auto done = static_cast<std::size_t>(std::count_if(
      erasures.begin(), erasures.end(), [](const ErasureRecord& e) { return e.done(); }));
  if (done > kErasuresKept) {
    const auto oldest = std::find_if(erasures.begin(), erasures.end(),
                                     [](const ErasureRecord& e) { return e.done(); });
    batch.Delete(KvSpace::kMeta, MakeErasureKey(oldest->id));
    erasures.erase(oldest);
  }
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  auto next = std::make_shared<View>(*current);
  next->erased = UnderWay(erasures);
  {
    const std::lock_guard moment(mutex_);
    lists_.erasures = std::move(erasures);
  }
  Publish(std::move(next));
  return {};
}

}  // namespace quipu
