// Runs of equal values. Body: for each run the difference from the run before (the first: from 0;
// modulo 2^64) as a zigzag varint, then its length as a varint. Differences, because sorted columns
// (customers, services) repeat slowly rising ordinals.
#pragma once

#include <string>

#include "base/bytes.h"
#include "codec/int_vector.h"

namespace quipu {

/// Exact size of the body, or kNoSize if it is above `limit`.
std::size_t MeasureRunLength(IntVector* v, std::size_t limit);
void EncodeRunLength(IntVector* v, std::string* out);
Status DecodeRunLength(ByteReader* in, std::span<std::int64_t> out);

}  // namespace quipu
