#include "store/manifest.h"

#include <flatbuffers/flatbuffers.h>

#include "base/bytes.h"
#include "base/calendar.h"
#include "base/check.h"
#include "formats/manifest_generated.h"

namespace quipu {
namespace {

constexpr std::uint16_t kSegmentRecordVersion = 1;
constexpr std::uint8_t kProducerRecordVersion = 1;
constexpr std::uint8_t kErasureRecordVersion = 1;
constexpr std::size_t kSealBytes = 8;

template <class T>
void AppendBigEndian(T value, std::string* out) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift & 0xFF));
  }
}

template <class T>
T LoadBigEndian(std::string_view bytes) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8 | static_cast<std::uint8_t>(bytes[i]));
  }
  return value;
}

Status CheckConsumed(const ByteReader& in, std::string_view what) {
  QUIPU_TRY(in.status(what));
  if (in.remaining() == 0) return {};
  return Status::Corruption(std::string(what) + ": " + std::to_string(in.remaining()) +
                            " bytes too many in the record");
}

Result<ProducerState::Reply> DecodeReply(ByteReader* in, std::string_view what) {
  ProducerState::Reply reply;
  reply.sequence = in->U64();
  reply.seq = in->U64();
  reply.content = in->U64();
  const std::string_view outcomes = in->Text();
  reply.outcomes.assign(outcomes.begin(), outcomes.end());
  const std::uint64_t ids = in->Varint();
  if (ids > in->remaining()) in->Fail();
  QUIPU_TRY(in->status(what));
  for (std::uint64_t i = 0; i < ids && in->ok(); ++i) {
    const std::uint32_t row = in->U32();
    reply.generated_ids.emplace_back(row, in->Text());
  }
  QUIPU_TRY(in->status(what));
  return reply;
}

}  // namespace

std::string SealValue(std::string_view key, std::string_view payload) {
  std::string out;
  out.reserve(kSealBytes + payload.size());
  ByteWriter(&out).U64(Hash64(payload, Hash64(key)));
  out += payload;
  return out;
}

Result<std::string_view> UnsealValue(std::string_view key, std::string_view value,
                                     std::string_view what) {
  if (value.size() < kSealBytes) {
    return Status::Corruption(std::string(what) + ": the record is " +
                              std::to_string(value.size()) + " bytes, too short");
  }
  const std::string_view payload = value.substr(kSealBytes);
  if (LoadLe<std::uint64_t>(value.data()) != Hash64(payload, Hash64(key))) {
    return Status::Corruption(std::string(what) + ": checksum mismatch in the record");
  }
  return payload;
}

std::string HexText(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto b = static_cast<std::uint8_t>(c);
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
  return out;
}

std::string MakeNameKey(const NameKey& key) {
  std::string out(kNameKeyPrefix);
  out.push_back(static_cast<char>(key.kind));
  AppendBigEndian(key.ordinal, &out);
  return out;
}

std::optional<NameKey> ParseNameKey(std::string_view key) {
  if (!key.starts_with(kNameKeyPrefix) || key.size() != kNameKeyPrefix.size() + 5) {
    return std::nullopt;
  }
  key.remove_prefix(kNameKeyPrefix.size());
  return NameKey{static_cast<std::uint8_t>(key[0]), LoadBigEndian<std::uint32_t>(key.substr(1))};
}

std::string MakeSegmentKey(std::uint64_t segment_id) {
  std::string out(kSegmentKeyPrefix);
  AppendBigEndian(segment_id, &out);
  return out;
}

std::string MakeMergingKey(std::uint64_t segment_id) {
  std::string out(kMergingKeyPrefix);
  AppendBigEndian(segment_id, &out);
  return out;
}

std::string MakeBlobKey(std::uint64_t seq) {
  std::string out;
  AppendBigEndian(seq, &out);
  return out;
}

Result<std::uint64_t> ParseBlobKey(std::string_view key) {
  if (key.size() != sizeof(std::uint64_t)) {
    return Status::Corruption("commits: a key is malformed: 0x" + HexText(key));
  }
  return LoadBigEndian<std::uint64_t>(key);
}

std::string EncodeStoreRecord(const StoreRecord& record) {
  std::string payload;
  ByteWriter w(&payload);
  w.U32(record.format_version);
  w.U64(record.store_id.high);
  w.U64(record.store_id.low);
  w.I64(record.created_us);
  return SealValue(kStoreRecordKey, payload);
}

Result<StoreRecord> DecodeStoreRecord(std::string_view value) {
  constexpr std::string_view kWhat = "store record";
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(kStoreRecordKey, value, kWhat));
  ByteReader in(AsBytes(payload));
  StoreRecord record;
  record.format_version = in.U32();
  QUIPU_TRY(in.status(kWhat));
  if (record.format_version > kStoreFormatVersion) {
    return Status::Unsupported("the store has format version " +
                               std::to_string(record.format_version) + ", this build reads up to " +
                               std::to_string(kStoreFormatVersion) + "; use a newer Quipu");
  }
  record.store_id.high = in.U64();
  record.store_id.low = in.U64();
  record.created_us = in.I64();
  QUIPU_TRY(CheckConsumed(in, kWhat));
  if (record.format_version == 0) {
    return Status::Corruption("store record: format version 0 does not exist");
  }
  return record;
}

