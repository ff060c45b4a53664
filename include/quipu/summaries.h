// quipu/summaries.h
//
// Summaries by dimension: what makes "error rate by endpoint" cost microseconds.
//
//   db->DeclareSummary({.service = "api", .dimensions = {"endpoint", "status"}});
//   db->BuildSummaries();        // for what is stored already; the background does it, too
//   db->Query(quipu::Query().Select("count").Service("api").Where("status=404").GroupBy("endpoint"));
//
// A *set* is one to three dimensions of one service (or of each). Per set the store keeps, for every combination of values and every day and month (hours
// where they pay), how many events there were and what the measures of the set add up to, over all customers. Questions over all customers that
// filter by =, !=, in and prefix or group by dimensions of one set, or some of them, are answered from that, exactly as from the events
// (Explanation says so); an absent value is a value of its own. What is not covered is read from the events: unsealed events, ragged ends of a range,
// and files where a set did not pay, because there are too few events to a combination.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quipu {

/// A declared set, known by its service and dimensions.
struct SummarySet {
  std::string service{};                  ///< Empty = every service, each by itself.
  std::vector<std::string> dimensions{};  ///< 1 to 3, in any order.
  /// What its cells add up besides the number of events; "*" = every measure. Sum, count, min and max of each can be asked for.
  std::vector<std::string> measures{"quantity", "cost"};
  /// A service has cells of the set in a file if on average so many of its events stand behind each number (a count is one, a measure is
  /// two). 0 = 16. Less costs more bytes and serves more questions.
  std::uint32_t rows_min = 0;
  /// Cells have quantiles if on average so many values stand behind each. 0 = 4,096.
  std::uint32_t sketch_rows_min = 0;
  friend bool operator==(const SummarySet&, const SummarySet&) = default;
};

/// A set and how far it is built.
struct SummarySetInfo {
  SummarySet set;
  std::uint64_t segments = 0;           ///< Files with its service and any of its dimensions.
  std::uint64_t segments_built = 0;     ///< Of them, made with the set.
  std::uint64_t segments_left_out = 0;  ///< Of the built ones, those where it pays for no service.
  std::uint64_t events = 0;             ///< In these files.
  std::uint64_t bytes = 0;              ///< On disk, of all its cells.
};

/// A set that would pay, found in a sample of what is stored.
struct SummaryProposal {
  SummarySet set;
  std::vector<std::uint64_t> values;  ///< Different values of each dimension, absent included.
  std::uint64_t combinations = 0;     ///< Of values that occur.
  std::uint64_t events = 0;           ///< Of the service, in all segments.
  std::uint64_t cells = 0;            ///< Days, estimated for all of them.
  std::uint64_t bytes = 0;            ///< Likewise.
  double events_per_cell = 0;         ///< The gain: events that one cell stands for.
  double bytes_per_event = 0;         ///< The price.
  bool is_declared = false;           ///< It or a set that includes it is.
};

struct SummaryAdvice {
  std::uint64_t events = 0;  ///< Stored in segments with rows.
  std::uint64_t events_looked_at = 0;
  std::uint64_t summary_bytes = 0;  ///< Of all summaries, now.
  std::vector<SummaryProposal>
      proposals;  ///< That pay, the best (most events per cell) of each service first.
  std::vector<SummaryProposal> refused;  ///< Looked at, and too many combinations.
};

}  // namespace quipu
