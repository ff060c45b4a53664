#include "tests/oracle_values.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace quipu {
namespace {

/// Are there several of the fact's instant, and the ids that decide which is first are not all there?
bool IsTied(const Fact& fact, const std::vector<const Fact*>& facts) {
  std::size_t same = 0, lost = 0;
  for (const Fact* f : facts) {
    same += f->time == fact.time;
    lost += f->time == fact.time && f->has_lost_id;
  }
  return same > 1 && lost > 0;
}

OracleCell DistinctCell(const Aggregate& a, const std::vector<const Fact*>& facts, bool exact) {
  std::set<std::string> seen;
  for (const Fact* f : facts) {
    if (const std::string* text = f->Text(a.column)) seen.insert(*text);
  }
  OracleCell cell = IntegerCell(static_cast<std::int64_t>(seen.size()));
  if (!exact && seen.size() > 512) cell.slack = OracleCell::Slack::kDistinct;
  cell.approximate = cell.slack != OracleCell::Slack::kNone;
  return cell;
}

OracleCell QuantileCell(const Aggregate& a, const std::vector<const Fact*>& facts, bool exact) {
  std::vector<Decimal> values;
  for (const Fact* f : facts) values.push_back(*f->Number(a.column));
  const std::size_t n = values.size();
  const std::size_t rank = std::max<std::size_t>(1, (n * a.quantile_ppm + 999'999) / 1'000'000);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank - 1),
                   values.end());
  OracleCell cell = DecimalCell(values[rank - 1]);
  if (!exact && n > 1024) cell.slack = OracleCell::Slack::kQuantile;
  cell.approximate = cell.slack != OracleCell::Slack::kNone;
  return cell;
}

}  // namespace

OracleCell AbsentCell(ColumnType type) {
  OracleCell cell;
  cell.type = type;
  return cell;
}
OracleCell TimeCell(TimeUs t) {
  OracleCell cell = AbsentCell(ColumnType::kTime);
  cell.present = true;
  cell.time = t;
  return cell;
}
OracleCell TextCell(const std::optional<std::string>& text) {
  OracleCell cell = AbsentCell(ColumnType::kString);
  cell.present = text.has_value();
  cell.text = text.value_or("");
  return cell;
}
OracleCell IntegerCell(std::int64_t n) {
  OracleCell cell = AbsentCell(ColumnType::kInteger);
  cell.present = true;
  cell.integer = n;
  return cell;
}
OracleCell DecimalCell(const Decimal& d) {
  OracleCell cell = AbsentCell(ColumnType::kDecimal);
  cell.present = true;
  cell.decimal = d;
  return cell;
}

/// Absent first.
int CompareCells(const OracleCell& a, const OracleCell& b) {
  if (a.present != b.present) return a.present ? 1 : -1;
  if (!a.present) return 0;
  const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  switch (a.type) {
    case ColumnType::kTime:
      return sign(a.time, b.time);
    case ColumnType::kString:
      return sign(a.text, b.text);
    case ColumnType::kInteger:
      return sign(a.integer, b.integer);
    case ColumnType::kDecimal:
      return sign(a.decimal, b.decimal);
  }
  return 0;
}

Decimal NumberOf(const OracleCell& cell) {
  return cell.type == ColumnType::kInteger ? Decimal(cell.integer) : cell.decimal;
}

BigInt AtScale18Big(const Decimal& d) {
  return BigInt(d.mantissa()) *
         boost::multiprecision::pow(BigInt(10), 18u - static_cast<unsigned>(d.scale()));
}

Result<Decimal> HalfToEven(BigInt numerator, BigInt denominator, int scale) {
  const bool negative = (numerator < 0) != (denominator < 0);
  numerator = abs(numerator) * boost::multiprecision::pow(BigInt(10), static_cast<unsigned>(scale));
  denominator = abs(denominator);
  BigInt digits = numerator / denominator;
  const BigInt twice = numerator % denominator * 2;
  if (twice > denominator || (twice == denominator && digits % 2 != 0)) ++digits;
  const BigInt largest = boost::multiprecision::pow(BigInt(2), 127) - 1;
  for (; scale > 0 && digits % 10 == 0; --scale) digits /= 10;
  if (digits > largest) return Status::OutOfRange("a quotient");
  const auto mantissa = static_cast<Int128>(digits);
  return Decimal(negative ? -mantissa : mantissa, scale);
}

GroupKey KeyOf(const std::vector<std::string>& names, const Fact& fact) {
  GroupKey key;
  for (const std::string& name : names) {
    const std::string* text = fact.Text(name);
    key.push_back(text != nullptr ? std::optional(*text) : std::nullopt);
  }
  return key;
}

/// The value of a plain aggregate over the facts of one group.
Result<OracleCell> EvaluatePlain(const Aggregate& a, const std::vector<const Fact*>& all,
                                 bool exact) {
  if (a.function == Function::kCount && a.column.empty())
    return IntegerCell(static_cast<std::int64_t>(all.size()));
  if (a.function == Function::kDistinct) return DistinctCell(a, all, exact);
  std::vector<const Fact*> facts;
  Total total;
  for (const Fact* f : all) {
    if (const Decimal* d = f->Number(a.column)) {
      facts.push_back(f);
      total.Add(*d);
    }
  }
  if (a.function == Function::kCount) return IntegerCell(static_cast<std::int64_t>(facts.size()));
  if (facts.empty()) return AbsentCell(ColumnType::kDecimal);
  const auto less = [&](const Fact* x, const Fact* y) {
    return *x->Number(a.column) < *y->Number(a.column);
  };
  const auto earlier = [](const Fact* x, const Fact* y) {
    return std::tuple(x->time, x->identity) < std::tuple(y->time, y->identity);
  };
  switch (a.function) {
    case Function::kSum:
    case Function::kAvg: {
      const auto value =
          a.function == Function::kSum ? total.ToDecimal() : total.DividedBy(facts.size());
      if (!value) return value.error();
      return DecimalCell(*value);
    }
    case Function::kMin:
      return DecimalCell(*(*std::min_element(facts.begin(), facts.end(), less))->Number(a.column));
    case Function::kMax:
      return DecimalCell(*(*std::max_element(facts.begin(), facts.end(), less))->Number(a.column));
    case Function::kFirst:
    case Function::kLatest: {
      const auto place = a.function == Function::kFirst
                             ? std::min_element(facts.begin(), facts.end(), earlier)
                             : std::max_element(facts.begin(), facts.end(), earlier);
      OracleCell cell = DecimalCell(*(*place)->Number(a.column));
      if (IsTied(**place, facts)) cell.slack = OracleCell::Slack::kAny;
      return cell;
    }
    default:
      return QuantileCell(a, facts, exact);
  }
}

}  // namespace quipu
