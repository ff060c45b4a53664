// Finish: groups become a table. Windows are filled, rows ordered and limited; exact sums become decimals here and
// nowhere earlier. Columns of a large answer are made by several threads.
#pragma once

#include "query/groups.h"
#include "quipu/result_set.h"
#include "store/catalogue.h"

namespace quipu {

/// Without `pool`: on this thread alone.
Result<ResultSet> FinishQuery(const BoundQuery& query, const Catalogue& catalogue, Groups* groups,
                              QueryPool* pool = nullptr);

}  // namespace quipu
