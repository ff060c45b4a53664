// The rules of the event model, as one function per event. What passes here can be stored and comes back unchanged.
#pragma once

#include <optional>
#include <string_view>

#include "ingest/batch_view.h"

namespace quipu {

/// True if `s` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool IsUtf8(std::string_view s);

/// The first rule that event `i` breaks, or nothing. `time_bound` is exclusive: later event times are refused.
std::optional<EventProblem> Validate(const BatchView& batch, std::size_t i, TimeUs time_bound);

/// True if no event of the batch breaks a rule: Validate would say nothing for each. Looks at distinct strings and shapes instead of
/// events, so that nearly every batch needs no look at its events one by one.
bool IsAllValid(const EventRows& rows, TimeUs time_bound);

}  // namespace quipu
