// IdentityPrefix: the prefixes of a segment's keys in memory, at most 12 bits a key. Which positions of the index may hold this key?
//
// It errs about once in 512 x 0.6..1.2 questions, and never denies a key that is there. Questions come in batches: each goes through three
// steps (where is it noted where its block begins, where does it begin, what is in it), and each step of a group of questions asks the
// memory for the next one's cache lines, so that the misses of a group overlap. There is no branch in it that a processor cannot foresee:
// 35 ns of misses and wrong guesses a question became 10.
//
//     superblock  64 blocks: first bit, first position
//     samples     u16 per block of 32 buckets: its first bit, from that of its superblock; and one for the end of the last
//     stream      blocks as in the file: 32 unary counts, then nine bits a key; here one after another over all buckets
//
// Counts need not be kept: a block of k keys has 32 + 10 k bits, so where blocks begin says how many keys come before.
//
// A superblock with more bits than a u16 can count (twice the keys that random ones have at most) is *crowded*: its prefixes are kept as a plain sorted
// list. Only made-up ids do that.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "segment/identity_index.h"

namespace quipu {

/// The key asked as number `probe` may be at `position`.
struct PrefixHit {
  std::uint32_t probe = 0;
  std::uint32_t position = 0;
  friend bool operator==(const PrefixHit&, const PrefixHit&) = default;
};

class IdentityPrefix {
 public:
  explicit IdentityPrefix(const IdentityShape& shape) : shape_(shape) {}
  /// Pages in order; kCorruption.
  Status AddPage(std::uint64_t first_high, std::size_t entries, Bytes payload);
  /// After the last page.
  void Seal();
  /// Appends the hits for each high half, in any order. Immutable after Seal: safe from several threads.
  void Find(std::span<const std::uint64_t> highs, std::vector<PrefixHit>* hits) const;
  /// As Find does on a processor without BMI2.
  void FindWithoutBmi2(std::span<const std::uint64_t> highs, std::vector<PrefixHit>* hits) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  static constexpr std::size_t kSuperblockBlocks = 64;
  struct Superblock {
    std::uint64_t first_bit = 0;  // 0 if crowded
    std::uint64_t first_position = 0;
  };
  struct Place;

  void AddSuperblock();
  template <bool kHasBmi2>
  void FindAll(std::span<const std::uint64_t> highs, std::vector<PrefixHit>* hits) const;
  void FindSlowly(std::uint32_t probe, std::uint64_t prefix, std::vector<PrefixHit>* hits) const;
  [[nodiscard]] const std::uint16_t* SampleOf(std::uint64_t block) const {
    return samples_.data() + block + block / kSuperblockBlocks;  // each superblock has one more
  }

  IdentityShape shape_;
  std::vector<Superblock> superblocks_;
  std::vector<std::uint16_t> samples_;
  std::vector<std::uint8_t> stream_;
  std::uint64_t stream_bits_ = 0;
  std::uint64_t positions_ = 0;         // in finished superblocks
  std::vector<std::uint64_t> pending_;  // prefixes of the superblock that is not finished
  std::map<std::uint64_t, std::vector<std::uint64_t>> crowded_;  // by superblock
};

}  // namespace quipu
