#include "upkeep/merge.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::uint32_t kBlockRows = 16'384;
constexpr std::size_t kInputsMax =
    64;  // bounds the memory of one merge; more segments take several merges

/// Tier of a segment: 0 up to 1,024 rows, then one more for each factor of four.
int TierOf(std::uint64_t rows) {
  int tier = 0;
  for (std::uint64_t bound = kVectorRows; rows > bound; bound *= 4) ++tier;
  return tier;
}

/// The smallest segments of `candidates` whose union stays under the bounds; empty if fewer than two.
std::vector<std::uint64_t> TakeSmallest(std::vector<const SegmentMeta*> candidates,
                                        const Options& options) {
  std::sort(candidates.begin(), candidates.end(), [](const SegmentMeta* a, const SegmentMeta* b) {
    return std::pair(a->totals.rows, a->spec.segment_id) <
           std::pair(b->totals.rows, b->spec.segment_id);
  });
  std::vector<std::uint64_t> ids;
  std::uint64_t rows = 0;
  for (const SegmentMeta* meta : candidates) {
    if (ids.size() == kInputsMax ||
        rows + meta->totals.rows > std::min(options.merged_rows_max, kSegmentRowsMax))
      break;
    rows += meta->totals.rows;
    ids.push_back(meta->spec.segment_id);
  }
  if (ids.size() < 2) ids.clear();
  return ids;
}

/// One input of the merge: a window of rows that moves through a segment.
class Input {
 public:
  explicit Input(SegmentPtr segment) : segment_(std::move(segment)) {}

  Status LoadNext() {
    const std::uint32_t left = segment_->rows() - next_;
    at_ = 0;
    if (left == 0) {
      block_ = {};
      return {};
    }
    const std::uint32_t count = std::min(left, kBlockRows);
    QUIPU_TRY_ASSIGN(block_, segment_->ReadRows(next_, count));
    next_ += count;
    return {};
  }
  [[nodiscard]] bool done() const {
    return at_ == block_.size();
  }  // after LoadNext: at the very end
  [[nodiscard]] const RowBatch& block() const { return block_; }
  [[nodiscard]] std::uint32_t at() const { return at_; }
  void Step() { ++at_; }

 private:
  SegmentPtr segment_;
  RowBatch block_;
  std::uint32_t next_ = 0;  // row of the segment that the next block starts with
  std::uint32_t at_ = 0;
};

/// Merges the inputs' rows in segment order into `writer`.
class KWayMerge {
 public:
  KWayMerge(std::vector<SegmentPtr> segments, SegmentWriter* writer, const MergeProgress& progress)
      : writer_(writer), progress_(progress) {
    for (SegmentPtr& s : segments) inputs_.emplace_back(std::move(s));
  }

  Status Run() {
    for (Input& input : inputs_) QUIPU_TRY(input.LoadNext());
    for (std::uint32_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i].done()) heap_.push_back(i);
    }
    std::make_heap(heap_.begin(), heap_.end(), After());
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), After());
      const std::uint32_t i = heap_.back();
      heap_.pop_back();
      Input& input = inputs_[i];
      TakeRun(i);
      if (input.done()) {
        // The collected references point into this block, so they are written out before it is replaced.
        QUIPU_TRY(Flush());
        QUIPU_TRY(input.LoadNext());
        if (input.done()) continue;
      }
      heap_.push_back(i);
      std::push_heap(heap_.begin(), heap_.end(), After());
      if (pending_.size() >= kRowGroupRows) QUIPU_TRY(Flush());
    }
    return Flush();
  }

 private:
  struct RowAfter {
    const KWayMerge* merge;
    bool operator()(std::uint32_t a, std::uint32_t b) const { return merge->Before(b, a); }
  };
  [[nodiscard]] RowAfter After() const { return RowAfter{this}; }
  /// Does input a's next row come before input b's? Of equal rows that of the older segment does.
  [[nodiscard]] bool Before(std::uint32_t a, std::uint32_t b) const {
    const Input& x = inputs_[a];
    const Input& y = inputs_[b];
    if (SegmentOrderLess(x.block(), x.at(), y.block(), y.at())) return true;
    return a < b && !SegmentOrderLess(y.block(), y.at(), x.block(), x.at());
  }

  /// Takes rows of input i as long as they come before every other input's next row: whole runs of a
  /// customer cost one comparison each.
  void TakeRun(std::uint32_t i) {
    Input& input = inputs_[i];
    do {
      pending_.push_back({i, input.at()});
      input.Step();
    } while (!input.done() && pending_.size() < kRowGroupRows &&
             (heap_.empty() || Before(i, heap_.front())));
  }

  Status Flush() {
    if (pending_.empty()) return {};
    std::vector<const RowBatch*> blocks;
    for (const Input& input : inputs_) blocks.push_back(&input.block());
    QUIPU_TRY(writer_->Append(Gather(blocks, pending_)));
    written_ += pending_.size();
    pending_.clear();
    if (progress_ && !progress_(written_))
      return Status::Cancelled("the merge was stopped; nothing has changed");
    return {};
  }

  std::vector<Input> inputs_;
  std::vector<std::uint32_t> heap_;
  std::vector<RowRef> pending_;
  SegmentWriter* writer_;
  const MergeProgress& progress_;
  std::uint64_t written_ = 0;
};

}  // namespace

