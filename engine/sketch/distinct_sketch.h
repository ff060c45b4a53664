// DistinctSketch: how many different values, as a pure function of the set.
//
// Up to 512 distinct 64-bit XXH3 hashes it is the sorted set itself (exact up to hash collisions, p ~ 7e-15); beyond, HyperLogLog with
// p = 12: 4,096 registers of one byte, merge = byte-wise max, standard error 1.63 %. The estimate is Ertl's improved one
// (arXiv 1702.01284), computed from the register histogram in a fixed order. Never a martingale estimator: it does not merge.
//
// The set is a settled (sorted, distinct) prefix and a tail of newcomers. A sketch that may become registers holds at most 512 entries at
// rest: the 513th settles it, and only a set that is still above 512 then becomes registers. Newcomers are first sought in the prefix, so
// every settling lengthens the prefix and there are at most 512 of them, however repetitive the input.
//
//   worked example: 3 hashes {5, 9, 5} -> set {5, 9}, estimate 2; 513 different hashes -> registers, in whatever order they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "quipu/status.h"

namespace quipu {

inline constexpr std::size_t kDistinctExactMax = 512;
inline constexpr double kDistinctStandardError = 0.01625;

class DistinctSketch {
 public:
  /// With `exact_always` the set never becomes a HyperLogLog; such a sketch cannot absorb one.
  explicit DistinctSketch(bool exact_always = false) : exact_always_(exact_always) {}
  void Add(std::uint64_t hash);
  /// Fetches what an Add of this hash soon after will touch.
  void Prefetch(std::uint64_t hash) const;
  void Merge(const DistinctSketch& other);
  [[nodiscard]] bool exact() const { return registers_.empty(); }
  [[nodiscard]] std::uint64_t Estimate() const;
  [[nodiscard]] std::size_t bytes() const;
  void EncodeTo(std::string* out) const;  ///< Canonical form (formats/sketches.md).
  static Result<DistinctSketch> Decode(
      ByteReader& in);  ///< Reads it back and checks it; kCorruption.
  friend bool operator==(const DistinctSketch& a, const DistinctSketch& b);

 private:
  void Settle() const;  // sorts and removes repeats
  void MaybeBecomeRegisters();
  void BecomeRegisters();
  void AddToRegisters(std::uint64_t hash);

  bool exact_always_;
  // Reading settles the set: a sketch belongs to one thread.
  mutable std::vector<std::uint64_t>
      hashes_;  // a sorted, distinct prefix of settled_ entries, then unsorted ones
  mutable std::size_t settled_ = 0;
  std::vector<std::uint8_t> registers_;  // 4,096 once dense
};

}  // namespace quipu
