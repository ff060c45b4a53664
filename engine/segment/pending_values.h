// PendingValues: the values that one measure of one service has on one day, side by side until it is known which cells want them.
//
// A day's sketch wants them all, and takes them fastest as one stretch. The sketch of an hour wants its own, but only from
// kSketchRowsMin rows on, which nobody knows before the end. So values lie in chunks in the order in which they came, beside the
// lengths of the runs that are of one hour:
//
//     values   3 8 5 9 | 7 7 2 | 4        runs   {hour 9: 4} {hour 10: 3} {hour 9: 1}        equal   {hour 13: 100 times 1}
//
// Values that are all equal are not written at all: a service that counts calls has quantity 1 everywhere. Others take 4 bytes
// each where they are below 2^32, else 8.
//
// Statistics by hour are taken when a chunk is full and still in the cache (`Count`), not at every few values.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "segment/value_bin.h"

namespace quipu {

inline constexpr std::uint32_t kHoursPerDay = 24;

/// What is to know of some values.
struct ValueStats {
  std::uint64_t count = 0;
  Int128 sum = 0;  ///< Of mantissas, as low and high: at a scale that stands elsewhere.
  std::int64_t low = INT64_MAX, high = INT64_MIN;

  void Add(const ValueStats& o) {
    count += o.count;
    sum += o.sum;
    low = std::min(low, o.low);
    high = std::max(high, o.high);
  }
};

class PendingValues {
 public:
  /// `count` > 0 values one after another that are of one hour of the day.
  struct Run {
    std::uint32_t hour = 0, count = 0;
  };
  /// By hour of the day.
  using StatsByHour = std::array<ValueStats, kHoursPerDay>;

  /// Mantissas at `scale`, at least one, and their runs. If it says false, nothing was added: what is full has to be counted first.
  [[nodiscard]] bool Add(std::span<const std::int64_t> mantissas, int scale,
                         std::span<const Run> runs);
  [[nodiscard]] bool empty() const { return chunks_.empty(); }
  /// Memory held, spare capacity included.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// The statistics of what was not counted yet, all at one scale, by hour; false if there is nothing.
  bool Count(StatsByHour* stats, int* scale);
  /// Everything into one bin; empty afterwards.
  void EmptyInto(ValueBin* bin);
  /// Each value into the bin of its hour (of the day); empty afterwards.
  void EmptyByHour(const std::function<ValueBin*(std::uint32_t hour)>& bin_of_hour);
  void Clear() { *this = PendingValues(); }

 private:
  struct Equal {
    std::int64_t value = 0;
    Run run;
  };
  struct Chunk {
    int scale = 0;
    bool is_counted = false;
    std::size_t size = 0, capacity = 0;
    std::int64_t low = 0, high = 0;           // of the values, once counted
    std::unique_ptr<std::uint32_t[]> narrow;  // where they fit; else
    std::unique_ptr<std::int64_t[]> wide;
    std::size_t first_run = 0, first_equal = 0;  // those of the chunk go on to the next one's
  };
  void StartChunk(std::size_t capacity, int scale, bool is_narrow);
  [[nodiscard]] std::span<const Run> RunsOf(std::size_t chunk) const;
  [[nodiscard]] std::span<const Equal> EqualOf(std::size_t chunk) const;
  template <class Mantissa>
  static void CountRuns(const Mantissa* next, std::span<const Run> runs, Chunk* chunk,
                        StatsByHour* stats);
  template <class Mantissa>
  static void AddByHour(const Mantissa* next, std::span<const Run> runs, const Chunk& chunk,
                        const std::function<ValueBin*(std::uint32_t)>& bin_of_hour);

  std::vector<Chunk> chunks_;  // all but the last are counted
  std::vector<Run> runs_;
  std::vector<Equal> equal_;
  std::uint64_t bytes_ = 0;
};

}  // namespace quipu
