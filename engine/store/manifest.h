// The manifest: keys and values of KvSpace::kMeta and kProducers. Pure functions; formats/store.md specifies every byte.
//
//   key in kMeta                       value
//   "archive/", "class/", "retention"  see lifecycle_records.h
//   "erasure/" id(be64)                an erasure, under way or done
//   "forgotten/"                       see lifecycle_records.h
//   "freeze/" name                     see freeze.h
//   "id"                               store record: format version, store id, creation time
//   "last"                             last commit, the totals of the whole store, bytes written; rewritten by every commit, seal and merge
//   "merging/" id(be64)                a segment id that a merge has reserved and not installed
//   "name/" kind ordinal(be32)         a catalogue name
//   "next_segment"                     lowest segment id that was never reserved
//   "sealed"                           last sealed commit
//   "segment/" id(be64)                a segment
//   "summaries"                        see summary_sets.h
//   "sync"                             nothing; written to make earlier writes durable
//
// Every value but the names starts with the XXH3-64 of the rest, seeded with the hash of its key: a value that was damaged or stands
// under another key is kCorruption.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "segment/segment.h"
#include "store/erasure.h"
#include "store/store.h"

namespace quipu {

inline constexpr std::string_view kErasureKeyPrefix = "erasure/";
inline constexpr std::string_view kStoreRecordKey = "id";
inline constexpr std::string_view kLastCommitKey = "last";
inline constexpr std::string_view kMergingKeyPrefix = "merging/";
inline constexpr std::string_view kNameKeyPrefix = "name/";
inline constexpr std::string_view kNextSegmentKey = "next_segment";
inline constexpr std::string_view kSealedKey = "sealed";
inline constexpr std::string_view kSegmentKeyPrefix = "segment/";
inline constexpr std::string_view kSyncKey = "sync";
/// In kProducers, where no producer has it: LastCommit::producers_written. Each family of RocksDB has tables of its own, and a damaged list of them may lack the
/// newest of one family only; of meta and blobs the numbers of commits would tell.
inline constexpr std::string_view kProducersWrittenKey = "";

/// A value as it is stored under `key`: checksum, then payload; and back, kCorruption naming `what`.
std::string SealValue(std::string_view key, std::string_view payload);
Result<std::string_view> UnsealValue(std::string_view key, std::string_view value,
                                     std::string_view what);
/// Lower-case hexadecimal, for messages about keys.
std::string HexText(std::string_view bytes);

struct NameKey {
  std::uint8_t kind = 0;
  std::uint32_t ordinal = 0;
};
std::string MakeNameKey(const NameKey& key);
std::optional<NameKey> ParseNameKey(std::string_view key);
std::string MakeSegmentKey(std::uint64_t segment_id);
std::string MakeMergingKey(std::uint64_t segment_id);
/// Blob keys are the seq, 8 bytes big endian, so that they sort by it.
std::string MakeBlobKey(std::uint64_t seq);
Result<std::uint64_t> ParseBlobKey(std::string_view key);

struct StoreRecord {
  std::uint32_t format_version = kStoreFormatVersion;
  Hash128 store_id;
  TimeUs created_us = 0;
};
std::string EncodeStoreRecord(const StoreRecord& record);
/// kUnsupported for a newer format version (its other fields may mean anything).
Result<StoreRecord> DecodeStoreRecord(std::string_view value);

struct LastCommit {
  std::uint64_t seq = 0;
  Totals totals;
  WriteCounters written;
  std::uint64_t producers_written = 0;  ///< See View.
};
std::string EncodeLastCommit(const LastCommit& last);
Result<LastCommit> DecodeLastCommit(std::string_view value);
LastCommit LastCommitOf(const View& view);

/// Part of each write that changes rows of producers: counts it in the view to come.
void CountProducersWrite(View* next, KvBatch* batch);
/// What the space says itself. kCorruption.
Result<std::uint64_t> ReadProducersWritten(const KvReader& kv);

std::string EncodeCounter(std::string_view key, std::uint64_t value);
Result<std::uint64_t> DecodeCounter(std::string_view key, std::string_view value);
/// kCorruption if it is not there.
Result<std::uint64_t> ReadCounter(const KvReader& kv, std::string_view key);

/// The store id is not part of a segment's value: it is the store's.
std::string EncodeSegment(const SegmentMeta& meta);
Result<SegmentMeta> DecodeSegment(std::string_view key, std::string_view value,
                                  const Hash128& store_id);

std::string MakeErasureKey(std::uint64_t id);
std::string EncodeErasure(const ErasureRecord& record);
Result<ErasureRecord> DecodeErasure(std::string_view key, std::string_view value);

std::string EncodeProducer(std::string_view id, const ProducerState& state);
Result<ProducerState> DecodeProducer(std::string_view id, std::string_view value);

}  // namespace quipu
