// Differences to the value before. Body: first value as a zigzag varint | residual block
// (frame_of_reference.h) of the n - 1 differences, which are modulo 2^64 and seen as signed.
#pragma once

#include <string>

#include "base/bytes.h"
#include "codec/int_vector.h"

namespace quipu {

/// Exact size of the body, never kNoSize: it holds anything.
std::size_t MeasureDelta(IntVector* v, std::size_t limit);
void EncodeDelta(IntVector* v, std::string* out);
Status DecodeDelta(ByteReader* in, std::span<std::int64_t> out);

}  // namespace quipu
