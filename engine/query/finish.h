// Finish: groups become a table. Windows are filled, rows ordered and limited; exact sums become decimals here and
// nowhere earlier.
#pragma once

#include "query/groups.h"
#include "quipu/result_set.h"
#include "store/catalogue.h"

namespace quipu {

Result<ResultSet> FinishQuery(const BoundQuery& query, const Catalogue& catalogue, Groups* groups);

}  // namespace quipu
