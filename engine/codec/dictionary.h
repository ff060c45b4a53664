// Up to 256 distinct values. Body: u8 count - 1 | first entry as a zigzag varint | the differences
// to the following entries as varints (ascending, none 0) | one code of BitsFor(count - 1) bits for
// each value, bit-packed.
#pragma once

#include <string>

#include "base/bytes.h"
#include "codec/int_vector.h"

namespace quipu {

/// Exact size of the body, or kNoSize if it is above `limit` or has too many distinct values;
/// leaves v->dictionary for EncodeDictionary.
std::size_t MeasureDictionary(IntVector* v, std::size_t limit);
void EncodeDictionary(IntVector* v, std::string* out);
Status DecodeDictionary(ByteReader* in, std::span<std::int64_t> out);

}  // namespace quipu
