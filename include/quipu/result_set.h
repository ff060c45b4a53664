// quipu/result_set.h
//
// The answer to a query: columns of equal length. Order: `window_start` (if a window was asked for), the group-by names, the
// selected aggregates. A ResultSet owns its memory and refers to nothing in the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "quipu/decimal.h"
#include "quipu/event.h"
#include "quipu/time.h"

namespace quipu {

enum class ColumnType : std::uint8_t { kTime, kString, kInteger, kDecimal };

/// "time", "string", "integer", "decimal".
std::string_view ColumnTypeName(ColumnType type);

/// One column. Exactly one of the vectors, by `type`, is as long as the answer has rows; `present[i]` is 0 for an absent value.
struct ResultColumn {
  std::string name;
  ColumnType type = ColumnType::kInteger;
  std::vector<std::uint8_t> present{};
  std::vector<TimeUs> times{};           ///< kTime
  std::vector<std::string> strings{};    ///< kString
  std::vector<std::int64_t> integers{};  ///< kInteger
  std::vector<Decimal> decimals{};       ///< kDecimal
  bool exact = true;                     ///< False if any value of the column is an approximation.

  [[nodiscard]] bool IsPresent(std::size_t row) const { return present[row] != 0; }
  /// The value as text: times RFC 3339 in UTC, decimals in plain digits, "" if absent.
  [[nodiscard]] std::string Text(std::size_t row) const;
};

/// Where an answer came from, for tests and the curious.
struct QueryStats {
  std::uint64_t segments = 0;  ///< Segments looked at.
  std::uint64_t cells = 0;     ///< Summary cells used.
  std::uint64_t rows = 0;      ///< Raw rows visited in segments.
  std::uint64_t hot_rows = 0;  ///< Raw rows visited in the hot tier.
};

/// How the row of all other groups is called; ResultSet::has_others tells it from a group of that name.
inline constexpr std::string_view kOthersName = "(all others)";
/// What one segment gave to an answer; `file` is "unsealed events" for what no segment holds yet.
struct ExplainedSource {
  std::string file;
  std::string month;  ///< "2026-03"; empty for unsealed events.
  std::uint64_t month_cells = 0, day_cells = 0, hour_cells = 0;
  std::string
      cells_by;  ///< Set of dimensions that these cells are by: "(endpoint, status)"; "" = none.
  std::uint64_t run_sums =
      0;  ///< Sums by customer, or customer and service, that were at hand, or are now.
  std::uint64_t run_sketches =
      0;  ///< Runs of one customer and service of which quantiles were at hand, or are now.
  std::uint64_t runs = 0;     ///< Of one customer and service, whose raw rows were looked at.
  std::uint64_t vectors = 0;  ///< Of at most 1,024 rows, with such rows.
  std::uint64_t vectors_decoded = 0;  ///< Columns of vectors that were decoded.
  std::uint64_t rows = 0;             ///< Raw rows in the asked scope and time.
  std::uint64_t bytes = 0;            ///< Of the pages that raw rows were taken from.
  std::string why_rows;               ///< Why cells could not answer alone; empty if they did.
};

struct ExplainedStep {
  std::string name;  ///< "bind", "plan", "cells", "rows", "finish".
  std::int64_t us = 0;
};

/// How an answer came about; for people, so texts may change.
struct Explanation {
  std::string left_out;  ///< What as_of and since left out; empty if the question has neither.
  std::string
      why_no_cells;  ///< Why summaries could not serve the question at all; empty if they could.
  std::vector<ExplainedStep> steps;      ///< In order; the time of the whole is their sum.
  std::vector<ExplainedSource> sources;  ///< Those that had anything to give.
  std::uint64_t segments_skipped = 0;    ///< Segments without any row in the asked scope and time.
  std::uint32_t threads = 1;             ///< That read raw rows.
  std::uint64_t groups = 0;
  std::uint64_t memory_bytes =
      0;  ///< Working memory at its peak, as it is counted against the bounds.
};

class ResultSet {
 public:
  std::vector<ResultColumn> columns;
  std::uint64_t as_of = 0;  ///< Every commit up to this one is in the answer, none after it.
  /// Of a follower's answer: all that was committed so long before the question is in it. Nothing in the process that writes: all is in it.
  std::optional<std::int64_t> staleness_us;
  bool exact = true;          ///< False if any value is an approximation...
  double relative_error = 0;  ///< ... then quantiles are within this ratio (0.004).
  std::string zone = "UTC";   ///< The zone of window_start, for display.
  /// True if the question named a freeze of which events have been erased or deleted since (FreezeInfo says why).
  bool altered = false;
  /// True if the last row stands for all groups that a limit cut (QuerySpec::others): its first group value is kOthersName, the other ones are absent.
  bool has_others = false;
  QueryStats stats;
  std::optional<Explanation> explanation;  ///< If QuerySpec::explain asked for it.

  [[nodiscard]] std::size_t rows() const {
    return columns.empty() ? 0 : columns.front().present.size();
  }
  /// The column of that name, or nullptr.
  [[nodiscard]] const ResultColumn* Find(std::string_view name) const;
};

/// One page of raw events.
/// One event, and where it is stored.
struct FoundEvent {
  StoredEvent event;
  std::string
      tier;  ///< "hot" (not sealed yet), "L0", "L1", "L2" (as in PartitionInfo) or "archive".
  std::string file;  ///< Of the segment; empty while it is hot.
  /// It came with one of these commits; with the only one while it is hot.
  std::uint64_t commit_first = 0, commit_last = 0;
};

struct EventPage {
  std::vector<StoredEvent> events;
  std::string next_cursor;  ///< Empty after the last page.
  std::uint64_t as_of = 0;
  std::optional<std::int64_t> staleness_us;  ///< As in ResultSet.
  bool altered = false;                      ///< As in ResultSet.
};

}  // namespace quipu
