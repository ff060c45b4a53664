// The windows of a question as stretches of its range, for what is measured in time and not in events; and a way through a long range in bounded memory.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/calendar.h"
#include "quipu/query.h"

namespace quipu {

/// The part of a window that lies in the range.
struct WindowSpan {
  TimeUs window = 0;  ///< Start of the window; 0 in a question without windows.
  TimeUs from = 0, to = 0;
};

/// The windows that touch [from, to), ascending; without windows the range itself. kExhausted if there are more than spec.groups_max.
Result<std::vector<WindowSpan>> SpansOf(const QuerySpec& spec, TimeUs from, TimeUs to);

/// How much of the window that begins at `window` was asked for; an open end of the range cuts nothing. Without windows both ends must be there.
std::int64_t LengthUs(const QuerySpec& spec, const Windower& windower, TimeUs window);

/// Calls `visit(span index, from, to)` for each part of [from, to) that lies in one of the spans.
template <class Visit>
void ForEachSpan(const std::vector<WindowSpan>& spans, TimeUs from, TimeUs to, Visit&& visit) {
  std::size_t low = 0;
  for (std::size_t high = spans.size(); low < high;) {
    const std::size_t mid = low + (high - low) / 2;
    if (spans[mid].to <= from) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  for (; low < spans.size() && spans[low].from < to; ++low)
    visit(low, from > spans[low].from ? from : spans[low].from,
          to < spans[low].to ? to : spans[low].to);
}

/// What became of a stretch.
enum class Taken : std::uint8_t {
  kTooMuch,  ///< Nothing was done: it must be shorter.
  kGoOn,
  kStop,  ///< What follows is not needed.
};

/// Covers [from, to) in order with calls of `take(a, b)`. The first stretch is `first_width` long; the next ones are twice as long as the one before,
/// until one is too much: from then on stretches only get shorter. kExhausted if a single microsecond is too much.
Status InSlices(TimeUs from, TimeUs to, TimeUs first_width,
                const std::function<Result<Taken>(TimeUs, TimeUs)>& take);

}  // namespace quipu
