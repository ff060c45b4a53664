#include "store/remains.h"

#include <algorithm>

#include "base/bytes.h"
#include "store/lifecycle_records.h"

namespace quipu {
namespace {

/// So many numbered keys in a row that cannot be read end the search for more: above what one block of RocksDB holds.
constexpr std::uint32_t kUnreadableMax = 4096;

std::string PlaceOfKey(std::string_view key) {
  const std::size_t slash = key.find('/');
  const std::string_view word = key.substr(0, slash);
  if (slash == std::string_view::npos) return "kv: row " + std::string(word);
  return "kv: row " + std::string(word) + "/0x" + HexText(key.substr(slash + 1));
}

class Collector {
 public:
  Collector(const KvStore& kv, const std::vector<std::uint64_t>& segment_ids, Problems* problems)
      : kv_(kv), segment_ids_(segment_ids), problems_(problems) {}

  Result<Remains> Run() {
    QUIPU_TRY(ReadMeta());
    ReadSpace(KvSpace::kProducers, "producers", "", &remains_.producers);
    remains_.producers.erase(std::string(kProducersWrittenKey));
    const auto written = ReadProducersWritten(kv_);
    if (written) remains_.producers_written = *written;
    for (auto row = remains_.producers.begin(); row != remains_.producers.end();) {
      const Status status = DecodeProducer(row->first, row->second).error();
      if (!status.ok()) Problem("kv: producer '" + row->first + "'", status);
      row = status.ok() ? std::next(row) : remains_.producers.erase(row);
    }
    ReadBlobs();
    return std::move(remains_);
  }

 private:
  void Problem(std::string place, const Status& status) {
    problems_->push_back({std::move(place), std::string(status.message())});
  }

  /// True if the scan came to its end.
  bool ReadSpace(KvSpace space, const std::string& what, std::string_view from,
                 std::map<std::string, std::string>* rows) {
    const Status status =
        kv_.Scan(space, from, [&](std::string_view key, std::string_view value, bool*) -> Status {
          rows->insert_or_assign(std::string(key), std::string(value));
          return {};
        });
    if (!status.ok()) {
      const std::string behind =
          rows->empty() ? "" : " behind " + PlaceOfKey(rows->rbegin()->first);
      Problem("kv: " + what + behind, status);
    }
    return status.ok();
  }

  Status ReadMeta() {
    std::map<std::string, std::string> rows;
    if (!ReadSpace(KvSpace::kMeta, "manifest", "", &rows)) LookUpMeta(&rows);
    for (const auto& [key, value] : rows) {
      const Status status = TakeRow(key, value);
      if (status.code() == StatusCode::kUnsupported) return status;
      if (!status.ok()) Problem(PlaceOfKey(key), status);
    }
    return {};
  }

  /// What the scan did not reach.
  void LookUpMeta(std::map<std::string, std::string>* rows) {
    for (const std::string_view key : {kStoreRecordKey, kLastCommitKey, kSealedKey, kNextSegmentKey,
                                       kRetentionKey, kSummarySetsKey})
      LookUp(std::string(key), rows);
    for (const std::uint64_t id : segment_ids_) LookUp(MakeSegmentKey(id), rows);
    for (std::uint8_t kind = 0; kind < kNameKinds; ++kind) {
      const bool is_measure = kind == static_cast<std::uint8_t>(NameKind::kMeasure);
      LookUpNumbered(is_measure ? kFirstUserMeasure : 0, rows, [&](std::uint32_t ordinal) {
        return MakeNameKey({kind, ordinal});
      });
    }
    LookUpNumbered(1, rows, MakeArchiveKey);
    LookUpNumbered(1, rows, [](std::uint32_t id) { return MakeErasureKey(id); });
    // The prefixes of what has no numbers to count through: a scan from there may find a sound block.
    for (const std::string_view prefix :
         {kClassKeyPrefix, kForgottenKeyPrefix, kFreezeKeyPrefix, kSegmentKeyPrefix}) {
      static_cast<void>(
          kv_.Scan(KvSpace::kMeta, prefix,
                   [&](std::string_view key, std::string_view value, bool* stop) -> Status {
                     *stop = !key.starts_with(prefix);
                     if (!*stop) rows->insert_or_assign(std::string(key), std::string(value));
                     return {};
                   }));
    }
  }

  enum class Found { kYes, kNo, kUnreadable };
  Found LookUp(const std::string& key, std::map<std::string, std::string>* rows) {
    if (rows->contains(key)) return Found::kYes;
    const auto value = kv_.Get(KvSpace::kMeta, key);
    if (!value) return Found::kUnreadable;
    if (!*value) return Found::kNo;
    (*rows)[key] = **value;
    return Found::kYes;
  }
  template <class KeyOf>
  void LookUpNumbered(std::uint32_t number, std::map<std::string, std::string>* rows,
                      KeyOf&& key_of) {
    std::uint32_t unreadable = 0;
    for (; unreadable < kUnreadableMax; ++number) {
      const Found found = LookUp(key_of(number), rows);
      if (found == Found::kNo) return;
      unreadable = found == Found::kYes ? 0 : unreadable + 1;
    }
  }

