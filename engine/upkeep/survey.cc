#include "upkeep/survey.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "store/commit_blob.h"
#include "store/kv_salvage.h"
#include "store/watermark.h"

namespace quipu {
namespace {

constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::size_t kProblemsMax = 1000;

std::optional<std::uint64_t> IdOfFile(std::string_view name) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (!name.ends_with(kSegmentSuffix) || error != std::errc() || *end != '-') return std::nullopt;
  return id;
}

/// "commit 7" or "commits 7 to 9, 12".
std::string CommitsText(const std::vector<std::uint64_t>& seqs) {
  return (seqs.size() == 1 ? "commit " : "commits ") + RangesText(seqs);
}

class Surveyor {
 public:
  Surveyor(const SurveyPlan& plan, const Progress& progress, Survey* survey)
      : plan_(plan), vfs_(*plan.environment.vfs), progress_(progress), s_(*survey) {}

  Status Run() {
    QUIPU_TRY(ListSegments(JoinPath(plan_.folder, "segments"), &files_));
    QUIPU_TRY(ReadKv());
    QUIPU_TRY(FindArchives());
    FindStoreId();
    for (auto& [id, meta] : s_.remains.segments) OpenListed(std::move(meta));
    QUIPU_TRY(OpenUnlisted());
    FindNames();
    QUIPU_TRY(VerifyListed());
    FindCounters();
    DecodeCommits();
    CheckTotals();
    return {};
  }

 private:
  void Problem(std::string place, std::string message) {
    if (s_.problems.size() < kProblemsMax)
      s_.problems.push_back({std::move(place), std::move(message)});
  }

  /// Segment files of a folder, by name; none if it is not there.
  Status ListSegments(const std::string& folder, std::map<std::string, std::string>* files) {
    QUIPU_TRY_ASSIGN(const bool exists, vfs_.Exists(folder));
    if (!exists) return {};
    QUIPU_TRY_ASSIGN(const std::vector<std::string> names, vfs_.List(folder));
    for (const std::string& name : names) {
      if (IdOfFile(name)) files->emplace(name, JoinPath(folder, name));
    }
    return {};
  }

  Status ReadKv() {
    const std::string path = JoinPath(plan_.folder, "kv");
    QUIPU_TRY_ASSIGN(const bool exists, vfs_.Exists(path));
    if (!exists) {
      Problem("kv", "it is gone: the names, the manifest and the unsealed commits were there");
      return {};
    }
    std::vector<std::string> said;
    const auto kv = plan_.environment.open_kv ? plan_.environment.open_kv(path)
                                              : OpenDamagedRocksKv(path, "", &said);
    for (std::string& problem : said) Problem("kv", std::move(problem));
    if (!kv) Problem("kv", std::string(kv.error().message()));
    if (kv) QUIPU_TRY(ReadRows(**kv, &s_.remains, &s_.problems));
    s_.kv_was_read = kv.has_value();
    if (!plan_.scratch.empty() && !plan_.environment.open_kv && IsBehind())
      QUIPU_TRY(ReadRebuiltKv(path));
    if (s_.kv_was_read && !s_.remains.record) Problem("kv", "the record of the store is missing");
    if (LacksProducers(s_.remains)) Problem("kv", "the newest rows of producers are missing");
    return {};
  }

  Status ReadRows(const KvStore& kv, Remains* remains, Problems* problems) const {
    std::vector<std::uint64_t> ids;
    for (const auto& [name, file] : files_) ids.push_back(*IdOfFile(name));
    QUIPU_TRY_ASSIGN(*remains, ReadRemains(kv, ids, problems));
    return {};
  }

  /// Is less there than there was? A list of files that was cut short looks whole, and lacks the newest tables: of all families, or, since each is flushed by a
  /// change of its own, of some.
  [[nodiscard]] bool IsBehind() const {
    const Remains& r = s_.remains;
    if (!r.record || !r.last || !r.sealed || LacksRows(r)) return true;
    const auto witnessed = Watermark::Read(vfs_, plan_.folder, r.record->store_id);
    return witnessed && *witnessed > r.last->seq;
  }

  /// Commits, or writes of producers, that the last commit counts.
  static bool LacksRows(const Remains& r) {
    return UnsealedBlobs(r) < r.last->seq - *r.sealed || LacksProducers(r);
  }

  static std::uint64_t UnsealedBlobs(const Remains& r) {
    const auto first = r.blobs.upper_bound(r.sealed.value_or(0));
    return static_cast<std::uint64_t>(std::distance(first, r.blobs.end()));
  }

