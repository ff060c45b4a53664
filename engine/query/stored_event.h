// A row as the public API returns it.
#pragma once

#include "batch/row_batch.h"
#include "quipu/event.h"
#include "store/catalogue.h"

namespace quipu {

/// Row i of `rows`, whose identities must be there. Of a segment without ids, id and source are "".
StoredEvent MakeStoredEvent(const RowBatch& rows, std::size_t i, const Catalogue& catalogue);

}  // namespace quipu
