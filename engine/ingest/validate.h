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

}  // namespace quipu
