// An answer as text: a table for people, JSON and CSV for programs.
//
// Table: numbers at the right, averages and other long decimals shortened to 6 digits after the point, `-` for absent, a foot line.
// JSON: {"columns":[{"name","type"}],"rows":[[...]],"as_of":seq,"exact":bool}; decimals are exact JSON numbers, times RFC 3339
// with the zone's offset, absent is null. A follower's answer has "staleness_us" behind "as_of"; "others":true stands in the end if the
// last row is for all groups that a limit cut.
// CSV: RFC 4180, but lines end with \n; absent is an empty cell and "" a quoted one; a text cell that a spreadsheet would take for a formula (= + - @
// in front) gets a leading '.
#pragma once

#include <string>
#include <string_view>

#include "quipu/query.h"
#include "quipu/result_set.h"

namespace quipu::output {

enum class OutputFormat : std::uint8_t { kTable, kJson, kCsv };

Result<OutputFormat> ParseOutputFormat(std::string_view name);

std::string ToTable(const ResultSet& result, WindowUnit window);
std::string ToJson(const ResultSet& result);
std::string ToCsv(const ResultSet& result);
std::string Print(const ResultSet& result, OutputFormat format, WindowUnit window);

/// `text` as a JSON string with its quotes.
std::string JsonString(std::string_view text);
/// At most 6 digits after the point, rounded half to even, zeros at the end dropped.
std::string ShortDecimal(const Decimal& value);
/// RFC 3339 in the zone of the result.
std::string ZonedTime(TimeUs time, std::string_view zone);

}  // namespace quipu::output
