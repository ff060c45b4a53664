// Comma-separated values (RFC 4180): a header row, cells in double quotes where they hold a comma, a quote (doubled) or a line
// break. Mapped columns become fields of the event; an empty cell means absent.
#pragma once

#include <memory>
#include <vector>

#include "import/record.h"

namespace quipu::import {

/// `map` says which column feeds which target; empty = columns whose names are targets.
std::unique_ptr<RecordParser> MakeCsvParser(std::vector<Assignment> map);

enum class CsvSplit : std::uint8_t { kComplete, kOpen };

/// Splits one record into cells. Views point into `record` or into `scratch`. kOpen = a quoted cell is not closed yet.
Result<CsvSplit> SplitCsv(std::string_view record, std::vector<std::string_view>* cells,
                          std::string* scratch);

}  // namespace quipu::import
