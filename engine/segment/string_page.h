// Pages that are a list of strings: the sorted dictionary of a dimension in a row group, and the names of all customers.
//
//     u32        count
//     strings    as EncodeStrings writes them
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "batch/row_batch.h"

namespace quipu {

/// What a list may be; beyond it is kCorruption.
struct StringLimits {
  std::size_t count_max = 0;
  std::size_t string_bytes_max = 0;
  bool sorted = false;  ///< Strictly ascending by bytes.
};

void EncodeStringPage(std::span<const std::string_view> strings, std::string* out);
/// Reads a list from the front of `in`, which is advanced past it.
Result<StringList> DecodeStringList(Bytes* in, const StringLimits& limits);
/// The whole payload is one list.
Result<StringList> DecodeStringPage(Bytes payload, const StringLimits& limits);

}  // namespace quipu
