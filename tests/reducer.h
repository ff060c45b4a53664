// Shrinks a failing trace: delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) over its
// operations, then over the events and numbers of those that are left. The result still fails, and no single thing can be taken from it
// without that ending (unless the budget ran out before).
//
// Worked example: 60 operations fail because a drive forgets synced files. What is left is
//     seed 12
//     send 3
//     seal
// (every trace ends with a power cut). `AsTest` prints it as a test to be put into a file.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "tests/trace.h"

namespace quipu {

/// "" = it passes; anything else is a failure. Must say the same each time.
using TraceCheck = std::function<std::string(const Trace&)>;

struct Reduction {
  Trace trace;
  std::string failure;    ///< Of that trace; perhaps another one than the first.
  std::size_t tries = 0;  ///< How often `check` was called.
};

/// `failing` must fail. Calls `check` at most `tries_max` times.
Reduction Reduce(Trace failing, const TraceCheck& check, std::size_t tries_max = 2000);

/// Source text of a test that plays the trace: for tests/sim_regressions_test.cc.
std::string AsTest(const Trace& trace, const std::string& failure);

}  // namespace quipu
