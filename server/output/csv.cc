#include <fmt/format.h>

#include "output/printer.h"

namespace quipu::output {
namespace {

void AppendText(std::string_view text, std::string* out) {
  static constexpr std::string_view kFormulaStarts = "=+-@\t\r";
  const bool guard = !text.empty() && kFormulaStarts.find(text[0]) != std::string_view::npos;
  const bool quote = text.empty() || text.find_first_of(",\"\r\n") != std::string_view::npos;
  if (quote) *out += '"';
  if (guard) *out += '\'';
  for (const char c : text) {
    if (c == '"') *out += '"';
    *out += c;
  }
  if (quote) *out += '"';
}

void AppendValue(const ResultColumn& column, std::size_t row, std::string_view zone,
                 std::string* out) {
  if (!column.IsPresent(row)) return;
  switch (column.type) {
    case ColumnType::kTime:
      *out += ZonedTime(column.times[row], zone);
      break;
    case ColumnType::kString:
      AppendText(column.strings[row], out);
      break;
    case ColumnType::kInteger:
      *out += fmt::to_string(column.integers[row]);
      break;
    case ColumnType::kDecimal:
      *out += column.decimals[row].ToString();
      break;
  }
}

}  // namespace

std::string ToCsv(const ResultSet& result) {
  std::string out;
  for (std::size_t i = 0; i < result.columns.size(); ++i) {
    if (i > 0) out += ',';
    AppendText(result.columns[i].name, &out);
  }
  out += "\n";
  for (std::size_t row = 0; row < result.rows(); ++row) {
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
      if (i > 0) out += ',';
      AppendValue(result.columns[i], row, result.zone, &out);
    }
    out += "\n";
  }
  return out;
}

}  // namespace quipu::output
