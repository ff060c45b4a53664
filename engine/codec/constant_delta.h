// An arithmetic sequence. Body: first value, then the difference from each value to the next
// (modulo 2^64), both as zigzag varints.
#pragma once

#include <string>

#include "base/bytes.h"
#include "codec/int_vector.h"

namespace quipu {

/// Exact size of the body, or kNoSize if the differences differ; one value has difference 0.
std::size_t MeasureConstantDelta(IntVector* v, std::size_t limit);
void EncodeConstantDelta(IntVector* v, std::string* out);
Status DecodeConstantDelta(ByteReader* in, std::span<std::int64_t> out);

}  // namespace quipu
