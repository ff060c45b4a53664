// Strings to bytes: dictionaries (sorted lists of strings) and lists of event ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "quipu/status.h"

namespace quipu {

/// Zstandard in one step. Level 3 unless said otherwise.
void CompressZstd(Bytes in, std::string* out, int level = 3);
/// kCorruption if the content is not exactly `size` bytes.
Result<std::string> DecompressZstd(Bytes in, std::size_t size);

/// A list of strings: lengths as an int list, then the bytes, plain or zstd, whichever is smaller (formats/encodings.md).
void EncodeStrings(std::span<const std::string_view> strings, std::string* out);
/// Reads `count` strings; `text` receives all bytes and `offsets` count + 1 positions in it. Bounded by `bytes_max`.
Status DecodeStrings(Bytes* in, std::size_t count, std::size_t bytes_max, std::string* text, std::vector<std::uint32_t>* offsets);

/// Event ids: a block where all are canonical lower-case UUID text stores 16 bytes each, where all are lower-case hexadecimal of
/// one even length half of it, anything else plain as EncodeStrings.
void EncodeIds(std::span<const std::string_view> ids, std::string* out);
Status DecodeIds(Bytes* in, std::size_t count, std::size_t bytes_max, std::string* text, std::vector<std::uint32_t>* offsets);

}  // namespace quipu
