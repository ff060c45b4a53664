// Distance from the minimum. Body: one residual block:
//
//     base as a zigzag varint | u8 width 0..64 | value - base, bit-packed at `width` bits
//
// Sums wrap modulo 2^64, so a block may span the whole range of int64.
#pragma once

#include <string>

#include "base/bytes.h"
#include "codec/int_vector.h"

namespace quipu {

/// Exact size of the body, never kNoSize: it holds anything.
std::size_t MeasureFrameOfReference(IntVector* v, std::size_t limit);
void EncodeFrameOfReference(IntVector* v, std::string* out);
Status DecodeFrameOfReference(ByteReader* in, std::span<std::int64_t> out);

/// The residual block, which kDelta uses too; min and max are those of `values` seen as signed.
std::size_t MeasureResiduals(std::size_t n, std::int64_t min, std::int64_t max);
void WriteResiduals(std::span<const std::uint64_t> values, std::int64_t min, std::int64_t max,
                    std::string* out);
/// Parsed and checked, not yet unpacked.
struct ResidualBlock {
  std::uint64_t base = 0;
  int width = 0;
  Bytes packed;
};
Result<ResidualBlock> ReadResiduals(ByteReader* in, std::size_t n);

}  // namespace quipu
