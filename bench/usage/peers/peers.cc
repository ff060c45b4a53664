#include "usage/peers/peer.h"

namespace quipu::usage {

const std::vector<Peer>& Peers() {
  static const std::vector<Peer> kPeers = {{"duckdb", "DuckDB", RunDuckDb},
                                           {"clickhouse", "ClickHouse", RunClickHouse},
                                           {"sqlite", "SQLite", RunSqlite},
                                           {"rocksdb", "RocksDB, key per event", RunRocksDbKeys}};
  return kPeers;
}

}  // namespace quipu::usage
