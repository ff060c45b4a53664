// The ids page of a row group: what scans never touch. Vector table, the string list of the sources that occur (sorted), then
// per vector
//     int block  sources: 1 + index into that list (usually one constant)
//     ids        as EncodeIds writes them
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "segment/segment.h"

namespace quipu {

/// kExhausted if a source or an id is longer than a reader allows.
Status EncodeIdPage(const StringList& ids, const CodedColumn& sources, std::string* out);

/// The ids and sources of one vector.
struct IdVector {
  std::string text;
  std::vector<std::uint32_t> offsets;       ///< One more than rows, into text.
  std::vector<std::uint32_t> source_codes;  ///< 1 + index into the row group's sources.
  [[nodiscard]] std::string_view Id(std::size_t i) const {
    return {text.data() + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
  }
};
/// The sources of a row group, ascending.
Result<StringList> DecodeSources(Bytes payload, std::size_t rows);
Status DecodeIdVector(Bytes payload, std::size_t rows, std::size_t v, std::size_t sources,
                      IdVector* out);

}  // namespace quipu
