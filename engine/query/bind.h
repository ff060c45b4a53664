// Bind: names become numbers. A BoundQuery holds everything the planner and the executor need, checked.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/calendar.h"
#include "batch/row_batch.h"
#include "quipu/query.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// What a name in group-by, filter or distinct refers to.
enum class FieldKind : std::uint8_t { kCustomer, kService, kDimension, kMeasure };

struct Field {
  FieldKind kind = FieldKind::kDimension;
  ColumnId id = 0;  ///< For dimensions and measures.
  friend bool operator==(const Field&, const Field&) = default;
};

struct BoundFilter {
  Field field;
  FilterOp op = FilterOp::kEqual;
  std::vector<std::string> texts;  ///< For customer, service and dimensions.
  std::vector<Decimal> numbers;    ///< For measures.
  std::size_t slot = 0;            ///< Index in BoundQuery::dimensions or ::measures.

  [[nodiscard]] bool MatchesText(std::string_view value) const;
  [[nodiscard]] bool MatchesNumber(const Decimal& value) const;
  [[nodiscard]] bool MatchesAbsent() const { return op == FilterOp::kNotEqual; }
};

/// What must be gathered for one measure.
struct MeasureNeed {
  ColumnId id = 0;
  bool stats = false;     ///< count, sum, min, max
  bool extremes = false;  ///< Of `stats`: min, max.
  bool quantiles = false;
  bool ends = false;  ///< first, latest
  bool filtered = false;
  [[nodiscard]] bool aggregated() const { return stats || quantiles || ends; }
};

struct BoundAggregate {
  Function function = Function::kCount;
  std::size_t slot =
      0;  ///< Index in measures, or in distincts for kDistinct; unused for plain count.
  bool counts_rows = false;  ///< Plain `count`.
  std::uint32_t quantile_ppm = 0;
};

struct BoundQuery {
  const QuerySpec* spec = nullptr;
  bool empty = false;  ///< Certain to match no event.
  bool all_customers = true, all_services = true;
  std::vector<CustomerOrdinal> customers;   ///< Sorted; unless all_customers.
  std::span<const CustomerOrdinal> erased;  ///< Of the view; none of them is in `customers`.
  std::vector<ServiceOrdinal> services;     ///< Sorted; unless all_services.
  TimeUs from = 0, to = 0;                  ///< Half open, within the view's own bounds.
  std::optional<Windower> windower;         ///< Set by Bind.
  std::vector<TimeUs> windows;              ///< Starts of the windows that touch [from, to).
  std::vector<Field> group_by;
  std::vector<std::size_t>
      group_slots;  ///< For each dimension in group_by its index in `dimensions`.
  std::vector<BoundFilter> filters;
  std::vector<MeasureNeed> measures;  ///< Each measure once.
  std::vector<ColumnId> dimensions;   ///< Every dimension that is read, once.
  std::vector<Field> distincts;       ///< Each field once.
  std::vector<std::size_t>
      distinct_slots;  ///< For each dimension in distincts its index in `dimensions`.
  std::vector<BoundAggregate> aggregates;
  bool cells_allowed = false;  ///< Summaries may answer (see executor.h).
  std::string why_no_cells;    ///< What in the question forbids it; empty if they may.
  /// Otherwise: cells by dimension may answer, where a set has all of `dimensions` (see dimension_plan.h).
  bool dimension_cells_allowed = false;
  bool groups_by_customer = false;
  bool groups_by_service = false;
  /// Nothing but counts, sums and averages is asked.
  [[nodiscard]] bool WantsSumsOnly() const;
  /// One beyond the largest ordinal that a row can have.
  std::uint32_t all_customers_end = 0, services_end = 0;

  /// Customers have places below customers_end(): all of them their ordinal, chosen ones their number among those.
  [[nodiscard]] std::uint64_t customers_end() const {
    return all_customers ? all_customers_end : customers.size();
  }
  [[nodiscard]] std::uint64_t CustomerPlace(CustomerOrdinal c) const;
  /// Index in `windows` of the window that holds t (from <= t < to).
  [[nodiscard]] std::size_t WindowOf(TimeUs t) const;
  /// End of window w, exclusive.
  [[nodiscard]] TimeUs WindowEnd(std::size_t w) const;
  [[nodiscard]] bool WantsService(ServiceOrdinal s) const;
  [[nodiscard]] bool WantsCustomer(CustomerOrdinal c) const;
};

Result<BoundQuery> Bind(const View& view, const Catalogue& catalogue, const QuerySpec& spec);

/// The filters of a raw event query, bound the same way (`spec` has only customers, services, from, to and filters).
Status BindScope(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                 BoundQuery* bound);

}  // namespace quipu
