// The kernels of one instruction set. Included by one kernels_*.cc per instruction set, which
// defines
//     QUIPU_KERNELS       the namespace, and the table's name
//     QUIPU_KERNEL_WORDS  64-bit words per register: 2, 4 or 8
// and is compiled with that instruction set's flags. Rows, widths and shifts are template
// parameters, so a kernel is straight code.
#pragma once

#include "codec/kernels.h"

namespace quipu::QUIPU_KERNELS {

extern const KernelTable kTable;

namespace {

using U8 = std::uint8_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;
constexpr int kWords = QUIPU_KERNEL_WORDS;
constexpr int kRows = 64;

using V [[gnu::vector_size(8 * kWords)]] = U64;

[[gnu::always_inline]] inline V Load(const void* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
[[gnu::always_inline]] inline void Store(void* p, V v) { __builtin_memcpy(p, &v, sizeof v); }

template <int... kNumber>
struct Numbers {};
template <int kCount, int... kNumber>
struct MakeNumbers : MakeNumbers<kCount - 1, kCount - 1, kNumber...> {};
template <int... kNumber>
struct MakeNumbers<0, kNumber...> {
  using Type = Numbers<kNumber...>;
};
using Rows = MakeNumbers<kRows>::Type;
using Widths = MakeNumbers<65>::Type;

template <int kWidth>
constexpr U64 kMask = kWidth >= 64 ? ~U64{0} : (U64{1} << (kWidth % 64)) - 1;

// The values of one row in the lanes from `in` on.
template <int kWidth, int kRow>
[[gnu::always_inline]] inline V Field(const U8* in) {
  constexpr int kBit = kRow * kWidth, kWord = kBit / 64, kShift = kBit % 64;
  constexpr int kStride = 8 * static_cast<int>(kInterleavedLanes);
  if constexpr (kWidth == 0) {
    return V{};
  } else {
    V v = Load(in + kWord * kStride);
    if constexpr (kShift != 0) v = v >> kShift;
    if constexpr (kShift + kWidth > 64) v |= Load(in + (kWord + 1) * kStride) << (64 - kShift);
    if constexpr (kShift + kWidth != 64) v &= kMask<kWidth>;
    return v;
  }
}

template <int kWidth, int... kRow>
[[gnu::always_inline]] inline void UnpackRows(const U8* __restrict in, U64 base,
                                              U64* __restrict out, Numbers<kRow...>) {
  (Store(out + kRow * static_cast<int>(kInterleavedLanes), Field<kWidth, kRow>(in) + base), ...);
}

// Where a lane's words begin. Fields of width 0 have none, and `in` may be null then.
template <int kWidth>
[[gnu::always_inline]] inline const U8* LaneIn(const U8* in, std::size_t lane) {
  if constexpr (kWidth == 0) {
    return in;
  } else {
    return in + 8 * lane;
  }
}

template <int kWidth>
void Unpack(const U8* __restrict in, U64 base, U64* __restrict out) {
  for (std::size_t lane = 0; lane < kInterleavedLanes; lane += kWords)
    UnpackRows<kWidth>(LaneIn<kWidth>(in, lane), base, out + lane, Rows());
}

// Sums of 64 values below 2^58 stay below 2^64; wider ones are added in two halves.
template <int kWidth, int... kRow>
[[gnu::always_inline]] inline void SumRows(const U8* in, V* low, V* high, Numbers<kRow...>) {
  if constexpr (kWidth <= 58) {
    ((*low += Field<kWidth, kRow>(in)), ...);
  } else {
    ((*low += Field<kWidth, kRow>(in) & 0xffffffffu, *high += Field<kWidth, kRow>(in) >> 32), ...);
  }
}

template <int kWidth>
WideSum Sum(const U8* in) {
  __extension__ using Wide = unsigned __int128;
  Wide sum = 0;
  for (std::size_t lane = 0; lane < kInterleavedLanes; lane += kWords) {
    V low = {}, high = {};
    SumRows<kWidth>(LaneIn<kWidth>(in, lane), &low, &high, Rows());
    for (int i = 0; i < kWords; ++i) sum += low[i] + (Wide{high[i]} << 32);
  }
  return {static_cast<U64>(sum), static_cast<U64>(sum >> 64)};
}

// Adds one row to the word being filled, and writes it when it is full.
template <int kWidth, int kRow>
[[gnu::always_inline]] inline void PackRow(V v, V* word, U8* out) {
  constexpr int kBit = kRow * kWidth, kWord = kBit / 64, kShift = kBit % 64;
  constexpr int kStride = 8 * static_cast<int>(kInterleavedLanes);
  if constexpr (kShift == 0) {
    *word = v;
  } else {
    *word |= v << kShift;
  }
  if constexpr (kShift + kWidth >= 64) Store(out + kWord * kStride, *word);
  if constexpr (kShift + kWidth > 64) *word = v >> (64 - kShift);
}

template <int kWidth, int... kRow>
[[gnu::always_inline]] inline void PackRows(const U64* __restrict in, U64 base, U8* __restrict out,
                                            Numbers<kRow...>) {
  V word = {};
  (PackRow<kWidth, kRow>(Load(in + kRow * static_cast<int>(kInterleavedLanes)) - base, &word, out),
   ...);
}

template <int kWidth>
void Pack(const U64* __restrict in, U64 base, U8* __restrict out) {
  if constexpr (kWidth != 0) {
    for (std::size_t lane = 0; lane < kInterleavedLanes; lane += kWords)
      PackRows<kWidth>(in + lane, base, out + 8 * lane, Rows());
  }
}

// Running sums inside one register: add it to itself moved up by 1, 2, 4 words.
[[gnu::always_inline]] inline V Scan(V v) {
  const V zero = {};
#if QUIPU_KERNEL_WORDS == 8
  v += __builtin_shufflevector(zero, v, 0, 8, 9, 10, 11, 12, 13, 14);
  v += __builtin_shufflevector(zero, v, 0, 1, 8, 9, 10, 11, 12, 13);
  v += __builtin_shufflevector(zero, v, 0, 1, 2, 3, 8, 9, 10, 11);
#elif QUIPU_KERNEL_WORDS == 4
  v += __builtin_shufflevector(zero, v, 0, 4, 5, 6);
  v += __builtin_shufflevector(zero, v, 0, 1, 4, 5);
#else
  v += __builtin_shufflevector(zero, v, 0, 2);
#endif
  return v;
}

void PrefixSum(const U64* __restrict in, std::size_t n, U64 first, U64* __restrict out) {
  V before = V{} + first;
  std::size_t i = 0;
  for (; i + kWords <= n; i += kWords) {
    const V sums = Scan(Load(in + i));
    Store(out + i, sums + before);
    before += sums[kWords - 1];
  }
  for (U64 sum = before[0]; i < n; ++i) out[i] = sum += in[i];
}

void Differences(const U64* __restrict in, std::size_t n, U64* __restrict out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i + 1] - in[i];
}

template <class T>
[[gnu::always_inline]] inline T Smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
[[gnu::always_inline]] inline T Larger(T a, T b) {
  return a < b ? b : a;
}

void Measure(const std::int64_t* in, std::size_t n, IntStatistics* out) {
  std::int64_t min = in[0], max = in[0];
  U64 low = static_cast<U64>(in[0]), delta_low = ~U64{0}, changes = 0;
  std::int64_t delta_min = INT64_MAX, delta_max = INT64_MIN;
  for (std::size_t i = 1; i < n; ++i) {
    const U64 delta = static_cast<U64>(in[i]) - static_cast<U64>(in[i - 1]);
    min = Smaller(min, in[i]);
    max = Larger(max, in[i]);
    low = Smaller(low, static_cast<U64>(in[i]));
    delta_min = Smaller(delta_min, static_cast<std::int64_t>(delta));
    delta_max = Larger(delta_max, static_cast<std::int64_t>(delta));
    delta_low = Smaller(delta_low, delta);
    changes += delta != 0 ? 1u : 0u;
  }
  *out = {min, max, low, delta_min, delta_max, delta_low, changes};
}

void Exceed(const U64* in, std::size_t n, U64 base, int wide, int narrow, U64 counts[2]) {
  const U64 wide_max = (U64{1} << wide) - 1, narrow_max = (U64{1} << narrow) - 1;
  U64 wide_count = 0, narrow_count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const U64 residual = in[i] - base;
    wide_count += residual > wide_max ? 1u : 0u;
    narrow_count += residual > narrow_max ? 1u : 0u;
  }
  counts[0] = wide_count;
  counts[1] = narrow_count;
}

void FindWidths(const U64* __restrict in, std::size_t n, U64 base, U8* __restrict widths) {
  for (std::size_t i = 0; i < n; ++i) {
    const U64 residual = in[i] - base;
    widths[i] = static_cast<U8>(64 - __builtin_clzll(residual | 1) - (residual == 0 ? 1 : 0));
  }
  for (std::size_t i = n; i < kInterleavedValues; ++i) widths[i] = 0;
}

U64 Narrow(const U64* __restrict in, std::size_t n, U32* __restrict out) {
  using H [[gnu::vector_size(4 * kWords)]] = U32;
  V largest = {};
  std::size_t i = 0;
  for (; i + kWords <= n; i += kWords) {
    const V v = Load(in + i);
    largest = v > largest ? v : largest;
    const H halves = __builtin_convertvector(v, H);
    __builtin_memcpy(out + i, &halves, sizeof halves);
  }
  U64 most = 0;
  for (int w = 0; w < kWords; ++w) most = largest[w] > most ? largest[w] : most;
  for (; i < n; ++i) {
    most = in[i] > most ? in[i] : most;
    out[i] = static_cast<U32>(in[i]);
  }
  return most;
}

IntRange Range(const std::int64_t* in, std::size_t n) {
  using S [[gnu::vector_size(8 * kWords)]] = std::int64_t;
  constexpr std::size_t kChains = 4;  // each waits for its last comparison alone
  S mins[kChains], maxs[kChains];
  for (std::size_t c = 0; c < kChains; ++c) mins[c] = maxs[c] = S{} + in[0];
  std::size_t i = 0;
  for (; i + kChains * kWords <= n; i += kChains * kWords) {
    for (std::size_t c = 0; c < kChains; ++c) {
      S v;
      __builtin_memcpy(&v, in + i + c * kWords, sizeof v);
      mins[c] = v < mins[c] ? v : mins[c];
      maxs[c] = v > maxs[c] ? v : maxs[c];
    }
  }
  S min = mins[0], max = maxs[0];
  for (std::size_t c = 1; c < kChains; ++c) {
    min = mins[c] < min ? mins[c] : min;
    max = maxs[c] > max ? maxs[c] : max;
  }
  IntRange range{min[0], max[0]};
  for (int w = 1; w < kWords; ++w) {
    range.min = Smaller(range.min, static_cast<std::int64_t>(min[w]));
    range.max = Larger(range.max, static_cast<std::int64_t>(max[w]));
  }
  for (; i < n; ++i) {
    range.min = Smaller(range.min, in[i]);
    range.max = Larger(range.max, in[i]);
  }
  return range;
}

// One counter a byte: at most 64 registers of 16 bytes are added up before it is read.
std::size_t CountAbove(const U8* widths, int width) {
  using B [[gnu::vector_size(8 * kWords)]] = U8;
  const B limit = B{} + static_cast<U8>(width);
  B counts = {};
  for (std::size_t i = 0; i < kInterleavedValues; i += sizeof(B)) {
    B v;
    __builtin_memcpy(&v, widths + i, sizeof v);
    counts -= static_cast<B>(v > limit);
  }
  V words;
  __builtin_memcpy(&words, &counts, sizeof words);
  constexpr U64 kEven = 0x00ff00ff00ff00ff;
  words = (words & kEven) + ((words >> 8) & kEven);
  U64 sum = 0;
  for (int i = 0; i < kWords; ++i) sum += words[i];
  return (sum * 0x0001000100010001) >> 48;
}

std::size_t Split(const U64* __restrict in, std::size_t n, U64 base, int width, U64* __restrict low,
                  U64* __restrict positions) {
  constexpr std::size_t kPart = 16;
  const U64 mask = (U64{1} << width) - 1;
  std::size_t found = 0;
  for (std::size_t from = 0; from < n; from += kPart) {
    const std::size_t part = Smaller(kPart, n - from);
    U64 beyond = 0;
    for (std::size_t i = 0; i < part; ++i) {
      const U64 residual = in[from + i] - base;
      low[from + i] = residual & mask;
      beyond |= residual & ~mask;
    }
    if (beyond == 0) continue;
    for (std::size_t i = from; i < from + part; ++i) {
      positions[found] = i;
      found += ((in[i] - base) & ~mask) != 0 ? 1u : 0u;
    }
  }
  return found;
}

#define QUIPU_TEXT_OF(x) #x
#define QUIPU_TEXT(x) QUIPU_TEXT_OF(x)
template <int... kWidth>
constexpr KernelTable MakeTable(Numbers<kWidth...>) {
  return {QUIPU_TEXT(QUIPU_KERNELS),
          {&Unpack<kWidth>...},
          {&Sum<kWidth>...},
          {&Pack<kWidth>...},
          &PrefixSum,
          &Differences,
          &Measure,
          &Exceed,
          &FindWidths,
          &CountAbove,
          &Split,
          &Narrow,
          &Range};
}
#undef QUIPU_TEXT
#undef QUIPU_TEXT_OF

}  // namespace

const KernelTable kTable = MakeTable(Widths());

}  // namespace quipu::QUIPU_KERNELS
