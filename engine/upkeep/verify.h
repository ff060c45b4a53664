// Verify: reads everything that is stored and says what is wrong with it. Segments check themselves (SegmentReader::Verify); here the
// parts are held against each other: the totals of the manifest against segments and hot rows, the files in the folder against
// the manifest.
#pragma once

#include "quipu/database.h"
#include "store/store.h"

namespace quipu {

/// Damage goes into the report; an error means that the check could not be done (or was stopped by `progress`).
Result<VerifyReport> VerifyStore(const Store& store, const Progress& progress);

}  // namespace quipu
