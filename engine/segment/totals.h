// Totals: the conservation law. Whatever moves rows (commit, seal, merge) must find the same totals on both sides, and what removes
// rows (retention, erasure) must say how many, and what they add up to; they are in every footer, in the manifest, and are compared in production, not only in tests.
#pragma once

#include <cstdint>
#include <map>

#include "base/hash.h"
#include "batch/row_batch.h"
#include "sketch/exact_sum.h"

namespace quipu {

struct MeasureTotal {
  std::uint64_t count = 0;  ///< Rows where it is present.
  ExactSum sum;
  friend bool operator==(const MeasureTotal&, const MeasureTotal&) = default;
};

struct Totals {
  std::uint64_t rows = 0;
  IdentityTotal identities;
  std::map<ColumnId, MeasureTotal> measures;  ///< Only measures with count > 0.

  void Add(const Totals& other);
  /// Takes rows away that leave the store; false (and unchanged) if `other` cannot be a part of this: more rows or values than
  /// there are.
  [[nodiscard]] bool Subtract(const Totals& other);
  friend bool operator==(const Totals&, const Totals&) = default;
  /// "10000 rows, identities 0x..., 4 measures", for messages.
  [[nodiscard]] std::string ToString() const;
  void EncodeTo(std::string* out) const;
  static Result<Totals> Decode(ByteReader& in);
};

Totals TotalsOf(const RowBatch& rows);

}  // namespace quipu
