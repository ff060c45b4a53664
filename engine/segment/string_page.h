// Pages that are a list of strings: the sorted dictionary of a dimension in a row group, and the names of all customers.
//
//     u32        count
//     strings    as EncodeStrings writes them
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "batch/row_batch.h"
#include "quipu/status.h"

namespace quipu {

/// All strings of a list together: StringList counts bytes in 32 bits, and this leaves room to add.
inline constexpr std::size_t kStringListBytesMax = 0x7FFFFFFF;

/// What a list may be. Beyond it, a reader says kCorruption and a writer kExhausted.
struct StringLimits {
  std::size_t count_max = 0;
  std::size_t string_bytes_max = 0;
  bool sorted = false;  ///< Strictly ascending by bytes.
};

/// Appends the list. kExhausted, and nothing appended, if a reader with these limits would refuse it; kInternal if it is not sorted.
Status EncodeStringPage(std::span<const std::string_view> strings, const StringLimits& limits,
                        std::string* out);
/// Reads a list from the front of `in`, which is advanced past it.
Result<StringList> DecodeStringList(Bytes* in, const StringLimits& limits);
/// The whole payload is one list.
Result<StringList> DecodeStringPage(Bytes payload, const StringLimits& limits);

}  // namespace quipu
