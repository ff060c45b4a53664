// The vector table at the front of every column page: the offset of each vector's block, so that one vector can be decoded
// without the others.
//
//     offset 0   u32 x vectors   where block v begins, counted from the start of the payload
//            ...                 what the kind of page puts between table and blocks
//            ...                 blocks; block v ends where block v + 1 begins, the last one with the payload
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "segment/segment.h"

namespace quipu {

constexpr std::size_t VectorsOf(std::size_t rows) { return (rows + kVectorRows - 1) / kVectorRows; }
/// Rows of vector v of a row group (or segment) of `rows` rows.
constexpr std::size_t RowsOfVector(std::size_t rows, std::size_t v) {
  const std::size_t first = v * kVectorRows;
  return rows - first < kVectorRows ? rows - first : kVectorRows;
}

class VectorTableWriter {
 public:
  /// Appends room for the table to `out`, which must be empty and outlive the writer.
  VectorTableWriter(std::size_t vectors, std::string* out);
  /// The next vector's block begins at the current end of `out`.
  void BeginBlock();

 private:
  std::string* out_;
  std::size_t next_ = 0;
};

/// The block of vector v (< VectorsOf(rows)); kCorruption if the table does not hold it.
Result<Bytes> VectorBlock(Bytes payload, std::size_t rows, std::size_t v);
/// What lies between the table and the first block.
Result<Bytes> VectorTableRest(Bytes payload, std::size_t rows);
/// After the last field of a block: kCorruption if bytes are left.
Status ExpectEnd(Bytes rest, std::string_view what);

}  // namespace quipu
