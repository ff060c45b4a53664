// The engines that Quipu is measured beside. Each is loaded at run time and has its own best reasonable design; see
// bench/README.md for the designs and for what each promises.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "usage/engine.h"
#include "usage/peers/sql.h"

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

/// The engines by themselves, loaded and not yet open, with what they store in the task's folder; the task must outlive them.
Result<std::unique_ptr<SqlEngine>> LoadDuckDb(const EngineTask& task);
Result<std::unique_ptr<SqlEngine>> LoadClickHouse(const EngineTask& task);

}  // namespace quipu::usage