  /// Up to a later commit; or, up to the same one, more of its commits and producers.
  static bool HasMore(const Remains& a, const Remains& b) {
    if (a.record.has_value() != b.record.has_value()) return a.record.has_value();
    const auto last = [](const Remains& r) { return r.last ? r.last->seq : 0; };
    if (last(a) != last(b)) return last(a) > last(b);
    if (a.sealed != b.sealed) return false;
    const std::uint64_t blobs_a = UnsealedBlobs(a), blobs_b = UnsealedBlobs(b);
    return blobs_a != blobs_b ? blobs_a > blobs_b : a.producers_written > b.producers_written;
  }

  /// What is in the tables and logs, whatever RocksDB's list of them says; taken if it is more.
  Status ReadRebuiltKv(const std::string& path) {
    const auto kv = OpenRebuiltRocksKv(path, plan_.scratch);
    if (!kv) {
      Problem("kv", std::string(kv.error().message()));
      return {};
    }
    Remains remains;
    Problems problems;
    QUIPU_TRY(ReadRows(**kv, &remains, &problems));
    if (s_.kv_was_read && !HasMore(remains, s_.remains)) return {};
    if (s_.kv_was_read)
      Problem("kv", "RocksDB's list of files is behind its tables and logs: it is made anew");
    s_.remains = std::move(remains);
    s_.kv_was_read = true;
    for (VerifyProblem& problem : problems)
      Problem(std::move(problem.place), std::move(problem.message));
    return {};
  }

  /// A disk that is not there is not damage: its folder is taken as detached, as by Store::Open.
  Status FindArchives() {
    for (auto& [number, folder] : s_.remains.archives) {
      if (!folder.is_attached) continue;
      QUIPU_TRY_ASSIGN(folder.is_attached, vfs_.Exists(ArchivePath(folder)));
    }
    return {};
  }

  void FindStoreId() {
    if (s_.remains.record) {
      s_.store_id = s_.remains.record->store_id;
      return;
    }
    for (const auto& [name, path] : files_) {
      const auto reader = SegmentReader::Open(&vfs_, path, nullptr, nullptr);
      if (!reader) continue;
      s_.store_id = (*reader)->meta().spec.store_id;
      return;
    }
  }

  [[nodiscard]] std::string ArchivePath(const ArchiveFolder& folder) const {
    return folder.path.starts_with('/') ? folder.path : JoinPath(plan_.folder, folder.path);
  }

  void OpenListed(SegmentMeta meta) {
    meta.spec.store_id = s_.store_id;
    std::string folder = JoinPath(plan_.folder, "segments");
    if (meta.archive != 0) {
      const auto archive = s_.remains.archives.find(meta.archive);
      const bool is_known = archive != s_.remains.archives.end();
      if (is_known && !archive->second.is_attached) {
        s_.detached.push_back(std::move(meta));
        return;
      }
      if (is_known) folder = ArchivePath(archive->second);
    }
    FoundSegment found{std::move(meta), {}, nullptr, false, false, {}};
    found.path = JoinPath(folder, found.meta.file_name);
    auto opened = SegmentReader::Open(&vfs_, found.path, &found.meta, plan_.cache);
    if (opened) {
      found.reader = *std::move(opened);
    } else {
      const bool is_gone = opened.error().code() == StatusCode::kNotFound;
      found.damage = is_gone ? "the file is gone"
                             : WithoutPlace(found.path, std::string(opened.error().message()));
      Problem(found.path, found.damage);
    }
    s_.segments.push_back(std::move(found));
  }

  Status OpenUnlisted() {
    std::map<std::string, std::string> files = files_;
    for (const auto& [number, folder] : s_.remains.archives) {
      if (folder.is_attached) QUIPU_TRY(ListSegments(ArchivePath(folder), &files));
    }
    for (const FoundSegment& listed : s_.segments) files.erase(listed.meta.file_name);
    for (const SegmentMeta& meta : s_.detached) files.erase(meta.file_name);
    for (const auto& [name, path] : files) {
      auto opened = SegmentReader::Open(&vfs_, path, nullptr, plan_.cache);
      if (opened && (*opened)->meta().spec.store_id != s_.store_id) continue;
      FoundSegment found{
          opened ? (*opened)->meta() : SegmentMeta(), path, nullptr, false, false, {}};
      if (opened) {
        found.reader = *std::move(opened);
      } else {
        found.damage = WithoutPlace(path, std::string(opened.error().message()));
      }
      found.meta.file_name = name;
      found.meta.spec.segment_id = *IdOfFile(name);
      // Without a manifest every file should be a segment of the store.
      if (!found.reader && !s_.remains.last) Problem(found.path, found.damage);
      s_.unlisted.push_back(std::move(found));
    }
    std::sort(s_.unlisted.begin(), s_.unlisted.end(),
              [](const FoundSegment& a, const FoundSegment& b) {
                return a.meta.spec.segment_id > b.meta.spec.segment_id;
              });
    return {};
  }

