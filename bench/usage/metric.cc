#include "usage/metric.h"

#include <array>

namespace quipu::usage {
namespace {

constexpr Better kLower = Better::kLower;
constexpr Better kHigher = Better::kHigher;
constexpr Better kNeither = Better::kNeither;

constexpr auto kMetrics = std::to_array<Metric>({
    {"bytes_per_event", "B", kLower,
     "on disk after merging and closing. Quipu: the whole folder with summaries and the index of "
     "ids; peers: their table of "
     "events without the rollup"},
    {"bytes_per_event_without_ids", "B", kLower,
     "Quipu: everything archived without ids, the whole folder; peers: the table without its id"},
    {"archive_events_per_second", "/s", kNeither, "with reading back and verifying every file"},
    {"rollup_bytes_per_event", "B", kNeither, "peers: the hourly rollup beside the table"},
    {"ingest_events_per_second", "/s", kHigher,
     "up to the last acknowledgement, with the work in the background that went on meanwhile"},
    {"ingest_and_merge_events_per_second", "/s", kHigher,
     "up to the end of merging: Quipu's Compact and Close, ClickHouse's OPTIMIZE FINAL, a "
     "checkpoint"},
    {"ingest_cpu_us_per_event", "us", kNeither,
     "processor time of all threads during ingest, the client's included"},
    {"ack_p50_ms", "ms", kLower,
     "acknowledgement of a batch of 1,000; Quipu: with 16 in flight, SQLite and RocksDB: one"},
    {"ack_p99_ms", "ms", kLower, ""},
    {"ack_p999_ms", "ms", kLower, ""},
    {"ingest_lone_caller_events_per_second", "/s", kHigher,
     "batches of 1,000 from one caller that waits for each"},
    {"ingest_single_async_events_per_second", "/s", kHigher,
     "one event per call from 8 threads that do not wait, to the last acknowledgement"},
    {"ingest_single_sync_events_per_second", "/s", kHigher,
     "one event per call, one thread that waits for each"},
    {"ingest_unchecked_events_per_second", "/s", kNeither,
     "as ingest_events_per_second without the check for repeats"},
    {"ingest_unchecked_cpu_us_per_event", "us", kNeither, "likewise"},
    {"dedupe_cost_percent", "%", kNeither, "of ingest throughput: 1 - with the check / without it"},
    {"dedupe_cpu_cost_percent", "%", kNeither,
     "of the processor time of ingest, steadier than the other on a busy machine"},
    {"import_ndjson_events_per_second", "/s", kNeither,
     "`quipu import` from the start of the program to its end, up to 4,000,000 events"},
    {"import_csv_events_per_second", "/s", kNeither, "likewise"},
    {"duplicates_caught", "", kNeither, "of those planted: all of them, or the run fails"},
    {"batch_build_events_per_second", "/s", kNeither,
     "rows into batches alone: the client's share of Quipu's ingest"},
    {"write_amplification", "x", kLower,
     "bytes written to storage during ingest, until everything is sealed / bytes on disk at the "
     "end"},
    {"write_amplification_with_compact", "x", kLower,
     "the same with the merging of everything at the end"},
    {"write_amplification_counted", "x", kNeither,
     "the same as the store counts it (quipu info): commits logged, segments sealed and rewritten "
     "/ "
     "bytes of segments"},
    {"space_amplification", "x", kNeither, "bytes on disk / bytes of segments, closed"},
    {"read_amplification", "x", kNeither,
     "segments that hold a customer's month, the mean over customers and months, after merging"},
    {"read_amplification_max", "x", kNeither, "the worst"},
    {"close_seconds", "s", kLower, "Quipu: Close after Compact"},
    {"resident_bytes_max", "B", kLower,
     "of the process, over ingest and questions (peers: with the mapped library)"},
    {"cold_open_ms", "ms", kLower, "open with nothing of the files in the page cache"},
    {"Q1_ms", "ms", kLower, ""},
    {"Q2_ms", "ms", kLower, "default: within 0.4 %"},
    {"Q2_exact_ms", "ms", kLower, "exact on every side"},
    {"Q3_ms", "ms", kLower, "default"},
    {"Q3_exact_ms", "ms", kLower, "exact"},
    {"Q3_largest_ms", "ms", kLower, "default"},
    {"Q3_largest_exact_ms", "ms", kLower, "exact"},
    {"Q4_ms", "ms", kLower, ""},
    {"Q5_ms", "ms", kLower, ""},
    {"Q6_ms", "ms", kLower, ""},
    {"Q7_ms", "ms", kLower, ""},
    {"Q8_ms", "ms", kLower, ""},
    {"Q9_ms", "ms", kLower, ""},
    {"Q9_declared_ms", "ms", kLower,
     "Quipu: with a summary by (endpoint, status) declared for every service"},
    {"Q9_declared_build_seconds", "s", kLower, "its building over what is stored"},
    {"Q9_declared_bytes_per_event", "B", kLower, "its price"},
    {"Q10_ms", "ms", kLower, "default: HyperLogLog beyond 512"},
    {"Q10_exact_ms", "ms", kLower, "exact"},
    {"Q11_ms", "ms", kLower, ""},
    {"Q12_ms", "ms", kLower, "Quipu: FindEvent"},
    {"first_Q1_ms", "ms", kLower,
     "the first question of a process, after it has opened its store; files in the page cache"},
    {"first_Q2_ms", "ms", kLower, ""},
    {"first_Q3_ms", "ms", kLower, ""},
    {"first_Q3_largest_ms", "ms", kLower, ""},
    {"first_Q4_ms", "ms", kLower, ""},
    {"first_Q5_ms", "ms", kLower, ""},
    {"first_Q6_ms", "ms", kLower, ""},
    {"first_Q7_ms", "ms", kLower, ""},
    {"first_Q8_ms", "ms", kLower, ""},
    {"first_Q9_ms", "ms", kLower, ""},
    {"first_Q10_ms", "ms", kLower, ""},
    {"first_Q11_ms", "ms", kLower, ""},
    {"first_Q12_ms", "ms", kLower, ""},
    {"cold_Q1_ms", "ms", kLower,
     "opening and the first answer, with nothing of the files in the page cache"},
    {"cold_Q2_ms", "ms", kLower, ""},
    {"cold_Q3_ms", "ms", kLower, ""},
    {"cold_Q3_largest_ms", "ms", kLower, ""},
    {"cold_Q4_ms", "ms", kLower, ""},
    {"cold_Q5_ms", "ms", kLower, ""},
    {"cold_Q6_ms", "ms", kLower, ""},
    {"cold_Q7_ms", "ms", kLower, ""},
    {"cold_Q8_ms", "ms", kLower, ""},
    {"cold_Q9_ms", "ms", kLower, ""},
    {"cold_Q10_ms", "ms", kLower, ""},
    {"cold_Q11_ms", "ms", kLower, ""},
    {"cold_Q12_ms", "ms", kLower, ""},
});

}  // namespace

std::span<const Metric> Metrics() { return kMetrics; }

}  // namespace quipu::usage
