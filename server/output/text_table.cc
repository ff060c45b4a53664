#include "output/text_table.h"

#include <algorithm>
#include <cstddef>

#include "output/plain_text.h"

namespace quipu::output {
namespace {

void AppendRow(const std::vector<std::string>& cells, const std::vector<TextTable::Column>& columns,
               const std::vector<std::size_t>& widths, std::string* out) {
  std::size_t owed = 0;  // blanks that are written only if something follows
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t pad = widths[i] - std::min(widths[i], Width(cells[i]));
    if (i > 0) owed += 2;
    if (columns[i].right) owed += pad;
    if (!cells[i].empty()) {
      out->append(owed, ' ');
      owed = 0;
      out->append(cells[i]);
    }
    if (!columns[i].right) owed += pad;
  }
  *out += '\n';
}

}  // namespace

std::string TextTable::Render() const {
  std::vector<std::size_t> widths;
  std::vector<std::string> headers;
  for (const Column& column : columns) {
    headers.push_back(column.header);
    widths.push_back(Width(column.header));
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::vector<std::string> rule;
  rule.reserve(widths.size());
  for (const std::size_t width : widths) rule.emplace_back(width, '-');
  std::string out;
  AppendRow(headers, columns, widths, &out);
  AppendRow(rule, columns, widths, &out);
  for (const auto& row : rows) AppendRow(row, columns, widths, &out);
  return out;
}

}  // namespace quipu::output
