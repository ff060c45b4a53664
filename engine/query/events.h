// Raw events, page by page, in (time, identity) order: an order made of the events' own content, so a cursor means the same before
// and after a seal, a merge or a restart.
#pragma once

#include "quipu/query.h"
#include "quipu/result_set.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// Reads the page after query.cursor. kInvalidArgument for a malformed cursor or limit.
Result<EventPage> RunEventQuery(const View& view, const Catalogue& catalogue,
                                const EventQuery& query);

}  // namespace quipu
