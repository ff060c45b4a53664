// Bit packing: n unsigned integers of `width` bits, least significant bit first, value i at bits
// [i*width, (i+1)*width), padded with zero bits to a whole byte. Bit b is bit b%8 of byte b/8.
//
// The kernels work on blocks of 64 values, because 64 values of any width are whole 64-bit words;
// the width and the position in the block are template parameters, so every shift and offset in
// them is a constant. A last, shorter block goes through a padded copy and the same kernel.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"

namespace quipu {

constexpr std::size_t PackedBytes(std::size_t n, int width) {
  return (n * static_cast<std::size_t>(width) + 7) / 8;
}
/// Bits needed for v: 0 for 0, 64 for 2^63.
constexpr int BitsFor(std::uint64_t v) { return v == 0 ? 0 : 64 - __builtin_clzll(v); }

/// Appends PackedBytes(values.size(), width) bytes that hold value - base (modulo 2^64), which must
/// be < 2^width; width 0..64.
void PackBits(std::span<const std::uint64_t> values, int width, std::string* out,
              std::uint64_t base = 0);
/// The reverse: each out value is the stored one plus `base` (modulo 2^64). `in` must have
/// PackedBytes(out.size(), width) bytes (checked by the caller; it never reads beyond them).
void UnpackBits(Bytes in, int width, std::span<std::uint64_t> out, std::uint64_t base = 0);
/// Whether the bits after the n-th value, in the last byte, are zero as PackBits leaves them.
bool PaddingIsZero(Bytes in, std::size_t n, int width);

}  // namespace quipu
