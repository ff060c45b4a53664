// What becomes of a freeze in a repaired store.
//
// Its row is kept where it was readable and every saved segment is of one side of it. Its totals are then those of what was saved below it, so a question as of it is answered
// with what there is, and says that it was altered if that is less.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "store/freeze.h"
#include "store/store.h"

namespace quipu {

struct RepairedFreeze {
  bool is_kept = false;
  std::string loss;  ///< What is lost of it; "" = nothing.
};

/// `metas`: all segments of the new store, whose commits up to `sealed` they hold. Brings the record up to date.
RepairedFreeze RepairFreeze(std::span<const SegmentMeta> metas, std::uint64_t sealed,
                            FreezeRecord* freeze);

}  // namespace quipu
