// Sessions: events of one user put together where they follow each other within a gap.
//
//     events   |  | |   |            | |                     |      gap  |-----|
//     sessions [--------]            [-]                     [] ...
//
// Time is walked through in stretches that fit into memory. Between stretches only the sessions that are still open are kept, one a user; so neither
// a session that never ends nor a long range needs more memory. The walk begins a gap before the range, to tell a session that begins from one that goes on,
// and ends after it, when the last session that began in the range is closed. A page stops as soon as nothing earlier can come any more.
#pragma once

#include "quipu/sessions.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// kInvalidArgument for a question that makes no sense, kExhausted at the memory bound, kOutOfRange where events have expired.
Result<SessionPage> RunSessionQuery(const View& view, const Catalogue& catalogue,
                                    const SessionQuery& query);
Result<SessionTotals> RunSessionTotals(const View& view, const Catalogue& catalogue,
                                       const SessionQuery& query);

}  // namespace quipu
