// One event by its identity: was it counted, and as what?
//
//   identity --> hot tier, row by row --> segments that may have the customer: identity index --> the suspected rows, compared
//
// A segment that does not have the id is left after a look at the index's prefixes in memory (one id in about 450 costs a page more); one that
// has it costs a page of keys, a page of row numbers and the vectors of one row.
#pragma once

#include <string_view>

#include "quipu/result_set.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// kNotFound: it is not stored. kOutOfRange: it is not among the ids that are, and others were dropped. kInvalidArgument: impossible names.
Result<FoundEvent> RunFindEvent(const View& view, const Catalogue& catalogue,
                                std::string_view customer, std::string_view source,
                                std::string_view id);

}  // namespace quipu
