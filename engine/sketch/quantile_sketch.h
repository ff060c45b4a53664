// QuantileSketch: nearest-rank quantiles over a multiset of decimals, as a pure function of that multiset.
//
// Up to 1,024 values it keeps them all (exact). From the 1,025th on it is an integer log-linear histogram in the manner of
// HdrHistogram and DDSketch without collapsing. Both modes and the step between them depend only on *which* values were
// added, never on order, grouping or the tree of merges: any two sketches of the same multiset encode to the same bytes.
// Summary cells and raw rows therefore give the same answer.
//
// The histogram works on v = |value| x 10^18, an integer below 10^38 < 2^127:
//     index(v) = v                                 for v < 2^7
//              = ((e - 7) << 7) + (v >> (e - 7))   otherwise, e = floor(log2 v)
// so an octave has 128 buckets and a bucket is at most 1/128 of its lower edge wide: its midpoint is within 1/256 = 0.39 % of
// any value in it. Negative values use the mirrored index; zero is its own bucket.
//
// A quantile q over n values is the value of rank max(1, ceil(q n)). In histogram mode the answer is the representative of the bucket that
// reaches the rank. With s the largest scale (digits after the point) seen, every value counted is a multiple of 10^-s, so the representative is the middle
// of the first and the last such multiple in the bucket: at most half a bucket away from any of them, and exact where there is only one, as for
// small integers. Then it is clamped to [min, max].
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "quipu/decimal.h"
#include "quipu/status.h"
#include "sketch/value_counts.h"

namespace quipu {

inline constexpr std::uint64_t kQuantileExactMax = 1024;
inline constexpr double kQuantileRelativeError = 0.004;

class QuantileSketch {
 public:
  /// With `exact_always` it keeps every value, however many (a query with QuerySpec::exact); such a sketch cannot absorb a histogram.
  explicit QuantileSketch(bool exact_always = false) : exact_always_(exact_always) {}

  /// mantissa x 10^-scale, storable.
  void Add(Int128 mantissa, int scale);
  /// The same for many values of one scale, several times faster.
  void AddMany(std::span<const std::int64_t> mantissas, int scale);
  /// The same where the smallest and the largest of them are known.
  void AddMany(std::span<const std::int64_t> mantissas, std::int64_t low, std::int64_t high,
               int scale);
  void AddMany(std::span<const std::uint32_t> mantissas, std::int64_t low, std::int64_t high,
               int scale);
  /// One value `n` times.
  void AddRepeated(std::int64_t mantissa, std::uint64_t n, int scale);
  void Merge(const QuantileSketch& other);

  /// What is known of the values besides their buckets.
  struct Bounds {
    std::uint64_t count = 0;
    std::int64_t scale = 0;   ///< Digits after the point, the largest.
    Int128 min = 0, max = 0;  ///< At scale 18; meaningless while count is 0.
    void Merge(const Bounds& o);
  };
  [[nodiscard]] Bounds bounds() const { return {count_, scale_max_, min_, max_}; }
  /// visit(bucket, n) for each bucket with values, one that comes again included: an exact sketch has one for each value.
  template <class Visit>
  void ForEachBucket(Visit&& visit) const;
  /// Of these values, the smallest and the largest of which are `low` and `high`.
  static Bounds BoundsOf(std::span<const std::int64_t> mantissas, std::int64_t low,
                         std::int64_t high, int scale);
  /// Whether `count` values may be added of which only the buckets are known: what it has then is a histogram.
  [[nodiscard]] bool CanTake(std::uint64_t count) const {
    return !exact_always_ && (!exact() || count_ + count > kQuantileExactMax);
  }
  /// Adds up_to[i] - before[i] values in bucket first_bucket + i; CanTake(of.count).
  void MergeCounts(const Bounds& of, std::int32_t first_bucket,
                   std::span<const std::uint32_t> up_to, std::span<const std::uint32_t> before);

