#include "codec/bitpack.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::size_t kBlock = 64;  // values per kernel call: width words of 64 bits

template <int kWidth>
constexpr std::uint64_t kMask = kWidth >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << kWidth) - 1;

// Widths that are machine integers: plain widening loops, which the compiler vectorises.
template <int kWidth>
struct Machine {
  using Type = void;
};
template <>
struct Machine<8> {
  using Type = std::uint8_t;
};
template <>
struct Machine<16> {
  using Type = std::uint16_t;
};
template <>
struct Machine<32> {
  using Type = std::uint32_t;
};
template <>
struct Machine<64> {
  using Type = std::uint64_t;
};
template <int kWidth>
constexpr bool kIsMachine = !std::is_void_v<typename Machine<kWidth>::Type>;

template <int kWidth, std::size_t kIndex>
[[gnu::always_inline]] inline std::uint64_t Extract(const std::uint8_t* in) {
  constexpr std::size_t kBit = kIndex * kWidth;
  if constexpr (kWidth <= 57) {
    // One unaligned word holds the value whole (7 + 57 bits); near the end of the block the word is
    // moved back to stay inside.
    constexpr std::size_t kByte = std::min<std::size_t>(kBit / 8, 8 * kWidth - 8);
    return (LoadLe<std::uint64_t>(in + kByte) >> (kBit - 8 * kByte)) & kMask<kWidth>;
  } else {
    constexpr std::size_t kWord = kBit / 64, kShift = kBit % 64;
    std::uint64_t v = LoadLe<std::uint64_t>(in + 8 * kWord) >> kShift;
    if constexpr (kShift + kWidth > 64)
      v |= LoadLe<std::uint64_t>(in + 8 * kWord + 8) << (64 - kShift);
    return v & kMask<kWidth>;
  }
}

template <int kWidth>
void UnpackBlock(const std::uint8_t* __restrict in, std::uint64_t base,
                 std::uint64_t* __restrict out) {
  if constexpr (kWidth == 0) {
    std::fill_n(out, kBlock, base);
  } else if constexpr (kIsMachine<kWidth>) {
    using T = typename Machine<kWidth>::Type;
    for (std::size_t i = 0; i < kBlock; ++i) out[i] = LoadLe<T>(in + i * sizeof(T)) + base;
  } else {
    [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
      ((out[kIndex] = Extract<kWidth, kIndex>(in) + base), ...);
    }
    (std::make_index_sequence<kBlock>());
  }
}

template <int kWidth, std::size_t kIndex>
[[gnu::always_inline]] inline void Insert(std::uint64_t v, std::uint64_t* words) {
  constexpr std::size_t kWord = kIndex * kWidth / 64, kShift = kIndex * kWidth % 64;
  words[kWord] |= v << kShift;
  if constexpr (kShift + kWidth > 64) words[kWord + 1] |= v >> (64 - kShift);
}

template <int kWidth>
void PackBlock(const std::uint64_t* __restrict in, std::uint64_t base,
               std::uint8_t* __restrict out) {
  if constexpr (kIsMachine<kWidth>) {
    using T = typename Machine<kWidth>::Type;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const T v = static_cast<T>(in[i] - base);
      std::memcpy(out + i * sizeof(T), &v, sizeof(T));
    }
  } else if constexpr (kWidth != 0) {
    std::uint64_t words[kWidth] = {};
    [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
      (Insert<kWidth, kIndex>(in[kIndex] - base, words), ...);
    }
    (std::make_index_sequence<kBlock>());
    std::memcpy(out, words, sizeof words);
  }
}

using UnpackFunction = void (*)(const std::uint8_t*, std::uint64_t, std::uint64_t*);
using PackFunction = void (*)(const std::uint64_t*, std::uint64_t, std::uint8_t*);

template <std::size_t... kWidth>
constexpr std::array<UnpackFunction, 65> MakeUnpackTable(std::index_sequence<kWidth...>) {
  return {&UnpackBlock<static_cast<int>(kWidth)>...};
}
template <std::size_t... kWidth>
constexpr std::array<PackFunction, 65> MakePackTable(std::index_sequence<kWidth...>) {
  return {&PackBlock<static_cast<int>(kWidth)>...};
}
constexpr auto kUnpackTable = MakeUnpackTable(std::make_index_sequence<65>());
constexpr auto kPackTable = MakePackTable(std::make_index_sequence<65>());

void PackInterleaved(std::span<const std::uint64_t> values, int width, std::uint64_t base,
                     std::uint8_t* to) {
  const auto pack = Kernels().pack[width];
  if (values.size() == kInterleavedValues) {
    pack(values.data(), base, to);
    return;
  }
  std::uint64_t padded[kInterleavedValues];
  std::fill(std::copy_n(values.data(), values.size(), padded), padded + kInterleavedValues, base);
  pack(padded, base, to);
}

}  // namespace

