#include "upkeep/erase.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_set>

#include "base/check.h"
#include "segment/identity_cursor.h"
#include "upkeep/rewrite.h"

namespace quipu {
namespace {

constexpr std::uint32_t kBlockRows = 16'384;
/// Bounds the memory of step (2): about 100 MB of ids and producers.
constexpr std::size_t kIdsAtOnce = 1'000'000;

/// Rows [first, first + rows) of a segment.
struct Stretch {
  std::uint32_t first = 0, rows = 0;
};
struct Parting {
  std::vector<Stretch> stay, go;
};

void AddStretch(std::uint32_t first, std::uint32_t end, std::vector<Stretch>* stretches) {
  if (end > first) stretches->push_back({first, end - first});
}

Result<Parting> PartRows(const SegmentReader& segment, std::span<const CustomerOrdinal> customers) {
  QUIPU_TRY_ASSIGN(const Directory* directory, segment.directory());
  Parting parting;
  std::uint32_t first = 0;
  for (const CustomerOrdinal customer : customers) {  // ascending, as the rows
    const std::span<const Run> runs = directory->Find(customer);
    if (runs.empty()) continue;
    const std::uint32_t begin = runs.front().first_row;
    const std::uint32_t end = runs.back().first_row + runs.back().rows;
    AddStretch(first, begin, &parting.stay);
    AddStretch(begin, end, &parting.go);
    first = end;
  }
  AddStretch(first, segment.rows(), &parting.stay);
  return parting;
}

/// Reads stretches block by block.
template <class Visit>
Status ForEachBlock(const SegmentReader& segment, const std::vector<Stretch>& stretches,
                    RowParts parts, Visit&& visit) {
  for (const Stretch& stretch : stretches) {
    for (std::uint32_t done = 0; done < stretch.rows;) {
      const std::uint32_t count = std::min(kBlockRows, stretch.rows - done);
      QUIPU_TRY_ASSIGN(const RowBatch rows, segment.ReadRows(stretch.first + done, count, parts));
      QUIPU_TRY(visit(rows));
      done += count;
    }
  }
  return {};
}

/// Where the rows of a segment go when only those stay.
std::vector<std::uint32_t> NewRows(const SegmentReader& segment, const std::vector<Stretch>& stay) {
  std::vector<std::uint32_t> new_rows(segment.rows(), kRowDropped);
  std::uint32_t next = 0;
  for (const Stretch& stretch : stay) {
    for (std::uint32_t i = 0; i < stretch.rows; ++i) new_rows[stretch.first + i] = next++;
  }
  return new_rows;
}

/// The sum of the keys of rows that do not stay. (Nobody knows it of a segment without ids: there all of its sum stays.)
Result<IdentityTotal> GoingIdentities(const SegmentPtr& segment,
                                      const std::vector<std::uint32_t>& new_rows) {
  IdentityTotal total;
  IdentityCursor cursor(segment);
  std::vector<IdentityEntry> entries;
  for (;;) {
    QUIPU_TRY(cursor.Next(&entries));
    if (entries.empty()) return total;
    for (const IdentityEntry& e : entries) {
      if (new_rows[e.row] == kRowDropped) total.Add(e.key);
    }
  }
}

Status WriteStaying(Store* store, const SegmentPtr& segment, const std::vector<Stretch>& stay,
                    const std::vector<std::uint32_t>& new_rows,
                    const std::function<bool(std::uint64_t)>& go_on, SegmentEdit* edit) {
  if (stay.empty()) return {};
  QUIPU_TRY(store->CheckRoomFor(segment->meta().file_bytes,
                                "rewriting a segment without an erased customer"));
  SegmentSpec spec = segment->meta().spec;
  QUIPU_TRY_ASSIGN(spec.segment_id, store->ReserveSegmentIds(1));
  QUIPU_TRY_ASSIGN(auto writer, store->NewSegment(store->segments_folder(), spec));
  if (segment->has_ids()) {
    writer->SetIdentities([&](IdentityIndexWriter* index) {
      const IdentityInput input{segment, 0, new_rows};
      return MergeIdentities({&input, 1}, index);
    });
  } else {
    writer->DropIdentities(segment->meta().totals.identities);
  }
  std::uint64_t written = 0;
  const auto copy = [&](const RowBatch& rows) -> Status {
    QUIPU_TRY(writer->Append(rows));
    written += rows.size();
    if (!go_on || go_on(written)) return {};
    return Status::Cancelled("the erasure was stopped; it goes on when the store is open");
  };
  QUIPU_TRY(ForEachBlock(*segment, stay, RowParts::kWithoutKeys, copy));
  QUIPU_TRY_ASSIGN(SegmentMeta meta, writer->Finish());
  edit->add.push_back(std::move(meta));
  return {};
}

}  // namespace

Status RewriteWithout(Store* store, const SegmentPtr& segment,
                      const std::vector<CustomerOrdinal>& customers,
                      const std::function<bool(std::uint64_t)>& go_on) {
  const SegmentMeta& meta = segment->meta();
  if (meta.spec.summaries_only || meta.archive != 0) {
    // Summaries are added up anew without them; what is archived stays in its folder.
    const FateOf fate_of = [&](CustomerOrdinal customer, ServiceOrdinal) {
      return std::binary_search(customers.begin(), customers.end(), customer) ? Fate::kDelete
                                                                              : Fate::kKeep;
    };
    if (meta.spec.summaries_only)
      return RewriteSummaries(store, {segment}, fate_of, /*is_erasure=*/true).error();
    RewriteJob job;
    job.inputs = {segment};
    job.fate_of = fate_of;
    job.keep_in = meta.archive;
    job.is_erasure = true;
    return RewriteMonth(store, job, go_on).error();
  }
  QUIPU_TRY_ASSIGN(const Parting parting, PartRows(*segment, customers));
  QUIPU_CHECK(!parting.go.empty());
  SegmentEdit edit;
  edit.remove.push_back(segment->meta().spec.segment_id);
  edit.is_erasure = true;
  const std::vector<std::uint32_t> new_rows = NewRows(*segment, parting.stay);
  if (parting.stay.empty()) {
    edit.expired = segment->meta().totals;  // nothing to hold against it
  } else {
    const auto count = [&](const RowBatch& rows) -> Status {
      edit.expired.Add(TotalsOf(rows));
      return {};
    };
    QUIPU_TRY(ForEachBlock(*segment, parting.go, RowParts::kWithoutKeys, count));
    QUIPU_TRY_ASSIGN(edit.expired.identities, GoingIdentities(segment, new_rows));
  }
  QUIPU_TRY(WriteStaying(store, segment, parting.stay, new_rows, go_on, &edit));
  Status installed = store->Install(edit);
  // After a failed write the manifest may name the file already; after any other failure nothing does.
  if (!installed.ok() && store->write_error().ok()) {
    for (const SegmentMeta& added : edit.add)
      (void)store->vfs()->Unlink(JoinPath(store->segments_folder(), added.file_name));
  }
  return installed;
}

std::string ErasureJob::waits_for() const {
  const std::lock_guard lock(mutex_);
  return waits_for_;
}

void ErasureJob::SetWaitsFor(std::string text) {
  const std::lock_guard lock(mutex_);
  waits_for_ = std::move(text);
}

Result<ErasureJob::Outcome> ErasureJob::Step(const std::function<bool(std::uint64_t)>& go_on) {
  {
    const ViewPtr view = store_->view();
    if (view->erased.empty()) {
      SetWaitsFor("");
      return Outcome::kNothingToDo;
    }
    for (const HotBatchPtr& batch : view->hot) {
      if (!HoldsAny(batch->rows, view->erased)) continue;
      QUIPU_TRY(help_.seal());
      return Outcome::kMore;
    }
    const bool forgotten =
        std::all_of(view->erased.begin(), view->erased.end(),
                    [&](CustomerOrdinal c) { return ids_forgotten_.contains(c); });
    if (!forgotten) {
      QUIPU_TRY(ForgetIds(*view));
      ids_forgotten_.insert(view->erased.begin(), view->erased.end());
      return Outcome::kMore;
    }
  }  // the view goes: it would keep the files of segments that are dropped
  const std::vector<CustomerOrdinal> customers(ids_forgotten_.begin(), ids_forgotten_.end());
  QUIPU_TRY_ASSIGN(const bool rewritten, RewriteNext(go_on));
  if (rewritten) return Outcome::kMore;
  return Finish(customers);
}

/// Step (2).
Status ErasureJob::ForgetIds(const View& view) {
  std::string from;
  for (;;) {
    QUIPU_TRY_ASSIGN(auto producers, store_->ProducersWithIds(from, kIdsAtOnce));
    if (producers.empty()) return {};
    from = producers.back().first + std::string(1, '\0');  // the next key there can be
    QUIPU_TRY(ForgetIdsOf(view, std::move(producers)));
  }
}

Status ErasureJob::ForgetIdsOf(const View& view,
                               std::vector<std::pair<std::string, ProducerState>> producers) {
  std::unordered_set<std::string_view> generated;
  for (const auto& [id, state] : producers) {
    for (const ProducerState::Reply& reply : state.replies) {
      for (const auto& [index, text] : reply.generated_ids) generated.insert(text);
    }
  }
  std::unordered_set<std::string> gone;
  for (const SegmentPtr& segment : view.segments) {
    if (segment->meta().spec.summaries_only) continue;  // the ids went with the rows
    QUIPU_TRY_ASSIGN(const Parting parting, PartRows(*segment, view.erased));
    const auto find = [&](const RowBatch& rows) -> Status {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        std::string id = rows.IdText(i, store_->catalogue().Customer(rows.customers[i]));
        if (generated.contains(id)) gone.insert(std::move(id));
      }
      return {};
    };
    QUIPU_TRY(ForEachBlock(*segment, parting.go, RowParts::kAll, find));
  }
  if (gone.empty()) return {};
  return help_.between_commits([&]() -> Status {
    std::vector<std::pair<std::string, ProducerState>> changed;
    for (const auto& [id, old] : producers) {
      QUIPU_TRY_ASSIGN(std::optional<ProducerState> state, store_->Producer(id));
      if (!state) continue;
      std::size_t dropped = 0;
      for (ProducerState::Reply& reply : state->replies) {
        dropped += std::erase_if(reply.generated_ids,
                                 [&](const auto& g) { return gone.contains(g.second); });
      }
      if (dropped > 0) changed.emplace_back(id, *std::move(state));
    }
    return changed.empty() ? Status() : store_->PutProducers(changed);
  });
}

