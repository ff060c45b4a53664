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

#include "quipu/as_of.h"
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
  /// A measure that is a level (gigabytes stored, machines up) times how long it held, in hours: gigabytes give GB-hours. Each (customer, service,
  /// Aggregate::level_by, group) has a level of its own: 0 before its first event ever, then that of its latest event (ties: largest identity),
  /// until the next one or the end of the range, which must be given. The level at the start of the range is looked up. Levels of a group add up.
  /// Exact, rounded once, half to even at 18 fractional digits. A window in which a level other than 0 held is in the answer though it has no event.
  kTimeWeightedSum,
  kTimeWeightedAvg,  ///< The same divided by the length of the window (what of it lies in the range).
  /// Most events under way at one instant. An event is under way from its time on for as long as the measure says (Aggregate::unit_us, taken to whole
  /// microseconds, half to even), end exclusive; not at all if that is absent or not above 0. Those that began before the range count.
  kMaxConcurrency,
  kAvgConcurrency,  ///< The mean over the window (what of it lies in the range); 18 fractional digits.
};

/// What is made of an aggregate, window by window and group by group. "Additive" are count, count(m), sum, the time-weighted ones and
/// avg_concurrency. A window or period without events counts as 0 for additive ones, distinct and max_concurrency, as absent for the others.
enum class Derived : std::uint8_t {
  kNone,
  /// `change(f)`: this window minus the one before; absent in a group's first window with events. `change(f, day|week|month)`: minus the window that
  /// held the same local time a day, a week or a month (or the last day of a shorter month) ago, even if that lies before the range.
  kChange,
  kChangePercent,  ///< The same in percent of the earlier value's size, 2 fractional digits; absent if that is 0.
  kRate,  ///< `rate(f)`: count, count(m) or sum per second of the window (what of it lies in the range), 18 fractional digits.
  kCumulative,  ///< `cumulative(f)`: additive f of this and all earlier windows of the range.
  /// `share(f)`: additive f in percent of the total of all groups in the window; without group-by, of all windows. 2 fractional digits; absent if 0.
  kShare,
  kMovingAverage,  ///< `moving_avg(f, k)`: mean over the window and the k-1 before it, even before the range; 18 fractional digits.
  kPeak,  ///< `peak(f, unit)`: the highest f of the minutes, hours or days within the window (or the range); one that "counts as 0" is none.
  kPeakTime,  ///< `peak_time(f, unit)`: when that one began; the first of equals.
  kBefore,  ///< `before(f)`: f in the period (QuerySpec::compare_from, compare_to) or state (compare_as_of) to compare with.
  kGrowth,  ///< `growth(f)`: f minus `before(f)`.
  kGrowthPercent,  ///< `growth_percent(f)`: the same in percent of the earlier value's size, 2 fractional digits; absent if that is 0.
};

/// With which window a change compares.
enum class Ago : std::uint8_t { kWindow, kDay, kWeek, kMonth };

enum class WindowUnit : std::uint8_t { kNone, kMinute, kHour, kDay, kWeek, kMonth };

/// Most windows of a moving average.
inline constexpr std::uint32_t kMovingWindowsMax = 10'000;

struct Aggregate {
  Function function = Function::kCount;
  std::string column{};            ///< Empty only for plain `count`.
  std::uint32_t quantile_ppm = 0;  ///< 1..1,000,000 for kQuantile: p99.9 is 999,000.
  Derived derived = Derived::kNone;
  std::string name{};         ///< Column name in the answer: the text it was parsed from.
  Ago ago = Ago::kWindow;     ///< For kChange and kChangePercent.
  std::uint32_t windows = 0;  ///< For kMovingAverage: 2..kMovingWindowsMax.
  WindowUnit peak_unit = WindowUnit::kNone;  ///< For kPeak and kPeakTime: minute, hour or day.
  std::vector<std::string>
      level_by{};            ///< For time-weighted ones: dimensions that tell levels apart.
  std::int64_t unit_us = 0;  ///< For concurrency: microseconds of a unit of the measure, > 0.

  /// `count`, `count(m)`, `sum(m)`, `avg`, `min`, `max`, `first`, `latest`, `distinct(d)`, `p50(m)`, `p99.9(m)`, `median(m)`,
  /// `quantile(m,0.999)`, `time_weighted_sum(m)` and `time_weighted_avg(m)` (with dimensions: `time_weighted_sum(stored_gb, bucket)`),
  /// `max_concurrency(m)` and `avg_concurrency(m)` (the unit from a name that ends in _us, _ms, _s, _min or _h, or said: `max_concurrency(took, ms)`),
  /// each also inside one of the forms that Derived lists.
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
  /// One more row in the end for all groups that `limit` cut, as if they were one (ResultSet::has_others). Needs a group-by, no window.
  bool others = false;
  /// The period that `before`, `growth` and `growth_percent` compare with, half open. Groups of only that period are in the answer, too.
  std::optional<TimeUs> compare_from{}, compare_to{};
  /// The earlier state that these compare with: of the period, or without one of the range itself, and then also window by window.
  AsOf compare_as_of{};
  /// The state that is asked: as if no later commit had been made.
  AsOf as_of{};
  /// Only events that came after this state, as if there were no others.
  AsOf since{};
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
  Query& Others(bool on = true);
  /// The earlier period of growth(...); times as in From.
  Query& CompareWith(std::string_view from, std::string_view to);
  /// States as in AsOf::Parse: a commit's number or the name of a freeze.
  Query& AsOf(std::string_view state);
  Query& Since(std::string_view state);
  Query& CompareAsOf(std::string_view state);
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
  AsOf as_of{}, since{};      ///< As in QuerySpec. With `as_of` all pages are of one state.
};

}  // namespace quipu
