#include "store/view_as_of.h"

#include <algorithm>

#include "base/check.h"
#include "store/hot_tier.h"

namespace quipu {
namespace {

/// Visits the records of all segments, also of those in detached folders.
template <class Visit>
void ForEachSegment(const View& view, Visit&& visit) {
  for (const SegmentPtr& segment : view.segments) visit(segment->meta());
  for (const SegmentMeta& meta : view.detached) visit(meta);
}

bool IsInTheWay(const SegmentMeta& meta, std::uint64_t seq) {
  return meta.spec.seq_first <= seq && seq < meta.spec.seq_last;
}

/// The next commit below (or above) that no segment is in the way of. Each step leaves at least one segment behind.
std::uint64_t NearestBelow(const View& view, std::uint64_t seq) {
  for (std::uint64_t from = seq;; from = seq) {
    ForEachSegment(view, [&](const SegmentMeta& meta) {
      if (IsInTheWay(meta, seq)) seq = meta.spec.seq_first - 1;
    });
    if (seq == from) return seq;
  }
}
std::uint64_t NearestAbove(const View& view, std::uint64_t seq) {
  for (std::uint64_t from = seq;; from = seq) {
    ForEachSegment(view, [&](const SegmentMeta& meta) {
      if (IsInTheWay(meta, seq)) seq = meta.spec.seq_last;
    });
    if (seq == from) return seq;
  }
}

Status CheckCommit(const View& view, std::uint64_t seq) {
  if (seq > view.as_of) {
    return Status::OutOfRange("commit " + std::to_string(seq) +
                              " has not been made yet, the last one is " +
                              std::to_string(view.as_of));
  }
  bool is_free = true;
  ForEachSegment(view,
                 [&](const SegmentMeta& meta) { is_free = is_free && !IsInTheWay(meta, seq); });
  if (is_free) return {};
  return Status::OutOfRange(
      "the state as of commit " + std::to_string(seq) +
      " cannot be asked for any more: events from before and after it have come into one file. The "
      "nearest that can are commits " +
      std::to_string(NearestBelow(view, seq)) + " and " + std::to_string(NearestAbove(view, seq)) +
      "; a freeze keeps a state for good");
}

Totals SegmentTotalsThrough(const View& view, std::uint64_t seq) {
  Totals totals;
  ForEachSegment(view, [&](const SegmentMeta& meta) {
    if (meta.spec.seq_last <= seq) totals.Add(meta.totals);
  });
  return totals;
}

Totals TotalsThrough(const View& view, const NamedState& state) {
  if (state.freeze) return state.freeze->record.totals;
  if (state.seq < view.sealed_seq) return SegmentTotalsThrough(view, state.seq);
  // Likely nearly everything: what is not is less work.
  std::vector<HotBatchPtr> later = view.hot;
  DropHotThrough(state.seq, &later);
  Totals totals = view.totals;
  for (const HotBatchPtr& batch : later) QUIPU_CHECK(totals.Subtract(batch->totals));
  return totals;
}

}  // namespace

Status ProveFreeze(const View& view, const FreezeRecord& freeze) {
  const std::string what =
      "freeze '" + freeze.name + "' of commit " + std::to_string(freeze.seq) + ": ";
  Status wrong;
  ForEachSegment(view, [&](const SegmentMeta& meta) {
    if (IsInTheWay(meta, freeze.seq))
      wrong = Status::Corruption(what + "segment " + std::to_string(meta.spec.segment_id) +
                                 " holds events from before and after it; run `quipu verify`");
  });
  QUIPU_TRY(Status(wrong));
  const Totals found = SegmentTotalsThrough(view, freeze.seq);
  if (found == freeze.totals) return {};
  return Status::Corruption(
      what + "the events that are there are not those that were frozen: " + "recorded " +
      freeze.totals.ToString() + ", found " + found.ToString() + "; run `quipu verify`");
}

Result<NamedState> FindState(const View& view, const AsOf& as_of) {
  QUIPU_CHECK(!as_of.IsNow());
  if (as_of.freeze.empty()) {
    QUIPU_TRY(CheckCommit(view, *as_of.commit));
    return NamedState{*as_of.commit, nullptr};
  }
  if (as_of.commit) {
    return Status::InvalidArgument("a state is named by commit " + std::to_string(*as_of.commit) +
                                   " and by freeze '" + as_of.freeze + "'; name it by one of them");
  }
  FrozenPtr freeze = FindFreeze(*view.freezes, as_of.freeze);
  if (!freeze) {
    return Status::NotFound("the store has no freeze '" + as_of.freeze + "'" +
                            (view.freezes->empty()
                                 ? std::string("; it has none at all")
                                 : "; the newest is '" + view.freezes->back()->record.name + "'") +
                            " (`quipu freeze DIR --list`)");
  }
  if (!freeze->is_proven.load(std::memory_order_acquire)) {
    QUIPU_TRY(ProveFreeze(view, freeze->record));
    freeze->is_proven.store(true, std::memory_order_release);
  }
  const std::uint64_t seq = freeze->record.seq;
  return NamedState{seq, std::move(freeze)};
}

ViewPtr PartOf(const View& view, const NamedState* through, const NamedState* since) {
  auto part = std::make_shared<View>(view);
  if (through != nullptr) {
    const std::uint64_t seq = through->seq;
    part->totals = TotalsThrough(view, *through);
    part->as_of = seq;
    part->sealed_seq = std::min(view.sealed_seq, seq);
    std::erase_if(part->segments,
                  [&](const SegmentPtr& s) { return s->meta().spec.seq_last > seq; });
    std::erase_if(part->detached, [&](const SegmentMeta& m) { return m.spec.seq_last > seq; });
    DropHotAfter(seq, &part->hot);
    if (!part->hot.empty())
      part->next_row = part->hot.back()->first_row + part->hot.back()->rows.size();
  }
  if (since == nullptr) return part;
  const std::uint64_t seq = since->seq;
  QUIPU_CHECK(part->totals.Subtract(TotalsThrough(view, *since)));
  std::erase_if(part->segments,
                [&](const SegmentPtr& s) { return s->meta().spec.seq_first <= seq; });
  std::erase_if(part->detached, [&](const SegmentMeta& m) { return m.spec.seq_first <= seq; });
  DropHotThrough(seq, &part->hot);
  return part;
}

}  // namespace quipu
