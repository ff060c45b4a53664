#include "store/freeze.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "store/manifest.h"

namespace quipu {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint8_t kErasedFlag = 1, kExpiredFlag = 2, kRepairedFlag = 4;
constexpr std::uint8_t kAllFlags = kErasedFlag | kExpiredFlag | kRepairedFlag;

}  // namespace

std::string MakeFreezeKey(std::string_view name) {
  return std::string(kFreezeKeyPrefix) + std::string(name);
}

std::string EncodeFreeze(const FreezeRecord& record) {
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kRecordVersion);
  w.U64(record.seq);
  w.I64(record.created_us);
  w.U64(record.rows_at_freeze);
  w.U8(static_cast<std::uint8_t>((record.is_erased ? kErasedFlag : 0) |
                                 (record.is_expired ? kExpiredFlag : 0) |
                                 (record.is_repaired ? kRepairedFlag : 0)));
  record.totals.EncodeTo(&payload);
  return SealValue(MakeFreezeKey(record.name), payload);
}

Result<FreezeRecord> DecodeFreeze(std::string_view key, std::string_view value) {
  const std::string what = "manifest: freeze 0x" + HexText(key);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(key, value, what));
  FreezeRecord record;
  record.name = key.substr(std::min(key.size(), kFreezeKeyPrefix.size()));
  ByteReader in(AsBytes(payload));
  const std::uint8_t version = in.U8();
  if (in.ok() && version > kRecordVersion)
    return Status::Unsupported(what + ": written by a newer Quipu");
  record.seq = in.U64();
  record.created_us = in.I64();
  record.rows_at_freeze = in.U64();
  const std::uint8_t flags = in.U8();
  QUIPU_TRY(in.status(what));
  QUIPU_TRY_ASSIGN(record.totals, Totals::Decode(in));
  QUIPU_TRY(in.status(what));
  record.is_erased = (flags & kErasedFlag) != 0;
  record.is_expired = (flags & kExpiredFlag) != 0;
  record.is_repaired = (flags & kRepairedFlag) != 0;
  const bool adds_up = record.is_altered() ? record.totals.rows <= record.rows_at_freeze
                                           : record.totals.rows == record.rows_at_freeze;
  if (in.remaining() != 0 || !key.starts_with(kFreezeKeyPrefix) ||
      !CheckFreezeName(record.name).ok() || flags > kAllFlags || !adds_up) {
    return Status::Corruption(what + ": impossible name, flags or number of rows");
  }
  return record;
}

void SortFreezes(FreezeList* freezes) {
  std::sort(freezes->begin(), freezes->end(), [](const FrozenPtr& a, const FrozenPtr& b) {
    return std::tie(a->record.seq, a->record.name) < std::tie(b->record.seq, b->record.name);
  });
}

FrozenPtr FindFreeze(const FreezeList& freezes, std::string_view name) {
  const auto found = std::find_if(freezes.begin(), freezes.end(),
                                  [&](const FrozenPtr& f) { return f->record.name == name; });
  return found == freezes.end() ? nullptr : *found;
}

std::uint64_t EpochOf(const FreezeList& freezes, std::uint64_t seq_first) {
  const auto above =
      std::lower_bound(freezes.begin(), freezes.end(), seq_first,
                       [](const FrozenPtr& f, std::uint64_t seq) { return f->record.seq < seq; });
  return static_cast<std::uint64_t>(above - freezes.begin());
}

const FrozenState* StraddledFreeze(const FreezeList& freezes, std::uint64_t seq_first,
                                   std::uint64_t seq_last) {
  const std::uint64_t next = EpochOf(freezes, seq_first);  // the first that is not below
  if (next == freezes.size() || freezes[next]->record.seq >= seq_last) return nullptr;
  return freezes[next].get();
}

}  // namespace quipu
