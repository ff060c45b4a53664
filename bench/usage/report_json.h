// EngineReport to JSON and back: how a child process hands its report over.
#pragma once

#include <boost/json.hpp>

#include "usage/engine.h"

namespace quipu::usage {

boost::json::object ToJson(const EngineReport& report);
/// Only for what ToJson made: anything else ends the process.
EngineReport FromJson(const boost::json::object& json);

}  // namespace quipu::usage
