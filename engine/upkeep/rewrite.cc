#include "upkeep/rewrite.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "segment/summary_fold.h"

namespace quipu {
namespace {

constexpr std::uint32_t kBlockRows = 16'384;
/// Values (rows x measures) behind one summary segment: at most twice as many statistics are held while it is built, 80 bytes each.
constexpr std::uint64_t kSummarisedValuesMax = 1ull << 21;
/// Rows of one archive file: bounds the writer's memory.
constexpr std::uint64_t kArchivedRowsMax = 16ull << 20;

/// A window of rows that moves through a segment.
class Source {
 public:
  explicit Source(SegmentPtr segment) : segment_(std::move(segment)) {}
  Status LoadNext() {
    const std::uint32_t count = std::min(segment_->rows() - next_, kBlockRows);
    at_ = 0;
    block_ = {};
    if (count == 0) return {};
    QUIPU_TRY_ASSIGN(block_, segment_->ReadRows(next_, count));
    next_ += count;
    return {};
  }
  [[nodiscard]] bool done() const { return at_ == block_.size(); }
  [[nodiscard]] const RowBatch& block() const { return block_; }
  [[nodiscard]] std::uint32_t at() const { return at_; }
  void Step() { ++at_; }

 private:
  SegmentPtr segment_;
  RowBatch block_;
  std::uint32_t next_ = 0;
  std::uint32_t at_ = 0;
};

/// Rows of one fate on their way into segments.
class Sink {
 public:
  Sink(Store* store, std::string folder, const SegmentSpec& spec, std::uint32_t archive,
       bool drops_ids)
      : store_(store),
        folder_(std::move(folder)),
        spec_(spec),
        archive_(archive),
        drops_ids_(drops_ids || spec.summaries_only) {}

  /// `lost_identities`: what inputs without ids remember of theirs; the first file without ids takes it over.
  Status Append(const RowBatch& rows, IdentityTotal* lost_identities) {
    if (writer_ == nullptr) {
      QUIPU_TRY_ASSIGN(spec_.segment_id, store_->ReserveMergedId());
      QUIPU_TRY_ASSIGN(writer_, store_->NewSegment(folder_, spec_));
      if (drops_ids_) writer_->DropIdentities(std::exchange(*lost_identities, {}));
    }
    QUIPU_TRY(writer_->Append(rows));
    rows_ += rows.size();
    values_ += rows.size() * rows.measures.size();
    const bool full = spec_.summaries_only
                          ? values_ >= kSummarisedValuesMax
                          : rows_ >= std::min(kArchivedRowsMax, store_->options().merged_rows_max);
    return full ? Finish() : Status();
  }

  /// Bytes written since the last call.
  std::uint64_t TakeUnpaid() {
    const std::uint64_t bytes = finished_bytes_ + (writer_ == nullptr ? 0 : writer_->bytes());
    return bytes - std::exchange(paid_bytes_, bytes);
  }

  Status Finish() {
    if (writer_ == nullptr) return {};
    QUIPU_TRY_ASSIGN(SegmentMeta meta, writer_->Finish());
    finished_bytes_ += meta.file_bytes;
    writer_.reset();
    rows_ = values_ = 0;
    meta.archive = archive_;
    metas_.push_back(std::move(meta));
    return {};
  }

  /// Reads every file back: what the switch relies on.
  Status VerifyFiles() const {
    for (const SegmentMeta& meta : metas_) {
      const std::string path = JoinPath(folder_, meta.file_name);
      QUIPU_TRY_ASSIGN(const auto reader, SegmentReader::Open(store_->vfs(), path, &meta, nullptr));
      SegmentVerifyReport report;
      QUIPU_TRY(reader->Verify(&report));
      if (!report.problems.empty()) return Status::Corruption(report.problems[0]);
    }
    return {};
  }

  void RemoveFiles() {
    writer_.reset();
    for (const SegmentMeta& meta : metas_)
      (void)store_->vfs()->Unlink(JoinPath(folder_, meta.file_name));
    metas_.clear();
  }
  [[nodiscard]] const std::vector<SegmentMeta>& metas() const { return metas_; }
  [[nodiscard]] bool drops_ids() const { return drops_ids_; }

