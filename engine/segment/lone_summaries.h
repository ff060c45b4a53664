// Summaries that no rows stand behind any more (SegmentSpec::summaries_only): what they say several times is compared.
#pragma once

#include <string>
#include <vector>

#include "segment/dimension_cells.h"
#include "segment/footer_codec.h"

namespace quipu {

/// Compares runs, days, months and totals with each other; appends what is wrong, at most a hundred lines.
void CheckLoneSummaries(const SegmentFooter& footer, const Directory& directory,
                        const SummaryTable& table, std::vector<std::string>* wrong);
/// Compares cells by dimension, added up over all combinations, with the cells of all customers.
void CheckAddsUp(const DimensionCells& cells, const DimensionSetFooter& entry,
                 const SummaryTable& table, std::vector<std::string>* wrong);

}  // namespace quipu