  Status TakeRow(const std::string& key, const std::string& value) {
    if (key == kStoreRecordKey) {
      QUIPU_TRY_ASSIGN(remains_.record, DecodeStoreRecord(value));
    } else if (key == kLastCommitKey) {
      QUIPU_TRY_ASSIGN(remains_.last, DecodeLastCommit(value));
    } else if (key == kSealedKey) {
      QUIPU_TRY_ASSIGN(remains_.sealed, DecodeCounter(key, value));
    } else if (key == kNextSegmentKey) {
      QUIPU_TRY_ASSIGN(remains_.next_segment, DecodeCounter(key, value));
    } else if (key == kRetentionKey) {
      QUIPU_TRY_ASSIGN(const RetentionPolicy policy, DecodePolicy(value));
      remains_.settings[key] = value;
    } else if (key == kSummarySetsKey) {
      QUIPU_TRY(DecodeSummarySets(value).error());
      remains_.settings[key] = value;
    } else if (key.starts_with(kNameKeyPrefix)) {
      const std::optional<NameKey> parsed = ParseNameKey(key);
      if (!parsed || parsed->kind >= kNameKinds) return Status::Corruption("the key is malformed");
      remains_.names[parsed->kind][parsed->ordinal] = value;
    } else if (key.starts_with(kSegmentKeyPrefix)) {
      QUIPU_TRY_ASSIGN(SegmentMeta meta, DecodeSegment(key, value, Hash128{}));
      const std::uint64_t id = meta.spec.segment_id;
      remains_.segments[id] = std::move(meta);
    } else {
      return TakeLifecycleRow(key, value);
    }
    return {};
  }

  Status TakeLifecycleRow(const std::string& key, const std::string& value) {
    if (key.starts_with(kArchiveKeyPrefix)) {
      QUIPU_TRY_ASSIGN(ArchiveFolder folder, DecodeArchive(key, value));
      const std::uint32_t number = folder.number;
      remains_.archives[number] = std::move(folder);
    } else if (key.starts_with(kClassKeyPrefix)) {
      QUIPU_TRY_ASSIGN(const CustomerClass ignored, DecodeClass(key, value));
      remains_.settings[key] = value;
    } else if (key.starts_with(kForgottenKeyPrefix)) {
      QUIPU_TRY(DecodeForgotten(key, value, &remains_.forgotten));
    } else if (key.starts_with(kErasureKeyPrefix)) {
      QUIPU_TRY_ASSIGN(const ErasureRecord record, DecodeErasure(key, value));
      remains_.erasures.push_back(record);
    } else if (key.starts_with(kFreezeKeyPrefix)) {
      QUIPU_TRY_ASSIGN(FreezeRecord record, DecodeFreeze(key, value));
      remains_.freezes.push_back(std::move(record));
    }
    return {};  // marks of merges and of syncs: of no use any more
  }

  void ReadBlobs() {
    // As Store::Recover: from the first live key.
    const std::string from = remains_.sealed ? MakeBlobKey(*remains_.sealed + 1) : std::string();
    std::map<std::string, std::string> rows;
    const bool is_whole = ReadSpace(KvSpace::kBlobs, "commits", from, &rows);
    for (auto& [key, value] : rows) {
      const auto seq = ParseBlobKey(key);
      if (seq) {
        remains_.blobs[*seq] = std::move(value);
      } else {
        Problem("kv: commits", seq.error());
      }
    }
    if (is_whole || !remains_.last) return;
    const std::uint64_t sealed = remains_.sealed.value_or(
        remains_.blobs.empty() ? remains_.last->seq : remains_.blobs.begin()->first);
    for (std::uint64_t seq = sealed + 1; seq <= remains_.last->seq; ++seq) {
      if (remains_.blobs.contains(seq)) continue;
      auto value = kv_.Get(KvSpace::kBlobs, MakeBlobKey(seq));
      if (value && *value) remains_.blobs[seq] = **std::move(value);
    }
  }

  const KvStore& kv_;
  const std::vector<std::uint64_t>& segment_ids_;
  Problems* problems_;
  Remains remains_;
};

}  // namespace

Result<Remains> ReadRemains(const KvStore& kv, const std::vector<std::uint64_t>& segment_ids,
                            Problems* problems) {
  return Collector(kv, segment_ids, problems).Run();
}

}  // namespace quipu
