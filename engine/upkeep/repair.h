// Repair: a new store from what is left of a damaged one. The damaged store is only read.
//
//     survey --+-- sound segments -------------------------------- copied --------------+
//              +-- damaged segments -- salvage: whole row groups -- written anew --------+--> out/segments/ --+
//              +-- sound commits --------------------------------------- as they were ---+                    +--> one synced write to out/kv/,
//              +-- names, policy, classes, erasures, freezes, producers, forgotten ids --+--------------------+    then open and verify
//              +-- rows missing? files that the manifest does not list, row by row ------+
//
// Invariants:
//   (1) A row of the new store is a row of the old one, whole, under the ordinals, the identity and (in commits) the number that it had.
//   (2) No row is taken twice, whatever files are there (saved_rows.h).
//   (3) Until its one write the new folder is not a store: opening what an interrupted repair left behind is refused.
//   (4) saved + lost = what the last commit recorded, wherever its record can be read.
//   (5) Commit numbers go on: a lost commit is there without rows, and the next one gets a number that was never given, as far as the watermark knows.
//   (6) A freeze is kept where every saved row is known to be of one side of it. If it has fewer rows than it had it says so (FreezeInfo::altered_by_repair).
//
// Worked example: commits 1..9, sealed through 7 into segment 1 (March, 900 rows) and 2 (April); a measure page of segment 1's only row group is
// damaged, and so is the blob of commit 8. The new store has segment 2 as it was, commit 8 empty, commit 9; lost are 900 rows of March by customer, and
// the rows of commit 8, whose number follows from the total.
#pragma once

#include <string>

#include "quipu/repair.h"
#include "store/store.h"

namespace quipu {

/// See quipu/repair.h. The environment's open_kv, where set, opens the damaged kv/ too.
Result<VerifyReport> ExamineStore(const std::string& folder, const StoreEnvironment& environment,
                                  const Progress& progress);
Result<RepairReport> RepairStore(const std::string& folder, const std::string& out,
                                 const StoreEnvironment& environment, const Progress& progress);

}  // namespace quipu
