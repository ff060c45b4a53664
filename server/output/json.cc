#include <fmt/format.h>

#include <iterator>

#include "output/printer.h"

namespace quipu::output {
namespace {

void AppendValue(const ResultColumn& column, std::size_t row, std::string_view zone,
                 std::string* out) {
  if (!column.IsPresent(row)) {
    *out += "null";
    return;
  }
  switch (column.type) {
    case ColumnType::kTime:
      *out += JsonString(ZonedTime(column.times[row], zone));
      break;
    case ColumnType::kString:
      *out += JsonString(column.strings[row]);
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

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string ToJson(const ResultSet& result) {
  std::string out = "{\"columns\":[";
  for (std::size_t i = 0; i < result.columns.size(); ++i) {
    const ResultColumn& column = result.columns[i];
    out += fmt::format("{}{{\"name\":{},\"type\":\"{}\"}}", i == 0 ? "" : ",",
                       JsonString(column.name), ColumnTypeName(column.type));
  }
  out += "],\"rows\":[";
  for (std::size_t row = 0; row < result.rows(); ++row) {
    out += row == 0 ? "\n[" : ",\n[";
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
      if (i > 0) out += ',';
      AppendValue(result.columns[i], row, result.zone, &out);
    }
    out += ']';
  }
  out += fmt::format("],\"as_of\":{},", result.as_of);
  if (result.staleness_us) out += fmt::format("\"staleness_us\":{},", *result.staleness_us);
  out += fmt::format("\"exact\":{}{}{}", result.exact, result.has_others ? ",\"others\":true" : "",
                     result.altered ? ",\"altered\":true" : "");
  if (result.explanation) out += ",\n\"explanation\":" + ToJson(*result.explanation);
  out += "}\n";
  return out;
}

}  // namespace quipu::output
