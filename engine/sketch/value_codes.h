// Value codes: the values of a column as what a quantile sketch keeps of them, two bytes each.
//
// Of a value, percentiles need the bucket that it is in, and finding that is most of what adding it costs. Who is asked about the same rows again keeps the
// codes of their buckets, in the rows' order: any stretch of rows is then added by counting, a nanosecond a value, together with what its bounds are.
//
//     values     12.5    none    0.031    12.5            rows [1, 4): bounds of 2 values, 0.031 to 12.5,
//     codes      40109   0       39004    40109           ++bucket 39004, ++bucket 40109
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sketch/quantile_sketch.h"

namespace quipu {

/// Decimals of one scale, some of which may be absent. Owned by someone else.
struct DecimalSpan {
  int scale = 0;
  const std::uint8_t* present = nullptr;  ///< Null = everywhere.
  const std::int64_t* narrow = nullptr;   ///< One of these two.
  const Int128* wide = nullptr;
  std::size_t size = 0;
};

/// Writes `values.size` codes.
void CodeValues(const DecimalSpan& values, QuantileSketch::Code* codes);
/// Of those that are present. `room` is for what must be gathered.
QuantileSketch::Bounds BoundsOf(const DecimalSpan& values, std::vector<std::int64_t>* room);

}  // namespace quipu
