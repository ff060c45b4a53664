// The page of one measure in a row group: vector table, then a block per vector.
//
//     u8        flags: bits 0-1 presence (0 in every row, 1 in none, 2 in some), bit 2 wide, bit 3 derived, others 0
//   unless in none:
//     u8        scale: the smallest that holds every value of the vector
//     varint    present count                           (only if in some)
//     varint128 min, max: zigzag mantissas at that scale
//     varint128 sum of the mantissas, zigzag             (narrow)  |  3 x u64 the sum at scale 18, lowest word first  (wide)
//     int block one 0 or 1 per row                      (only if in some)
//     derived   the mantissas of the present rows, as codec/derived.h says   (derived)
//     int block the mantissas of the present rows       (narrow)  |  int block of their low, int block of their high halves (wide)
//
// A vector is narrow if every mantissa fits int64. Scale and width belong to the vector, so they do not depend on what else was written, and
// one odd value widens 1,024 rows, not the column. A derived vector is narrow and needs the quantity's vector of the same rows, which has every row.
#pragma once

#include <string>

#include "segment/segment.h"
#include "sketch/exact_sum.h"

namespace quipu {

/// `quantity` (may be null): the column that this one may be derived from, of the same rows.
void EncodeMeasurePage(const DecimalColumn& column, const DecimalColumn* quantity, std::size_t rows,
                       std::string* out);
/// Whether vector v needs the quantity's vector to be decoded.
Result<bool> IsDerived(Bytes payload, std::size_t rows, std::size_t v);
/// `quantity` (may be null): the decoded vector of the same rows; kCorruption if it is needed and does not fit.
Status DecodeMeasureVector(Bytes payload, const MeasureVector* quantity, std::size_t rows,
                           std::size_t v, MeasureVector* out);
/// What a measure that the row group lacks decodes to.
void FillAbsent(std::size_t rows, MeasureVector* out);

/// The statistics in front of a block.
struct MeasureVectorStats {
  bool is_wide = false;
  int scale = 0;
  std::uint32_t present_count = 0;
  Int128 min = 0, max = 0;  ///< Mantissas at `scale`; 0 if nothing is present.
  ExactSum sum;
  friend bool operator==(const MeasureVectorStats&, const MeasureVectorStats&) = default;
};
Result<MeasureVectorStats> DecodeMeasureStats(Bytes payload, std::size_t rows, std::size_t v);
/// The statistics that a decoded vector should have.
MeasureVectorStats StatsOf(const MeasureVector& vector);

}  // namespace quipu
