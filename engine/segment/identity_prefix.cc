#include "segment/identity_prefix.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"

#define QUIPU_INLINE inline __attribute__((always_inline))

namespace quipu {
namespace {

constexpr std::size_t kGroup = 64;  // questions that wait for memory together
constexpr std::uint64_t kBlockBits = kIdentityBlockBuckets;
constexpr std::uint64_t kKeyBits = kIdentityPrefixBits + 1;
constexpr std::uint64_t kSuperblockBitsMax = 0xffff;
constexpr std::uint32_t kKeysAWindow =
    128 - kIdentityBlockBuckets;           // unary counts of a block in two windows
constexpr std::size_t kPaddingBytes = 32;  // windows may be read beyond the end

// Seven fields of nine bits in a window of 64.
constexpr std::uint64_t kFieldsAWindow = 7;
constexpr std::uint64_t kFieldMask = (1u << kIdentityPrefixBits) - 1;
constexpr std::uint64_t Repeat(std::uint64_t field) {
  std::uint64_t all = 0;
  for (std::uint64_t i = 0; i < kFieldsAWindow; ++i) all |= field << (i * kIdentityPrefixBits);
  return all;
}
constexpr std::uint64_t kFieldOnes = Repeat(1),
                        kFieldTops = Repeat(1u << (kIdentityPrefixBits - 1)),
                        kFieldRests = kFieldTops - kFieldOnes;

// 64 bits from bit `at`.
QUIPU_INLINE std::uint64_t Window(const std::uint8_t* stream, std::uint64_t at) {
  std::uint64_t low;
  std::memcpy(&low, stream + at / 8, 8);
  const auto shift = static_cast<unsigned>(at % 8);
  const std::uint64_t next = stream[at / 8 + 8];
  return (low >> shift) | ((next << 1) << (63 - shift));
}

// Position of the n-th (from 0) one of `bits`, which has more than n.
template <bool kHasBmi2>
QUIPU_INLINE std::uint64_t SelectOne(std::uint64_t bits, std::uint64_t n) {
#if defined(__x86_64__)
  if constexpr (kHasBmi2) {
    std::uint64_t one;
    // By name, since the rest of the program does not ask for this instruction set.
    __asm__("pdepq %2, %1, %0" : "=r"(one) : "r"(std::uint64_t{1} << n), "r"(bits));
    return static_cast<std::uint64_t>(__builtin_ctzll(one));
  }
#endif
  for (; n > 0; --n) bits &= bits - 1;
  return static_cast<std::uint64_t>(std::countr_zero(bits));
}

template <bool kHasBmi2>
QUIPU_INLINE std::uint64_t CountOnes(std::uint64_t bits) {
#if defined(__x86_64__)
  if constexpr (kHasBmi2) {
    std::uint64_t count;
    __asm__("popcntq %1, %0" : "=r"(count) : "r"(bits) : "cc");
    return count;
  }
#endif
  return static_cast<std::uint64_t>(std::popcount(bits));
}

}  // namespace

// ---- Loading ----

Status IdentityPrefix::AddPage(std::uint64_t first_high, std::size_t entries, Bytes payload) {
  std::vector<std::uint64_t> prefixes;
  QUIPU_TRY(DecodeIdentityPrefix(payload, shape_, first_high, entries, &prefixes));
  constexpr std::uint64_t kSuperblockBuckets = kSuperblockBlocks * kIdentityBlockBuckets;
  if (!pending_.empty() && prefixes.front() < pending_.back())
    return Status::Corruption("identity index: prefix pages are out of order");
  for (const std::uint64_t prefix : prefixes) {
    const std::uint64_t superblock = (prefix >> kIdentityPrefixBits) / kSuperblockBuckets;
    if (superblock < superblocks_.size())
      return Status::Corruption("identity index: prefix pages are out of order");
    while (superblock > superblocks_.size()) AddSuperblock();
    pending_.push_back(prefix);
  }
  return Status();
}

// Writes the pending prefixes down as the next superblock.
void IdentityPrefix::AddSuperblock() {
  const std::uint64_t bits = kSuperblockBlocks * kBlockBits + pending_.size() * kKeyBits;
  if (bits > kSuperblockBitsMax) {
    superblocks_.push_back({0, positions_});
    // Samples of 0 say that a block has more keys than can be.
    samples_.resize(samples_.size() + kSuperblockBlocks + 1, 0);
    positions_ += pending_.size();
    crowded_[superblocks_.size() - 1] = std::move(pending_);
    pending_.clear();
    return;
  }
  const std::uint64_t first_bit = stream_bits_;
  stream_bits_ += bits;
  stream_.resize(stream_bits_ / 8 + kPaddingBytes, 0);
  const std::uint64_t first_block = superblocks_.size() * kSuperblockBlocks;
  std::uint64_t at = first_bit;
  const auto put_field = [&](std::uint64_t field) {
    std::uint32_t word;
    std::memcpy(&word, stream_.data() + at / 8, 4);
    word |= static_cast<std::uint32_t>(field << (at % 8));
    std::memcpy(stream_.data() + at / 8, &word, 4);
    at += kIdentityPrefixBits;
  };
  std::size_t next = 0;
  for (std::uint64_t block = first_block; block < first_block + kSuperblockBlocks; ++block) {
    samples_.push_back(static_cast<std::uint16_t>(at - first_bit));
    const std::size_t begin = next;
    std::uint64_t keys = 0;
    const std::uint64_t end = ((block + 1) * kIdentityBlockBuckets) << kIdentityPrefixBits;
    for (; next < pending_.size() && pending_[next] < end; ++next, ++keys) {
      const std::uint64_t bucket =
          (pending_[next] >> kIdentityPrefixBits) - block * kIdentityBlockBuckets;
      const std::uint64_t one = at + bucket + keys;  // zeros and ones before it
      stream_[one / 8] = static_cast<std::uint8_t>(stream_[one / 8] | (1u << (one % 8)));
    }
    at += kBlockBits + keys;
    for (std::size_t i = begin; i < next; ++i) put_field(pending_[i] & kFieldMask);
  }
  samples_.push_back(static_cast<std::uint16_t>(at - first_bit));
  QUIPU_CHECK(at == stream_bits_ && next == pending_.size());
  superblocks_.push_back({first_bit, positions_});
  positions_ += pending_.size();
  pending_.clear();
}

void IdentityPrefix::Seal() {
  constexpr std::uint64_t kSuperblockBuckets = kSuperblockBlocks * kIdentityBlockBuckets;
  const std::uint64_t buckets = std::uint64_t{1} << shape_.bucket_bits();
  while (superblocks_.size() * kSuperblockBuckets < buckets) AddSuperblock();
  stream_.resize(stream_bits_ / 8 + kPaddingBytes, 0);
  stream_.shrink_to_fit();
  samples_.shrink_to_fit();
  superblocks_.shrink_to_fit();
  pending_.shrink_to_fit();
}

std::size_t IdentityPrefix::bytes() const {
  std::size_t bytes = stream_.capacity() + samples_.capacity() * sizeof(std::uint16_t) +
                      superblocks_.capacity() * sizeof(Superblock);
  for (const auto& [superblock, prefixes] : crowded_) bytes += prefixes.capacity() * 8;
  return bytes;
}

// ---- Asking ----

/// Where one question stands.
struct IdentityPrefix::Place {
  std::uint64_t begin;  // bit of its block
  std::uint32_t keys;   // in the block
};

// For a crowded superblock, and for what does not fit the windows of FindAll.
void IdentityPrefix::FindSlowly(std::uint32_t probe, std::uint64_t prefix,
                                std::vector<PrefixHit>* hits) const {
  const std::uint64_t bucket = prefix >> kIdentityPrefixBits;
  const std::uint64_t block = bucket / kIdentityBlockBuckets;
  const std::uint64_t superblock = block / kSuperblockBlocks;
  const Superblock& super = superblocks_[superblock];
  const auto hit = [&](std::uint64_t rank) {
    hits->push_back({probe, static_cast<std::uint32_t>(super.first_position + rank)});
  };
  if (const auto crowded = crowded_.find(superblock); crowded != crowded_.end()) {
    const std::vector<std::uint64_t>& list = crowded->second;
    const auto [from, to] = std::equal_range(list.begin(), list.end(), prefix);
    for (auto at = from; at != to; ++at) hit(static_cast<std::uint64_t>(at - list.begin()));
    return;
  }
  const std::uint16_t* const sample = SampleOf(block);
  const std::uint64_t begin = super.first_bit + sample[0];
  const std::uint64_t keys = (sample[1] - sample[0] - kBlockBits) / kKeyBits;
  const std::uint64_t before = (sample[0] - block % kSuperblockBlocks * kBlockBits) / kKeyBits;
  std::uint64_t zeros = bucket % kIdentityBlockBuckets, rank = 0, at = begin;
  const auto is_one = [&] { return (stream_[at / 8] >> (at % 8) & 1) != 0; };
  for (; zeros > 0; ++at) {
    rank += is_one() ? 1 : 0;
    zeros -= is_one() ? 0 : 1;
  }
  for (; is_one(); ++at, ++rank) {
    const std::uint64_t field = begin + kBlockBits + keys + rank * kIdentityPrefixBits;
    if ((Window(stream_.data(), field) & kFieldMask) == (prefix & kFieldMask)) hit(before + rank);
  }
}

template <bool kHasBmi2>
void IdentityPrefix::FindAll(std::span<const std::uint64_t> highs,
                             std::vector<PrefixHit>* hits) const {
  const std::uint8_t* const stream = stream_.data();
  std::array<Place, kGroup> places;
  for (std::size_t first = 0; first < highs.size(); first += kGroup) {
    const std::size_t n = std::min(kGroup, highs.size() - first);
    for (std::size_t i = 0; i < n; ++i)
      __builtin_prefetch(SampleOf(shape_.BucketOf(highs[first + i]) / kIdentityBlockBuckets));
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t block = shape_.BucketOf(highs[first + i]) / kIdentityBlockBuckets;
      const std::uint16_t* const sample = SampleOf(block);
      places[i].begin = superblocks_[block / kSuperblockBlocks].first_bit + sample[0];
      places[i].keys = static_cast<std::uint32_t>((sample[1] - sample[0] - kBlockBits) / kKeyBits);
      __builtin_prefetch(stream + places[i].begin / 8);
      __builtin_prefetch(stream + places[i].begin / 8 + 40);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t prefix = shape_.PrefixOf(highs[first + i]);
      const std::uint64_t bucket = (prefix >> kIdentityPrefixBits) % kIdentityBlockBuckets;
      const auto probe = static_cast<std::uint32_t>(first + i);
      const Place& place = places[i];
      if (place.keys > kKeysAWindow) [[unlikely]] {  // or crowded
        FindSlowly(probe, prefix, hits);
        continue;
      }
      const std::uint64_t zeros0 = ~Window(stream, place.begin);
      const std::uint64_t zeros1 = ~Window(stream, place.begin + 64);
      const std::uint64_t count0 = CountOnes<kHasBmi2>(zeros0);
      // The zero that ends bucket k is zero number k.
      const auto zero = [&](std::uint64_t k) {
        const bool in_second = k >= count0;
        const std::uint64_t at =
            SelectOne<kHasBmi2>(in_second ? zeros1 : zeros0, in_second ? k - count0 : k);
        return at + (in_second ? 64 : 0);
      };
      const std::uint64_t end = zero(bucket);
      const std::uint64_t begin = bucket == 0 ? 0 : zero(bucket - 1) + 1;
      const std::uint64_t count = end - begin, rank = begin - bucket;
      // All fields of the bucket at once: a field is equal if its exclusive or is zero.
      const std::uint64_t fields =
          place.begin + kBlockBits + place.keys + rank * kIdentityPrefixBits;
      const std::uint64_t x = Window(stream, fields) ^ ((prefix & kFieldMask) * kFieldOnes);
      const std::uint64_t differ = ((x & kFieldRests) + kFieldRests) | x;
      const std::uint64_t wanted =
          kFieldTops &
          ((std::uint64_t{1} << std::min<std::uint64_t>(count * kIdentityPrefixBits, 63)) - 1);
      if ((~differ & wanted) != 0 || count > kFieldsAWindow) [[unlikely]]
        FindSlowly(probe, prefix, hits);
    }
  }
}

void IdentityPrefix::Find(std::span<const std::uint64_t> highs,
                          std::vector<PrefixHit>* hits) const {
#if defined(__x86_64__)
  static const bool has_bmi2 =
      __builtin_cpu_supports("popcnt") != 0 && __builtin_cpu_supports("bmi2") != 0;
  if (has_bmi2) return FindAll<true>(highs, hits);
#endif
  FindWithoutBmi2(highs, hits);
}

void IdentityPrefix::FindWithoutBmi2(std::span<const std::uint64_t> highs,
                                     std::vector<PrefixHit>* hits) const {
  FindAll<false>(highs, hits);
}

}  // namespace quipu
