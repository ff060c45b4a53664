// One engine in one child process.
#pragma once

#include <string>

#include "usage/engine.h"

namespace quipu::usage {

/// Forks (call it while this process has one thread), runs `engine` on `task` in the child and returns its report. A child that
/// dies is kInternal and names the signal; what it printed has been printed.
Result<EngineReport> RunInChild(const std::string& name, const RunEngine& engine,
                                const EngineTask& task);

}  // namespace quipu::usage