std::vector<std::uint64_t> PickMerge(const View& view, const Options& options, bool on_request,
                                     const std::set<std::uint64_t>& except) {
  std::map<std::pair<MonthIndex, int>, std::vector<const SegmentMeta*>> tiers;
  for (const SegmentPtr& segment : view.segments) {
    const SegmentMeta& meta = segment->meta();
    if (meta.totals.rows >= options.merged_rows_max || except.contains(meta.spec.segment_id))
      continue;
    tiers[{meta.spec.month, on_request ? 0 : TierOf(meta.totals.rows)}].push_back(&meta);
  }
  const std::size_t fan_in =
      on_request ? 2 : std::clamp<std::size_t>(options.merge_fan_in, 2, kInputsMax);
  for (const auto& [key, metas] : tiers) {
    if (metas.size() < fan_in) continue;
    auto ids = TakeSmallest(metas, options);
    if (!ids.empty())
      return ids;  // maybe fewer than the fan-in: large ones reach the bound on rows
  }
  return {};
}

Status MergeSegments(Store* store, const std::vector<std::uint64_t>& ids,
                     const MergeProgress& progress) {
  ViewPtr view = store->view();
  std::vector<SegmentPtr> inputs;
  SegmentSpec spec;
  spec.store_id = store->store_id();
  for (const SegmentPtr& segment : view->segments) {
    const SegmentSpec& in = segment->meta().spec;
    if (std::find(ids.begin(), ids.end(), in.segment_id) == ids.end()) continue;
    if (inputs.empty()) spec = in;
    QUIPU_CHECK(in.month == spec.month);
    spec.seq_first = std::min(spec.seq_first, in.seq_first);
    spec.seq_last = std::max(spec.seq_last, in.seq_last);
    inputs.push_back(segment);
  }
  std::sort(inputs.begin(), inputs.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
    const SegmentSpec &x = a->meta().spec, &y = b->meta().spec;
    return std::pair(x.seq_first, x.segment_id) < std::pair(y.seq_first, y.segment_id);
  });
  if (inputs.size() != ids.size() || inputs.size() < 2) {
    return Status::Conflict("segments to merge are no longer there; nothing has changed");
  }
  view.reset();  // a merge takes long: what is sealed meanwhile must not be kept in memory for it
  QUIPU_TRY_ASSIGN(spec.segment_id, store->ReserveSegmentIds(1));
  QUIPU_TRY_ASSIGN(auto writer, SegmentWriter::Create(store->vfs(), store->segments_folder(), spec,
                                                      &store->catalogue()));
  QUIPU_TRY(KWayMerge(inputs, writer.get(), progress).Run());
  QUIPU_TRY_ASSIGN(SegmentMeta merged, writer->Finish());
  SegmentEdit edit;
  edit.add.push_back(std::move(merged));
  edit.remove = ids;
  Status installed = store->Install(edit);
  // After a failed write the manifest may name the file already; after any other failure nothing does.
  if (!installed.ok() && store->write_error().ok()) {
    (void)store->vfs()->Unlink(JoinPath(store->segments_folder(), edit.add.front().file_name));
  }
  return installed;
}

}  // namespace quipu
