// Aligned columns for people.
#pragma once

#include <string>
#include <vector>

namespace quipu::output {

struct TextTable {
  struct Column {
    std::string header;
    bool right = false;  ///< Numbers stand at the right.
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  ///< Each as long as `columns`.

  /// Header, a rule, the rows; two blanks between columns and none at the end of a line.
  [[nodiscard]] std::string Render() const;
};

}  // namespace quipu::output
