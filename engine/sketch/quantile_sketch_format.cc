// The stored form of QuantileSketch: formats/sketches.md.
#include <algorithm>

#include "base/check.h"
#include "sketch/exact_sum.h"
#include "sketch/quantile_sketch.h"

namespace quipu {
namespace {

constexpr std::uint64_t kTagExact = 0;
constexpr std::uint64_t kTagHistogram = 1;

Uint128 ZigZag128(Int128 v) {
  return (static_cast<Uint128>(v) << 1) ^ static_cast<Uint128>(v >> 127);
}
Int128 UnZigZag128(Uint128 v) { return static_cast<Int128>((v >> 1) ^ (Uint128{0} - (v & 1))); }

Status Corrupt(const char* what) {
  return Status::Corruption(std::string("quantile sketch: ") + what);
}

// b - a for a <= b; the difference of two legal values may exceed a signed 128-bit integer.
Uint128 Distance(Int128 a, Int128 b) { return static_cast<Uint128>(b) - static_cast<Uint128>(a); }

// Largest legal mantissa at a scale: magnitudes at scale 18 are below 10^38.
Int128 MantissaMax(int scale) {
  return static_cast<Int128>((PowerOf10(38) - 1) / PowerOf10(kSumScale - scale));
}

constexpr std::size_t kGapBytesMax = 3;  // buckets are fewer than 2^16
constexpr std::size_t kCountBytesMax = 10;

char* PutVarint(std::uint64_t v, char* to) {
  for (; v >= 0x80; v >>= 7) *to++ = static_cast<char>(v | 0x80);
  *to++ = static_cast<char>(v);
  return to;
}

bool IsLegal(Int128 mantissa, Int128 mantissa_max) {
  return mantissa >= -mantissa_max && mantissa <= mantissa_max;
}

}  // namespace

void QuantileSketch::EncodeTo(std::string* out) const {
  if (count_ <= kQuantileExactMax) {
    EncodeExact(out);
  } else if (exact()) {
    // Kept whole for an exact query; the stored form depends on the multiset alone.
    QuantileSketch histogram = *this;
    histogram.BecomeHistogram();
    histogram.EncodeHistogram(out);
  } else {
    EncodeHistogram(out);
  }
}

void QuantileSketch::EncodeExact(std::string* out) const {
  ByteWriter writer(out);
  writer.Varint(kTagExact);
  writer.Varint(static_cast<std::uint64_t>(scale_max_));
  writer.Varint(count_);
  std::vector<Int128> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const auto step = static_cast<Int128>(PowerOf10(kSumScale - scale_max_));
  Int128 previous = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const Int128 mantissa = sorted[i] / step;
    writer.Varint128(i == 0 ? ZigZag128(mantissa) : Distance(previous, mantissa));
    previous = mantissa;
  }
}

void QuantileSketch::EncodeHistogram(std::string* out) const {
  ByteWriter writer(out);
  const auto step = static_cast<Int128>(PowerOf10(kSumScale - scale_max_));
  writer.Varint(kTagHistogram);
  writer.Varint(static_cast<std::uint64_t>(scale_max_));
  writer.Varint(count_);
  writer.Varint128(ZigZag128(min_ / step));
  writer.Varint128(Distance(min_ / step, max_ / step));
  const auto empty =
      static_cast<std::size_t>(std::count(buckets_.begin(), buckets_.end(), std::uint64_t{0}));
  const std::size_t used = buckets_.size() - empty;
  writer.Varint(used);
  // Written past the end of the string's own bookkeeping: there are many of them.
  const std::size_t start = out->size();
  out->resize(start + used * (kGapBytesMax + kCountBytesMax));
  char* to = out->data() + start;
  auto previous = static_cast<std::size_t>(BucketOf(min_) - first_bucket_);
  for (std::size_t i = previous; i < buckets_.size(); ++i) {
    if (buckets_[i] == 0) continue;
    to = PutVarint(i - previous, to);
    to = PutVarint(buckets_[i], to);
    previous = i;
  }
  out->resize(static_cast<std::size_t>(to - out->data()));
}

Result<QuantileSketch> QuantileSketch::Decode(ByteReader& in) {
  QuantileSketch sketch;
  QUIPU_TRY(sketch.MergeEncoded(in));
  return sketch;
}

