// Values of an answer while it is being made, and the few ways to calculate with them. What comes in is exact, or was rounded once already and is
// taken as it is shown; what goes out is rounded once, half to even (docs/decisions/0010, 0025).
#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <cstdint>

#include "quipu/query.h"
#include "quipu/result_set.h"
#include "quipu/status.h"

namespace quipu {

/// Wide enough for 10^38 at scale 18 times microseconds, and for sums of that.
using WideInt = boost::multiprecision::int512_t;

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

/// A number as an integer of units of 10^-18.
WideInt AtScale18(const Decimal& d);

/// numerator / divisor (> 0) x 10^-scale, half to even: the nearest integer quotient is the mantissa. kOutOfRange beyond 128 bits.
Result<Decimal> RoundedQuotient(const WideInt& numerator, const WideInt& divisor, int scale);
/// Units of 10^-18 as a decimal. kOutOfRange beyond 128 bits.
Result<Decimal> FromScale18(WideInt units);

/// now - before; an integer if both are.
Result<Value> Difference(const Value& now, const Value& before);
/// (now - before) / |before| in percent; absent if `before` is 0.
Result<Value> PercentOfChange(const Value& now, const Value& before);
/// part / total in percent; absent if `total` is 0.
Result<Value> PercentOf(const Value& part, const WideInt& total_at_18);

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
