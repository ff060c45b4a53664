#include "query/value.h"

#include <algorithm>

#include "base/check.h"
#include "query/wide_int.h"
#include "sketch/exact_sum.h"

namespace quipu {
namespace {

const WideInt& Largest() {
  static const WideInt largest = (WideInt(1) << 127) - 1;
  return largest;
}

/// Where both fit 128 bits at one scale, which is nearly always.
bool SubtractNarrow(const Decimal& a, const Decimal& b, Decimal* difference) {
  const int scale = std::max(a.scale(), b.scale());
  Int128 x = 0, y = 0;
  if (__builtin_mul_overflow(a.mantissa(), PowerOf10(scale - a.scale()), &x) ||
      __builtin_mul_overflow(b.mantissa(), PowerOf10(scale - b.scale()), &y) ||
      __builtin_sub_overflow(x, y, &x))
    return false;
  *difference = Decimal(x, scale);
  return true;
}

}  // namespace

Value OfInteger(std::int64_t v) { return {true, false, ColumnType::kInteger, v, {}}; }
Value OfDecimal(const Decimal& v) { return {true, false, ColumnType::kDecimal, 0, v}; }
Value OfTime(TimeUs t) { return {true, false, ColumnType::kTime, t, {}}; }

WideInt AtScale18(const Decimal& d) {
  return WideInt(d.mantissa()) * WideInt(PowerOf10(kSumScale - d.scale()));
}

Result<Decimal> RoundedQuotient(const WideInt& numerator, const WideInt& divisor, int scale) {
  QUIPU_CHECK(divisor > 0);
  WideInt quotient;
  WideInt remainder;
  boost::multiprecision::divide_qr(numerator, divisor, quotient, remainder);  // towards zero
  const WideInt twice = boost::multiprecision::abs(remainder) * 2;
  if (twice > divisor || (twice == divisor && quotient % 2 != 0))
    quotient += numerator < 0 ? -1 : 1;
  if (scale == kSumScale) return FromScale18(quotient);
  if (boost::multiprecision::abs(quotient) > Largest())
    return Status::OutOfRange("a quotient exceeds 128 bits; ask for fewer or larger windows");
  return Decimal(static_cast<Int128>(quotient), scale);
}

Result<Decimal> FromScale18(WideInt units) {
  int scale = kSumScale;
  while (scale > 0 && boost::multiprecision::abs(units) > Largest() && units % 10 == 0) {
    units /= 10;
    --scale;
  }
  if (boost::multiprecision::abs(units) > Largest()) {
    return Status::OutOfRange(
        "a value exceeds 128 bits: it has too many digits for a decimal; ask for a shorter time "
        "range or fewer groups");
  }
  return Decimal(static_cast<Int128>(units), scale);
}

Result<Value> Difference(const Value& now, const Value& before) {
  Value v;
  Decimal narrow;
  if (now.type == ColumnType::kInteger && before.type == ColumnType::kInteger) {
    v = OfInteger(now.integer - before.integer);
  } else if (SubtractNarrow(now.number(), before.number(), &narrow)) {
    v = OfDecimal(narrow);
  } else {
    QUIPU_TRY_ASSIGN(const Decimal d,
                     FromScale18(AtScale18(now.number()) - AtScale18(before.number())));
    v = OfDecimal(d);
  }
  return v;
}

Result<Value> PercentOfChange(const Value& now, const Value& before) {
  Value absent;
  absent.type = ColumnType::kDecimal;
  const WideInt divisor = boost::multiprecision::abs(AtScale18(before.number()));
  if (divisor == 0) return absent;
  const WideInt numerator = (AtScale18(now.number()) - AtScale18(before.number())) * 10'000;
  QUIPU_TRY_ASSIGN(const Decimal d, RoundedQuotient(numerator, divisor, kPercentScale));
  return OfDecimal(d);
}

Result<Value> PercentOf(const Value& part, const WideInt& total) {
  Value absent;
  absent.type = ColumnType::kDecimal;
  if (total == 0) return absent;
  WideInt numerator = AtScale18(part.number()) * 10'000;
  if (total < 0) numerator = -numerator;
  QUIPU_TRY_ASSIGN(const Decimal d,
                   RoundedQuotient(numerator, boost::multiprecision::abs(total), kPercentScale));
  return OfDecimal(d);
}

bool IsTimeWeighted(Function f) {
  return f == Function::kTimeWeightedSum || f == Function::kTimeWeightedAvg;
}

bool IsConcurrency(Function f) {
  return f == Function::kMaxConcurrency || f == Function::kAvgConcurrency;
}

bool IsAdditive(const Aggregate& a) {
  return a.function == Function::kCount || a.function == Function::kSum ||
         IsTimeWeighted(a.function) || a.function == Function::kAvgConcurrency;
}

bool IsZeroWithoutEvents(const Aggregate& a) {
  return IsAdditive(a) || a.function == Function::kDistinct ||
         a.function == Function::kMaxConcurrency;
}

ColumnType TypeOfFunction(const Aggregate& a) {
  return a.function == Function::kCount || a.function == Function::kDistinct ||
                 a.function == Function::kMaxConcurrency
             ? ColumnType::kInteger
             : ColumnType::kDecimal;
}

Value EmptyValue(const Aggregate& a) {
  if (TypeOfFunction(a) == ColumnType::kInteger) return OfInteger(0);
  if (a.function == Function::kAvgConcurrency || IsTimeWeighted(a.function))
    return OfDecimal(Decimal());
  Value absent;
  absent.type = ColumnType::kDecimal;
  return absent;
}

}  // namespace quipu