std::string EncodeLastCommit(const LastCommit& last) {
  std::string payload;
  ByteWriter(&payload).U64(last.seq);
  last.totals.EncodeTo(&payload);
  ByteWriter w(&payload);
  w.U64(last.written.logged_bytes);
  w.U64(last.written.sealed_bytes);
  w.U64(last.written.merged_bytes);
  w.U64(last.producers_written);
  return SealValue(kLastCommitKey, payload);
}

Result<LastCommit> DecodeLastCommit(std::string_view value) {
  constexpr std::string_view kWhat = "last commit";
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(kLastCommitKey, value, kWhat));
  ByteReader in(AsBytes(payload));
  LastCommit last;
  last.seq = in.U64();
  QUIPU_TRY_ASSIGN(last.totals, Totals::Decode(in));
  last.written.logged_bytes = in.U64();
  last.written.sealed_bytes = in.U64();
  last.written.merged_bytes = in.U64();
  last.producers_written = in.U64();
  QUIPU_TRY(CheckConsumed(in, kWhat));
  return last;
}

LastCommit LastCommitOf(const View& view) {
  return {view.as_of, view.totals, view.written, view.producers_written};
}

void CountProducersWrite(View* next, KvBatch* batch) {
  ++next->producers_written;
  batch->Put(KvSpace::kProducers, std::string(kProducersWrittenKey),
             EncodeCounter(kProducersWrittenKey, next->producers_written));
}

Result<std::uint64_t> ReadProducersWritten(const KvReader& kv) {
  QUIPU_TRY_ASSIGN(const std::optional<std::string> value,
                   kv.Get(KvSpace::kProducers, kProducersWrittenKey));
  if (!value) return std::uint64_t{0};
  return DecodeCounter(kProducersWrittenKey, *value);
}

std::string EncodeCounter(std::string_view key, std::uint64_t value) {
  std::string payload;
  ByteWriter(&payload).U64(value);
  return SealValue(key, payload);
}

Result<std::uint64_t> DecodeCounter(std::string_view key, std::string_view value) {
  const std::string what = "counter " + std::string(key);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(key, value, what));
  ByteReader in(AsBytes(payload));
  const std::uint64_t counter = in.U64();
  QUIPU_TRY(CheckConsumed(in, what));
  return counter;
}

Result<std::uint64_t> ReadCounter(const KvReader& kv, std::string_view key) {
  QUIPU_TRY_ASSIGN(const std::optional<std::string> value, kv.Get(KvSpace::kMeta, key));
  if (!value) return Status::Corruption("manifest: counter " + std::string(key) + " is missing");
  return DecodeCounter(key, *value);
}

std::string EncodeSegment(const SegmentMeta& meta) {
  flatbuffers::FlatBufferBuilder b;
  std::string totals;
  meta.totals.EncodeTo(&totals);
  const auto file_name = b.CreateString(meta.file_name);
  const auto totals_bytes =
      b.CreateVector(reinterpret_cast<const std::uint8_t*>(totals.data()), totals.size());
  manifest_format::FinishSegmentBuffer(
      b, manifest_format::CreateSegment(
             b, kSegmentRecordVersion, meta.spec.segment_id, meta.spec.month, meta.spec.seq_first,
             meta.spec.seq_last, file_name, meta.file_bytes, meta.footer_checksum, meta.time_min,
             meta.time_max, meta.customers, totals_bytes, static_cast<std::uint8_t>(meta.level),
             meta.run, meta.sealed_us, meta.customer_first, meta.customer_last, meta.archive,
             meta.spec.summaries_only));
  return SealValue(MakeSegmentKey(meta.spec.segment_id),
                   {reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()});
}

