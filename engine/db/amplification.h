// What storage costs beyond the data itself: bytes written, bytes on disk and files to look into, and what takes the space.
#pragma once

#include <vector>

#include "quipu/database.h"
#include "store/store.h"

namespace quipu {

/// Fills in the amplification figures of `info`, whose segment_bytes are known.
Status MeasureAmplification(const Store& store, const View& view, StoreInfo* info);

std::vector<ColumnStorage> StorageOf(const View& view, const Catalogue& catalogue);

}  // namespace quipu
