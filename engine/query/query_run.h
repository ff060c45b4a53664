// QueryRun: one question under way, over all its readings (answer.h).
#pragma once

#include <cstdint>

#include "query/resources.h"
#include "quipu/query.h"
#include "quipu/result_set.h"

namespace quipu {

struct QueryRun {
  /// Both must outlive the run.
  QueryRun(const QuerySpec& spec, QueryResources* shared)
      : resources(shared),
        control(spec, shared),
        explains(spec.explain),
        last_step_us(explains ? shared->clock->MonotonicUs() : 0) {}

  /// If the question is to be explained: the time since the step before was this step's.
  void StepDone(const char* name) {
    if (!explains) return;
    const std::int64_t now = resources->clock->MonotonicUs();
    explanation.steps.push_back({name, now - last_step_us});
    last_step_us = now;
  }

  QueryResources* resources;
  QueryControl control;  ///< What it must heed.
  QueryStats stats;      ///< What it has read so far.
  const bool explains;
  Explanation explanation;
  std::int64_t last_step_us;
};

}  // namespace quipu
