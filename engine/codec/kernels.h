// The inner loops of the codec, built several times from one source (kernel_source.h): for the
// machine that the rest is built for, and on x86-64 again for the levels v2, v3 and v4 of its
// instruction set. Kernels() is the best table that this processor runs, chosen once.
//
// Invariants:
//   (1) All tables compute the same: which one runs never shows in a byte or an answer.
//   (2) Nothing but plain C++ and plain vector types is in the source, and no function with
//       external linkage from a header: the linker could keep a copy that this processor cannot run.
//   (3) Kernels check nothing. Who calls them has checked widths and sizes.
//
// Interleaved packing, which the unpack and pack kernels read and write: 1,024 values of w bits in
// 16 lanes. Value i is in lane i % 16, at bits [i / 16 * w, i / 16 * w + w) of that lane's 64 * w
// bits; word k of lane l (64 bits, little endian) is the word 16 * k + l. So 16 neighbours lie
// side by side with the same shift: one load, shift and mask gives as many of them as a register
// holds, in order, and every shift is a constant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace quipu {

inline constexpr std::size_t kInterleavedValues = 1024;
inline constexpr std::size_t kInterleavedLanes = 16;

/// What one pass over values learns; see IntVector.
struct IntStatistics {
  std::int64_t min, max;
  std::uint64_t low;                  ///< Smallest as unsigned: the smallest that is not negative.
  std::int64_t delta_min, delta_max;  ///< Of value - value before (modulo 2^64, seen as signed).
  std::uint64_t delta_low;            ///< Smallest difference as unsigned.
  std::uint64_t changes;              ///< Values that differ from the one before.
};

/// A sum of 128 bits in two halves: sum = high * 2^64 + low.
struct WideSum {
  std::uint64_t low, high;
};

/// The smallest and the largest of some values.
struct IntRange {
  std::int64_t min, max;
};

struct KernelTable {
  const char* name;
  /// By width, 0..64: 128 * width bytes into 1,024 values, `base` added (modulo 2^64).
  void (*unpack[65])(const std::uint8_t* in, std::uint64_t base, std::uint64_t* out);
  /// By width: the sum of the 1,024 packed values.
  WideSum (*sum[65])(const std::uint8_t* in);
  /// By width: 1,024 values, each less `base` below 2^width, into 128 * width bytes.
  void (*pack[65])(const std::uint64_t* in, std::uint64_t base, std::uint8_t* out);
  /// out[i] = first + in[0] + ... + in[i]; the two do not overlap.
  void (*prefix_sum)(const std::uint64_t* in, std::size_t n, std::uint64_t first,
                     std::uint64_t* out);
  /// out[i] = in[i + 1] - in[i], n of them.
  void (*differences)(const std::uint64_t* in, std::size_t n, std::uint64_t* out);
  /// n >= 2.
  void (*measure)(const std::int64_t* in, std::size_t n, IntStatistics* out);
  /// How many of value - base do not fit `wide` and how many not `narrow` bits (0..63).
  void (*exceed)(const std::uint64_t* in, std::size_t n, std::uint64_t base, int wide, int narrow,
                 std::uint64_t counts[2]);
  /// widths[i] = bits of value - base, 0..64; 0 from the n-th to the 1,024th.
  void (*find_widths)(const std::uint64_t* in, std::size_t n, std::uint64_t base,
                      std::uint8_t* widths);
  /// How many of 1,024 widths are above `width`.
  std::size_t (*count_above)(const std::uint8_t* widths, int width);
  /// low[i] = the lowest `width` (0..63) bits of value - base; the positions where there are more,
  /// ascending; returns how many (`positions` has room for n).
  std::size_t (*split)(const std::uint64_t* in, std::size_t n, std::uint64_t base, int width,
                       std::uint64_t* low, std::uint64_t* positions);
  /// out[i] = the lower half of in[i]; returns the largest of `in`.
  std::uint64_t (*narrow)(const std::uint64_t* in, std::size_t n, std::uint32_t* out);
  /// n >= 1.
  IntRange (*range)(const std::int64_t* in, std::size_t n);
};

/// The fastest table that this processor runs.
const KernelTable& Kernels();
/// Every table that it runs, slowest first; for tests and benchmarks.
std::span<const KernelTable* const> SupportedKernels();

}  // namespace quipu
