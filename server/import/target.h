// Where a value from a file goes in an event: the TARGET of --map TARGET=COLUMN and --set TARGET=VALUE.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/status.h"

namespace quipu::import {

enum class TargetKind : std::uint8_t {
  kId,
  kSource,
  kTime,
  kCustomer,
  kService,
  kQuantity,
  kCost,
  kDimension,
  kMeasure,
};

struct Target {
  TargetKind kind = TargetKind::kId;
  std::string name;  ///< Of a dimension or measure.
  friend bool operator==(const Target&, const Target&) = default;

  /// `id`, `time`, `dimension:NAME`, ...
  static Result<Target> Parse(std::string_view text);
  [[nodiscard]] std::string ToString() const;
};

struct Assignment {
  Target target;
  std::string value;
};

/// Parses the arguments of one flag, each `TARGET=VALUE,TARGET=VALUE,...`. A comma followed by no TARGET= belongs to the value
/// before it. A target given twice is an error.
Result<std::vector<Assignment>> ParseAssignments(const std::vector<std::string>& arguments,
                                                 std::string_view flag);

}  // namespace quipu::import
