// How up to 1,024 integers become bytes and come back: the lightweight encodings of a segment's
// columns.
//
// The contract is DuckDB's in spirit: every encoding can *measure* (exact encoded size of these
// values), *encode*, and *decode*; adding one is adding a file pair and a line in the table in
// int_codec.cc. `EncodeInts` measures all of them and takes the smallest, ties to the cheaper
// decoder (the order of the enum). Nothing is encoded to be measured: sizes follow from one pass of
// statistics (IntVector), and where they do not (widths, runs, distinct values) a bound first shows
// whether the encoding can still come below the best so far.
//
// A block, as stored (formats/encodings.md has every body):
//
//     offset 0   u8   encoding
//            1   body, whose length follows from the body itself and the number of values
//
// Invariants:
//   (1) The number of values is not in the block: whoever stores a block knows it.
//   (2) Decoders take untrusted bytes: an impossible width, runs that do not add up, a code beyond
//       a dictionary, a dictionary that does not ascend, exceptions whose positions do not ascend
//       inside the block or padding that is not zero is kCorruption; nothing is allocated.
//   (3) All differences and sums are modulo 2^64, so every encoding is exact from INT64_MIN to
//       INT64_MAX.
//   (4) The same values always give the same bytes.
//
// Worked example: {100, 101, 103, 100} as kFrameOfReference:
//     03 | base, zigzag varint: c8 01 | width: 02 | residuals 0 1 3 0 in 2 bits: 00 11 01 00 = 34
// Five bytes for four values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "quipu/status.h"

namespace quipu {

inline constexpr std::size_t kVectorValuesMax = 1024;

/// Stored in files: never renumber. In order of decode cost.
enum class IntEncoding : std::uint8_t {
  kConstant = 0,          ///< One value.
  kConstantDelta = 1,     ///< First value + the one difference to the value before.
  kRunLength = 2,         ///< (difference from the run before, length) pairs.
  kFrameOfReference = 3,  ///< Minimum + bit-packed differences from it.
  kPatched = 4,           ///< Base + bit-packed low parts, exceptions patched.
  kDictionary = 5,        ///< Up to 256 sorted distinct values + bit-packed codes.
  kDelta = 6,             ///< First value + bit-packed differences to the value before.
  kPatchedDelta = 7,      ///< The same with exceptions patched.
};
inline constexpr std::size_t kIntEncodings = 8;

/// Appends one block of values.size() (1..1,024) integers. Returns the encoding chosen.
IntEncoding EncodeInts(std::span<const std::int64_t> values, std::string* out);
/// As EncodeInts with the encoding given; false (nothing appended) if it cannot hold these values.
bool EncodeIntsAs(IntEncoding encoding, std::span<const std::int64_t> values, std::string* out);
/// Exact size of the block that EncodeIntsAs would append, or SIZE_MAX.
std::size_t MeasureInts(IntEncoding encoding, std::span<const std::int64_t> values);
/// Reads a block of exactly out.size() (1..1,024) integers from the front of `in`, which is
/// advanced past it. After an error `in` stands where it was and `out` holds anything.
Status DecodeInts(Bytes* in, std::span<std::int64_t> out);

/// Any number of integers as consecutive blocks of 1,024 (the last one shorter).
void EncodeIntList(std::span<const std::int64_t> values, std::string* out);
Status DecodeIntList(Bytes* in, std::span<std::int64_t> out);

std::string_view IntEncodingName(IntEncoding e);

}  // namespace quipu
