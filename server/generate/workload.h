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
// `GenerateRows` gives the events as small numbers (for benchmarks, which must not measure text); `Generate` writes the same
// rows as ndjson or csv. workload_text.cc has the names behind the numbers.
//
// Example: Generate({.events = 2}, TextFormat::kNdjson, ...) writes two lines (rarely three).
#pragma once

#include <array>
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
  /// How late a late event can be, 1..3,660 days; 0 = it may arrive on any later day of the workload.
  std::uint32_t late_days_max = 3;
};

/// One event as numbers. Plain memory without padding: a file of rows is the same bytes for the same seed.
struct WorkloadRow {
  std::uint64_t id_high = 0, id_low = 0;  ///< The bits of a UUIDv4.
  TimeUs time = 0;
  std::uint64_t quantity_micro = 0;  ///< x 10^-6; below 3 x 10^9.
  std::uint32_t customer = 0;
  std::uint32_t duration_ms = 0;
  std::uint32_t tokens = 0;
  std::uint8_t endpoint = 0;  ///< 1..199
  std::uint8_t service = 0, method = 0, status = 0, region = 0;
  bool again = false;  ///< The second sending of an event.
  std::array<std::uint8_t, 6> unused{};

  /// 0.0001 x quantity at nine decimals, x 10^-9.
  [[nodiscard]] std::uint64_t cost_nano() const { return (quantity_micro + 5) / 10; }
};
static_assert(sizeof(WorkloadRow) == 56);

inline constexpr std::uint8_t kWorkloadServices = 6;
inline constexpr std::uint8_t kWorkloadEndpoints = 200;
std::string_view ServiceName(std::uint8_t service);
std::string_view MethodName(std::uint8_t method);
std::string_view StatusName(std::uint8_t status);
std::string_view RegionName(std::uint8_t region);
/// "/api/v1/r17"
const std::string& EndpointName(std::uint8_t endpoint);
/// Digits of every customer's number in a workload of so many customers, at least six.
int CustomerDigits(std::uint64_t customers);
/// Appends "cus_000123".
void AppendCustomer(std::uint32_t customer, int digits, std::string* out);
/// Appends the 36 characters of the row's id.
void AppendId(const WorkloadRow& row, std::string* out);

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

/// Receives one row; false = stop.
using TakeRow = std::function<bool(const WorkloadRow& row)>;

/// Gives the rows in order of arrival. kInvalidArgument for options out of range; kCancelled if `take` said stop.
Status GenerateRows(const WorkloadOptions& options, const TakeRow& take);

/// Receives a block of whole lines; false = stop (the reader is gone).
using WriteBlock = std::function<bool(std::string_view block, std::uint64_t events_done)>;

enum class TextFormat : std::uint8_t { kNdjson, kCsv };

/// Writes the workload as lines that `quipu import` takes; csv has a header whose columns are named like its targets. kInvalidArgument for
/// options out of range; kCancelled if `write` said stop.
Status Generate(const WorkloadOptions& options, TextFormat format, const WriteBlock& write);

}  // namespace quipu::generate
