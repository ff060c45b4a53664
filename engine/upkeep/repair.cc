#include "upkeep/repair.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "store/commit_blob.h"
#include "upkeep/repaired_freezes.h"
#include "upkeep/salvage.h"
#include "upkeep/saved_rows.h"
#include "upkeep/survey.h"
#include "upkeep/verify.h"

namespace quipu {
namespace {

constexpr std::uint64_t kCacheBytes = 64u << 20;
constexpr const char* kSegmentsName = "segments";

/// Rows and amounts: what must be there, whatever became of ids.
bool SameAmounts(Totals a, Totals b) {
  a.identities = b.identities = {};
  return a == b;
}

class StoreRepair {
 public:
  StoreRepair(Survey survey, std::string folder, std::string out,
              const StoreEnvironment& environment)
      : s_(std::move(survey)),
        folder_(std::move(folder)),
        out_(std::move(out)),
        environment_(environment),
        segments_(environment.vfs, JoinPath(out_, kSegmentsName), s_.store_id, &s_.names,
                  NextId()) {}

  Result<RepairReport> Execute() {
    for (const FoundSegment& segment : s_.segments) QUIPU_TRY(Keep(segment, &losses_));
    for (const auto& [seq, rows] : s_.hot) {
      if (rows.empty()) continue;
      saved_.Add(TotalsOf(rows));
      ++report_.commits_saved;
    }
    LoseCommits();
    if (!IsWhole()) {
      QUIPU_TRY(TakeUnlisted());
      LoseSettings();
    }
    if (LacksProducers(s_.remains)) {
      losses_.Add(
          "kv", "", "", 0,
          "the newest batches of producers: one of them that is sent again is known by the ids "
          "of its events only");
    }
    if (segments_.metas().empty() && s_.hot.empty() && !s_.remains.record) {
      return Status::Corruption("nothing of the store in " + folder_ + " can be saved");
    }
    QUIPU_TRY(WriteKv());
    QUIPU_TRY(Check());
    AddUp();
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::uint64_t NextId() const {
    std::uint64_t next = s_.remains.next_segment.value_or(1);
    const auto note = [&](const SegmentMeta& meta) {
      next = std::max(next, meta.spec.segment_id + 1);
    };
    for (const FoundSegment& segment : s_.segments) note(segment.meta);
    for (const FoundSegment& segment : s_.unlisted) note(segment.meta);
    for (const SegmentMeta& meta : s_.detached) note(meta);
    return next;
  }

  /// Nameless customers: see FoundNames::DropRepeats; or names that were lost.
  [[nodiscard]] bool HasNamelessRows(const FoundSegment& segment) const {
    const auto directory = segment.reader->directory();
    return !directory ||
           std::any_of((*directory)->runs().begin(), (*directory)->runs().end(),
                       [&](const Run& run) { return s_.names.Customer(run.customer).empty(); });
  }

  Status Keep(const FoundSegment& segment, LossList* losses) {
    if (segment.is_sound && !HasNamelessRows(segment)) {
      QUIPU_TRY(segments_.Copy(segment));
      saved_.Add(segment.meta.totals);
      ++report_.segments_copied;
      return {};
    }
    if (segment.reader) return Rewrite(segment, nullptr, losses);
    ++report_.segments_lost;
    losses_.Add(segment.path, MonthText(segment.meta.spec.month), "", segment.meta.totals.rows,
                std::to_string(segment.meta.customers) + " customers: " + segment.damage);
    return {};
  }

  Status Rewrite(const FoundSegment& segment, const DropRows& drop, LossList* losses) {
    const std::size_t before = segments_.metas().size();
    QUIPU_TRY_ASSIGN(const Salvaged salvaged, SalvageSegment(segment, drop, &segments_, losses));
    for (std::size_t i = before; i < segments_.metas().size(); ++i)
      saved_.Add(segments_.metas()[i].totals);
    report_.events_without_ids += salvaged.rows_without_ids;
    ++(salvaged.rows > 0 ? report_.segments_rewritten : report_.segments_lost);
    return {};
  }

  void LoseCommits() {
    if (!s_.lost_commits.empty()) {
      losses_.Add(
          (s_.lost_commits.size() == 1 ? "commit " : "commits ") + RangesText(s_.lost_commits), "",
          "", std::nullopt, "events that were not sealed yet");
    }
    if (s_.witnessed > s_.last_seq) {
      losses_.Add(
          "commits " + std::to_string(s_.last_seq + 1) + " to " + std::to_string(s_.witnessed), "",
          "", std::nullopt, "acknowledged, and not recorded anywhere else");
    }
  }

  /// Is everything here that the last commit recorded?
  [[nodiscard]] bool IsWhole() const {
    if (!s_.remains.last) return false;
    Totals all = saved_;
    for (const SegmentMeta& meta : s_.detached) all.Add(meta.totals);
    return SameAmounts(all, s_.remains.last->totals);
  }

  Status TakeUnlisted() {
    SavedRows known(&segments_, &s_.hot);
    for (FoundSegment& segment : s_.unlisted) {
      if (IsWhole()) return {};
      if (!segment.reader) {
        LoseUnreadable(segment);
        continue;
      }
      QUIPU_TRY_ASSIGN(const bool may_repeat, known.Begin(segment));
      VerifyFound(&segment, &s_);
      segment.meta.run = segment.meta.spec.segment_id;
      segment.meta.sealed_us = environment_.clock->NowUs();
      TakeCustomers(&segment);
      LossList doubtful;  // what is damaged may be saved already, or be of no use: the totals tell
      LossList* const losses = may_repeat || s_.remains.last ? &doubtful : &losses_;
      if (!may_repeat) {
        QUIPU_TRY(Keep(segment, losses));
        continue;
      }
      if (segment.meta.spec.summaries_only)
        continue;  // its rows are there, or are another's summaries
      QUIPU_TRY(Rewrite(
          segment, [&](RowBatch* rows) { return known.DropKnown(rows); }, losses));
    }
    return {};
  }

  /// Files of a lost manifest; with one, they are nothing that it needs.
  void LoseUnreadable(const FoundSegment& segment) {
    if (s_.remains.last) return;
    ++report_.segments_lost;
    const std::string& name = segment.meta.file_name;  // NNNNNNNNNN-YYYY-MM.seg
    const std::size_t dash = name.find('-');
    losses_.Add(segment.path, name.substr(dash + 1, name.rfind('.') - dash - 1), "", std::nullopt,
                segment.damage);
  }

  /// The manifest would know.
  static void TakeCustomers(FoundSegment* segment) {
    const auto directory = segment->reader->directory();
    if (!directory) return;
    segment->meta.customer_first = (*directory)->runs().front().customer;
    segment->meta.customer_last = (*directory)->runs().back().customer;
  }

  void LoseSettings() {
    if (s_.kv_was_read && s_.remains.record) return;
    losses_.Add("kv", "", "", 0,
                "the retention policy, declared summaries, customer classes, freezes, producers, "
                "erasures and the record of what "
                "retention and erasure have removed: set the policy again, repeat erasures");
  }

  // ---- the new key-value store

  [[nodiscard]] std::uint64_t LastSeq() const { return std::max(s_.last_seq, s_.witnessed); }

  [[nodiscard]] std::uint64_t NewSealed() const { return s_.hot.empty() ? LastSeq() : s_.sealed; }

  Status PutNames(KvBatch* batch) const {
    for (int k = 0; k < kNameKinds; ++k) {
      const auto kind = static_cast<NameKind>(k);
      const auto& names = s_.names.all(kind);
      if (names.empty()) continue;
      const std::uint32_t last = names.rbegin()->first;
      if (last >= NamesMax(kind)) {
        return Status::Corruption("a segment has a name of number " + std::to_string(last) +
                                  ", which is out of bounds");
      }
      for (std::uint32_t o = kind == NameKind::kMeasure ? kFirstUserMeasure : 0; o <= last; ++o) {
        batch->Put(KvSpace::kMeta, MakeNameKey({static_cast<std::uint8_t>(k), o}),
                   std::string(s_.names.Of(kind, o)));
      }
    }
    return {};
  }

  Status PutLifecycle(KvBatch* batch) {
    for (const auto& [key, value] : s_.remains.settings) batch->Put(KvSpace::kMeta, key, value);
    for (const ErasureRecord& record : s_.remains.erasures)
      batch->Put(KvSpace::kMeta, MakeErasureKey(record.id), EncodeErasure(record));
    for (auto [number, folder] : s_.remains.archives) {
      if (folder.is_attached) continue;   // copied: two stores must not share it
      if (!folder.path.starts_with('/'))  // it was relative to the old store
        folder.path = std::filesystem::absolute(JoinPath(folder_, folder.path)).string();
      batch->Put(KvSpace::kMeta, MakeArchiveKey(number), EncodeArchive(folder));
    }
    ForgottenMonths forgotten = s_.remains.forgotten;
    QUIPU_TRY(AddForgotten(&forgotten));
    for (const auto& [month, services] : forgotten)
      batch->Put(KvSpace::kMeta, MakeForgottenKey(month), EncodeForgotten(month, services));
    return {};
  }

  /// Months and services of segments without ids.
  Status AddForgotten(ForgottenMonths* forgotten) const {
    for (const SegmentMeta& meta : segments_.metas()) {
      QUIPU_TRY_ASSIGN(
          const auto reader,
          SegmentReader::Open(environment_.vfs, JoinPath(segments_.folder(), meta.file_name), &meta,
                              nullptr));
      if (reader->has_ids()) continue;
      QUIPU_TRY_ASSIGN(const Directory* const directory, reader->directory());
      for (const Run& run : directory->runs()) (*forgotten)[meta.spec.month].insert(run.service);
    }
    return {};
  }

  /// Blobs of sealed + 1 .. the last; lost ones without rows.
  Status PutCommits(KvBatch* batch) const {
    const std::uint64_t sealed = NewSealed();
    batch->Put(KvSpace::kMeta, std::string(kSealedKey), EncodeCounter(kSealedKey, sealed));
    static const RowBatch kNoRows;
    for (std::uint64_t seq = sealed + 1; seq <= LastSeq(); ++seq) {
      const auto found = s_.hot.find(seq);
      QUIPU_TRY_ASSIGN(std::string blob,
                       EncodeCommit(seq, found == s_.hot.end() ? kNoRows : found->second));
      batch->Put(KvSpace::kBlobs, MakeBlobKey(seq), std::move(blob));
    }
    return {};
  }

  void PutFreezes(KvBatch* batch) {
    std::vector<SegmentMeta> metas = segments_.metas();
    metas.insert(metas.end(), s_.detached.begin(), s_.detached.end());
    for (FreezeRecord& freeze : s_.remains.freezes) {
      const RepairedFreeze repaired = RepairFreeze(metas, NewSealed(), &freeze);
      if (!repaired.loss.empty())
        losses_.Add("freeze '" + freeze.name + "'", "", "", 0, repaired.loss);
      if (!repaired.is_kept) continue;
      batch->Put(KvSpace::kMeta, MakeFreezeKey(freeze.name), EncodeFreeze(freeze));
    }
  }

  Status WriteKv() {
    const std::string path = JoinPath(out_, "kv");
    QUIPU_TRY_ASSIGN(const auto kv,
                     environment_.open_kv ? environment_.open_kv(path) : OpenRocksKv(path));
    KvBatch batch;
    StoreRecord record = s_.remains.record.value_or(StoreRecord());
    record.store_id = s_.store_id;
    if (!s_.remains.record) record.created_us = environment_.clock->NowUs();
    batch.Put(KvSpace::kMeta, std::string(kStoreRecordKey), EncodeStoreRecord(record));
    LastCommit last;
    if (s_.remains.last) last.written = s_.remains.last->written;  // producers are counted anew
    last.seq = LastSeq();
    last.totals = saved_;
    for (const SegmentMeta& meta : s_.detached) last.totals.Add(meta.totals);
    batch.Put(KvSpace::kMeta, std::string(kLastCommitKey), EncodeLastCommit(last));
    batch.Put(KvSpace::kMeta, std::string(kNextSegmentKey),
              EncodeCounter(kNextSegmentKey, segments_.next_id()));
    const auto put = [&](const SegmentMeta& meta) {
      batch.Put(KvSpace::kMeta, MakeSegmentKey(meta.spec.segment_id), EncodeSegment(meta));
    };
    std::for_each(segments_.metas().begin(), segments_.metas().end(), put);
    std::for_each(s_.detached.begin(), s_.detached.end(), put);
    for (const auto& [id, value] : s_.remains.producers) batch.Put(KvSpace::kProducers, id, value);
    QUIPU_TRY(PutNames(&batch));
    QUIPU_TRY(PutLifecycle(&batch));
    QUIPU_TRY(PutCommits(&batch));
    PutFreezes(&batch);
    QUIPU_TRY(kv->Write(batch, /*sync=*/true));
    return kv->Close();
  }

  /// Whatever was wrong before, the new store must be sound.
  Status Check() const {
    Options options;
    QUIPU_TRY_ASSIGN(const auto store, Store::Open(out_, options, environment_));
    QUIPU_TRY_ASSIGN(const VerifyReport report, VerifyStore(*store, {}));
    if (!report.problems.empty()) {
      return Status::Internal("the repaired store " + out_ + " is not sound: " +
                              report.problems[0].place + ": " + report.problems[0].message);
    }
    return store->Close();
  }

  void AddUp() {
    report_.events_saved = saved_.rows;
    const bool is_cut = s_.witnessed > s_.last_seq;
    if (s_.remains.last) {
      Totals all = saved_;
      for (const SegmentMeta& meta : s_.detached) all.Add(meta.totals);
      const std::uint64_t recorded = s_.remains.last->totals.rows;
      report_.events_lost = recorded - std::min(recorded, all.rows);
      report_.is_exact = !is_cut && all.rows <= recorded;
      Attribute(is_cut);
    } else {
      report_.events_lost = losses_.rows();
    }
    report_.losses = std::move(losses_).Take();
    report_.problems = std::move(s_.problems);
  }

  /// What the lines do not say of the total.
  void Attribute(bool is_cut) {
    if (report_.events_lost == 0 && losses_.unknown() == 0) {
      if (losses_.rows() > 0)
        losses_ = LossList();  // all of it was in files that the manifest does not list
      return;
    }
    if (report_.events_lost < losses_.rows()) return;
    const std::uint64_t rest = report_.events_lost - losses_.rows();
    if (!is_cut && losses_.unknown() == 1) {
      losses_.SetUnknown(rest);
    } else if (rest > 0 && losses_.unknown() == 0) {
      losses_.Add("manifest", "", "", rest, "recorded by the last commit, and found nowhere");
    }
  }

  Survey s_;
  const std::string folder_, out_;
  const StoreEnvironment& environment_;
  RepairedSegments segments_;
  Totals saved_;
  LossList losses_;
  RepairReport report_;
};

/// The new folder: it must be new, or empty.
Status CheckOut(Vfs* vfs, const std::string& out) {
  QUIPU_TRY_ASSIGN(const bool exists, vfs->Exists(out));
  if (exists) {
    QUIPU_TRY_ASSIGN(const std::vector<std::string> names, vfs->List(out));
    if (!names.empty()) {
      return Status::AlreadyExists("the folder " + out + " is not empty (it has " + names[0] +
                                   "); a repaired store needs a new one");
    }
  }
  return {};
}

Status MakeOut(Vfs* vfs, const std::string& out) {
  for (const std::string& folder : {out, JoinPath(out, kSegmentsName), JoinPath(out, "kv")})
    QUIPU_TRY(vfs->MakeFolder(folder));
  QUIPU_TRY(vfs->SyncFolder(out));
  return vfs->SyncFolder(FolderOf(out));
}

}  // namespace

Result<VerifyReport> ExamineStore(const std::string& folder, const StoreEnvironment& environment,
                                  const Progress& progress) {
  PageCache cache(kCacheBytes, kCacheBytes);
  QUIPU_TRY_ASSIGN(LockedSurvey found, SurveyStore({folder, "", environment, &cache}, progress));
  Survey& s = found.survey;
  VerifyReport report;
  report.segments = s.segments.size();
  for (const FoundSegment& segment : s.unlisted) report.segments += segment.was_verified ? 1 : 0;
  report.pages = s.pages;
  report.rows = s.rows;
  for (const auto& [seq, rows] : s.hot) report.rows += rows.size();
  report.cells = s.cells;
  report.bytes = s.bytes;
  report.problems = std::move(s.problems);
  return report;
}

Result<RepairReport> RepairStore(const std::string& folder, const std::string& out,
                                 const StoreEnvironment& environment, const Progress& progress) {
  Vfs* const vfs = environment.vfs;
  QUIPU_TRY(CheckOut(vfs, out));
  PageCache cache(kCacheBytes, kCacheBytes);
  const std::string scratch = out + ".kv-rebuilt";  // nothing is made of `out` before all is read
  QUIPU_TRY_ASSIGN(const bool is_left, vfs->Exists(scratch));
  if (is_left) {
    return Status::AlreadyExists(
        "the folder " + scratch +
        " is in the way, which an interrupted repair has left behind; remove it");
  }
  auto found = SurveyStore({folder, scratch, environment, &cache}, progress);
  QUIPU_TRY_ASSIGN(const bool was_rebuilt, vfs->Exists(scratch));
  if (was_rebuilt) QUIPU_TRY(RemoveRocksFolder(scratch));
  QUIPU_TRY(found.error());
  QUIPU_TRY(MakeOut(vfs, out));
  return StoreRepair(std::move(found->survey), folder, out, environment).Execute();
}

}  // namespace quipu
