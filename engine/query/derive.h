// Derive: a value of the answer from the values of the sheets. What each form means is said in quipu/query.h (Derived).
#pragma once

#include <limits>
#include <map>
#include <vector>

#include "base/calendar.h"
#include "query/question.h"
#include "query/sheet.h"
#include "query/wide_int.h"

namespace quipu {

/// The sheets of a question; null where it has no such reading. `columns[a]` is the place of the question's aggregate a.
struct NamedSheet {
  const Sheet* sheet = nullptr;
  std::vector<std::size_t> columns;
};
struct Sheets {
  NamedSheet range, compared;
  std::map<Ago, NamedSheet> before;        ///< By how far back (LooksBack).
  std::map<WindowUnit, NamedSheet> finer;  ///< By peak_unit.
};

/// Of the values of an aggregate in the answer.
ColumnType TypeOfAnswer(const Aggregate& a);

class Deriver {
 public:
  Deriver(const QuerySpec& spec, const Windower& windower, const Sheets& sheets);
  /// A row of the answer: `in_range` is its row in the sheet of the range, if it is known there.
  struct Row {
    static constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
    std::uint32_t series = 0;
    std::uint32_t in_range = kUnknown;
    TimeUs window = 0;
  };
  /// The value of aggregate `a` in a row. Call with the windows of a series in ascending order.
  Result<Value> Of(std::size_t a, const Row& row);

 private:
  struct Peak {
    Value highest;
    TimeUs time = 0;
  };
  void FindFirstWindows();
  void AddTotals(std::size_t a);
  void FindPeaks(std::size_t a);
  [[nodiscard]] Value InRange(std::size_t a, const Row& row) const;
  /// Of a window in or before the range, as it counts in comparisons.
  [[nodiscard]] Value Compared(std::size_t a, std::uint32_t series, TimeUs window) const;
  [[nodiscard]] static Value ForComparison(const Aggregate& a, Value v);
  Result<Value> ChangeOf(std::size_t a, const Row& row);
  [[nodiscard]] Result<Value> RateOf(std::size_t a, const Row& row) const;
  Result<Value> CumulativeOf(std::size_t a, const Row& row);
  [[nodiscard]] Result<Value> ShareOf(std::size_t a, const Row& row) const;
  [[nodiscard]] Result<Value> AverageOf(std::size_t a, std::uint32_t series, TimeUs window) const;
  [[nodiscard]] Value PeakOf(std::size_t a, std::uint32_t series, TimeUs window) const;
  [[nodiscard]] Result<Value> GrowthOf(std::size_t a, const Row& row) const;

  const QuerySpec& spec_;
  const Windower& windower_;
  const Sheets& sheets_;
  std::vector<TimeUs> first_window_;  // by series
  /// Rows of one window follow each other.
  struct Before {
    TimeUs window = kNoWindow, ago = 0;
  };
  static constexpr TimeUs kNoWindow = std::numeric_limits<TimeUs>::max();
  std::vector<Before> before_;  // per aggregate
  /// Per aggregate; of the window, or of everything (at 0) without group-by.
  std::vector<std::map<TimeUs, WideInt>> totals_;
  std::vector<bool> total_is_approximate_;
  std::vector<std::map<std::pair<std::uint32_t, TimeUs>, Peak>> peaks_;
  struct Running {
    WideInt total = 0;
    bool present = false, approximate = false;
  };
  std::map<std::pair<std::size_t, std::uint32_t>, Running> running_;  // by aggregate and series
};

}  // namespace quipu