 private:
  Store* store_;
  std::string folder_;
  SegmentSpec spec_;
  std::uint32_t archive_;
  bool drops_ids_;
  std::unique_ptr<SegmentWriter> writer_;
  std::uint64_t rows_ = 0, values_ = 0;
  std::uint64_t finished_bytes_ = 0, paid_bytes_ = 0;
  std::vector<SegmentMeta> metas_;
};

class Rewrite {
 public:
  Rewrite(Store* store, const View& view, const RewriteJob& job, const RewriteProgress& progress)
      : store_(store), job_(job), progress_(progress) {
    SegmentSpec spec = job.inputs[0]->meta().spec;
    bool lacks_ids = false;
    for (const SegmentPtr& input : job.inputs) {
      const SegmentSpec& in = input->meta().spec;
      QUIPU_CHECK(in.month == spec.month && !in.summaries_only);
      spec.seq_first = std::min(spec.seq_first, in.seq_first);
      spec.seq_last = std::max(spec.seq_last, in.seq_last);
      sources_.emplace_back(input);
      if (input->has_ids()) continue;
      lacks_ids = true;
      lost_identities_.Add(input->meta().totals.identities);
    }
    const auto add = [&](std::uint32_t archive, bool summaries_only, bool drops_ids) {
      SegmentMeta place;
      place.archive = archive;
      spec.summaries_only = summaries_only;
      spec.wrap_level = archive != 0 ? kArchiveWrapLevel : 0;
      sinks_.emplace_back(store, store->FolderOfSegment(place, view), spec, archive, drops_ids);
    };
    add(job.keep_in, false, lacks_ids);
    add(job.archive_to, false, lacks_ids || job.drop_archived_ids);
    add(0, true, true);
  }

  Status Run() {
    for (Source& source : sources_) QUIPU_TRY(source.LoadNext());
    for (std::uint32_t i = 0; i < sources_.size(); ++i) {
      if (!sources_[i].done()) heap_.push_back(i);
    }
    const auto after = [this](std::uint32_t a, std::uint32_t b) { return Before(b, a); };
    std::make_heap(heap_.begin(), heap_.end(), after);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), after);
      const std::uint32_t i = heap_.back();
      heap_.pop_back();
      TakeStretch(i);
      if (sources_[i].done()) {
        QUIPU_TRY(Flush());  // before the block that the pending rows lie in is replaced
        QUIPU_TRY(sources_[i].LoadNext());
        if (sources_[i].done()) continue;
      }
      heap_.push_back(i);
      std::push_heap(heap_.begin(), heap_.end(), after);
      if (taken_ >= kRowGroupRows) QUIPU_TRY(Flush());
    }
    QUIPU_TRY(Flush());
    for (Sink& sink : sinks_) QUIPU_TRY(sink.Finish());
    QUIPU_TRY(Pay());
    for (const Sink& sink : sinks_) QUIPU_TRY(sink.VerifyFiles());
    return {};
  }

  void RemoveFiles() {
    for (Sink& sink : sinks_) sink.RemoveFiles();
  }

  /// Are ids of rows with this fate gone after it?
  [[nodiscard]] bool DropsIdsOf(Fate fate) const {
    if (fate == Fate::kDelete) return !job_.is_erasure;
    return sinks_[static_cast<std::size_t>(fate)].drops_ids();
  }

  void Describe(SegmentEdit* edit, RewriteResult* result) const {
    // Only if no file was written without ids: then every row without one has been deleted.
    Totals expired = deleted_;
    expired.identities.Add(lost_identities_);
    for (const Sink& sink : sinks_)
      edit->add.insert(edit->add.end(), sink.metas().begin(), sink.metas().end());
    for (const SegmentPtr& input : job_.inputs)
      edit->remove.push_back(input->meta().spec.segment_id);
    edit->expired = std::move(expired);
    edit->is_erasure = job_.is_erasure;
    result->deleted = deleted_;
    for (const SegmentMeta& meta : sinks_[1].metas()) {
      result->archived.Add(meta.totals);
      result->archived_bytes += meta.file_bytes;
    }
    for (const SegmentMeta& meta : sinks_[2].metas()) result->summarised.Add(meta.totals);
  }

 private:
  static constexpr std::size_t kFates = 4;

  /// Of equal rows that of the older segment comes first.
  [[nodiscard]] bool Before(std::uint32_t a, std::uint32_t b) const {
    const Source& x = sources_[a];
    const Source& y = sources_[b];
    if (SegmentOrderLess(x.block(), x.at(), y.block(), y.at())) return true;
    return a < b && !SegmentOrderLess(y.block(), y.at(), x.block(), x.at());
  }

  void TakeStretch(std::uint32_t i) {
    Source& source = sources_[i];
    do {
      pending_[static_cast<std::size_t>(FateOfNext(source))].push_back({i, source.at()});
      ++taken_;
      source.Step();
    } while (!source.done() && taken_ < kRowGroupRows &&
             (heap_.empty() || Before(i, heap_.front())));
  }

  Fate FateOfNext(const Source& source) {
    const CustomerOrdinal customer = source.block().customers[source.at()];
    const ServiceOrdinal service = source.block().services[source.at()];
    if (!fate_known_ || customer != customer_ || service != service_) {
      fate_ = job_.fate_of(customer, service);
      customer_ = customer;
      service_ = service;
      fate_known_ = true;
    }
    return fate_;
  }

  Status Flush() {
    std::vector<const RowBatch*> blocks;
    for (const Source& source : sources_) blocks.push_back(&source.block());
    for (std::size_t fate = 0; fate < kFates; ++fate) {
      if (pending_[fate].empty()) continue;
      const RowBatch rows = Gather(blocks, pending_[fate]);
      pending_[fate].clear();
      if (fate == static_cast<std::size_t>(Fate::kDelete)) {
        deleted_.Add(TotalsOf(rows));
      } else {
        QUIPU_TRY(sinks_[fate].Append(rows, &lost_identities_));
      }
    }
    rows_done_ += taken_;
    taken_ = 0;
    return Pay();
  }

  Status Pay() {
    std::uint64_t bytes = 0;
    for (Sink& sink : sinks_) bytes += sink.TakeUnpaid();
    return PayFor(*store_, job_.limiter, bytes, [this]() -> Status {
      if (!progress_ || progress_(rows_done_)) return {};
      return Status::Cancelled("retention was stopped; nothing of this step has changed");
    });
  }

  Store* store_;
  const RewriteJob& job_;
  const RewriteProgress& progress_;
  std::vector<Source> sources_;
  std::vector<Sink> sinks_;  // by fate
  std::array<std::vector<RowRef>, kFates> pending_;
  std::vector<std::uint32_t> heap_;
  std::uint64_t taken_ = 0, rows_done_ = 0;
  bool fate_known_ = false;
  CustomerOrdinal customer_ = 0;
  ServiceOrdinal service_ = 0;
  Fate fate_ = Fate::kKeep;
  Totals deleted_;
  IdentityTotal lost_identities_;  // of inputs without ids, until a file has taken it over
};

