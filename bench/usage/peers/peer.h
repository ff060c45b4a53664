// The engines that Quipu is measured beside. Each is loaded at run time and has its own best reasonable design; see
// bench/README.md for the designs and for what each promises.
#pragma once

#include <string>
#include <vector>

#include "usage/engine.h"

namespace quipu::usage {

struct Peer {
  std::string key;    ///< As in --peers and in the JSON.
  std::string title;  ///< In the table.
  RunEngine run;
};

/// In the order of the table.
const std::vector<Peer>& Peers();

Result<EngineReport> RunDuckDb(const EngineTask& task);
Result<EngineReport> RunClickHouse(const EngineTask& task);
Result<EngineReport> RunSqlite(const EngineTask& task);
Result<EngineReport> RunRocksDbKeys(const EngineTask& task);

}  // namespace quipu::usage
