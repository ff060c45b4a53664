#include "segment/identity_index.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "codec/int_codec.h"
#include "segment/page.h"

namespace quipu {
namespace {

constexpr std::size_t kBlockWords = 8;
constexpr std::size_t kBlockBytes = kBlockWords * 4;
constexpr std::uint64_t kFilterHeaderBytes = 4;
/// What fits one page; with more than 200 million keys the filter gets less precise, not larger.
constexpr std::uint64_t kFilterBlocksMax =
    (kPagePayloadBytesMax - kFilterHeaderBytes) / kBlockBytes;

/// The odd constants of the Parquet specification: the bit in word i is the top five bits of (low half x salt i).
constexpr std::array<std::uint32_t, kBlockWords> kSalts = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
                                                           0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
                                                           0x9efc4947U, 0x5c6bfb31U};

std::uint32_t BitOf(std::uint64_t hash, std::size_t word) {
  return 1u << ((static_cast<std::uint32_t>(hash) * kSalts[word]) >> 27);
}

// Multiply and shift: the high half picks a block among any number of them.
std::size_t FirstWord(std::uint64_t hash, std::size_t words) {
  return static_cast<std::size_t>(((hash >> 32) * (words / kBlockWords)) >> 32) * kBlockWords;
}

}  // namespace

// The first hash, then int lists: the other hashes less the one before (modulo 2^64), rows.
void EncodeIdentityChunk(std::span<const IdentityEntry> entries, std::string* out) {
  QUIPU_CHECK(!entries.empty() && entries.size() <= kIdentityChunkEntries);
  ByteWriter(out).U64(entries[0].hash);
  std::vector<std::int64_t> column;
  column.reserve(entries.size());
  for (std::size_t i = 1; i < entries.size(); ++i) {
    QUIPU_CHECK(entries[i - 1] < entries[i]);
    column.push_back(static_cast<std::int64_t>(entries[i].hash - entries[i - 1].hash));
  }
  EncodeIntList(column, out);
  column.clear();
  for (const IdentityEntry& entry : entries) column.push_back(entry.row);
  EncodeIntList(column, out);
}

Result<std::vector<IdentityEntry>> DecodeIdentityChunk(Bytes in, std::size_t entries) {
  if (entries == 0 || entries > kIdentityChunkEntries) {
    return Status::Corruption("identity index: a chunk of " + std::to_string(entries) + " entries");
  }
  ByteReader reader(in);
  std::uint64_t hash = reader.U64();
  QUIPU_TRY(reader.status("identity index"));
  in = in.last(reader.remaining());
  std::vector<std::int64_t> steps(entries - 1), rows(entries);
  Status status = DecodeIntList(&in, steps);
  if (status.ok()) status = DecodeIntList(&in, rows);
  if (!status.ok()) return status.WithContext("identity index");
  if (!in.empty())
    return Status::Corruption("identity index: " + std::to_string(in.size()) +
                              " bytes after the end");
  std::vector<IdentityEntry> out(entries);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::uint64_t before = hash;
    if (i > 0) hash += static_cast<std::uint64_t>(steps[i - 1]);
    const bool ascending = i == 0 || hash > before || (hash == before && rows[i] > rows[i - 1]);
    if (!ascending || rows[i] < 0 || rows[i] > 0xFFFFFFFF) {
      return Status::Corruption("identity index: entry " + std::to_string(i) +
                                " is out of range or out of order");
    }
    out[i] = IdentityEntry{hash, static_cast<std::uint32_t>(rows[i])};
  }
  return out;
}

IdentityFilter::IdentityFilter(std::uint64_t keys) {
  constexpr std::uint64_t kBlockBits = kBlockBytes * 8;
  const auto bits = static_cast<Uint128>(keys) * 107 / 10;  // 10.7 bits a key
  const Uint128 blocks =
      std::clamp<Uint128>((bits + kBlockBits - 1) / kBlockBits, 1, kFilterBlocksMax);
  words_.resize(static_cast<std::size_t>(blocks) * kBlockWords);
}

void IdentityFilter::Add(std::uint64_t hash) {
  QUIPU_CHECK(!words_.empty());
  std::uint32_t* block = words_.data() + FirstWord(hash, words_.size());
  for (std::size_t i = 0; i < kBlockWords; ++i) block[i] |= BitOf(hash, i);
}

bool IdentityFilter::MayContain(std::uint64_t hash) const {
  if (words_.empty()) return false;
  const std::uint32_t* block = words_.data() + FirstWord(hash, words_.size());
  std::uint32_t missing = 0;
  for (std::size_t i = 0; i < kBlockWords; ++i) missing |= ~block[i] & BitOf(hash, i);
  return missing == 0;
}

void IdentityFilter::EncodeTo(std::string* out) const {
  ByteWriter w(out);
  w.U32(static_cast<std::uint32_t>(words_.size() / kBlockWords));
  w.Raw(words_.data(), words_.size() * 4);
}

Result<IdentityFilter> IdentityFilter::Decode(Bytes in) {
  ByteReader reader(in);
  const std::uint64_t blocks = reader.U32();
  QUIPU_TRY(reader.status("identity filter"));
  if (blocks == 0 || blocks * kBlockBytes != reader.remaining()) {
    return Status::Corruption("identity filter: " + std::to_string(blocks) +
                              " blocks cannot take " + std::to_string(reader.remaining()) +
                              " bytes");
  }
  IdentityFilter filter;
  filter.words_.resize(static_cast<std::size_t>(blocks) * kBlockWords);
  std::memcpy(filter.words_.data(), in.data() + kFilterHeaderBytes, reader.remaining());
  return filter;
}

}  // namespace quipu
