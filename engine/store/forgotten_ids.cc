#include "store/forgotten_ids.h"

#include <algorithm>
#include <utility>

namespace quipu {

ForgottenIds::ForgottenIds(ForgottenMonths recorded, const std::vector<SegmentMeta>& detached)
    : recorded_(std::move(recorded)) {
  std::set<MonthIndex> months;
  for (const auto& [month, services] : recorded_) months.insert(month);
  for (const SegmentMeta& meta : detached) months.insert(meta.spec.month);
  for (const MonthIndex month : months) {
    Month& m = months_.emplace_back();
    m.start = MonthStart(month);
    m.end = MonthStart(month + 1);
    end_ = m.end;
    const auto services = recorded_.find(month);
    if (services == recorded_.end() || services->second.empty()) continue;
    m.services.resize(*services->second.rbegin() + std::size_t{1});
    for (const ServiceOrdinal service : services->second) m.services[service] = true;
  }
  for (const SegmentMeta& meta : detached) {
    const auto month = months.find(meta.spec.month);
    months_[static_cast<std::size_t>(std::distance(months.begin(), month))].is_detached = true;
  }
}

bool ForgottenIds::Covers(TimeUs time, ServiceOrdinal service) const {
  if (time >= end_) return false;
  const auto month = std::upper_bound(months_.begin(), months_.end(), time,
                                      [](TimeUs t, const Month& m) { return t < m.end; });
  if (month == months_.end() || time < month->start) return false;
  return month->is_detached || (service < month->services.size() && month->services[service]);
}

}  // namespace quipu
