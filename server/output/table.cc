#include <fmt/format.h>

#include "output/plain_text.h"
#include "output/printer.h"
#include "output/text_table.h"

namespace quipu::output {
namespace {

/// Of a HyperLogLog with 2^12 registers, 1.04 / 64; an answer itself says only whether it is exact.
constexpr double kDistinctErrorPercent = 1.6;

/// "2026-03-01" for windows of a day and more, else "2026-03-01 10:00+05:45" (without an offset in UTC).
std::string WindowText(TimeUs time, std::string_view zone, WindowUnit window) {
  std::string text = ZonedTime(time, zone);
  if (text.size() < 20) return text;
  if (window == WindowUnit::kDay || window == WindowUnit::kWeek || window == WindowUnit::kMonth) {
    return text.substr(0, 10);
  }
  if (window != WindowUnit::kHour && window != WindowUnit::kMinute) return text;
  const std::string offset = zone == "UTC" ? "" : text.substr(19);
  return text.substr(0, 10) + " " + text.substr(11, 5) + offset;
}

std::string Cell(const ResultColumn& column, std::size_t row, std::string_view zone,
                 WindowUnit window) {
  if (!column.IsPresent(row)) return "-";
  switch (column.type) {
    case ColumnType::kTime:
      return WindowText(column.times[row], zone, window);
    case ColumnType::kString:
      return Visible(column.strings[row]);
    case ColumnType::kInteger:
      return fmt::to_string(column.integers[row]);
    case ColumnType::kDecimal:
      break;
  }
  return ShortDecimal(column.decimals[row]);
}

/// How far approximate values may be off: ", approximate (percentiles within 0.4 %, distinct counts with a standard error of 1.6 %)".
std::string Bounds(const ResultSet& result) {
  bool distinct = false, change = false;
  for (const ResultColumn& column : result.columns) {
    if (column.exact) continue;
    distinct = distinct || column.name.find("distinct(") != std::string::npos;
    change = change || column.name.starts_with("change") || column.name.starts_with("growth");
  }
  std::string bounds;
  if (result.relative_error > 0) {
    bounds = fmt::format("percentiles within {:.2g} %", result.relative_error * 100);
  }
  if (distinct) {
    bounds += bounds.empty() ? "" : ", ";
    bounds += fmt::format("distinct counts with a standard error of {} %", kDistinctErrorPercent);
  }
  // A small difference of two such values may be off by far more than they are.
  if (change) bounds += "; changes compare such values";
  return bounds.empty() ? ", approximate" : ", approximate (" + bounds + ")";
}

std::string Foot(const ResultSet& result) {
  const std::string age = result.staleness_us ? fmt::format(" ({} ms behind at most)",
                                                            (*result.staleness_us + 999) / 1000)
                                              : std::string();
  return fmt::format("{} row{}, as of commit {}{}{}{}\n", result.rows(),
                     result.rows() == 1 ? "" : "s", result.as_of, age,
                     result.altered ? ", altered since it was frozen" : "",
                     result.exact ? std::string() : Bounds(result));
}

}  // namespace

std::string ShortDecimal(const Decimal& value) {
  constexpr int kDigits = 6;
  if (value.scale() <= kDigits) return value.ToString();
  Int128 unit = 1;
  for (int i = kDigits; i < value.scale(); ++i) unit *= 10;
  Int128 kept = value.mantissa() / unit;
  const Int128 rest = value.mantissa() % unit;
  const Int128 distance = (rest < 0 ? -rest : rest) * 2;
  if (distance > unit || (distance == unit && kept % 2 != 0)) kept += rest < 0 ? -1 : 1;
  return Decimal(kept, kDigits).ToString();
}

std::string ToTable(const ResultSet& result, WindowUnit window) {
  TextTable table;
  for (const ResultColumn& column : result.columns) {
    const bool number = column.type == ColumnType::kInteger || column.type == ColumnType::kDecimal;
    table.columns.push_back({Visible(column.name), number});
  }
  for (std::size_t row = 0; row < result.rows(); ++row) {
    std::vector<std::string> cells;
    cells.reserve(result.columns.size());
    for (const ResultColumn& column : result.columns) {
      // Only the start of a window may be shortened to its date; the time of a peak is a time.
      const bool is_window = column.name == "window_start";
      cells.push_back(Cell(column, row, result.zone, is_window ? window : WindowUnit::kNone));
    }
    table.rows.push_back(std::move(cells));
  }
  return table.Render() + Foot(result);
}

}  // namespace quipu::output
