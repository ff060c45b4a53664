// Forgotten ids: of which events the store can no longer tell whether they were counted.
//
// Ids leave a store on purpose: rows expire into summaries or for good, an archive is written without ids, an archive folder is detached.
// What is remembered of that is coarse and never shrinks: for each UTC month the services of which any id was dropped. A repeated delivery has month
// and service of the first one, so an event whose month and service are not here is new if no stored id says otherwise. Of a detached
// folder only the months are known; they count for every service until it is attached again.
//
// Worked example: a policy drops the rows of service "traces" after 60 days. Once January's are gone, {2026-01, traces} is here: a late
// event of "traces" in January cannot be checked, one of "api" in January can.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/calendar.h"
#include "segment/segment.h"

namespace quipu {

/// As the manifest records it.
using ForgottenMonths = std::map<MonthIndex, std::set<ServiceOrdinal>>;

/// Immutable, shared by the views between two changes of it.
class ForgottenIds {
 public:
  ForgottenIds() = default;
  ForgottenIds(ForgottenMonths recorded, const std::vector<SegmentMeta>& detached);

  [[nodiscard]] const ForgottenMonths& recorded() const { return recorded_; }
  /// Events of this time and later are not forgotten; kTimeMin if nothing is.
  [[nodiscard]] TimeUs end() const { return end_; }
  [[nodiscard]] bool Covers(TimeUs time, ServiceOrdinal service) const;

 private:
  struct Month {
    TimeUs start = 0, end = 0;
    bool is_detached = false;
    std::vector<bool> services;  // by ordinal; what is beyond is not forgotten
  };

  ForgottenMonths recorded_;
  std::vector<Month> months_;  // ascending
  TimeUs end_ = kTimeMin;
};
using ForgottenIdsPtr = std::shared_ptr<const ForgottenIds>;

}  // namespace quipu
