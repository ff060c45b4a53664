// Values of an answer while it is being made, and the few ways to calculate with them (wide_int.h has more). What comes in is exact, or was rounded once already and is
// taken as it is shown; what goes out is rounded once, half to even (docs/decisions/0010, 0025).
#pragma once

#include <cstdint>

#include "quipu/query.h"
#include "quipu/result_set.h"
#include "quipu/status.h"

namespace quipu {

/// Digits after the point of averages and rates, and of percentages.
inline constexpr int kQuotientScale = 18;
inline constexpr int kPercentScale = 2;

struct Value {
  bool present = false;
  bool approximate =
      false;  ///< Also of an absent one: it may be absent because of an approximation.
  ColumnType type = ColumnType::kInteger;  ///< kInteger, kDecimal or kTime.
  std::int64_t integer = 0;                ///< Or the time.
  Decimal decimal{};
  /// The number, whatever its type.
  [[nodiscard]] Decimal number() const {
    return type == ColumnType::kDecimal ? decimal : Decimal(integer);
  }
};

Value OfInteger(std::int64_t v);
Value OfDecimal(const Decimal& v);
Value OfTime(TimeUs t);

/// now - before; an integer if both are.
Result<Value> Difference(const Value& now, const Value& before);
/// (now - before) / |before| in percent; absent if `before` is 0.
Result<Value> PercentOfChange(const Value& now, const Value& before);

/// Sums of it over windows and groups mean something.
bool IsAdditive(const Aggregate& a);
/// What a window without events is worth where windows are compared: 0 for additive ones, distinct and max_concurrency, else nothing.
bool IsZeroWithoutEvents(const Aggregate& a);
/// Of the aggregate itself, whatever is derived from it.
ColumnType TypeOfFunction(const Aggregate& a);
/// What windows without events show where an answer is filled: 0 for counts, else nothing.
Value EmptyValue(const Aggregate& a);
bool IsTimeWeighted(Function f);
bool IsConcurrency(Function f);

}  // namespace quipu
