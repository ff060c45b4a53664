// Frame of reference with exceptions: most values close to a base, the others patched. The idea is
// PFOR's (Zukowski, Heman, Nes, Boncz, "Super-Scalar RAM-CPU Cache Compression", 2006). Body of
// kPatched: one patched block of the values; of kPatchedDelta: the first value as a zigzag varint,
// then one patched block of the n - 1 differences (n >= 2).
//
//     base, zigzag varint | u8 width 0..63 | u8 high width 0..64 | exceptions, varint
//     | low `width` bits of each value - base, packed
//     | position of each exception, ascending, packed at BitsFor(n - 1) bits
//     | (value - base) >> width of each exception (arithmetic shift), zigzag, packed at high width
//
// Exceptions lie on both sides: in times sorted by customer most differences are small and a few,
// where the next customer begins, are large and negative.
#pragma once

#include <string>

#include "base/bytes.h"
#include "codec/int_vector.h"

namespace quipu {

/// Exact size of the body with the best width, or kNoSize if it is above `limit`; leaves the plan
/// for the encoder. Found by counting for each width the values above it, until a bound shows that no
/// smaller width comes below `limit`.
std::size_t MeasurePatched(IntVector* v, std::size_t limit);
void EncodePatched(IntVector* v, std::string* out);
Status DecodePatched(ByteReader* in, std::span<std::int64_t> out);

/// kNoSize also for a single value.
std::size_t MeasurePatchedDelta(IntVector* v, std::size_t limit);
void EncodePatchedDelta(IntVector* v, std::string* out);
Status DecodePatchedDelta(ByteReader* in, std::span<std::int64_t> out);

}  // namespace quipu
