// Strings to bytes: dictionaries (sorted lists of strings) and lists of event ids. Layouts:
// formats/encodings.md.
//
// The number of strings is not stored: whoever stores a list knows it. Decoders take untrusted
// bytes; what they allocate is bounded by `bytes_max` for the text and, for the offsets, by the
// bytes that are there to fill them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "quipu/status.h"

namespace quipu {

/// Appends one Zstandard frame, with its content size in the header. Level 3 unless said otherwise.
void CompressZstd(Bytes in, std::string* out, int level = 3);
/// kCorruption if `in` is not exactly one frame of exactly `size` bytes of content. The caller
/// bounds `size`.
Result<std::string> DecompressZstd(Bytes in, std::size_t size);

/// Appends a list of strings: lengths as an int list, then the bytes, plain or zstd, whichever is
/// smaller. At most 4 GiB - 1 in all.
void EncodeStrings(std::span<const std::string_view> strings, std::string* out);
/// Reads `count` strings from the front of `in`, which is advanced past them; `text` is replaced by
/// all bytes and `offsets` by count + 1 positions in it. kCorruption above `bytes_max` bytes of
/// text. After an error `in` stands where it was.
Status DecodeStrings(Bytes* in, std::size_t count, std::size_t bytes_max, std::string* text,
                     std::vector<std::uint32_t>* offsets);

/// Event ids: a block where all are canonical lower-case UUID text stores 16 bytes each, where all
/// are lower-case hexadecimal of one even length half of it, anything else plain as EncodeStrings.
void EncodeIds(std::span<const std::string_view> ids, std::string* out);
/// As DecodeStrings.
Status DecodeIds(Bytes* in, std::size_t count, std::size_t bytes_max, std::string* text,
                 std::vector<std::uint32_t>* offsets);

}  // namespace quipu
