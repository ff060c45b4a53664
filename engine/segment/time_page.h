// The times page of a row group: vector table, then per vector its smallest and largest time (i64 each), then per vector one
// int block. The bounds stand together so that a scan over zone maps touches nothing else.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "segment/segment.h"

namespace quipu {

void EncodeTimePage(std::span<const TimeUs> times, std::string* out);
/// `rows` is that of the row group, `v` the vector inside it.
Result<TimeBounds> DecodeTimeBounds(Bytes payload, std::size_t rows, std::size_t v);
Status DecodeTimes(Bytes payload, std::size_t rows, std::size_t v, std::vector<TimeUs>* out);

}  // namespace quipu