Status QuantileSketch::MergeEncoded(ByteReader& in) {
  const std::uint64_t tag = in.Varint();
  QUIPU_TRY(in.status("quantile sketch"));
  if (tag == kTagExact) return MergeEncodedExact(in);
  if (tag == kTagHistogram) return MergeEncodedHistogram(in);
  return Corrupt("unknown mode tag");
}

Status QuantileSketch::MergeEncodedExact(ByteReader& in) {
  const std::uint64_t scale_stored = in.Varint();
  const std::uint64_t count = in.Varint();
  QUIPU_TRY(in.status("quantile sketch"));
  if (scale_stored > kSumScale) return Corrupt("scale above 18");
  if (count > kQuantileExactMax) return Corrupt("more than 1,024 values in exact mode");
  if (count > in.remaining()) return Corrupt("ends before its values");
  if (count > ~std::uint64_t{0} - count_) return Corrupt("count overflows 64 bits");
  const int scale = static_cast<int>(scale_stored);
  const Int128 mantissa_max = MantissaMax(scale);
  const auto step = static_cast<Int128>(PowerOf10(kSumScale - scale));
  bool scale_used = scale == 0;
  Int128 mantissa = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Uint128 stored = in.Varint128();
    if (!in.ok()) return in.status("quantile sketch");
    if (i == 0) {
      mantissa = UnZigZag128(stored);
    } else {
      if (stored > Distance(mantissa, mantissa_max)) return Corrupt("value out of range");
      mantissa = static_cast<Int128>(static_cast<Uint128>(mantissa) + stored);
    }
    if (!IsLegal(mantissa, mantissa_max)) return Corrupt("value out of range");
    scale_used = scale_used || mantissa % 10 != 0;
    AddAtSumScale(mantissa * step);
  }
  if (!scale_used) return Corrupt("scale is larger than its values need");
  scale_max_ = std::max(scale_max_, scale);
  return {};
}

Status QuantileSketch::MergeEncodedHistogram(ByteReader& in) {
  const std::uint64_t scale_stored = in.Varint();
  const std::uint64_t count = in.Varint();
  const Int128 low = UnZigZag128(in.Varint128());
  const Uint128 spread = in.Varint128();
  const std::uint64_t buckets = in.Varint();
  QUIPU_TRY(in.status("quantile sketch"));
  if (exact_always_)
    return Status::Internal(
        "quantile sketch: an exact sketch cannot absorb a histogram; read the rows instead");
  if (scale_stored > kSumScale) return Corrupt("scale above 18");
  if (count <= kQuantileExactMax) return Corrupt("histogram of at most 1,024 values");
  if (count > ~std::uint64_t{0} - count_) return Corrupt("count overflows 64 bits");
  const int scale = static_cast<int>(scale_stored);
  const Int128 mantissa_max = MantissaMax(scale);
  if (!IsLegal(low, mantissa_max) || spread > Distance(low, mantissa_max))
    return Corrupt("min or max out of range");
  const auto step = static_cast<Int128>(PowerOf10(kSumScale - scale));
  const Int128 min = low * step;
  const Int128 max = static_cast<Int128>(static_cast<Uint128>(low) + spread) * step;
  const std::int32_t last = BucketOf(max);
  std::int32_t bucket = BucketOf(min);
  if (buckets == 0 || buckets > in.remaining() / 2) return Corrupt("ends before its buckets");

  if (exact()) BecomeHistogram();
  GrowWindow(bucket, last);
  std::uint64_t left = count;
  for (std::uint64_t i = 0; i < buckets; ++i) {
    const std::uint64_t gap = in.Varint();
    const std::uint64_t n = in.Varint();
    if (!in.ok()) return in.status("quantile sketch");
    if ((gap == 0) != (i == 0))
      return Corrupt("buckets do not start at the minimum's or do not ascend");
    if (gap > static_cast<std::uint64_t>(last - bucket))
      return Corrupt("bucket above the maximum's");
    if (n == 0 || n > left) return Corrupt("bucket counts do not sum up to the count");
    bucket += static_cast<std::int32_t>(gap);
    left -= n;
    AddToHistogram(bucket, n);
  }
  if (left != 0) return Corrupt("bucket counts do not sum up to the count");
  if (bucket != last) return Corrupt("no bucket holds the maximum");
  min_ = count_ == 0 ? min : std::min(min_, min);
  max_ = count_ == 0 ? max : std::max(max_, max);
  count_ += count;
  scale_max_ = std::max(scale_max_, scale);
  return {};
}

}  // namespace quipu
