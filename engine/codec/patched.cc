#include "codec/patched.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

constexpr int kWidthMax = 63;

// What is to be packed, and how far it reaches from the base on each side.
struct Residuals {
  std::span<const std::uint64_t> values;
  std::uint64_t base = 0;
  bool fits = false;  // [lowest, highest] is known
  std::int64_t lowest = 0, highest = 0;
};

Residuals ResidualsFrom(std::span<const std::uint64_t> values, std::uint64_t base, std::int64_t min,
                        std::int64_t max) {
  Residuals r{values, base};
  const auto signed_base = static_cast<std::int64_t>(base);
  const bool low_overflows = __builtin_sub_overflow(min, signed_base, &r.lowest);
  const bool high_overflows = __builtin_sub_overflow(max, signed_base, &r.highest);
  r.fits = !low_overflows && !high_overflows;
  return r;
}

// Bits of the largest zigzag high part if the low part has `width` bits.
int HighWidth(const Residuals& r, int width) {
  if (!r.fits) return 64 - width;
  return std::max(BitsFor(ZigZag(r.lowest >> width)), BitsFor(ZigZag(r.highest >> width)));
}

// The width above which there is nothing to gain: the one that holds all residuals not below zero.
int WidthOf(const Residuals& r) {
  if (!r.fits) return kWidthMax;
  return std::min(BitsFor(static_cast<std::uint64_t>(std::max<std::int64_t>(r.highest, 0))),
                  kWidthMax);
}

std::size_t HeadBytes(std::uint64_t base, std::size_t patches) {
  return VarintBytes(ZigZag(static_cast<std::int64_t>(base))) + 2 + VarintBytes(patches);
}

std::size_t BlockBytes(const Residuals& r, int width, std::size_t patches) {
  const std::size_t n = r.values.size();
  return HeadBytes(r.base, patches) + PackedBytes(n, width) + PackedBytes(patches, BitsFor(n - 1)) +
         PackedBytes(patches, HighWidth(r, width));
}

// No block of a width from `width` on with at least `patches` exceptions is smaller: a bit more of
// width costs n bits and saves at most one per exception.
std::size_t BytesAtLeast(const Residuals& r, int width, std::size_t patches) {
  const std::size_t n = r.values.size();
  const auto bits = static_cast<std::size_t>(BitsFor(n - 1) + HighWidth(r, width));
  return HeadBytes(r.base, 1) + n * static_cast<std::size_t>(width) / 8 + patches * bits / 8;
}

// Two counts show, for the usual column, that no width comes below the limit.
bool MayBeSmaller(const Residuals& r, std::size_t limit) {
  const int top = WidthOf(r);
  if (r.fits && r.lowest < 0 && BytesAtLeast(r, top, 1) <= limit) return true;
  if (top == 0) return false;
  const int narrow = std::max(top - 3, 0);
  std::uint64_t counts[2];
  Kernels().exceed(r.values.data(), r.values.size(), r.base, top - 1, narrow, counts);
  return !r.fits || BytesAtLeast(r, top - 1, counts[0]) <= limit ||
         (top >= 2 && BytesAtLeast(r, std::max(top - 2, narrow), counts[0]) <= limit) ||
         BytesAtLeast(r, 0, counts[1]) <= limit;
}

std::size_t Plan(const Residuals& r, std::size_t limit, PatchPlan* plan) {
  if (limit != kNoSize && !MayBeSmaller(r, limit)) return kNoSize;
  const KernelTable& kernels = Kernels();
  std::uint8_t widths[kInterleavedValues];
  kernels.find_widths(r.values.data(), r.values.size(), r.base, widths);
  std::size_t best = kNoSize;
  for (int width = WidthOf(r); width >= 0; --width) {
    if (PackedBytes(r.values.size(), width) > std::min(best, limit)) continue;
    const std::size_t patches = kernels.count_above(widths, width);
    const std::size_t bytes = BlockBytes(r, width, patches);
    if (bytes < best) {
      best = bytes;
      *plan = {r.base, width, patches == 0 ? 0 : HighWidth(r, width), patches};
    }
    if (BytesAtLeast(r, 0, patches) > std::min(best, limit)) break;
  }
  return best <= limit ? best : kNoSize;
}

void WriteBlock(std::span<const std::uint64_t> values, const PatchPlan& plan, std::string* out) {
  const std::size_t n = values.size();
  std::array<std::uint64_t, kVectorValuesMax> low, positions, high;
  const std::size_t patches =
      Kernels().split(values.data(), n, plan.base, plan.width, low.data(), positions.data());
  QUIPU_CHECK(patches == plan.patches);
  for (std::size_t i = 0; i < patches; ++i) {
    const std::uint64_t residual = values.data()[positions.data()[i]] - plan.base;
    high.data()[i] = ZigZag(static_cast<std::int64_t>(residual) >> plan.width);
  }
  ByteWriter writer(out);
  writer.Varint(ZigZag(static_cast<std::int64_t>(plan.base)));
  writer.U8(static_cast<std::uint8_t>(plan.width));
  writer.U8(static_cast<std::uint8_t>(plan.high_width));
  writer.Varint(patches);
  PackBits({low.data(), n}, plan.width, out);
  PackBits({positions.data(), patches}, BitsFor(n - 1), out);
  PackBits({high.data(), patches}, plan.high_width, out);
}