/// Step (3): false if there is nothing left to rewrite that could be.
Result<bool> ErasureJob::RewriteNext(const std::function<bool(std::uint64_t)>& go_on) {
  SegmentPtr next;
  std::vector<CustomerOrdinal> customers;
  {
    const ViewPtr view = store_->view();
    // Not those whose erasure began after step (2).
    std::copy_if(view->erased.begin(), view->erased.end(), std::back_inserter(customers),
                 [&](CustomerOrdinal c) { return ids_forgotten_.contains(c); });
    for (const SegmentPtr& segment : view->segments) {
      const std::uint64_t id = segment->meta().spec.segment_id;
      if (unreadable_.contains(id)) continue;
      const auto holds = HoldsAny(*segment, customers);
      if (!holds && holds.error().code() != StatusCode::kCorruption) return holds.error();
      if (!holds) unreadable_[id] = holds.error().ToString();
      if (!holds || !*holds) continue;
      next = segment;
      break;
    }
  }
  if (!next) return false;
  const Status status = RewriteWithout(store_, next, customers, go_on);
  if (status.code() == StatusCode::kCorruption) {
    unreadable_[next->meta().spec.segment_id] = status.ToString();
    return true;
  }
  if (!status.ok()) return status;
  return true;
}

/// What keeps the erasures from being finished; "" = nothing.
Result<std::string> ErasureJob::Obstacle(bool* readers_only) {
  *readers_only = false;
  if (!unreadable_.empty()) {
    return "segments that cannot be read (restore them, then reopen the store): " +
           unreadable_.begin()->second;
  }
  if (!store_->view()->detached.empty()) {
    return std::string(
        "a detached archive folder, which may hold its events; attach it (`quipu archive DIR "
        "--attach FOLDER`)");
  }
  QUIPU_TRY_ASSIGN(const std::vector<std::string> left, store_->FilesLeft());
  if (!left.empty()) {
    *readers_only = true;
    return std::to_string(left.size()) +
           " replaced files that are still read or could not be removed, such as " + left.front();
  }
  for (const std::string& quarantine : store_->quarantine_folders()) {
    QUIPU_TRY_ASSIGN(const bool exists, store_->vfs()->Exists(quarantine));
    if (!exists) continue;
    QUIPU_TRY_ASSIGN(const std::vector<std::string> names, store_->vfs()->List(quarantine));
    if (names.empty()) continue;
    return std::to_string(names.size()) + " files in " + quarantine +
           ", which may hold its events; look at them and remove them, such as " + names.front();
  }
  return std::string();
}

