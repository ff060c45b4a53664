#include "upkeep/merge.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "base/check.h"
#include "upkeep/merge_output.h"

namespace quipu {
namespace {

// Below this the vectors of the inputs and one row group would not fit.
constexpr std::uint64_t kBytesInHandMin = 32u << 20;
// Pages of the inputs: at most kMergeDepthMax row groups are read at once, and one of the reference workload takes 1 MiB.
constexpr std::uint64_t kPageBytesMax = 64u << 20;

/// Rows at hand of a run that are older than `limit`, or as old if `or_equal`: at least the first one is.
std::uint32_t RowsUpTo(const MergeInput& input, TimeUs limit, bool or_equal) {
  const TimeUs* const times = input.block()->times.data() + input.at();
  const std::uint32_t n = input.rows_at_hand();
  const auto before = [&](std::uint32_t i) {
    return or_equal ? times[i] <= limit : times[i] < limit;
  };
  // Galloping (Bentley & Yao, 1976): steps double until one is too far, then bisect.
  std::uint32_t low = 1, step = 1;  // rows below `low` are known to be before the limit
  while (low < n && before(std::min(low + step, n) - 1)) {
    low = std::min(low + step, n);
    step *= 2;
  }
  std::uint32_t high =
      low == n ? n : std::min(low + step, n) - 1;  // this one is not, or it is the end
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (before(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Merges the rows of all inputs into `out`.
class KWayMerge {
 public:
  KWayMerge(std::vector<MergeInput> inputs, MergeOutput* out)
      : inputs_(std::move(inputs)), out_(out) {}

  Status Run() {
    for (std::uint32_t i = 0; i < inputs_.size(); ++i) by_key_.push_back(i);
    std::make_heap(by_key_.begin(), by_key_.end(), KeyAfter());
    std::optional<CustomerOrdinal> customer;
    std::vector<std::uint32_t> same;  // inputs whose current run is the next one
    while (!by_key_.empty()) {
      const std::uint64_t key = inputs_[by_key_.front()].key();
      if (customer != inputs_[by_key_.front()].run().customer) {
        customer = inputs_[by_key_.front()].run().customer;
        QUIPU_TRY(BeginCustomer(*customer));
      }
      same.clear();
      while (!by_key_.empty() && inputs_[by_key_.front()].key() == key) {
        std::pop_heap(by_key_.begin(), by_key_.end(), KeyAfter());
        same.push_back(by_key_.back());
        by_key_.pop_back();
      }
      QUIPU_TRY(same.size() == 1 ? TakeRun(&inputs_[same[0]], key) : MergeRuns(same, key));
      for (const std::uint32_t i : same) {
        if (inputs_[i].done()) continue;
        by_key_.push_back(i);
        std::push_heap(by_key_.begin(), by_key_.end(), KeyAfter());
      }
    }
    return out_->Finish();
  }

 private:
  struct AfterByKey {
    const std::vector<MergeInput>* inputs;
    bool operator()(std::uint32_t a, std::uint32_t b) const {
      return (*inputs)[a].key() > (*inputs)[b].key();
    }
  };
  /// Rows of one (customer, service): by time; of equal ones that of the older segment comes first.
  struct AfterByTime {
    const std::vector<MergeInput>* inputs;
    bool operator()(std::uint32_t a, std::uint32_t b) const {
      return std::pair((*inputs)[a].time(), a) > std::pair((*inputs)[b].time(), b);
    }
  };
  [[nodiscard]] AfterByKey KeyAfter() const { return {&inputs_}; }
  [[nodiscard]] AfterByTime TimeAfter() const { return {&inputs_}; }

  Status BeginCustomer(CustomerOrdinal customer) {
    std::uint64_t rows = 0;
    double bytes = 0;
    for (const std::uint32_t i : by_key_) {
      const MergeInput& input = inputs_[i];
      if (input.run().customer != customer) continue;
      const std::uint64_t here = input.rows_of_customer();
      rows += here;
      bytes += static_cast<double>(here) * input.bytes_per_row();
    }
    return out_->BeginCustomer(rows, bytes);
  }

  Status Load(MergeInput* input) {
    if (input->is_loaded()) return {};
    return input->Load(out_->block_rows(), out_->in_hand());
  }

  /// The rest of a run that no other input has.
  Status TakeRun(MergeInput* input, std::uint64_t key) {
    while (!input->done() && input->key() == key) {
      QUIPU_TRY(Load(input));
      QUIPU_TRY(out_->Take(input, input->rows_at_hand()));
    }
    return {};
  }

  Status MergeRuns(const std::vector<std::uint32_t>& same, std::uint64_t key) {
    for (const std::uint32_t i : same) QUIPU_TRY(Load(&inputs_[i]));
    std::vector<std::uint32_t> heap = same;
    std::make_heap(heap.begin(), heap.end(), TimeAfter());
    while (heap.size() > 1) {
      std::pop_heap(heap.begin(), heap.end(), TimeAfter());
      MergeInput& input = inputs_[heap.back()];
      const TimeUs limit = inputs_[heap.front()].time();
      QUIPU_TRY(out_->Take(&input, RowsUpTo(input, limit, heap.back() < heap.front())));
      if (input.done() || input.key() != key) {
        heap.pop_back();
        continue;
      }
      QUIPU_TRY(Load(&input));
      std::push_heap(heap.begin(), heap.end(), TimeAfter());
    }
    return TakeRun(&inputs_[heap[0]], key);
  }

  std::vector<MergeInput> inputs_;
  std::vector<std::uint32_t> by_key_;  // heap of the inputs that are not done
  MergeOutput* out_;
};

struct Prepared {
  // A merge reads every page once. Read through the store's cache they would push out what queries need, and stay there.
  std::unique_ptr<PageCache> pages = std::make_unique<PageCache>(kPageBytesMax);
  std::vector<SegmentPtr> segments;  // of the view: files stay until the merge is over
  SegmentSpec spec;                  // without an id
  TimeUs sealed_us = 0;
  std::size_t depth = 0;
  double bytes = 0;
  std::vector<MergeInput> inputs;  // the oldest first
};

Result<Prepared> Prepare(const Store& store, const CompactionJob& job) {
  Prepared out;
  out.spec.store_id = store.store_id();
  out.spec.month = job.month;
  std::vector<SegmentFacts> facts;
  Int128 sealed_sum = 0;
  Int128 rows = 0;
  std::vector<SegmentPtr> segments = store.view()->segments;
  std::sort(segments.begin(), segments.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
    const SegmentSpec &x = a->meta().spec, &y = b->meta().spec;
    return std::pair(x.seq_first, x.segment_id) < std::pair(y.seq_first, y.segment_id);
  });
  for (const SegmentPtr& segment : segments) {
    const SegmentMeta& meta = segment->meta();
    if (!std::binary_search(job.inputs.begin(), job.inputs.end(), meta.spec.segment_id)) continue;
    QUIPU_CHECK(meta.spec.month == job.month);
    const bool first = facts.empty();
    out.spec.seq_first =
        first ? meta.spec.seq_first : std::min(out.spec.seq_first, meta.spec.seq_first);
    out.spec.seq_last = std::max(out.spec.seq_last, meta.spec.seq_last);
    sealed_sum += Int128{meta.sealed_us} * static_cast<Int128>(meta.totals.rows);
    rows += static_cast<Int128>(meta.totals.rows);
    out.bytes += static_cast<double>(meta.file_bytes);
    facts.push_back(FactsOf(meta));
    QUIPU_TRY_ASSIGN(SegmentPtr reader,
                     SegmentReader::Open(store.vfs(), segment->path(), &meta, out.pages.get()));
    QUIPU_TRY_ASSIGN(MergeInput input, MergeInput::Open(std::move(reader)));
    out.segments.push_back(segment);
    out.inputs.push_back(std::move(input));
  }
  if (facts.size() != job.inputs.size() || facts.empty()) {
    return Status::Conflict("segments to merge are no longer there; nothing has changed");
  }
  out.sealed_us = static_cast<TimeUs>(sealed_sum / rows);
  out.depth = OverlapDepth(facts);
  return out;
}

void RemoveFiles(Store* store, const std::vector<SegmentMeta>& metas) {
  for (const SegmentMeta& meta : metas)
    (void)store->vfs()->Unlink(JoinPath(store->segments_folder(), meta.file_name));
}

/// The files come in the order in which they were finished: a customer's own before the shared one that was begun earlier.
std::uint64_t FirstIdOf(const std::vector<SegmentMeta>& metas) {
  std::uint64_t first = 0;
  for (const SegmentMeta& meta : metas)
    first = first == 0 ? meta.spec.segment_id : std::min(first, meta.spec.segment_id);
  return first;
}

}  // namespace

Status RunCompaction(Store* store, const CompactionJob& job, const MergeProgress& progress,
                     RateLimiter* limiter, MergeReport* report, std::uint64_t bytes_in_hand_max) {
  // The view is not kept: a merge takes long, and what is sealed meanwhile must not stay in memory for it.
  QUIPU_TRY_ASSIGN(Prepared prepared, Prepare(*store, job));
  MergeReport own_report;
  if (report == nullptr) report = &own_report;
  *report = {};
  if (bytes_in_hand_max == 0) bytes_in_hand_max = store->options().upkeep_bytes_max;
  const std::uint64_t budget = std::max(bytes_in_hand_max, kBytesInHandMin);
  // Outlives the inputs, whose blocks it counts.
  MergeOutput out(store, {prepared.spec, prepared.bytes, prepared.depth, budget}, progress, limiter,
                  report);
  Status merged = KWayMerge(std::move(prepared.inputs), &out).Run();
  SegmentEdit edit;
  edit.add = out.TakeFinished();
  edit.remove = job.inputs;
  if (!merged.ok()) {
    RemoveFiles(store, edit.add);
    return merged;
  }
  const std::uint64_t run = job.run != 0 ? job.run : FirstIdOf(edit.add);
  for (SegmentMeta& meta : edit.add) {
    meta.level = job.level;
    meta.run = run;
    meta.sealed_us = prepared.sealed_us;
    report->bytes_written += meta.file_bytes;
  }
  report->files = edit.add.size();
  Status installed = store->Install(edit);
  // After a failed write the manifest may name the files already; after any other failure nothing does.
  if (!installed.ok() && store->write_error().ok()) RemoveFiles(store, edit.add);
  return installed;
}

std::optional<CompactionJob> PickCompactionOf(const ViewPtr& view, const Options& options,
                                              CompactionOrder order) {
  std::vector<SegmentFacts> facts;
  std::map<std::uint64_t, const SegmentReader*> by_id;
  for (const SegmentPtr& segment : view->segments) {
    const SegmentMeta& meta = segment->meta();
    if (meta.archive != 0 || meta.spec.summaries_only) continue;  // upkeep/retention.h
    if (!segment->has_ids()) continue;  // of a repair: their keys are not there to be merged
    facts.push_back(FactsOf(meta));
    facts.back().epoch = EpochOf(*view->freezes, meta.spec.seq_first);
    by_id[segment->meta().spec.segment_id] = segment.get();
  }
  order.holds_customer = [&](std::uint64_t id, CustomerOrdinal customer) {
    const Result<const Directory*> directory = by_id.at(id)->directory();
    return !directory || !(*directory)->Find(customer).empty();  // damage: the merge will say so
  };
  return PickCompaction(facts, options, order);
}

}  // namespace quipu
