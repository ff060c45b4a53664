#include <fmt/format.h>

#include "output/plain_text.h"
#include "output/printer.h"
#include "output/text_table.h"

namespace quipu::output {
namespace {

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

std::string Foot(const ResultSet& result) {
  std::string foot = fmt::format("{} row{}, as of commit {}", result.rows(),
                                 result.rows() == 1 ? "" : "s", result.as_of);
  if (!result.exact) {
    foot += ", approximate";
    if (result.relative_error > 0) {
      foot += fmt::format(" (within {:.2g} %)", result.relative_error * 100);
    }
  }
  return foot + "\n";
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
      cells.push_back(Cell(column, row, result.zone, window));
    }
    table.rows.push_back(std::move(cells));
  }
  return table.Render() + Foot(result);
}

}  // namespace quipu::output
