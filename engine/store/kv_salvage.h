// The last resort of a repair whose key-value store has lost its own list of files.
#pragma once

#include <memory>
#include <string>

#include "store/kv.h"

namespace quipu {

/// Like OpenDamagedRocksKv (kv.h), but of a copy in the folder `scratch`, whose list of files is made anew from the tables and logs that are there, whatever the
/// old one says. The folder must not exist, and is the caller's to remove with RemoveRocksFolder. Damaged tables are not in it; rows that were deleted may come
/// back.
Result<std::unique_ptr<KvStore>> OpenRebuiltRocksKv(const std::string& path,
                                                    const std::string& scratch);

}  // namespace quipu