/// What stays or is archived is at most as large as it was; summaries alone are smaller.
Status CheckRoom(Store* store, const RewriteJob& job) {
  std::array<double, 2> bytes = {0, 0};  // in segments/ and in archives
  for (const SegmentPtr& input : job.inputs) {
    QUIPU_TRY_ASSIGN(const Directory* const directory, input->directory());
    const SegmentMeta& meta = input->meta();
    const double row_bytes =
        static_cast<double>(meta.file_bytes) / static_cast<double>(meta.totals.rows);
    for (const Run& run : directory->runs()) {
      const Fate fate = job.fate_of(run.customer, run.service);
      if (fate == Fate::kDelete) continue;
      const bool archived = fate == Fate::kArchive || (fate == Fate::kKeep && job.keep_in != 0);
      bytes[archived ? 1 : 0] += row_bytes * run.rows;
    }
  }
  const auto in_store = static_cast<std::uint64_t>(bytes[0]);
  const auto in_archive = static_cast<std::uint64_t>(bytes[1]);
  if (in_archive == 0) return store->CheckRoomFor(in_store, "the rest of a month");
  SegmentMeta place;
  place.archive = job.keep_in != 0 ? job.keep_in : job.archive_to;
  const std::string folder = store->FolderOfSegment(place, *store->view());
  // The archive may be on the store's disk: there has to be room for both.
  QUIPU_TRY(store->CheckRoomIn(folder, in_archive + in_store, "a month in the archive"));
  return store->CheckRoomFor(in_store, "the rest of a month");
}

/// Everything leaves: nothing to read.
bool IsAllDeleted(const Directory& directory, const FateOf& fate_of) {
  return std::all_of(directory.runs().begin(), directory.runs().end(), [&](const Run& run) {
    return fate_of(run.customer, run.service) == Fate::kDelete;
  });
}

Result<bool> AreAllDeleted(const std::vector<SegmentPtr>& inputs, const FateOf& fate_of) {
  for (const SegmentPtr& input : inputs) {
    QUIPU_TRY_ASSIGN(const Directory* const directory, input->directory());
    if (!IsAllDeleted(*directory, fate_of)) return false;
  }
  return true;
}

