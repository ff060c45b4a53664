#include "query/asked_view.h"

#include <optional>

#include "base/check.h"
#include "store/erasure.h"
#include "store/view_as_of.h"

namespace quipu {
namespace {

/// Also by an erasure whose rows are hidden and not gone yet.
Result<bool> IsAltered(const View& view, const FreezeRecord& freeze) {
  if (freeze.is_altered()) return true;
  if (view.erased.empty()) return false;
  for (const SegmentPtr& segment : view.segments) {
    if (segment->meta().spec.seq_last > freeze.seq) continue;
    QUIPU_TRY_ASSIGN(const bool hides, HoldsAny(*segment, view.erased));
    if (hides) return true;
  }
  return false;
}

}  // namespace

Result<AskedView> AskedView::Make(const View& view, const AsOf& as_of, const AsOf& since) {
  AskedView asked;
  asked.whole_ = &view;
  if (as_of.IsNow() && since.IsNow()) return asked;
  asked.as_of_ = as_of;
  asked.since_ = since;
  std::optional<NamedState> through, after;
  if (!as_of.IsNow()) {
    QUIPU_TRY_ASSIGN(through, FindState(view, as_of));
  }
  if (!since.IsNow()) {
    QUIPU_TRY_ASSIGN(after, FindState(view, since));
    asked.since_seq_ = after->seq;
  }
  if (after && through && after->seq > through->seq) {
    return Status::InvalidArgument("since " + since.ToString() + " is later than as of " +
                                   as_of.ToString());
  }
  for (const auto* state : {&through, &after}) {
    if (!*state || !(*state)->freeze) continue;
    QUIPU_TRY_ASSIGN(const bool is_altered, IsAltered(view, (*state)->freeze->record));
    asked.is_altered_ = asked.is_altered_ || is_altered;
  }
  asked.part_ = PartOf(view, through ? &*through : nullptr, after ? &*after : nullptr);
  return asked;
}

std::string AskedView::left_out() const {
  if (!part_) return "";
  std::string text;
  if (!as_of_.IsNow())
    text = "as of " + as_of_.ToString() +
           (as_of_.freeze.empty() ? "" : " (commit " + std::to_string(part_->as_of) + ")");
  if (!since_.IsNow())
    text += (text.empty() ? "since " : ", since ") + since_.ToString() +
            (since_.freeze.empty() ? "" : " (commit " + std::to_string(since_seq_) + ")");
  const std::uint64_t segments = whole_->segments.size() - part_->segments.size();
  const std::uint64_t rows = whole_->hot_rows() - part_->hot_rows();
  return text + ": left out " + std::to_string(segments) +
         (segments == 1 ? " segment and " : " segments and ") + std::to_string(rows) +
         (rows == 1 ? " unsealed event" : " unsealed events") + " of other commits";
}

}  // namespace quipu