void PackInOrder(std::span<const std::uint64_t> values, int width, std::uint64_t base,
                 std::uint8_t* to) {
  const std::size_t block_bytes = 8 * static_cast<std::size_t>(width);
  const PackFunction pack = kPackTable[static_cast<std::size_t>(width)];
  const std::uint64_t* from = values.data();
  std::size_t left = values.size();
  for (; left >= kBlock; left -= kBlock, from += kBlock, to += block_bytes) pack(from, base, to);
  if (left == 0) return;
  std::uint64_t padded[kBlock];
  std::uint8_t packed[8 * 64];
  std::fill(std::copy_n(from, left, padded), padded + kBlock, base);
  pack(padded, base, packed);
  std::memcpy(to, packed, PackedInOrderBytes(left, width));
}

void UnpackInOrder(Bytes in, int width, std::span<std::uint64_t> out, std::uint64_t base) {
  const std::size_t block_bytes = 8 * static_cast<std::size_t>(width);
  const UnpackFunction unpack = kUnpackTable[static_cast<std::size_t>(width)];
  const std::uint8_t* from = in.data();
  std::uint64_t* to = out.data();
  std::size_t left = out.size();
  for (; left >= kBlock; left -= kBlock, from += block_bytes, to += kBlock) unpack(from, base, to);
  if (left == 0) return;
  if (width == 0) {  // `from` may be null
    std::fill_n(to, left, base);
    return;
  }
  std::uint8_t padded[8 * 64];
  std::uint64_t values[kBlock];
  const std::size_t tail_bytes = PackedInOrderBytes(left, width);
  std::memcpy(padded, from, tail_bytes);
  std::memset(padded + tail_bytes, 0, block_bytes - tail_bytes);
  unpack(padded, base, values);
  std::copy_n(values, left, to);
}

void PackBits(std::span<const std::uint64_t> values, int width, std::string* out,
              std::uint64_t base) {
  QUIPU_CHECK(width >= 0 && width <= 64 && values.size() <= kInterleavedValues);
  for (const std::uint64_t v : values) {
    QUIPU_DCHECK(BitsFor(v - base) <= width);
    static_cast<void>(v);
  }
  const std::size_t bytes = PackedBytes(values.size(), width), start = out->size();
  if (bytes == 0) return;
  out->resize(start + bytes);
  auto* to = reinterpret_cast<std::uint8_t*>(out->data() + start);
  if (IsInterleaved(values.size())) {
    PackInterleaved(values, width, base, to);
  } else {
    PackInOrder(values, width, base, to);
  }
}

void UnpackBits(Bytes in, int width, std::span<std::uint64_t> out, std::uint64_t base) {
  QUIPU_CHECK(width >= 0 && width <= 64 && out.size() <= kInterleavedValues &&
              in.size() >= PackedBytes(out.size(), width));
  if (!IsInterleaved(out.size())) {
    UnpackInOrder(in, width, out, base);
    return;
  }
  if (out.size() == kInterleavedValues) {
    Kernels().unpack[width](in.data(), base, out.data());
    return;
  }
  VectorScratch all;
  UnpackBits(in, width, out.size(), base, &all);
  std::copy_n(all.data(), out.size(), out.data());
}

void UnpackBits(Bytes in, int width, std::size_t n, std::uint64_t base, VectorScratch* out) {
  if (!IsInterleaved(n)) {
    UnpackBits(in, width, std::span(*out).first(n), base);
    return;
  }
  QUIPU_CHECK(width >= 0 && width <= 64 && n <= out->size() && in.size() >= PackedBytes(n, width));
  Kernels().unpack[width](in.data(), base, out->data());
}

bool PaddingIsZero(Bytes in, std::size_t n, int width) {
  if (!IsInterleaved(n)) {
    const std::size_t used_in_last = n * static_cast<std::size_t>(width) % 8;
    return used_in_last == 0 || in[PackedBytes(n, width) - 1] >> used_in_last == 0;
  }
  // A lane's values follow each other, so what is not used of it is its last bits: a piece of one word, and the words behind.
  std::uint64_t set = 0;
  for (std::size_t lane = 0; lane < kInterleavedLanes; ++lane) {
    const std::size_t used = n / kInterleavedLanes + (lane < n % kInterleavedLanes ? 1 : 0);
    const std::size_t bit = used * static_cast<std::size_t>(width);
    int shift = static_cast<int>(bit % 64);
    for (std::size_t k = bit / 64; k < static_cast<std::size_t>(width); ++k, shift = 0)
      set |= LoadLe<std::uint64_t>(in.data() + 8 * (k * kInterleavedLanes + lane)) >> shift;
  }
  return set == 0;
}

WideSum SumPacked(Bytes in, std::size_t n, int width) {
  QUIPU_CHECK(width >= 0 && width <= 64 && n <= kInterleavedValues &&
              in.size() >= PackedBytes(n, width));
  if (width == 0) return {0, 0};
  if (IsInterleaved(n)) return Kernels().sum[width](in.data());  // padding adds zeros
  std::uint64_t values[kInterleavedMin];
  UnpackInOrder(in, width, std::span(values).first(n), 0);
  Uint128 sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += values[i];
  return {static_cast<std::uint64_t>(sum), static_cast<std::uint64_t>(sum >> 64)};
}

}  // namespace quipu
