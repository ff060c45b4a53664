// Bit packing: n unsigned integers of `width` bits, least significant bit first, value i at bits [i*width, (i+1)*width), padded with zero bits to a whole byte.
// Plain loops over 64-bit words with the width as a template parameter, so the compiler can unroll them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"

namespace quipu {

constexpr std::size_t PackedBytes(std::size_t n, int width) { return (n * static_cast<std::size_t>(width) + 7) / 8; }
/// Bits needed for v: 0 for 0, 64 for 2^63.
constexpr int BitsFor(std::uint64_t v) { return v == 0 ? 0 : 64 - __builtin_clzll(v); }

/// Appends PackedBytes(values.size(), width) bytes; every value < 2^width, width 0..64.
void PackBits(std::span<const std::uint64_t> values, int width, std::string* out);
/// `in` must have PackedBytes(out.size(), width) bytes (checked by the caller; it never reads beyond them).
void UnpackBits(Bytes in, int width, std::span<std::uint64_t> out);

}  // namespace quipu