Result<SegmentMeta> DecodeSegment(std::string_view key, std::string_view value,
                                  const Hash128& store_id) {
  const std::string what = "manifest: segment record 0x" + HexText(key);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(key, value, what));
  const std::string aligned(payload);  // FlatBuffers reads in place and wants alignment
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(bytes, aligned.size(), 8, 64);
  if (!manifest_format::VerifySegmentBuffer(verifier)) {
    return Status::Corruption(what + ": not a well-formed record");
  }
  const manifest_format::Segment* s = manifest_format::GetSegment(bytes);
  if (s->format_version() > kSegmentRecordVersion) {
    return Status::Unsupported(what + ": written by a newer Quipu");
  }
  SegmentMeta meta;
  meta.spec.store_id = store_id;
  meta.spec.segment_id = s->segment_id();
  meta.spec.month = s->month();
  meta.spec.seq_first = s->seq_first();
  meta.spec.seq_last = s->seq_last();
  meta.file_bytes = s->file_bytes();
  meta.footer_checksum = s->footer_checksum();
  meta.time_min = s->time_min();
  meta.time_max = s->time_max();
  meta.customers = s->customers();
  meta.level = static_cast<SegmentLevel>(s->level());
  meta.run = s->run();
  meta.sealed_us = s->sealed_us();
  meta.customer_first = s->customer_first();
  meta.customer_last = s->customer_last();
  if (meta.level > SegmentLevel::kClosed || meta.customer_first > meta.customer_last) {
    return Status::Corruption(what + ": impossible level " + std::to_string(s->level()) +
                              " or customers " + std::to_string(meta.customer_first) + " to " +
                              std::to_string(meta.customer_last));
  }
  meta.archive = s->archive();
  meta.spec.summaries_only = s->summaries_only();
  if (s->file_name() == nullptr || s->totals() == nullptr) {
    return Status::Corruption(what + ": a field is missing");
  }
  meta.file_name = s->file_name()->str();
  ByteReader in(Bytes(s->totals()->data(), s->totals()->size()));
  QUIPU_TRY_ASSIGN(meta.totals, Totals::Decode(in));
  QUIPU_TRY(CheckConsumed(in, what));
  if (meta.spec.month < MonthOf(kTimeMin) || meta.spec.month > MonthOf(kTimeMax - 1)) {
    return Status::Corruption(what + ": impossible month " + std::to_string(meta.spec.month));
  }
  // The name is derived from id and month, so nothing that stands here can point outside the folder.
  if (MakeSegmentKey(meta.spec.segment_id) != key ||
      meta.file_name != SegmentFileName(meta.spec.segment_id, meta.spec.month)) {
    return Status::Corruption(what + ": key, segment id and file name do not belong together");
  }
  return meta;
}

std::string MakeErasureKey(std::uint64_t id) {
  std::string out(kErasureKeyPrefix);
  AppendBigEndian(id, &out);
  return out;
}

std::string EncodeErasure(const ErasureRecord& record) {
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kErasureRecordVersion);
  w.U64(record.id);
  w.U32(record.customer);
  w.U64(record.seq);
  w.I64(record.requested_us);
  w.I64(record.done_us);
  return SealValue(MakeErasureKey(record.id), payload);
}

Result<ErasureRecord> DecodeErasure(std::string_view key, std::string_view value) {
  const std::string what = "manifest: erasure record 0x" + HexText(key);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(key, value, what));
  ByteReader in(AsBytes(payload));
  const std::uint8_t version = in.U8();
  if (in.ok() && version > kErasureRecordVersion) {
    return Status::Unsupported(what + ": written by a newer Quipu");
  }
  ErasureRecord record;
  record.id = in.U64();
  record.customer = in.U32();
  record.seq = in.U64();
  record.requested_us = in.I64();
  record.done_us = in.I64();
  QUIPU_TRY(CheckConsumed(in, what));
  if (record.id == 0 || MakeErasureKey(record.id) != key || record.customer >= kCustomersMax) {
    return Status::Corruption(what + ": key, number and customer do not belong together");
  }
  return record;
}

std::string EncodeProducer(std::string_view id, const ProducerState& state) {
  QUIPU_CHECK(state.replies.size() <= ProducerState::kRepliesKept);
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kProducerRecordVersion);
  w.U64(state.epoch);
  w.U64(state.last_sequence);
  w.U8(static_cast<std::uint8_t>(state.replies.size()));
  for (const ProducerState::Reply& reply : state.replies) {
    w.U64(reply.sequence);
    w.U64(reply.seq);
    w.U64(reply.content);
    w.Text(AsText(reply.outcomes));
    w.Varint(reply.generated_ids.size());
    for (const auto& [row, generated] : reply.generated_ids) {
      w.U32(row);
      w.Text(generated);
    }
  }
  return SealValue(id, payload);
}

Result<ProducerState> DecodeProducer(std::string_view id, std::string_view value) {
  const std::string what = "producer " + std::string(id);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(id, value, what));
  ByteReader in(AsBytes(payload));
  const std::uint8_t version = in.U8();
  if (in.ok() && version > kProducerRecordVersion) {
    return Status::Unsupported(what + ": written by a newer Quipu");
  }
  ProducerState state;
  state.epoch = in.U64();
  state.last_sequence = in.U64();
  const std::uint8_t replies = in.U8();
  QUIPU_TRY(in.status(what));
  if (replies > ProducerState::kRepliesKept) {
    return Status::Corruption(what + ": " + std::to_string(replies) + " stored replies, at most " +
                              std::to_string(ProducerState::kRepliesKept) + " are kept");
  }
  for (std::uint8_t i = 0; i < replies; ++i) {
    QUIPU_TRY_ASSIGN(ProducerState::Reply reply, DecodeReply(&in, what));
    state.replies.push_back(std::move(reply));
  }
  QUIPU_TRY(CheckConsumed(in, what));
  return state;
}

}  // namespace quipu
