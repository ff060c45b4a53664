// The values of one block together with what one pass over them learns: enough for most encodings
// to know their exact size.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "codec/bitpack.h"
#include "codec/int_codec.h"

namespace quipu {

inline constexpr std::size_t kDictionaryEntriesMax = 256;
/// What a measure function returns for "cannot hold these values" and for "larger than the limit".
inline constexpr std::size_t kNoSize = std::numeric_limits<std::size_t>::max();

/// Bytes that ByteWriter::Varint writes for v.
constexpr std::size_t VarintBytes(std::uint64_t v) {
  return static_cast<std::size_t>(BitsFor(v | 1) + 6) / 7;
}

/// a - b modulo 2^64: exact as an unsigned difference when a >= b.
constexpr std::uint64_t Difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}

/// The same bits as unsigned numbers (the two types may alias).
inline std::span<const std::uint64_t> AsUnsigned(std::span<const std::int64_t> v) {
  return {reinterpret_cast<const std::uint64_t*>(v.data()), v.size()};
}
inline std::span<std::uint64_t> AsUnsigned(std::span<std::int64_t> v) {
  return {reinterpret_cast<std::uint64_t*>(v.data()), v.size()};
}

/// Left behind by MeasureDictionary for EncodeDictionary. The arrays are deliberately not cleared:
/// 10 KiB for every block.
struct DictionaryPlan {
  std::size_t count = 0;  ///< 0: not measured, or too many distinct values.
  std::array<std::int64_t, kDictionaryEntriesMax> entries;  ///< Ascending.
  std::array<std::uint64_t, kVectorValuesMax> codes;
};

struct IntVector {
  /// 1..1,024 values (checked).
  explicit IntVector(std::span<const std::int64_t> v);

  std::span<const std::int64_t> values;
  std::int64_t min, max;
  std::int64_t
      delta_min = 0,
      delta_max = 0;  ///< Of value - value before, modulo 2^64 and seen as signed; 0 for one value.
  std::size_t runs = 1;
  DictionaryPlan dictionary;
};

}  // namespace quipu
