// Lateness: what is new as far as the stored ids say, and may all the same have been counted, because ids are gone.
//
// As long as ids are stored, events are compared with them whatever their age. Only where they were dropped (store/forgotten_ids.h) an event is
// `too_late`: to store it might count it twice. Two kinds are taken nevertheless. A batch with a producer stamp: its sequence says
// that it is new. An event without an id: it can never be recognised, neither now nor on the day after, so to refuse it would protect nothing.
//
// Besides, Options::late_bound_us refuses by age alone: who has closed the books of a month can demand a stamp for every later change.
//
// Worked example: ids of service "api" in January are gone. Events of 5 January: req-1 of "api" is too late, req-1 of "batch" is taken, req-1
// of "api" in a stamped batch is taken, and so is one of "api" without an id.
#pragma once

#include <cstdint>
#include <vector>

#include "batch/row_batch.h"
#include "quipu/event.h"
#include "store/forgotten_ids.h"

namespace quipu {

/// What is known of a row on its way in besides its content: bits of a byte a row.
enum RowFact : std::uint8_t {
  kTimeGiven = 1,    ///< Otherwise its time is our clock's.
  kStamped = 2,      ///< Of a batch with a producer stamp.
  kIdGenerated = 4,  ///< It came without an id.
};

/// Events before this time need a stamp; kTimeMin = no bound. `late_bound_us` as in Options.
TimeUs LateBefore(TimeUs now, std::int64_t late_bound_us);

/// Turns kAccepted into kTooLate where that is so. Costs one comparison for a row of this month, nothing while no id was ever dropped.
void MarkTooLate(const ForgottenIds& forgotten, TimeUs late_before, const RowBatch& rows,
                 const std::vector<std::uint8_t>& facts, std::vector<Outcome>* outcomes);

}  // namespace quipu
