#include "upkeep/repaired_freezes.h"

namespace quipu {

RepairedFreeze RepairFreeze(std::span<const SegmentMeta> metas, std::uint64_t sealed,
                            FreezeRecord* freeze) {
  if (freeze->seq > sealed)
    return {false, "the commits that it froze are not known to be sealed; it is dropped"};
  Totals saved;
  for (const SegmentMeta& meta : metas) {
    if (meta.spec.seq_last <= freeze->seq) {
      saved.Add(meta.totals);
    } else if (meta.spec.seq_first <= freeze->seq) {
      return {false, meta.file_name + " has events from before and after it; it is dropped"};
    }
  }
  const std::uint64_t before = freeze->totals.rows;
  if (saved.rows > before)
    return {false, "more events than it had cannot be told from later ones; it is dropped"};
  Totals amounts = saved;
  amounts.identities = freeze->totals.identities;  // of salvaged rows ids may be lost
  if (amounts == freeze->totals) {
    freeze->totals = saved;
    return {true, ""};
  }
  freeze->totals = saved;
  freeze->is_repaired = true;
  return {true, "of its " + std::to_string(before) + " events " + std::to_string(saved.rows) +
                    " were saved"};
}

}  // namespace quipu
