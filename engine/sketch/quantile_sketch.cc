#include "sketch/quantile_sketch.h"

#include <algorithm>

#include "base/check.h"
#include "sketch/exact_sum.h"
#include "sketch/value_buckets.h"

namespace quipu {
namespace {

using value_buckets::FloorLog2;
using value_buckets::IndexOf;
using value_buckets::kOctaveBits;
using value_buckets::MagnitudeOf64;

constexpr std::int32_t kWindowSlack = 64;

// Lower edge and width of the bucket of a non-negative index.
struct Interval {
  Uint128 low, width;
};
Interval IntervalOf(std::int32_t index) {
  if (index < (2 << kOctaveBits)) return {static_cast<Uint128>(index), 1};
  const int shift = (index >> kOctaveBits) - 1;
  const std::int32_t leading = index - (shift << kOctaveBits);
  return {static_cast<Uint128>(leading) << shift, Uint128{1} << shift};
}

// Whether a number is a multiple of 10^n without dividing: the low n bits tell about 2^n; for odd d, m is a multiple of d if and only
// if m times the inverse of d modulo 2^64 is at most (2^64 - 1) / d (Granlund and Montgomery, 1994).
struct MultipleTest {
  std::uint64_t low_bits = 0, inverse = 1, quotient_max = ~std::uint64_t{0};
  int twos = 0;
  bool operator()(std::uint64_t m) const {
    return (m & low_bits) == 0 && (m >> twos) * inverse <= quotient_max;
  }
};

MultipleTest MultipleOfPower(int n) {
  std::uint64_t five = 1;
  for (int i = 0; i < n; ++i) five *= 5;
  std::uint64_t inverse = five;  // right in 3 bits; each step of Newton's method doubles them
  for (int i = 0; i < 5; ++i) inverse *= 2 - five * inverse;
  return {(std::uint64_t{1} << n) - 1, inverse, ~std::uint64_t{0} / five, n};
}

/// The larger of `scale_max` and the scale of the values in lowest terms.
template <class Mantissa>
int RaisedScale(int scale_max, std::span<const Mantissa> mantissas, int scale) {
  if (scale <= scale_max) return scale_max;
  MultipleTest no_raise = MultipleOfPower(scale - scale_max);
  for (const Mantissa mantissa : mantissas) {
    if (no_raise(MagnitudeOf64(mantissa))) continue;
    std::int64_t rest = mantissa;
    int lowest = scale;
    for (; rest % 10 == 0; rest /= 10) --lowest;
    scale_max = lowest;
    if (lowest == scale) break;
    no_raise = MultipleOfPower(scale - lowest);
  }
  return scale_max;
}

}  // namespace

std::int32_t QuantileSketch::BucketOf(Int128 at_scale_18) {
  return value_buckets::BucketOf(at_scale_18);
}

std::pair<Int128, Int128> QuantileSketch::BucketBounds(std::int32_t bucket) {
  const Interval i = IntervalOf(bucket < 0 ? -bucket : bucket);
  const auto near = static_cast<Int128>(i.low);
  const auto far = static_cast<Int128>(i.low + (i.width - 1));
  return bucket < 0 ? std::pair{-far, -near} : std::pair{near, far};
}

void QuantileSketch::Add(Int128 mantissa, int scale) {
  QUIPU_DCHECK(scale >= 0 && scale <= kSumScale);
  if (scale > scale_max_) {
    // Only a value that raises the scale needs its lowest terms.
    Int128 rest = mantissa;
    int lowest = scale;
    if (rest == static_cast<std::int64_t>(rest)) {
      auto small = static_cast<std::int64_t>(rest);
      for (; lowest > scale_max_ && small % 10 == 0; small /= 10) --lowest;
    } else {
      for (; lowest > scale_max_ && rest % 10 == 0; rest /= 10) --lowest;
    }
    scale_max_ = lowest;
  }
  AddAtSumScale(AtSumScale(mantissa, scale));
}

void QuantileSketch::AddAtSumScale(Int128 v) {
  if (count_ == 0 || v < min_) min_ = v;
  if (count_ == 0 || v > max_) max_ = v;
  ++count_;
  if (!exact()) {
    AddToHistogram(BucketOf(v), 1);
    return;
  }
  KeepRepeated(v, 1);
  if (count_ > kQuantileExactMax && !exact_always_) BecomeHistogram();
}

// Of exact mode; bounds and count know of it already.
void QuantileSketch::KeepRepeated(Int128 v, std::uint64_t n) {
  if (!counted_.empty()) {
    if (counted_.AddRepeated(v, n)) return;
    StopCounting();
  }
  values_.insert(values_.end(), n, v);
  if (exact_always_ && values_.size() >= count_again_) CountIfSmaller();
}

// From values to counters, if those are smaller.
void QuantileSketch::CountIfSmaller() {
  if (counted_.Start(values_, min_, max_, scale_max_)) {
    std::vector<Int128>().swap(values_);
  } else {
    count_again_ = 2 * values_.size();
  }
}

// Back to values: one came that has no counter.
void QuantileSketch::StopCounting() {
  counted_.ForEach([this](Int128 v, std::uint64_t n) { values_.insert(values_.end(), n, v); });
  counted_.Clear();
  count_again_ = std::max(count_again_, 2 * values_.size());
}

void QuantileSketch::AddMany(std::span<const std::int64_t> mantissas, int scale) {
  if (mantissas.empty()) return;
  std::int64_t low = mantissas[0], high = mantissas[0];
  for (const std::int64_t mantissa : mantissas) {
    low = std::min(low, mantissa);
    high = std::max(high, mantissa);
  }
  AddMany(mantissas, low, high, scale);
}

void QuantileSketch::AddMany(std::span<const std::int64_t> mantissas, std::int64_t low,
                             std::int64_t high, int scale) {
  AddSpan(mantissas, low, high, scale);
}

void QuantileSketch::AddMany(std::span<const std::uint32_t> mantissas, std::int64_t low,
                             std::int64_t high, int scale) {
  AddSpan(mantissas, low, high, scale);
}

template <class Mantissa>
void QuantileSketch::AddSpan(std::span<const Mantissa> mantissas, std::int64_t low,
                             std::int64_t high, int scale) {
  QUIPU_DCHECK(scale >= 0 && scale <= kSumScale);
  if (mantissas.empty()) return;
  scale_max_ = RaisedScale(scale_max_, mantissas, scale);
  Widen(low, high, scale);
  count_ += mantissas.size();
  if (exact() && (count_ <= kQuantileExactMax || exact_always_)) {
    if (!counted_.empty()) {
      if (counted_.Add(mantissas, low, high, scale)) return;
      StopCounting();
    }
    const auto factor = static_cast<Int128>(PowerOf10(kSumScale - scale));
    for (const Mantissa mantissa : mantissas) values_.push_back(mantissa * factor);
    if (exact_always_ && values_.size() >= count_again_) CountIfSmaller();
    return;
  }
  CoverForMany(AtSumScale(low, scale), AtSumScale(high, scale));
  CountInHistogram(mantissas, low, high, scale);
}

void QuantileSketch::AddRepeated(std::int64_t mantissa, std::uint64_t n, int scale) {
  QUIPU_DCHECK(scale >= 0 && scale <= kSumScale);
  if (n == 0) return;
  scale_max_ = RaisedScale(scale_max_, std::span<const std::int64_t>(&mantissa, 1), scale);
  Widen(mantissa, mantissa, scale);
  count_ += n;
  const Int128 v = AtSumScale(mantissa, scale);
  if (exact() && (count_ <= kQuantileExactMax || exact_always_)) {
    KeepRepeated(v, n);
    return;
  }
  CoverForMany(v, v);
  AddToHistogram(BucketOf(v), n);
}

void QuantileSketch::Widen(std::int64_t low, std::int64_t high, int scale) {
  const Int128 min = AtSumScale(low, scale), max = AtSumScale(high, scale);
  min_ = count_ == 0 ? min : std::min(min_, min);
  max_ = count_ == 0 ? max : std::max(max_, max);
}

// A histogram from here on, whose window takes values from min to max.
void QuantileSketch::CoverForMany(Int128 min, Int128 max) {
  if (exact()) BecomeHistogram();
  const std::int32_t first = BucketOf(min), last = BucketOf(max);
  if (WindowCovers(first, last)) return;
  const auto slack = std::max(kWindowSlack, static_cast<std::int32_t>(buckets_.size() / 4));
  GrowWindow(first - slack, last + slack);
}

template <class Mantissa>
void QuantileSketch::CountInHistogram(std::span<const Mantissa> mantissas, std::int64_t low,
                                      std::int64_t high, int scale) {
  std::uint64_t* const buckets = buckets_.data();
  const std::int32_t first = first_bucket_;
  value_buckets::ForEachPart(mantissas, low, high, scale,
                             [&](std::size_t, std::span<const std::int32_t> part) {
                               for (const std::int32_t bucket : part) ++buckets[bucket - first];
                             });
}

bool QuantileSketch::WindowCovers(std::int32_t low, std::int32_t high) const {
  return !buckets_.empty() && low >= first_bucket_ &&
         static_cast<std::size_t>(high - first_bucket_) < buckets_.size();
}

void QuantileSketch::AddToHistogram(std::int32_t bucket, std::uint64_t n) {
  if (bucket < first_bucket_ ||
      static_cast<std::size_t>(bucket - first_bucket_) >= buckets_.size()) {
    // Some slack on either side, so that a drifting stream does not move the window at every step.
    const auto slack = std::max(kWindowSlack, static_cast<std::int32_t>(buckets_.size() / 4));
    GrowWindow(bucket - slack, bucket + slack);
  }
  buckets_[static_cast<std::size_t>(bucket - first_bucket_)] += n;
}

// Makes the window cover low..high (cut to the legal buckets) besides what it covers already.
void QuantileSketch::GrowWindow(std::int32_t low, std::int32_t high) {
  static const std::int32_t kBucketMax = IndexOf(PowerOf10(38) - 1);
  low = std::max(low, -kBucketMax);
  high = std::min(high, kBucketMax);
  if (buckets_.empty()) {
    first_bucket_ = low;
    buckets_.assign(static_cast<std::size_t>(high - low) + 1, 0);
    return;
  }
  const std::int32_t last = first_bucket_ + static_cast<std::int32_t>(buckets_.size()) - 1;
  low = std::min(low, first_bucket_);
  high = std::max(high, last);
  if (low == first_bucket_ && high == last) return;
  std::vector<std::uint64_t> wider(static_cast<std::size_t>(high - low) + 1, 0);
  std::copy(buckets_.begin(), buckets_.end(), wider.begin() + (first_bucket_ - low));
  buckets_ = std::move(wider);
  first_bucket_ = low;
}

void QuantileSketch::BecomeHistogram() {
  if (count_ > 0) GrowWindow(BucketOf(min_), BucketOf(max_));
  for (const Int128 v : values_) AddToHistogram(BucketOf(v), 1);
  counted_.ForEach([this](Int128 v, std::uint64_t n) { AddToHistogram(BucketOf(v), n); });
  counted_.Clear();
  std::vector<Int128>().swap(values_);  // an assignment would keep its memory
}

void QuantileSketch::Merge(const QuantileSketch& other) {
  if (other.count_ == 0) return;
  if (&other == this) {
    Merge(QuantileSketch(other));
    return;
  }
  scale_max_ = std::max(scale_max_, other.scale_max_);
  if (other.exact()) {
    for (const Int128 v : other.values_) AddAtSumScale(v);
    other.counted_.ForEach([this](Int128 v, std::uint64_t n) {
      min_ = count_ == 0 ? v : std::min(min_, v);
      max_ = count_ == 0 ? v : std::max(max_, v);
      count_ += n;
      if (exact() && exact_always_) {
        KeepRepeated(v, n);
      } else {
        if (exact()) BecomeHistogram();
        AddToHistogram(BucketOf(v), n);
      }
    });
    return;
  }
  QUIPU_CHECK(!exact_always_);
  if (count_ == 0) {
    min_ = other.min_;
    max_ = other.max_;
  }
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  if (exact()) BecomeHistogram();
  count_ += other.count_;
  const std::int32_t first = BucketOf(other.min_), last = BucketOf(other.max_);
  GrowWindow(first, last);
  const std::uint64_t* const from = other.buckets_.data() + (first - other.first_bucket_);
  std::uint64_t* const to = buckets_.data() + (first - first_bucket_);
  for (std::int32_t i = 0; i <= last - first; ++i) to[i] += from[i];
}

void QuantileSketch::Bounds::Merge(const Bounds& o) {
  if (o.count == 0) return;
  min = count == 0 ? o.min : std::min(min, o.min);
  max = count == 0 ? o.max : std::max(max, o.max);
  count += o.count;
  scale = std::max(scale, o.scale);
}

void QuantileSketch::MergeCounts(const Bounds& of, std::int32_t first_bucket,
                                 std::span<const std::uint32_t> up_to,
                                 std::span<const std::uint32_t> before) {
  QUIPU_CHECK(CanTake(of.count));
  if (of.count == 0) return;
  if (exact()) BecomeHistogram();
  const std::int32_t first = BucketOf(of.min), last = BucketOf(of.max);
  QUIPU_CHECK(first >= first_bucket &&
              static_cast<std::size_t>(last - first_bucket) < up_to.size());
  GrowWindow(first, last);
  std::uint64_t* const to = buckets_.data() + (first - first_bucket_);
  const std::uint32_t* const more = up_to.data() + (first - first_bucket);
  const std::uint32_t* const less = before.data() + (first - first_bucket);
  const auto n = static_cast<std::size_t>(last - first) + 1;
  for (std::size_t i = 0; i < n; ++i) to[i] += more[i] - less[i];
  AddBounds(of);
}

void QuantileSketch::AddBounds(const Bounds& of) {
  Bounds all = bounds();
  all.Merge(of);
  count_ = all.count;
  scale_max_ = static_cast<int>(all.scale);
  min_ = all.min;
  max_ = all.max;
}

QuantileSketch::Bounds QuantileSketch::BoundsOf(std::span<const std::int64_t> mantissas,
                                                std::int64_t low, std::int64_t high, int scale) {
  if (mantissas.empty()) return {};
  return {mantissas.size(), RaisedScale(0, mantissas, scale), AtSumScale(low, scale),
          AtSumScale(high, scale)};
}

void QuantileSketch::FindCodes(std::span<const std::int64_t> mantissas, std::int64_t low,
                               std::int64_t high, int scale, Code* codes) {
  value_buckets::ForEachPart(mantissas, low, high, scale,
                             [&](std::size_t at, std::span<const std::int32_t> part) {
                               Code* const to = codes + at;
                               for (std::size_t i = 0; i < part.size(); ++i)
                                 to[i] = CodeOf(part[i]);
                             });
}

void QuantileSketch::AddCodes(const Bounds& of, std::span<const Code> codes) {
  QUIPU_CHECK(CanTake(of.count));
  if (of.count == 0) return;
  CoverForMany(of.min, of.max);
  std::uint64_t* const buckets = buckets_.data();
  const std::int32_t first = kCodeOfZero + first_bucket_;
  if (of.count == codes.size()) {
    for (const Code code : codes) ++buckets[code - first];
  } else {
    for (const Code code : codes) {
      if (code != kNoCode) ++buckets[code - first];
    }
  }
  AddBounds(of);
}

// Every value counted here is a multiple of 10^-scale_max: the middle of the first and the last such multiple in the bucket is
// at most (last - first) / 2 < width / 2 away from any of them.
Int128 QuantileSketch::Representative(std::int32_t bucket) const {
  const Interval i = IntervalOf(bucket < 0 ? -bucket : bucket);
  const Uint128 step = PowerOf10(kSumScale - scale_max_);
  const Uint128 first = (i.low + (step - 1)) / step * step;
  const Uint128 last = (i.low + (i.width - 1)) / step * step;
  // A bucket without such a multiple can only come from a damaged sketch; any point of it will do.
  const auto magnitude = static_cast<Int128>(first <= last ? first + (last - first) / 2 : i.low);
  return bucket < 0 ? -magnitude : magnitude;
}

Int128 QuantileSketch::ExactRank(std::uint64_t rank) const {
  const auto nth = static_cast<std::ptrdiff_t>(rank - 1);
  if (!counted_.empty()) return counted_.AtRank(rank);
  if (exact_always_) {
    std::nth_element(values_.begin(), values_.begin() + nth, values_.end());
    return values_[rank - 1];
  }
  std::vector<Int128> copy = values_;
  std::nth_element(copy.begin(), copy.begin() + nth, copy.end());
  return copy[rank - 1];
}

Decimal QuantileSketch::Quantile(std::uint32_t ppm) const {
  constexpr std::uint32_t kMillion = 1'000'000;
  QUIPU_CHECK(count_ > 0 && ppm <= kMillion);
  const auto ceiling =
      static_cast<std::uint64_t>((static_cast<Uint128>(count_) * ppm + (kMillion - 1)) / kMillion);
  const std::uint64_t rank = std::max<std::uint64_t>(1, ceiling);
  if (exact()) return Decimal(ExactRank(rank), kSumScale);
  std::uint64_t below = 0;
  std::size_t i = 0;
  while (rank - below > buckets_[i]) below += buckets_[i++];
  const Int128 v = Representative(first_bucket_ + static_cast<std::int32_t>(i));
  return Decimal(std::clamp(v, min_, max_), kSumScale);
}

std::size_t QuantileSketch::bytes() const {
  return sizeof *this + values_.capacity() * sizeof(Int128) + counted_.bytes() +
         buckets_.capacity() * sizeof(std::uint64_t);
}

bool operator==(const QuantileSketch& a, const QuantileSketch& b) {
  if (a.count_ != b.count_ || a.scale_max_ != b.scale_max_ || a.min_ != b.min_ || a.max_ != b.max_)
    return false;
  std::string form_a, form_b;
  a.EncodeTo(&form_a);
  b.EncodeTo(&form_b);
  return form_a == form_b;
}

}  // namespace quipu