  void FindNames() {
    for (int kind = 0; kind < kNameKinds; ++kind) {
      for (const auto& [ordinal, name] : s_.remains.names[static_cast<std::size_t>(kind)])
        s_.names.Add(static_cast<NameKind>(kind), ordinal, name);
    }
    s_.names.Add(NameKind::kMeasure, kQuantityColumn, "quantity");
    s_.names.Add(NameKind::kMeasure, kCostColumn, "cost");
    for (const std::vector<FoundSegment>* list : {&s_.segments, &s_.unlisted}) {
      for (const FoundSegment& segment : *list) AddNamesOf(segment);
    }
    std::vector<CustomerOrdinal> erased;
    for (const ErasureRecord& record : s_.remains.erasures) {
      if (!record.done()) erased.push_back(record.customer);
    }
    std::sort(erased.begin(), erased.end());
    if (const std::size_t repeats = s_.names.DropRepeats(erased); repeats > 0) {
      Problem("kv", "the records of erasures under way are gone; " + std::to_string(repeats) +
                        " customers had a name that came again: their rows are taken as erased");
    }
  }

  void AddNamesOf(const FoundSegment& segment) {
    if (!segment.reader) return;
    SegmentNames names;
    static_cast<void>(segment.reader->ReadNames(&names));  // what is damaged, Verify says
    const auto add = [&](NameKind kind, const SegmentNames::List& list) {
      for (const auto& [ordinal, name] : list) s_.names.Add(kind, ordinal, name);
    };
    add(NameKind::kCustomer, names.customers);
    add(NameKind::kService, names.services);
    add(NameKind::kDimension, names.dimensions);
    add(NameKind::kMeasure, names.measures);
  }

  Status VerifyListed() {
    std::uint64_t total = 0;
    for (const FoundSegment& segment : s_.segments) total += segment.meta.totals.rows;
    std::vector<FoundSegment*> wanted;
    for (FoundSegment& segment : s_.segments) wanted.push_back(&segment);
    for (FoundSegment& segment : s_.unlisted) {
      if (s_.remains.last || !segment.reader) continue;
      wanted.push_back(&segment);
      total += segment.meta.totals.rows;
    }
    for (FoundSegment* segment : wanted) {
      VerifyFound(segment, &s_);
      if (progress_ && !progress_(s_.rows, total))
        return Status::Cancelled("the check of the damaged store was stopped");
    }
    return {};
  }

  void FindCounters() {
    const Remains& r = s_.remains;
    const auto witnessed = Watermark::Read(vfs_, plan_.folder, s_.store_id);
    if (witnessed) s_.witnessed = *witnessed;
    if (!witnessed) Problem("watermark", std::string(witnessed.error().message()));
    if (r.last) s_.last_seq = r.last->seq;
    if (s_.kv_was_read && !r.last) Problem("kv", "the record of the last commit is missing");
    if (s_.kv_was_read && !r.sealed)
      Problem("kv", "the number of the last sealed commit is missing");
    if (!r.blobs.empty()) s_.last_seq = std::max(s_.last_seq, r.blobs.rbegin()->first);
    for (const std::vector<FoundSegment>* list : {&s_.segments, &s_.unlisted}) {
      for (const FoundSegment& segment : *list)
        s_.last_seq = std::max(s_.last_seq, segment.meta.spec.seq_last);
    }
    s_.sealed = r.sealed.value_or(r.blobs.empty() ? s_.last_seq : r.blobs.begin()->first - 1);
    if (s_.witnessed <= s_.last_seq) return;
    std::vector<std::uint64_t> cut = {s_.last_seq + 1};
    if (s_.witnessed > cut[0]) cut.push_back(s_.witnessed);
    Problem(cut.size() == 1
                ? CommitsText(cut)
                : "commits " + std::to_string(cut[0]) + " to " + std::to_string(s_.witnessed),
            "acknowledged, but not in kv/: its log was cut or lost");
  }

  void DecodeCommits() {
    std::vector<std::uint64_t> missing;
    for (std::uint64_t seq = s_.sealed + 1; seq <= s_.last_seq; ++seq) {
      const auto blob = s_.remains.blobs.find(seq);
      if (blob == s_.remains.blobs.end()) {
        missing.push_back(seq);
        s_.lost_commits.push_back(seq);
        continue;
      }
      auto decoded = DecodeCommit(blob->second, s_.names);
      if (decoded && decoded->seq == seq) {
        s_.hot[seq] = std::move(decoded->rows);
        continue;
      }
      s_.lost_commits.push_back(seq);
      Problem("commit " + std::to_string(seq), decoded ? "the blob is that of another commit"
                                                       : std::string(decoded.error().message()));
    }
    s_.remains.blobs.clear();
    if (!missing.empty()) Problem(CommitsText(missing), "not in kv/, or not readable there");
  }

