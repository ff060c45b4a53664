// Single values as the oracle computes them: cells, plain aggregates over a list of facts, and rounding, all the plainest way.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/oracle.h"

namespace quipu {

using BigInt = boost::multiprecision::cpp_int;

OracleCell AbsentCell(ColumnType type);
OracleCell TimeCell(TimeUs t);
OracleCell TextCell(const std::optional<std::string>& text);
OracleCell IntegerCell(std::int64_t n);
OracleCell DecimalCell(const Decimal& d);
/// Absent first.
int CompareCells(const OracleCell& a, const OracleCell& b);

/// The number of an integer or decimal cell.
Decimal NumberOf(const OracleCell& cell);
BigInt AtScale18Big(const Decimal& d);
/// numerator / denominator, rounded half to even at `scale` digits. kOutOfRange beyond 128 bits.
Result<Decimal> HalfToEven(BigInt numerator, BigInt denominator, int scale);

/// The value of a plain aggregate over the facts of one group.
Result<OracleCell> EvaluatePlain(const Aggregate& a, const std::vector<const Fact*>& facts,
                                 bool exact);

using GroupKey = std::vector<std::optional<std::string>>;
GroupKey KeyOf(const std::vector<std::string>& names, const Fact& fact);

/// Answers questions with derived aggregates, levels, overlaps or a row of others. `facts`: all of the question's scope but its time, in
/// (time, identity) order. [low, high): where the store has events at all.
Result<OracleAnswer> AskDerived(const QuerySpec& spec, const std::vector<const Fact*>& facts,
                                TimeUs low, TimeUs high);

}  // namespace quipu
