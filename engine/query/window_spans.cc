#include "query/window_spans.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {

Result<std::vector<WindowSpan>> SpansOf(const QuerySpec& spec, TimeUs from, TimeUs to) {
  std::vector<WindowSpan> spans;
  if (from >= to) return spans;
  if (spec.window.unit == WindowUnit::kNone) {
    spans.push_back({0, from, to});
    return spans;
  }
  QUIPU_TRY_ASSIGN(const Windower windower, Windower::Make(spec.window));
  QUIPU_TRY_ASSIGN(const std::vector<TimeUs> starts, windower.Starts(from, to, spec.groups_max));
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const TimeUs end = i + 1 < starts.size() ? starts[i + 1] : to;
    spans.push_back({starts[i], std::max(from, starts[i]), end});
  }
  return spans;
}

std::int64_t LengthUs(const QuerySpec& spec, const Windower& windower, TimeUs window) {
  if (windower.unit() == WindowUnit::kNone) return spec.to.value_or(0) - spec.from.value_or(0);
  const TimeUs end = windower.EndOf(window);
  return std::min(end, spec.to.value_or(end)) - std::max(window, spec.from.value_or(window));
}

Status InSlices(TimeUs from, TimeUs to, TimeUs first_width,
                const std::function<Result<Taken>(TimeUs, TimeUs)>& take) {
  TimeUs width = first_width;
  bool may_grow = true;
  while (from < to) {
    const TimeUs end = width < to - from ? from + width : to;
    QUIPU_TRY_ASSIGN(const Taken taken, take(from, end));
    if (taken == Taken::kStop) return {};
    if (taken == Taken::kGoOn) {
      from = end;
      if (may_grow && width < kTimeMax / 2) width *= 2;
      continue;
    }
    width = end - from;
    if (width <= 1) {
      return Status::Exhausted(
          "the events of one instant need more working memory than memory_bytes_max; narrow the "
          "question or raise it");
    }
    width /= 2;
    may_grow = false;
  }
  return {};
}

}  // namespace quipu
