// The two pages of one dimension in a row group: the codes page and, beside it, the sorted dictionary (a string page).
//
// Codes page: vector table, then per vector
//     varint     smallest code of a row where the dimension is present, 0 if there is none
//     varint     largest code
//     u8         1 if some row is without it, else 0
//     int block  the codes: 0 = absent, else 1 + index into the dictionary
//
// The dictionary holds exactly the values that occur in the row group, in byte order: a code range is a value range.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "segment/segment.h"

namespace quipu {

/// A column with its dictionary sorted and freed of unused entries. The views point into the original.
struct SortedColumn {
  std::vector<std::string_view> strings;
  std::vector<std::uint32_t> codes;
};
SortedColumn SortDictionary(const CodedColumn& column);

void EncodeCodesPage(std::span<const std::uint32_t> codes, std::string* out);
/// `entries` is the size of the dictionary; a code beyond it is kCorruption.
Status DecodeCodes(Bytes payload, std::size_t rows, std::size_t v, std::size_t entries,
                   std::vector<std::uint32_t>* out);

struct CodeBounds {
  std::uint32_t min = 0, max = 0;
  bool some_absent = false;
  friend bool operator==(const CodeBounds&, const CodeBounds&) = default;
};
CodeBounds BoundsOf(std::span<const std::uint32_t> codes);
Result<CodeBounds> DecodeCodeBounds(Bytes payload, std::size_t rows, std::size_t v);

}  // namespace quipu
