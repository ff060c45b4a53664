// What people type: decimals, times, filters and aggregates. Any text is parsed or refused, and what was accepted, printed
// and parsed again, is the same value.
//
// Input: one byte that chooses the parser, then the text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "quipu/decimal.h"
#include "quipu/query.h"
#include "quipu/status.h"
#include "quipu/time.h"

namespace {

using quipu::Aggregate;
using quipu::Decimal;
using quipu::Derived;
using quipu::Filter;
using quipu::FilterOp;
using quipu::Function;
using quipu::kMinuteUs;
using quipu::kSecondUs;
using quipu::Status;
using quipu::StatusCode;

/// A refusal must blame the text.
void CheckRefusal(const Status& status) {
  QUIPU_CHECK(status.code() == StatusCode::kInvalidArgument ||
              status.code() == StatusCode::kOutOfRange);
  QUIPU_CHECK(!status.message().empty());
}

void FuzzDecimal(std::string_view text) {
  const auto value = Decimal::Parse(text);
  if (!value) return CheckRefusal(value.error());
  QUIPU_CHECK(value->IsStorable());
  const auto again = Decimal::Parse(value->ToString());
  QUIPU_CHECK(again.has_value() && *again == *value);
}

void FuzzTime(std::string_view text) {
  const auto time = quipu::ParseTime(text);
  if (!time) return CheckRefusal(time.error());
  QUIPU_CHECK(time->time_us >= quipu::kTimeMin && time->time_us < quipu::kTimeMax);
  const auto again = quipu::ParseTime(quipu::FormatTime(time->time_us));
  QUIPU_CHECK(again.has_value() && again->time_us == time->time_us && !again->truncated);
}

std::string Print(const Filter& filter) {
  static constexpr const char* kOps[] = {"=", "!=", "in", "^=", "<", "<=", ">", ">="};
  // Without a blank where "status in" = 5 would read as an `in`, with one where "x^" = 5 would read as a prefix.
  const bool blank = filter.op == FilterOp::kIn ||
                     std::string_view("=!^<>").find(filter.column.back()) != std::string_view::npos;
  std::string text =
      filter.column + (blank ? " " : "") + kOps[static_cast<std::size_t>(filter.op)] + " ";
  if (filter.op != FilterOp::kIn) return text + filter.values[0];
  for (std::size_t i = 0; i < filter.values.size(); ++i)
    text += (i > 0 ? "," : "(") + filter.values[i];
  return text + ")";
}

void FuzzFilter(std::string_view text) {
  const auto filter = Filter::Parse(text);
  if (!filter) return CheckRefusal(filter.error());
  QUIPU_CHECK(!filter->column.empty() && !filter->values.empty());
  QUIPU_CHECK(filter->op == FilterOp::kIn || filter->values.size() == 1);
  const auto again = Filter::Parse(Print(*filter));
  QUIPU_CHECK(again.has_value() && again->column == filter->column && again->op == filter->op &&
              again->values == filter->values);
}

bool Same(const Aggregate& a, const Aggregate& b) {
  return a.function == b.function && a.column == b.column && a.quantile_ppm == b.quantile_ppm &&
         a.derived == b.derived && a.ago == b.ago && a.windows == b.windows &&
         a.peak_unit == b.peak_unit && a.level_by == b.level_by && a.unit_us == b.unit_us;
}

std::string Print(const Aggregate& a) {
  static constexpr const char* kFunctions[] = {"count",
                                               "sum",
                                               "avg",
                                               "min",
                                               "max",
                                               "first",
                                               "latest",
                                               "distinct",
                                               "quantile",
                                               "time_weighted_sum",
                                               "time_weighted_avg",
                                               "max_concurrency",
                                               "avg_concurrency"};
  static constexpr const char* kForms[] = {
      "",           "change", "change_percent", "rate",   "cumulative", "share",
      "moving_avg", "peak",   "peak_time",      "before", "growth",     "growth_percent"};
  static constexpr const char* kAgo[] = {"", ",day", ",week", ",month"};
  static constexpr const char* kUnits[] = {"", ",minute", ",hour", ",day"};
  std::string text = kFunctions[static_cast<std::size_t>(a.function)];
  if (!a.column.empty()) text += "(" + a.column;
  if (a.function == Function::kQuantile) {
    const std::string millionths = std::to_string(1'000'000 + a.quantile_ppm % 1'000'000);
    text += "," + std::to_string(a.quantile_ppm / 1'000'000) + "." + millionths.substr(1);
  }
  for (const std::string& dimension : a.level_by) text += "," + dimension;
  if (a.unit_us != 0) {
    text += a.unit_us == 1           ? ",us"
            : a.unit_us == 1000      ? ",ms"
            : a.unit_us == kSecondUs ? ",s"
            : a.unit_us == kMinuteUs ? ",min"
                                     : ",h";
  }
  if (!a.column.empty()) text += ")";
  if (a.derived == Derived::kNone) return text;
  text = kForms[static_cast<std::size_t>(a.derived)] + ("(" + text);
  text += kAgo[static_cast<std::size_t>(a.ago)];
  if (a.windows != 0) text += "," + std::to_string(a.windows);
  return text + kUnits[static_cast<std::size_t>(a.peak_unit)] + ")";
}

void FuzzAggregate(std::string_view text) {
  const auto aggregate = Aggregate::Parse(text);
  if (!aggregate) return CheckRefusal(aggregate.error());
  QUIPU_CHECK(!aggregate->column.empty() || aggregate->function == Function::kCount);
  QUIPU_CHECK((aggregate->function == Function::kQuantile) == (aggregate->quantile_ppm != 0));
  QUIPU_CHECK(aggregate->quantile_ppm <= 1'000'000);
  const auto named = Aggregate::Parse(aggregate->name);
  QUIPU_CHECK(named.has_value() && Same(*named, *aggregate));
  // A column with a comma or a bracket in its name cannot be told from the syntax around it.
  std::string names = aggregate->column;
  for (const std::string& dimension : aggregate->level_by) names += dimension;
  if (names.find_first_of("(),") != std::string::npos) return;
  const auto again = Aggregate::Parse(Print(*aggregate));
  QUIPU_CHECK(again.has_value() && Same(*again, *aggregate));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text = quipu::AsText({data + 1, size - 1});
  switch (data[0] % 4) {
    case 0:
      FuzzDecimal(text);
      break;
    case 1:
      FuzzTime(text);
      break;
    case 2:
      FuzzFilter(text);
      break;
    case 3:
      FuzzAggregate(text);
      break;
  }
  return 0;
}