  /// A bucket in two bytes, for those who keep the buckets of values in the values' order, and add any stretch of them later.
  using Code = std::uint16_t;
  static constexpr Code kNoCode = 0;  ///< Of an absent value; of no bucket.
  static Code CodeOf(std::int32_t bucket) { return static_cast<Code>(bucket + kCodeOfZero); }
  /// codes[i] of mantissas[i]; `low`, `high`: the smallest and the largest of them.
  static void FindCodes(std::span<const std::int64_t> mantissas, std::int64_t low,
                        std::int64_t high, int scale, Code* codes);
  /// Adds the values with these codes, of.count of them, the others being absent; CanTake(of.count).
  void AddCodes(const Bounds& of, std::span<const Code> codes);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] bool exact() const { return buckets_.empty(); }
  /// The quantile q = ppm / 1,000,000; count() must be > 0. A sketch made with `exact_always` reorders its values in here, so it
  /// belongs to one thread; any other sketch may be read by several.
  [[nodiscard]] Decimal Quantile(std::uint32_t ppm) const;
  [[nodiscard]] std::size_t bytes() const;  ///< Memory, about.

  /// Appends the canonical form (formats/sketches.md).
  void EncodeTo(std::string* out) const;
  /// Reads it back and checks it; kCorruption.
  static Result<QuantileSketch> Decode(ByteReader& in);
  /// Decodes and merges in one step, without building a sketch. On error the sketch is unusable.
  Status MergeEncoded(ByteReader& in);

  friend bool operator==(const QuantileSketch& a, const QuantileSketch& b);

  static std::int32_t BucketOf(Int128 at_scale_18);
  /// Smallest and largest value (at scale 18) of a bucket.
  static std::pair<Int128, Int128> BucketBounds(std::int32_t bucket);

 private:
  static constexpr std::int32_t kCodeOfZero = 1 << 15;  // buckets are within +-15,487

  void AddAtSumScale(Int128 v);
  void KeepRepeated(Int128 v, std::uint64_t n);
  void CountIfSmaller();
  void StopCounting();
  template <class Mantissa>
  void AddSpan(std::span<const Mantissa> mantissas, std::int64_t low, std::int64_t high, int scale);
  void Widen(std::int64_t low, std::int64_t high, int scale);
  void AddBounds(const Bounds& of);
  void CoverForMany(Int128 min, Int128 max);
  template <class Mantissa>
  void CountInHistogram(std::span<const Mantissa> mantissas, std::int64_t low, std::int64_t high,
                        int scale);
  void AddToHistogram(std::int32_t bucket, std::uint64_t n);
  void GrowWindow(std::int32_t low, std::int32_t high);
  [[nodiscard]] bool WindowCovers(std::int32_t low, std::int32_t high) const;
  void BecomeHistogram();
  [[nodiscard]] Int128 Representative(std::int32_t bucket) const;
  [[nodiscard]] Int128 ExactRank(std::uint64_t rank) const;
  void EncodeExact(std::string* out) const;
  void EncodeHistogram(std::string* out) const;
  Status MergeEncodedExact(ByteReader& in);
  Status MergeEncodedHistogram(ByteReader& in);

  bool exact_always_;
  int scale_max_ = 0;  // of the values in lowest terms
  std::uint64_t count_ = 0;
  Int128 min_ = 0, max_ = 0;            // at scale 18
  mutable std::vector<Int128> values_;  // exact mode: at scale 18, unordered
  // The same where `exact_always` keeps many: the values are in here and none in values_, or here is none.
  ValueCounts counted_;
  std::uint64_t count_again_ = kCountFrom;  // not worth trying below
  static constexpr std::uint64_t kCountFrom = 4096;
  std::int32_t first_bucket_ = 0;       // histogram mode: a dense window of counts
  std::vector<std::uint64_t> buckets_;  // empty = exact mode
};

template <class Visit>
void QuantileSketch::ForEachBucket(Visit&& visit) const {
  for (const Int128 v : values_) visit(BucketOf(v), std::uint64_t{1});
  counted_.ForEach([&](Int128 v, std::uint64_t n) { visit(BucketOf(v), n); });
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] != 0) visit(first_bucket_ + static_cast<std::int32_t>(i), buckets_[i]);
  }
}

}  // namespace quipu
