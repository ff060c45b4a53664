// The values of one block together with what one pass over them learns: enough for most encodings
// to know their exact size.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "codec/bitpack.h"
#include "codec/int_codec.h"
#include "codec/kernels.h"

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

/// Left behind by the measure functions of the patched encodings for their encoders.
struct PatchPlan {
  std::uint64_t base = 0;
  int width = 0;            ///< Bits of each value's low part.
  int high_width = 0;       ///< Bits of an exception's high part, zigzag.
  std::size_t patches = 0;  ///< Exceptions.
};

struct IntVector {
  /// 1..1,024 values (checked).
  explicit IntVector(std::span<const std::int64_t> v);

  /// The n - 1 differences; computed at the first call.
  std::span<const std::uint64_t> Differences();

  std::span<const std::int64_t> values;
  std::int64_t min, max;
  std::uint64_t low;  ///< Smallest as unsigned: the smallest that is not negative, if there is one.
  std::int64_t
      delta_min = 0,
      delta_max = 0;  ///< Of value - value before, modulo 2^64 and seen as signed; 0 for one value.
  std::uint64_t delta_low = 0;  ///< Smallest difference as unsigned.
  std::size_t runs = 1;
  PatchPlan patched, patched_delta;
  DictionaryPlan dictionary;

 private:
  bool has_differences_ = false;
  std::array<std::uint64_t, kVectorValuesMax> differences_;  // not cleared either
};

}  // namespace quipu
