// quipu/options.h
//
// Everything about a store that can be chosen when it is opened. Each bound names its unit.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace quipu {

/// When an acknowledgement may leave.
enum class Durability : std::uint8_t {
  kSync,      ///< After fsync: survives kill -9, kernel crash and power cut. The default.
  kInterval,  ///< At once; fsync at least every `sync_interval_ms`. A power cut loses at most that much, always a suffix.
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

struct Options {
  bool create_if_missing = false;
  bool error_if_exists = false;
  Durability durability = Durability::kSync;
  /// For Durability::kInterval.
  std::uint32_t sync_interval_ms = 100;
  /// Events dated later than now + this are `invalid`. Negative = no bound (for imports of recorded data).
  std::int64_t future_bound_us = 300'000'000;
  /// Events dated earlier than now - this are `too_late` unless their batch has a producer stamp, even where their ids could still be
  /// compared: for books that are closed. Negative = no bound.
  std::int64_t late_bound_us = -1;

  // Ingest.

  /// A group commit takes the batches that wait, up to this size.
  std::uint32_t commit_bytes_max = 1u << 20;
  /// Batches waiting for the committer; beyond it Ingest waits.
  std::uint64_t queue_bytes_max = 64ull << 20;
  /// Unsealed rows in memory; beyond it Ingest waits for sealing.
  std::uint64_t hot_bytes_max = 128ull << 20;
  /// Space on disk that is kept free of new events, so that what is stored can still be sealed and merged. While there is less (besides
  /// what unsealed rows need as segments) Ingest is kExhausted and nothing is stored; it goes on by itself when there is more. 0 = no check.
  std::uint64_t disk_reserve_bytes = 256ull << 20;
  /// A wait for room longer than this is kExhausted.
  std::uint32_t ingest_wait_ms_max = 30'000;
  /// How far the threads that commit give way where processors are short (Linux: their nice value, at most 19). For hosts whose questions must be answered at
  /// once beside heavy ingest, which lower the threads that call Ingest likewise (docs/OPERATIONS.md, Processors). 0 = not at all.
  std::uint32_t ingest_nice = 0;

  // Deduplication.

  /// Memory for what finds repeats in segments (at most 12 bits an id); beyond it the least recently asked segment's part is dropped and read
  /// again with each batch: slower, and as exact.
  std::uint64_t identity_bytes_max = 256ull << 20;
  /// False: no event is looked for, repeats are counted again. UNSAFE; only to measure what the check costs.
  bool check_identities = true;
  /// How long ids are kept at least, counted from the end of the event's month: before that retention drops no event, an archive keeps its ids
  /// and is not detached. Afterwards they are compared for as long as they are there, whatever their age; an event that cannot be compared
  /// any more is `too_late`. Negative = for ever (then retention drops no event at all).
  std::int64_t identity_window_us = 40 * std::int64_t{86'400'000'000};

  // Sealing and merging.

  /// Hot rows of this size are sealed in the background,
  std::uint64_t seal_bytes = 64ull << 20;
  /// ... or once the oldest of them is this old.
  std::uint32_t seal_after_ms = 600'000;
  /// False: sealing and merging only on request. Its thread gives way to others (on Linux: nice 10).
  bool background_upkeep = true;
  /// Segments of similar size in one month that are merged together.
  std::uint32_t merge_fan_in = 8;
  /// A merge never makes a segment with more rows than this.
  std::uint64_t merged_rows_max = 16ull << 20;
  /// A merge splits its result by customer into files of about this size (half as much again for a single file).
  std::uint64_t segment_bytes_target = 160ull << 20;
  /// A customer with this many bytes in a month gets files of its own there, which can be dropped without rewriting others.
  std::uint64_t own_file_bytes_min = 32ull << 20;
  /// A month is closed (its segments become one run with every customer in one place) this long after its end, ...
  std::int64_t month_close_after_us = 35ll * 86'400 * 1'000'000;
  /// ... once hardly anything (2 % of the month) was sealed into it for this long.
  std::int64_t month_quiet_us = 3600ll * 1'000'000;
  /// Bytes a second that merges, retention and archiving may write; 0 = no limit. Sealing is never slowed down by it.
  std::uint64_t upkeep_bytes_per_second_max = 0;
  /// Memory for the rows that merges have in hand (each uses at least 32 MiB if it needs them).
  std::uint64_t upkeep_bytes_max = 128ull << 20;
  /// Months that Database::Compact merges at the same time, a thread each.
  std::uint32_t compact_threads = 2;

  /// How often the background looks whether the retention policy asks for anything. 0 = never.
  std::uint32_t retention_check_ms = 3'600'000;

  // Reading.

  /// Verified pages kept in memory.
  std::uint64_t cache_bytes = 256ull << 20;
  /// Threads that work on queries: callers' own, and helpers for those that read many raw rows. At most so many for one query, and this less one
  /// helpers for all. 0 = one for each processor; 1 = no helpers.
  std::uint32_t query_threads = 0;
  /// Working memory of all queries under way together; more ends in kExhausted for the one that asks for it.
  std::uint64_t query_memory_bytes_max = 1ull << 30;

  /// Receives the engine's log lines (none by default). Called from several threads; must not call back into the store nor throw.
  std::function<void(LogLevel, const std::string&)> log{};
};

/// For Database::OpenFollower.
struct FollowerOptions {
  /// A question is answered from a view that had all commits at most so long ago; an older one is brought up to date first. The background
  /// does the same in this rhythm, so that questions seldom wait. At least 1.
  std::uint32_t refresh_ms = 100;
  /// While the store cannot be looked at (its disk is gone, its files are damaged), questions are answered from the last view, and say how old it
  /// is; once it is older than this they are refused with the reason.
  std::uint32_t staleness_ms_max = 10'000;
  /// Verified pages kept in memory.
  std::uint64_t cache_bytes = 256ull << 20;
  /// As Options::log.
  std::function<void(LogLevel, const std::string&)> log{};
};

}  // namespace quipu
