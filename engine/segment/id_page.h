// The ids page of a row group: what of its ids is not in the identity index, in row order. Left out where there is nothing: no source, no id
// that is text, no id with a time in it. Vector table, the string list of the sources that occur (sorted), then per vector
//     u8         flags: 1 = texts follow, 2 = milliseconds follow
//     int block  sources: 1 + index into that list (usually one constant)
//     texts      as EncodeIds writes them; "" where the id is not text
//     int block  milliseconds (0 where the id has none) less the event's own, rounded down
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "segment/segment.h"

namespace quipu {

/// Has the row group anything to write?
bool NeedsIdPage(const RowBatch& rows);
/// kExhausted if a source or an id is longer than a reader allows.
Status EncodeIdPage(const RowBatch& rows, std::string* out);

/// The sources, texts and milliseconds of one vector.
struct IdVector {
  std::string text;
  std::vector<std::uint32_t> offsets;       ///< One more than rows, into text; empty = no texts.
  std::vector<std::uint32_t> source_codes;  ///< 1 + index into the row group's sources.
  std::vector<std::int64_t> millis;         ///< Empty = none.
  [[nodiscard]] std::string_view Text(std::size_t i) const {
    if (offsets.empty()) return {};
    return {text.data() + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
  }
};
/// The sources of a row group, ascending.
Result<StringList> DecodeSources(Bytes payload, std::size_t rows);
/// `times` are those of the vector's rows.
Status DecodeIdVector(Bytes payload, std::size_t rows, std::size_t v, std::size_t sources,
                      std::span<const TimeUs> times, IdVector* out);

}  // namespace quipu
