// Series: the different group values of an answer (a group's key without its window) in the order in which an answer lists them: by the
// first group-by field, then the second, ...; absent first, then by bytes.
//
// Each field's values are ranked by themselves, once per different value; a series is then a number, and no two rows are ever compared by
// their strings again.
//
//     groups   (acme, eu) (zeta, -) (acme, us)        ranks   acme 0, zeta 1  x  absent 0, eu 1, us 2
//     numbers       0*3+1    1*3+0     0*3+2          series  (acme, eu) 0   (acme, us) 1   (zeta, -) 2
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "query/groups.h"
#include "store/catalogue.h"

namespace quipu {

/// The text of a group's value of a group-by field; nothing if it is absent.
std::optional<std::string_view> GroupText(const BoundQuery& query, const Catalogue& catalogue,
                                          const Groups& groups, std::uint32_t group,
                                          std::size_t field);
/// -1, 0 or 1 as the first value is in front of, equal to, or behind the second.
int CompareGroupTexts(const BoundQuery& query, const Catalogue& catalogue, const Groups& groups,
                      std::size_t field, std::uint32_t a, std::uint32_t b);

/// The series of all groups.
struct SeriesOrder {
  std::vector<std::uint32_t> series_of;  ///< By group.
  std::vector<std::uint32_t> group_of;   ///< By series: one of its groups.
};
SeriesOrder OrderSeries(const BoundQuery& query, const Catalogue& catalogue, const Groups& groups);

}  // namespace quipu
