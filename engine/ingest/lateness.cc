#include "ingest/lateness.h"

#include <algorithm>

namespace quipu {

TimeUs LateBefore(TimeUs now, std::int64_t late_bound_us) {
  if (late_bound_us < 0 || now < kTimeMin + late_bound_us) return kTimeMin;
  return now - late_bound_us;
}

void MarkTooLate(const ForgottenIds& forgotten, TimeUs late_before, const RowBatch& rows,
                 const std::vector<std::uint8_t>& facts, std::vector<Outcome>* outcomes) {
  const TimeUs end = std::max(late_before, forgotten.end());
  if (end == kTimeMin) return;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TimeUs time = rows.times[i];
    if (time >= end || (*outcomes)[i] != Outcome::kAccepted || (facts[i] & kStamped) != 0) continue;
    const bool cannot_tell =
        (facts[i] & kIdGenerated) == 0 && forgotten.Covers(time, rows.services[i]);
    if (time < late_before || cannot_tell) (*outcomes)[i] = Outcome::kTooLate;
  }
}

}  // namespace quipu
