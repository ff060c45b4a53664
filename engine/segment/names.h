// Names: how a segment writer learns what ordinals and column ids are called, without knowing the catalogue.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batch/row_batch.h"

namespace quipu {

/// Safe from several threads; views live as long as the implementation.
class Names {
 public:
  virtual ~Names() = default;
  [[nodiscard]] virtual std::string_view Customer(CustomerOrdinal ordinal) const = 0;
  [[nodiscard]] virtual std::string_view Service(ServiceOrdinal ordinal) const = 0;
  [[nodiscard]] virtual std::string_view Dimension(ColumnId id) const = 0;
  [[nodiscard]] virtual std::string_view Measure(ColumnId id) const = 0;
};

/// The names in a segment's own file, by ascending number.
struct SegmentNames {
  using List = std::vector<std::pair<std::uint32_t, std::string>>;
  List customers, services, dimensions, measures;
};

}  // namespace quipu
