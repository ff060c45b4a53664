// A store of facts alone: what the policy would do to months of data, in milliseconds.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/calendar.h"
#include "upkeep/compaction.h"

namespace quipu {

class CompactionModel {
 public:
  static constexpr CustomerOrdinal kCustomers = 1'000'000;

  Options options;
  TimeUs now = 0;
  std::vector<SegmentFacts> segments;
  std::uint64_t sealed_bytes = 0, merged_bytes = 0, merges = 0;

  /// An L0 file; by default of all customers.
  std::uint64_t Seal(MonthIndex month, std::uint64_t bytes, CustomerOrdinal first = 0,
                     CustomerOrdinal last = kCustomers - 1) {
    SegmentFacts s;
    s.id = s.run = next_id_++;
    s.month = month;
    s.bytes = bytes;
    s.rows = bytes / 20 + 1;
    s.customer_first = first;
    s.customer_last = last;
    s.customers = last - first + 1;
    s.sealed_us = now;
    segments.push_back(s);
    sealed_bytes += bytes;
    return s.id;
  }
  [[nodiscard]] std::optional<CompactionJob> Pick(bool on_request = false) const {
    return PickCompaction(segments, options, {.now_us = now, .on_request = on_request});
  }
  /// What MergeOutput makes of rows that are spread evenly over the customers of the inputs.
  void Apply(const CompactionJob& job) {
    SegmentFacts sum;
    std::uint64_t removed = 0;
    long double sealed = 0;
    std::set<std::uint64_t> runs;
    CustomerOrdinal first = ~CustomerOrdinal{0}, last = 0;
    for (const SegmentFacts& s : segments) {
      if (!std::binary_search(job.inputs.begin(), job.inputs.end(), s.id)) continue;
      EXPECT_EQ(s.month, job.month);
      ++removed;
      sum.bytes += s.bytes;
      sum.rows += s.rows;
      sealed += static_cast<long double>(s.sealed_us) * static_cast<long double>(s.rows);
      first = std::min(first, s.customer_first);
      last = std::max(last, s.customer_last);
      runs.insert(s.run);
    }
    ASSERT_EQ(removed, job.inputs.size());
    EXPECT_GE(runs.size(), job.run == 0 ? 2u : 1u);
    EXPECT_EQ(job.bytes, sum.bytes);
    std::erase_if(segments, [&](const SegmentFacts& s) {
      return std::binary_search(job.inputs.begin(), job.inputs.end(), s.id);
    });
    merged_bytes += sum.bytes;
    ++merges;
    const std::uint64_t files = std::clamp<std::uint64_t>(
        (sum.bytes + options.segment_bytes_target / 2) / options.segment_bytes_target, 1,
        last - first + 1);
    const std::uint64_t run = job.run != 0 ? job.run : next_id_;
    for (std::uint64_t i = 0; i < files; ++i) {
      SegmentFacts s;
      s.id = next_id_++;
      s.run = run;
      s.month = job.month;
      s.level = job.level;
      s.bytes = sum.bytes / files + (i < sum.bytes % files ? 1 : 0);
      s.rows = std::max<std::uint64_t>(1, sum.rows / files);
      const std::uint64_t width = std::uint64_t{last} - first + 1;
      s.customer_first = first + static_cast<CustomerOrdinal>(width * i / files);
      s.customer_last = first + static_cast<CustomerOrdinal>(width * (i + 1) / files - 1);
      s.customers = s.customer_last - s.customer_first + 1;
      s.sealed_us = static_cast<TimeUs>(sealed / static_cast<long double>(sum.rows));
      segments.push_back(s);
    }
  }
  /// Merges until nothing pays any more.
  void Settle(bool on_request = false) {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 10'000) << "the policy does not come to an end";
      const auto job = Pick(on_request);
      if (!job) return;
      Apply(*job);
    }
  }
  [[nodiscard]] std::uint64_t LiveBytes() const {
    std::uint64_t sum = 0;
    for (const SegmentFacts& s : segments) sum += s.bytes;
    return sum;
  }
  /// Segments that a question about a customer of that month may have to look into, at worst.
  [[nodiscard]] std::size_t Depth(MonthIndex month) const {
    std::vector<SegmentFacts> of_month;
    for (const SegmentFacts& s : segments) {
      if (s.month == month) of_month.push_back(s);
    }
    return OverlapDepth(of_month);
  }
  [[nodiscard]] std::size_t Files(MonthIndex month) const {
    return static_cast<std::size_t>(std::count_if(
        segments.begin(), segments.end(), [&](const SegmentFacts& s) { return s.month == month; }));
  }

 private:
  std::uint64_t next_id_ = 1;
};

}  // namespace quipu
