#include "quipu/result_set.h"

#include <algorithm>

namespace quipu {

std::string_view ColumnTypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kTime:
      return "time";
    case ColumnType::kString:
      return "string";
    case ColumnType::kInteger:
      return "integer";
    case ColumnType::kDecimal:
      return "decimal";
  }
  return "unknown";
}

std::string ResultColumn::Text(std::size_t row) const {
  if (!IsPresent(row)) return {};
  switch (type) {
    case ColumnType::kTime:
      return FormatTime(times[row]);
    case ColumnType::kString:
      return strings[row];
    case ColumnType::kInteger:
      return std::to_string(integers[row]);
    case ColumnType::kDecimal:
      return decimals[row].ToString();
  }
  return {};
}

const ResultColumn* ResultSet::Find(std::string_view name) const {
  auto it = std::find_if(columns.begin(), columns.end(),
                         [&](const ResultColumn& c) { return c.name == name; });
  return it == columns.end() ? nullptr : &*it;
}

}  // namespace quipu
