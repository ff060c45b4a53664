#include "output/printer.h"

#include <fmt/format.h>

#include <cstdlib>

#include "output/plain_text.h"

namespace quipu::output {

Result<OutputFormat> ParseOutputFormat(std::string_view name) {
  if (name == "table") return OutputFormat::kTable;
  if (name == "json") return OutputFormat::kJson;
  if (name == "csv") return OutputFormat::kCsv;
  return Status::InvalidArgument(
      fmt::format("{} is not an output format; use table, json or csv", Quoted(name)));
}

std::string ZonedTime(TimeUs time, std::string_view zone) {
  if (zone != "UTC") {
    if (auto text = FormatTimeInZone(time, zone)) return *std::move(text);
  }
  return FormatTime(time);
}

std::string Print(const ResultSet& result, OutputFormat format, WindowUnit window) {
  switch (format) {
    case OutputFormat::kJson:
      return ToJson(result);
    case OutputFormat::kCsv:
      return ToCsv(result);
    case OutputFormat::kTable:
      break;
  }
  return ToTable(result, window);
}

}  // namespace quipu::output
