// One value for the whole block. Body: the value as a zigzag varint.
#pragma once

#include <string>

#include "base/bytes.h"
#include "codec/int_vector.h"

namespace quipu {

/// Exact size of the body, or kNoSize if the values differ.
std::size_t MeasureConstant(IntVector* v, std::size_t limit);
void EncodeConstant(IntVector* v, std::string* out);
Status DecodeConstant(ByteReader* in, std::span<std::int64_t> out);

}  // namespace quipu
