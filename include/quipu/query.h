// quipu/query.h
//
// A question, built step by step. There is no SQL; what can be asked is what these types can say.
//
//   auto q = quipu::Query()
//                .Select("count, sum(quantity), p99(duration_ms)")
//                .Customer("acme").Service("api")
//                .Between("2026-03-01", "2026-04-01")
//                .Every("day", "Europe/Berlin")
//                .GroupBy("endpoint")
//                .Where("status=500");
//   auto answer = db->Query(q);
//
// The text forms are parsed by the builder; the first mistake is kept and returned by Database::Query as kInvalidArgument.
// The struct `QuerySpec` is the same question as plain data, for callers that build it without text.
//
// Names usable in group-by and filters: `customer`, `service`, any dimension. Names usable inside aggregates: `quantity`,
// `cost`, any measure; `distinct` takes `customer`, `service` or a dimension.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/decimal.h"
#include "quipu/status.h"
#include "quipu/time.h"

namespace quipu {

enum class Function : std::uint8_t {
  kCount,  ///< `count`: rows; `count(m)`: rows where measure m is present.
  kSum,    ///< Exact.
  kAvg,    ///< Exact sum / count, rounded half to even at 18 fractional digits.
  kMin,
  kMax,
  kFirst,   ///< The value at the earliest time (ties: smallest identity hash).
  kLatest,  ///< The value at the latest time (ties: largest identity hash).
  kDistinct,  ///< Exact up to 512 distinct values, then HyperLogLog (p = 12); exact with QuerySpec::exact.
  kQuantile,  ///< Nearest rank. Exact up to 1,024 values, then within 0.4 %; exact with QuerySpec::exact.
};

/// How an aggregate relates to the window just before it, group by group. A window of the group without events counts as 0 for count, sum and
/// distinct, as absent for the other functions; in a group's first window with events there is nothing to compare with: absent.
enum class Change : std::uint8_t {
  kNone,
  kAbsolute,  ///< `change(f)`: this window minus the previous one; absent if either is.
  kPercent,  ///< `change_percent(f)`: the same in percent, 2 fractional digits; absent if the previous value is 0 or absent.
};

struct Aggregate {
  Function function = Function::kCount;
  std::string column{};            ///< Empty only for plain `count`.
  std::uint32_t quantile_ppm = 0;  ///< 1..1,000,000 for kQuantile: p99.9 is 999,000.
  Change change = Change::kNone;
  std::string name{};  ///< Column name in the answer: the text it was parsed from.

  /// `count`, `count(m)`, `sum(m)`, `avg`, `min`, `max`, `first`, `latest`, `distinct(d)`, `p50(m)`, `p99.9(m)`, `median(m)`,
  /// `quantile(m,0.999)`, each also inside `change(...)` or `change_percent(...)`.
  static Result<Aggregate> Parse(std::string_view text);
};

enum class FilterOp : std::uint8_t {
  kEqual,
  kNotEqual,
  kIn,
  kPrefix,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual
};

/// Comparisons (<, <=, >, >=) need a measure; the others work on `customer`, `service`, dimensions and (=, != , in) measures.
/// An absent value never matches, except `!=`, which it always matches.
struct Filter {
  std::string column;
  FilterOp op = FilterOp::kEqual;
  std::vector<std::string> values;  ///< One, or several for kIn.

  /// `status=500`, `status!=500`, `status in 500,502`, `path^=/api` (prefix), `duration_ms>=100`. Blanks around the operator
  /// are ignored.
  static Result<Filter> Parse(std::string_view text);
};

enum class WindowUnit : std::uint8_t { kNone, kMinute, kHour, kDay, kWeek, kMonth };

/// Weeks start on Monday. Hours and minutes are cut on the zone's wall clock, days, weeks and months at local midnight.
struct Window {
  WindowUnit unit = WindowUnit::kNone;
  std::string zone = "UTC";  ///< IANA name.
};

struct OrderBy {
  std::string column;  ///< `window_start`, a group-by name or an aggregate's name.
  bool descending = false;
};

/// The question as plain data.
struct QuerySpec {
  std::vector<Aggregate> select{};       ///< At least one.
  std::vector<std::string> customers{};  ///< Empty = all.
  std::vector<std::string> services{};   ///< Empty = all.
  /// Half open; absent = from the first / to the last event.
  std::optional<TimeUs> from{}, to{};
  Window window{};
  std::vector<std::string> group_by{};
  std::vector<Filter> filters{};  ///< All must hold.
  /// Ties, and no order_by: window_start, then group-by values (absent first).
  std::vector<OrderBy> order_by{};
  std::uint64_t limit = 0;  ///< 0 = all rows.
  /// Windows without events appear, per group: count and distinct 0, the other aggregates absent.
  bool fill = false;
  bool exact = false;     ///< Quantiles and distinct counts without approximation.
  bool raw_only = false;  ///< Do not use summaries (for verification: the answer is the same).
  std::uint64_t groups_max = 1'000'000;           ///< More (group x window) end in kExhausted.
  std::uint64_t memory_bytes_max = 256ull << 20;  ///< More working memory ends in kExhausted.
  std::uint32_t threads = 0;  ///< At most so many work on it; 0 = as Options::query_threads says.
  std::uint32_t deadline_ms = 0;  ///< Longer than this ends in kExhausted; 0 = no deadline.
  /// Set to true, from any thread, it ends the query soon in kCancelled. Must outlive the call; may be null.
  const std::atomic<bool>* cancelled = nullptr;
  bool explain = false;  ///< ResultSet::explanation says how the answer came about.
};

/// Builds a QuerySpec from readable pieces.
class Query {
 public:
  Query& Select(std::string_view comma_separated_aggregates);
  Query& Customer(std::string_view customer);
  Query& Service(std::string_view service);
  /// Times as in ParseTimeInZone, read in UTC.
  Query& From(std::string_view time);
  Query& To(std::string_view time);
  Query& Between(std::string_view from, std::string_view to) { return From(from).To(to); }
  /// `minute`, `hour`, `day`, `week` or `month`.
  Query& Every(std::string_view unit, std::string_view zone = "UTC");
  Query& GroupBy(std::string_view comma_separated_names);
  Query& Where(std::string_view filter);
  /// A column name, `-` in front sorts downwards.
  Query& OrderBy(std::string_view column);
  Query& Limit(std::uint64_t rows);
  Query& Fill(bool on = true);
  Query& Exact(bool on = true);

  [[nodiscard]] const QuerySpec& spec() const noexcept { return spec_; }
  QuerySpec& spec() noexcept { return spec_; }
  /// The first mistake in a text given to the builder.
  [[nodiscard]] const Status& status() const noexcept { return status_; }

 private:
  void Fail(Status status);
  QuerySpec spec_;
  Status status_;
};

/// A page of raw events in (time, identity) order. The cursor is stable across seals, compactions and restarts: paging on
/// returns every event that was there when the first page was read, once; later arrivals behind the cursor are not seen.
struct EventQuery {
  std::vector<std::string> customers{}, services{};
  std::optional<TimeUs> from{}, to{};
  std::vector<Filter> filters{};
  std::uint32_t limit = 100;  ///< 1..10,000.
  std::string cursor{};       ///< Empty = from the start; else EventPage::next_cursor.
};

}  // namespace quipu
