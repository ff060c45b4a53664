// The reference workload: events as a metering system sees them, the same bytes for the same seed.
//
// What it imitates: customers of very different size (log-uniform: the largest has about 7.5 % of all events, most have a few
// hundred), a daily curve, six services, events that arrive late, and events that are sent twice.
//
// How it stays small: a first pass only counts how many events each day has. Then each day is made on its own: event (day, i) has
// its own random stream, seeded by (seed, day, i), so that only its time and number are kept for sorting and the rest is
// made again when its line is written. What arrives later than its turn (late events, second sendings) waits in a heap.
//
// Invariants:
//  1. Lines come in order of arrival.
//  2. `events` different events are written; about 0.5 % of them a second time, byte for byte, up to an hour later.
//  3. About 1 % arrive up to three days after their time; all others arrive at their time.
//
// Example: Workload({.events = 2}) writes two lines (rarely three).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/status.h"
#include "quipu/time.h"

namespace quipu::generate {

struct WorkloadOptions {
  std::uint64_t events = 1'000'000;  ///< 1..10^9.
  std::uint64_t customers = 10'000;  ///< 2..10^9.
  std::uint64_t seed = 1;
  std::uint32_t days = 90;          ///< 1..3,660.
  std::string from = "2026-01-01";  ///< The first day (UTC).
};

/// SplitMix64 (Vigna, public domain): small, fast, and any 64-bit seed is a good one.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, 1), 53 bits.
  double NextUnit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

/// Receives a block of whole lines; false = stop (the reader is gone).
using WriteBlock = std::function<bool(std::string_view block, std::uint64_t events_done)>;

/// Writes the workload as ndjson. kInvalidArgument for options out of range; kCancelled if `write` said stop.
Status Generate(const WorkloadOptions& options, const WriteBlock& write);

}  // namespace quipu::generate
