// Integers beyond 128 bits, for what is calculated with sums and times on its way to an answer. Apart from value.h, since few need them and Boost's header costs a
// compiler two seconds.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include "query/value.h"

namespace quipu {

/// Wide enough for 10^38 at scale 18 times microseconds, and for sums of that.
using WideInt = boost::multiprecision::int512_t;

/// A number as an integer of units of 10^-18.
WideInt AtScale18(const Decimal& d);

/// numerator / divisor (> 0) x 10^-scale, half to even: the nearest integer quotient is the mantissa. kOutOfRange beyond 128 bits.
Result<Decimal> RoundedQuotient(const WideInt& numerator, const WideInt& divisor, int scale);
/// Units of 10^-18 as a decimal. kOutOfRange beyond 128 bits.
Result<Decimal> FromScale18(WideInt units);

/// part / total in percent; absent if `total` is 0.
Result<Value> PercentOf(const Value& part, const WideInt& total_at_18);

}  // namespace quipu
