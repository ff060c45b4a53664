// Bit packing: n unsigned integers of `width` bits, in one of two layouts.
//
// *In order* (fewer than 993 values): least significant bit first, value i at bits
// [i*width, (i+1)*width), padded with zero bits to a whole byte. Bit b is bit b%8 of byte b/8.
// *Interleaved* (993 to 1,024 values, padded with zeros to 1,024): see kernels.h. Two to three times as
// fast to read, because neighbours lie in neighbouring registers' words; full vectors are nearly
// all there is. 992 is where the padding would cost more than 3 %.
//
// The kernels for values in order work on blocks of 64, because 64 values of any width are whole
// 64-bit words; the width and the position in the block are template parameters, so every shift and
// offset in them is a constant. A last, shorter block goes through a padded copy and the same kernel.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "codec/kernels.h"

namespace quipu {

inline constexpr std::size_t kInterleavedMin = 993;
constexpr bool IsInterleaved(std::size_t n) { return n >= kInterleavedMin; }
constexpr std::size_t PackedBytes(std::size_t n, int width) {
  const std::size_t bits =
      (IsInterleaved(n) ? kInterleavedValues : n) * static_cast<std::size_t>(width);
  return (bits + 7) / 8;
}
/// Bits needed for v: 0 for 0, 64 for 2^63.
constexpr int BitsFor(std::uint64_t v) { return v == 0 ? 0 : 64 - __builtin_clzll(v); }

/// Appends PackedBytes(values.size(), width) bytes that hold value - base (modulo 2^64), which must
/// be < 2^width; width 0..64, at most 1,024 values.
void PackBits(std::span<const std::uint64_t> values, int width, std::string* out,
              std::uint64_t base = 0);
/// The reverse: each out value is the stored one plus `base` (modulo 2^64). `in` must have
/// PackedBytes(out.size(), width) bytes (checked by the caller; it never reads beyond them).
void UnpackBits(Bytes in, int width, std::span<std::uint64_t> out, std::uint64_t base = 0);
/// As above into an array with room for a full vector, which saves a copy for 993..1,023 values;
/// what follows the n-th is undefined.
using VectorScratch = std::array<std::uint64_t, kInterleavedValues>;
void UnpackBits(Bytes in, int width, std::size_t n, std::uint64_t base, VectorScratch* out);
/// Always in order, whatever the number of values, so that any one can be found by its position: PackedInOrderBytes of them.
constexpr std::size_t PackedInOrderBytes(std::size_t n, int width) {
  return (n * static_cast<std::size_t>(width) + 7) / 8;
}
void PackInOrder(std::span<const std::uint64_t> values, int width, std::uint64_t base,
                 std::uint8_t* to);
/// `in` has PackedInOrderBytes(out.size(), width) bytes (checked by the caller).
void UnpackInOrder(Bytes in, int width, std::span<std::uint64_t> out, std::uint64_t base);
/// Whether the bits after the n-th value are zero as PackBits leaves them.
bool PaddingIsZero(Bytes in, std::size_t n, int width);
/// The sum of n packed values, without writing them anywhere.
WideSum SumPacked(Bytes in, std::size_t n, int width);

}  // namespace quipu