/// Notes the runs for which `drops_ids(customer, service)`. (What has no ids was noted when it lost them.)
template <class DropsIds>
Status NoteForgotten(const std::vector<SegmentPtr>& inputs, DropsIds&& drops_ids,
                     ForgottenMonths* forgotten) {
  for (const SegmentPtr& input : inputs) {
    if (!input->has_ids()) continue;
    QUIPU_TRY_ASSIGN(const Directory* const directory, input->directory());
    for (const Run& run : directory->runs()) {
      if (drops_ids(run.customer, run.service))
        (*forgotten)[input->meta().spec.month].insert(run.service);
    }
  }
  return {};
}

Result<RewriteResult> DropAll(Store* store, const std::vector<SegmentPtr>& inputs,
                              bool is_erasure) {
  SegmentEdit edit;
  edit.is_erasure = is_erasure;
  const auto all = [&](CustomerOrdinal, ServiceOrdinal) { return !is_erasure; };
  QUIPU_TRY(NoteForgotten(inputs, all, &edit.forgotten));
  for (const SegmentPtr& input : inputs) {
    edit.remove.push_back(input->meta().spec.segment_id);
    edit.expired.Add(input->meta().totals);
  }
  QUIPU_TRY(store->Install(edit));
  RewriteResult result;
  result.deleted = edit.expired;
  return result;
}

}  // namespace

Status InstallOrRemove(Store* store, const SegmentEdit& edit) {
  const ViewPtr view = store->view();
  Status installed = store->Install(edit);
  // After a failed write the manifest may name the files already; after any other failure nothing does.
  if (installed.ok() || !store->write_error().ok()) return installed;
  for (const SegmentMeta& meta : edit.add)
    (void)store->vfs()->Unlink(JoinPath(store->FolderOfSegment(meta, *view), meta.file_name));
  return installed;
}

Result<RewriteResult> RewriteMonth(Store* store, const RewriteJob& job,
                                   const RewriteProgress& progress) {
  QUIPU_CHECK(!job.inputs.empty() && job.inputs.size() <= kRewriteInputsMax);
  QUIPU_TRY_ASSIGN(const bool all_deleted, AreAllDeleted(job.inputs, job.fate_of));
  if (all_deleted) return DropAll(store, job.inputs, job.is_erasure);
  QUIPU_TRY(CheckRoom(store, job));
  RewriteResult result;
  SegmentEdit edit;
  {
    Rewrite rewrite(store, *store->view(), job, progress);
    const auto drops_ids = [&](CustomerOrdinal customer, ServiceOrdinal service) {
      return rewrite.DropsIdsOf(job.fate_of(customer, service));
    };
    QUIPU_TRY(NoteForgotten(job.inputs, drops_ids, &edit.forgotten));
    if (Status done = rewrite.Run(); !done.ok()) {
      rewrite.RemoveFiles();
      return done;
    }
    rewrite.Describe(&edit, &result);
  }
  QUIPU_TRY(InstallOrRemove(store, edit));
  return result;
}

Result<RewriteResult> RewriteSummaries(Store* store, const std::vector<SegmentPtr>& inputs,
                                       const FateOf& fate_of, bool is_erasure) {
  QUIPU_TRY_ASSIGN(const bool all_deleted, AreAllDeleted(inputs, fate_of));
  if (all_deleted) return DropAll(store, inputs, is_erasure);
  std::vector<const SegmentReader*> readers;
  SegmentSpec spec = inputs[0]->meta().spec;
  SegmentEdit edit;
  edit.is_erasure = is_erasure;
  for (const SegmentPtr& input : inputs) {
    readers.push_back(input.get());
    spec.seq_first = std::min(spec.seq_first, input->meta().spec.seq_first);
    spec.seq_last = std::max(spec.seq_last, input->meta().spec.seq_last);
    edit.remove.push_back(input->meta().spec.segment_id);
  }
  QUIPU_TRY_ASSIGN(FoldedSummaries folded,
                   FoldSummaries(readers, [&](CustomerOrdinal customer, ServiceOrdinal service) {
                     return fate_of(customer, service) != Fate::kDelete;
                   }));
  RewriteResult result;
  result.deleted = edit.expired = folded.left;
  QUIPU_TRY_ASSIGN(spec.segment_id, store->ReserveMergedId());
  QUIPU_TRY_ASSIGN(auto writer, SegmentWriter::Create(store->vfs(), store->segments_folder(), spec,
                                                      &store->catalogue()));
  QUIPU_TRY(writer->Adopt(std::move(folded)));
  QUIPU_TRY_ASSIGN(SegmentMeta meta, writer->Finish());
  edit.add.push_back(std::move(meta));
  QUIPU_TRY(InstallOrRemove(store, edit));
  return result;
}

}  // namespace quipu
