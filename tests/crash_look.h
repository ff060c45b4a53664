// The look into a store after a crash: opens it and holds what is there against what was heard of it.
//   (1) Every event that was acknowledged is there, once, with its content, unless its customer was erased since, the policy took it, or it
//       is in a suffix that interval mode may lose.
//   (2) Nothing is there that was not sent, was erased (an acknowledged erasure hides all that was acknowledged before it) or has expired.
//   (3) A batch or an erasure that was in flight is there as a whole or not at all.
//   (4) A freeze that was acknowledged is there and answers what it did, unless an erasure or the policy took something out of it.
//   (5) Totals are those of the events, also of those of which only summaries are left, and these are exact by customer and day.
#pragma once

#include <string>
#include <vector>

#include "quipu/database.h"
#include "tests/crash_record.h"

namespace quipu {

class CrashLook {
 public:
  /// `record` must outlive it.
  explicit CrashLook(CrashRecord* record) : record_(*record) {}

  /// Fails the test that is running if something is wrong. The last look of a store also ends its erasures and verifies every byte.
  void Look(const std::string& store, Durability durability, bool is_last);

  /// Looks at an event that was in summaries only.
  [[nodiscard]] std::size_t summarised() const { return summarised_; }

 private:
  void ReadEvents(const Database& db);
  void ReadPages(const Database& db, EventQuery query);
  void SeeBySibling(TimeUs from, TimeUs to);
  void CheckTraces(const Database& db, TimeUs from, TimeUs to);
  void CheckTotals(const Database& db);
  void CheckFreezes(const Database& db);
  void Finish(const std::string& store, Database* db);

  CrashRecord& record_;
  std::vector<std::vector<bool>> seen_;  // by stream and index
  std::size_t summarised_ = 0;
};

}  // namespace quipu
