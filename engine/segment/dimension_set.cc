#include "segment/dimension_set.h"

#include <algorithm>

namespace quipu {
namespace {

std::vector<ColumnId> Common(const std::vector<ColumnId>& wanted, std::span<const ColumnId> there) {
  std::vector<ColumnId> both;
  std::set_intersection(wanted.begin(), wanted.end(), there.begin(), there.end(),
                        std::back_inserter(both));
  return both;
}

}  // namespace

DimensionSet RestrictedTo(const DimensionSet& set, std::span<const ServiceOrdinal> services,
                          std::span<const ColumnId> dimensions,
                          std::span<const ColumnId> measures) {
  DimensionSet out = set;
  out.dimensions.clear();
  if (set.service != kEveryService &&
      !std::binary_search(services.begin(), services.end(), set.service))
    return out;
  out.dimensions = Common(set.dimensions, dimensions);
  out.measures = set.all_measures ? std::vector<ColumnId>(measures.begin(), measures.end())
                                  : Common(set.measures, measures);
  out.all_measures = false;
  return out;
}

std::vector<DimensionSet> SetsThatConcern(std::span<const DimensionSet> declared,
                                          std::span<const ServiceOrdinal> services,
                                          std::span<const ColumnId> dimensions,
                                          std::span<const ColumnId> measures) {
  std::vector<DimensionSet> sets;
  for (const DimensionSet& set : declared) {
    DimensionSet here = RestrictedTo(set, services, dimensions, measures);
    if (here.dimensions.empty() || std::find(sets.begin(), sets.end(), here) != sets.end())
      continue;
    sets.push_back(std::move(here));
  }
  return sets;
}

}  // namespace quipu
