#include "quipu/repair.h"

#include "upkeep/repair.h"

namespace quipu {

Result<VerifyReport> Examine(const std::string& path, const Progress& progress) {
  return ExamineStore(path, {}, progress);
}

Result<RepairReport> Repair(const std::string& path, const std::string& out,
                            const Progress& progress) {
  return RepairStore(path, out, {}, progress);
}

}  // namespace quipu