/// Step (4).
Result<ErasureJob::Outcome> ErasureJob::Finish(const std::vector<CustomerOrdinal>& customers) {
  bool readers_only = false;
  QUIPU_TRY_ASSIGN(const std::string obstacle, Obstacle(&readers_only));
  SetWaitsFor(obstacle);
  if (!obstacle.empty()) return readers_only ? Outcome::kReaders : Outcome::kWaits;
  std::vector<ErasureRecord> records = store_->erasures();
  std::erase_if(records, [&](const ErasureRecord& e) {
    return e.done() || !std::binary_search(customers.begin(), customers.end(), e.customer);
  });
  for (const ErasureRecord& record : records) QUIPU_TRY(store_->EmptyCustomerName(record.customer));
  QUIPU_TRY(store_->PurgeKv());
  for (const ErasureRecord& record : records) {
    QUIPU_TRY(store_->FinishErasure(record.id));
    ids_forgotten_.erase(record.customer);
    store_->Log(LogLevel::kInfo, "erasure " + std::to_string(record.id) + " is done");
  }
  return Outcome::kMore;
}

std::vector<ErasureInfo> ListErasures(const Store& store, const std::string& waits_for) {
  const std::vector<ErasureRecord> records = store.erasures();
  const ViewPtr view = store.view();
  std::vector<ErasureInfo> list;
  for (const ErasureRecord& record : records) {
    ErasureInfo info;
    info.id = record.id;
    info.requested = record.requested_us;
    if (record.done()) {
      info.done = record.done_us;
      list.push_back(info);
      continue;
    }
    const std::span<const CustomerOrdinal> customer(&record.customer, 1);
    for (const SegmentPtr& segment : view->segments) {
      const auto holds = HoldsAny(*segment, customer);
      info.segments_left += !holds || *holds ? 1 : 0;  // a damaged one may hold some
    }
    for (const HotBatchPtr& batch : view->hot) {
      for (const CustomerOrdinal c : batch->rows.customers)
        info.hot_rows_left += c == record.customer ? 1 : 0;
    }
    info.waits_for = waits_for;
    list.push_back(info);
  }
  return list;
}

}  // namespace quipu
