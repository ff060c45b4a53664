// Oracle and engine side by side, cell by cell.
#include <cmath>
#include <cstdlib>

#include "tests/oracle.h"

namespace quipu {
namespace {

bool CellAgrees(const OracleCell& want, const ResultColumn& got, std::size_t row) {
  if (want.type != got.type || want.present != got.IsPresent(row)) {
    return want.slack == OracleCell::Slack::kAny && want.type == got.type;
  }
  if (!want.present || want.slack == OracleCell::Slack::kAny) return true;
  switch (want.type) {
    case ColumnType::kTime:
      return want.time == got.times[row];
    case ColumnType::kString:
      return want.text == got.strings[row];
    case ColumnType::kInteger: {
      const auto allowed = want.slack == OracleCell::Slack::kDistinct ? want.integer * 8 / 100 : 0;
      return std::abs(want.integer - got.integers[row]) <= allowed;
    }
    case ColumnType::kDecimal: {
      if (want.slack == OracleCell::Slack::kNone) return want.decimal == got.decimals[row];
      const double value = want.decimal.ToDouble();
      return std::abs(value - got.decimals[row].ToDouble()) <= std::abs(value) * 0.004;
    }
  }
  return false;
}

std::string CellText(const OracleCell& cell) {
  if (!cell.present) return "absent";
  switch (cell.type) {
    case ColumnType::kTime:
      return FormatTime(cell.time);
    case ColumnType::kString:
      return "'" + cell.text + "'";
    case ColumnType::kInteger:
      return std::to_string(cell.integer);
    case ColumnType::kDecimal:
      return cell.decimal.ToString();
  }
  return {};
}

}  // namespace

std::string Disagreement(const OracleAnswer& expected, const ResultSet& got) {
  std::vector<std::string> names;
  for (const ResultColumn& c : got.columns) names.push_back(c.name);
  if (names != expected.names) return "other columns\n" + AnswerText(got).substr(0, 2000);
  if (got.rows() != expected.rows.size()) {
    return "rows: " + std::to_string(got.rows()) + ", expected " +
           std::to_string(expected.rows.size());
  }
  bool all_exact = true;
  for (std::size_t c = 0; c < names.size(); ++c) {
    bool exact = true;
    for (std::size_t r = 0; r < got.rows(); ++r) {
      const OracleCell& want = expected.rows[r][c];
      exact = exact && !want.approximate;
      if (CellAgrees(want, got.columns[c], r)) continue;
      std::string where;
      for (std::size_t k = 0; k <= c; ++k) where += " " + CellText(expected.rows[r][k]);
      return "row " + std::to_string(r) + ", column " + names[c] + ": got " +
             (got.columns[c].IsPresent(r) ? "'" + got.columns[c].Text(r) + "'" : "absent") +
             ", expected" + where;
    }
    all_exact = all_exact && exact;
    // A limit may have cut the approximate values off: then saying so is still allowed.
    if (got.columns[c].exact != exact && (exact == false || !expected.limited)) {
      return "column " + names[c] + " is marked as " + (exact ? "approximate" : "exact");
    }
  }
  if (got.exact != all_exact && !expected.limited) return "the answer's flag `exact` is wrong";
  return {};
}

std::string AnswerText(const ResultSet& answer) {
  std::string text = "exact=" + std::to_string(answer.exact) +
                     " error=" + std::to_string(answer.relative_error) + " zone=" + answer.zone +
                     " rows=" + std::to_string(answer.rows()) + "\n";
  for (const ResultColumn& c : answer.columns) {
    text += c.name + ":" + std::string(ColumnTypeName(c.type)) + (c.exact ? "" : "~") + "\t";
  }
  text += "\n";
  for (std::size_t r = 0; r < answer.rows(); ++r) {
    for (const ResultColumn& c : answer.columns)
      text += (c.IsPresent(r) ? "=" + c.Text(r) : "-") + "\t";
    text += "\n";
  }
  return text;
}

}  // namespace quipu