  /// The manifest's own sums; a store that adds up may have damaged files, one that does not misses rows.
  void CheckTotals() {
    if (!s_.remains.last || !s_.problems.empty()) return;
    Totals sum;
    for (const FoundSegment& segment : s_.segments) sum.Add(segment.meta.totals);
    for (const SegmentMeta& meta : s_.detached) sum.Add(meta.totals);
    for (const auto& [seq, rows] : s_.hot) {
      if (!rows.empty()) sum.Add(TotalsOf(rows));
    }
    if (sum == s_.remains.last->totals) return;
    Problem("manifest", "totals do not add up: recorded " + s_.remains.last->totals.ToString() +
                            ", found " + sum.ToString());
  }

  const SurveyPlan& plan_;
  Vfs& vfs_;
  const Progress& progress_;
  Survey& s_;
  std::map<std::string, std::string> files_;  // of segments/: path by name
};

}  // namespace

std::string_view FoundNames::Of(NameKind kind, std::uint32_t ordinal) const {
  const auto& names = all(kind);
  const auto found = names.find(ordinal);
  return found == names.end() ? std::string_view() : std::string_view(found->second);
}

void FoundNames::Add(NameKind kind, std::uint32_t ordinal, std::string_view name) {
  names_[static_cast<std::size_t>(kind)].try_emplace(ordinal, name);
}

std::size_t FoundNames::DropRepeats(const std::vector<CustomerOrdinal>& erased) {
  std::size_t dropped = 0;
  std::map<std::string_view, std::string*> holder;
  for (auto& [ordinal, name] : names_[static_cast<std::size_t>(NameKind::kCustomer)]) {
    if (name.empty() || IsErased(erased, ordinal)) continue;
    std::string*& earlier = holder[name];
    if (earlier != nullptr) {
      holder.erase(name);  // its text goes now
      earlier->clear();
      ++dropped;
    }
    holder[name] = &name;
  }
  return dropped;
}

bool VerifyFound(FoundSegment* segment, Survey* survey) {
  if (!segment->reader || segment->was_verified) return segment->is_sound;
  segment->was_verified = true;
  SegmentVerifyReport report;
  const Status status = segment->reader->Verify(&report);
  if (!status.ok() && report.problems.empty()) report.problems.emplace_back(status.message());
  segment->is_sound = report.problems.empty();
  for (std::string& problem : report.problems)
    problem = WithoutPlace(segment->path, std::move(problem));
  if (!segment->is_sound) segment->damage = report.problems[0];
  for (std::string& problem : report.problems) {
    if (survey->problems.size() == kProblemsMax) break;
    survey->problems.push_back({segment->path, std::move(problem)});
  }
  survey->pages += report.pages;
  survey->rows += segment->meta.totals.rows;
  survey->cells += report.cells;
  survey->bytes += segment->meta.file_bytes;
  return segment->is_sound;
}

Result<LockedSurvey> SurveyStore(const SurveyPlan& plan, const Progress& progress) {
  Vfs& vfs = *plan.environment.vfs;
  LockedSurvey out;
  bool is_store = false;
  for (const char* part : {"kv", "segments"}) {
    QUIPU_TRY_ASSIGN(const bool exists, vfs.Exists(JoinPath(plan.folder, part)));
    is_store |= exists;
  }
  if (!is_store) return Status::NotFound("there is no store in " + plan.folder);
  // Also where the file was lost: a store that is in use has it.
  const std::string lock = JoinPath(plan.folder, "LOCK");
  QUIPU_TRY_ASSIGN(const bool has_lock, vfs.Exists(lock));
  if (has_lock) {
    QUIPU_TRY_ASSIGN(out.lock, vfs.Lock(lock));
  }
  QUIPU_TRY(Surveyor(plan, progress, &out.survey).Run());
  return out;
}

std::string WithoutPlace(const std::string& place, std::string message) {
  if (message.starts_with(place + ": ")) message.erase(0, place.size() + 2);
  return message;
}

std::string RangesText(const std::vector<std::uint64_t>& ascending) {
  std::string text;
  for (std::size_t i = 0; i < ascending.size();) {
    std::size_t end = i + 1;
    while (end < ascending.size() && ascending[end] == ascending[end - 1] + 1) ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(ascending[i]);
    if (end > i + 1) text += " to " + std::to_string(ascending[end - 1]);
    i = end;
  }
  return text;
}

}  // namespace quipu
