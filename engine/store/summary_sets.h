// The declared sets of dimensions (quipu/summaries.h): one row of the manifest, "summaries", and what its names mean as numbers.
//
// Names are stored, not numbers: a set may be declared before any event has its dimensions. What the catalogue does not know is in no row, and hence
// in no cell (segment/dimension_set.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quipu/summaries.h"
#include "segment/dimension_set.h"
#include "store/catalogue.h"

namespace quipu {

inline constexpr std::string_view kSummarySetsKey = "summaries";
inline constexpr std::size_t kSetMeasuresMax = 64;

/// Dimensions and measures sorted, without repeats; the numbers that 0 stands for. kInvalidArgument: what is wrong with it.
Result<SummarySet> Canonical(SummarySet set);
/// "api:endpoint,status"
std::string SetText(const SummarySet& set);

std::string EncodeSummarySets(const std::vector<SummarySet>& sets);
Result<std::vector<SummarySet>> DecodeSummarySets(std::string_view value);

/// By number, as far as the catalogue knows the names; a set of which it does not is without dimensions.
DimensionSet Resolve(const SummarySet& set, const Catalogue& catalogue);

}  // namespace quipu
