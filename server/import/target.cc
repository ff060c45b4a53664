#include "import/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/try.h"
#include "output/plain_text.h"

namespace quipu::import {
namespace {

constexpr std::array<std::pair<std::string_view, TargetKind>, 7> kPlain = {{
    {"id", TargetKind::kId},
    {"source", TargetKind::kSource},
    {"time", TargetKind::kTime},
    {"customer", TargetKind::kCustomer},
    {"service", TargetKind::kService},
    {"quantity", TargetKind::kQuantity},
    {"cost", TargetKind::kCost},
}};
constexpr std::string_view kDimensionPrefix = "dimension:";
constexpr std::string_view kMeasurePrefix = "measure:";

std::vector<std::string> SplitAssignments(std::string_view text) {
  std::vector<std::string> pieces;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view piece = text.substr(0, comma);
    const std::size_t equals = piece.find('=');
    const bool starts_one =
        equals != std::string_view::npos && Target::Parse(piece.substr(0, equals)).has_value();
    if (starts_one || pieces.empty()) {
      pieces.emplace_back(piece);
    } else {
      pieces.back() += ',';
      pieces.back() += piece;
    }
    if (comma == std::string_view::npos) return pieces;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<Target> Target::Parse(std::string_view text) {
  for (const auto& [name, kind] : kPlain) {
    if (text == name) return Target{kind, {}};
  }
  if (text.starts_with(kDimensionPrefix) && text.size() > kDimensionPrefix.size()) {
    return Target{TargetKind::kDimension, std::string(text.substr(kDimensionPrefix.size()))};
  }
  if (text.starts_with(kMeasurePrefix) && text.size() > kMeasurePrefix.size()) {
    return Target{TargetKind::kMeasure, std::string(text.substr(kMeasurePrefix.size()))};
  }
  return Status::InvalidArgument(
      fmt::format("{} is not a target; use id, source, time, customer, service, quantity, cost, "
                  "dimension:NAME or measure:NAME",
                  output::Quoted(text)));
}

std::string Target::ToString() const {
  if (kind == TargetKind::kDimension) return std::string(kDimensionPrefix) + name;
  if (kind == TargetKind::kMeasure) return std::string(kMeasurePrefix) + name;
  for (const auto& [text, plain] : kPlain) {
    if (plain == kind) return std::string(text);
  }
  return {};
}

Result<std::vector<Assignment>> ParseAssignments(const std::vector<std::string>& arguments,
                                                 std::string_view flag) {
  std::vector<Assignment> all;
  for (const std::string& argument : arguments) {
    for (const std::string& piece : SplitAssignments(argument)) {
      const std::size_t equals = piece.find('=');
      if (equals == std::string::npos) {
        return Status::InvalidArgument(fmt::format("{}: {} has no '='; write {} TARGET=VALUE", flag,
                                                   output::Quoted(piece), flag));
      }
      auto target = Target::Parse(std::string_view(piece).substr(0, equals));
      if (!target) return target.error().WithContext(flag);
      const bool twice = std::any_of(all.begin(), all.end(),
                                     [&](const Assignment& a) { return a.target == *target; });
      if (twice) {
        return Status::InvalidArgument(
            fmt::format("{}: {} is given twice; give it once", flag, target->ToString()));
      }
      all.push_back({*std::move(target), piece.substr(equals + 1)});
    }
  }
  return all;
}

}  // namespace quipu::import