struct BlockHead {
  std::uint64_t base = 0;
  int width = 0, high_width = 0;
  std::size_t patches = 0;
};

// The packed numbers at `in`, which must be there with nothing set behind them.
Result<Bytes> PackedAt(ByteReader* in, std::size_t n, int width) {
  const Bytes packed = in->Raw(PackedBytes(n, width));
  if (!in->ok()) return in->status("patched");
  if (!PaddingIsZero(packed, n, width))
    return Status::Corruption("patched: bits after the last value are set");
  return packed;
}

// Calls unpack(low parts, width, base), then adds the high parts of the exceptions to out.
template <class Unpack>
Status ReadBlock(ByteReader* in, std::size_t n, std::uint64_t* out, Unpack unpack) {
  const auto base = static_cast<std::uint64_t>(UnZigZag(in->Varint()));
  const int width = in->U8(), high_width = in->U8();
  const std::uint64_t patches = in->Varint();
  if (!in->ok()) return in->status("patched");
  if (width > kWidthMax || high_width > 64 || patches > n) {
    return Status::Corruption(
        "patched: impossible widths or number of exceptions: " + std::to_string(width) + ", " +
        std::to_string(high_width) + ", " + std::to_string(patches));
  }
  QUIPU_TRY_ASSIGN(const Bytes low, PackedAt(in, n, width));
  VectorScratch positions, high;
  QUIPU_TRY_ASSIGN(const Bytes packed_positions, PackedAt(in, patches, BitsFor(n - 1)));
  QUIPU_TRY_ASSIGN(const Bytes packed_high, PackedAt(in, patches, high_width));
  UnpackBits(packed_positions, BitsFor(n - 1), patches, 0, &positions);
  UnpackBits(packed_high, high_width, patches, 0, &high);
  unpack(low, width, base);
  for (std::size_t i = 0; i < patches; ++i) {
    const std::uint64_t position = positions.data()[i];
    if (position >= n || (i != 0 && position <= positions.data()[i - 1])) {
      return Status::Corruption("patched: positions do not ascend below " + std::to_string(n));
    }
    out[position] += static_cast<std::uint64_t>(UnZigZag(high.data()[i])) << width;
  }
  return Status();
}

}  // namespace

std::size_t MeasurePatched(IntVector* v, std::size_t limit) {
  const auto values = AsUnsigned(v->values);
  const Residuals above = ResidualsFrom(values, static_cast<std::uint64_t>(v->min), v->min, v->max);
  std::size_t best = Plan(above, limit, &v->patched);
  if (v->min >= 0 || v->max < 0) return best;
  // Both signs: the negative ones may be the exceptions.
  PatchPlan other;
  const std::size_t bytes =
      Plan(ResidualsFrom(values, v->low, v->min, v->max), std::min(limit, best), &other);
  if (bytes < best) {
    best = bytes;
    v->patched = other;
  }
  return best;
}

void EncodePatched(IntVector* v, std::string* out) {
  WriteBlock(AsUnsigned(v->values), v->patched, out);
}

Status DecodePatched(ByteReader* in, std::span<std::int64_t> out) {
  const auto values = AsUnsigned(out);
  return ReadBlock(in, values.size(), values.data(), [&](Bytes low, int width, std::uint64_t base) {
    UnpackBits(low, width, values, base);
  });
}

std::size_t MeasurePatchedDelta(IntVector* v, std::size_t limit) {
  if (v->values.size() == 1) return kNoSize;
  const std::size_t first = VarintBytes(ZigZag(v->values[0]));
  if (limit <= first) return kNoSize;
  const Residuals r = ResidualsFrom(v->Differences(), v->delta_low, v->delta_min, v->delta_max);
  const std::size_t bytes = Plan(r, limit == kNoSize ? kNoSize : limit - first, &v->patched_delta);
  return bytes == kNoSize ? kNoSize : first + bytes;
}

void EncodePatchedDelta(IntVector* v, std::string* out) {
  ByteWriter(out).Varint(ZigZag(v->values[0]));
  WriteBlock(v->Differences(), v->patched_delta, out);
}

Status DecodePatchedDelta(ByteReader* in, std::span<std::int64_t> out) {
  if (out.size() == 1) return Status::Corruption("patched delta: of a single value");
  const auto first = static_cast<std::uint64_t>(UnZigZag(in->Varint()));
  VectorScratch differences;
  const std::size_t n = out.size() - 1;
  QUIPU_TRY(ReadBlock(in, n, differences.data(), [&](Bytes low, int width, std::uint64_t base) {
    UnpackBits(low, width, n, base, &differences);
  }));
  std::uint64_t* p = AsUnsigned(out).data();
  p[0] = first;
  Kernels().prefix_sum(differences.data(), n, first, p + 1);
  return Status();
}

}  // namespace quipu
