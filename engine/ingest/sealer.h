// Sealing: hot rows become segments, one per month they touch.
//
//   view --> rows by month --> sort (customer, service, time, identity) --> SegmentWriter --> Store::Install
//
// It runs beside ingest: commits that arrive meanwhile stay hot. The install is one durable write; before it nothing has changed, after it the
// blobs are gone and the segments are the truth. Conservation (rows, sums, identities) is checked by Store::Install.
#pragma once

#include "quipu/status.h"
#include "store/store.h"

namespace quipu {

/// Seals every row of the current view's hot tier. One caller at a time. OK if there is nothing to do.
Status SealHotRows(Store* store);

}  // namespace quipu
