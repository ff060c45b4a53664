// A column of costs that is a column of quantities times a price, as what is stored of it: the
// price. Body:
//
//     u8 prices (1..16) | for each: u8 scale 0..18, mantissa as a zigzag varint
//     | if there are several: int block, the number of each value's price
//     | exceptions, varint | if any: int block of their positions (ascending), int block of their
//       values
//
// A price of mantissa m and scale s turns the quantity mantissa q into the cost mantissa
//     round(q * m * 10^(cost scale - quantity scale - s)),
// halves away from zero: the usual way to give a product at fewer places. q * m is taken modulo
// 2^64 and seen as signed. The encoder compares with what it was given, value by value; what differs
// is an exception. So what is decoded is bit for bit what was encoded, whatever the prices are taken
// for.
//
// Worked example: quantities 1500000, 250000 at scale 6 (1.5, 0.25), costs 3000, 500 at scale 7
// (0.0003, 0.00005): price 2 at scale 4; 1500000 * 2 / 10^(6 + 4 - 7) = 3000. Bytes: 01 | 04 04 | 00.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "quipu/status.h"

namespace quipu {

inline constexpr std::size_t kDerivedPricesMax = 16;

/// Mantissas of as many values (1..1,024) of both columns, and their scales (0..18). False, and
/// nothing appended, if the costs do not follow from at most 16 prices but for about an eighth.
bool EncodeDerived(std::span<const std::int64_t> quantities, int quantity_scale,
                   std::span<const std::int64_t> costs, int cost_scale, std::string* out);
/// Reads costs.size() == quantities.size() (1..1,024) values from the front of `in`, which is
/// advanced past the body.
Status DecodeDerived(Bytes* in, std::span<const std::int64_t> quantities, int quantity_scale,
                     int cost_scale, std::span<std::int64_t> costs);

}  // namespace quipu
