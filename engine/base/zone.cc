#include "base/zone.h"

#include <date/tz.h>

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::size_t kZoneNameBytesMax = 64;
constexpr std::size_t kTransitionsMax = 100'000;

/// Zones that were found once. Never destroyed; bounded by the number of zones in tzdata.
struct Cache {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<const Zone>, std::less<>> zones;
};

Cache& SharedCache() {
  static auto* cache = new Cache;  // never destroyed: threads may outlive static destruction
  return *cache;
}

Status Unknown(std::string_view name) {
  return Status::InvalidArgument(
      "unknown time zone, expected an IANA name such as UTC or Europe/Berlin: '" +
      std::string(name.substr(0, kZoneNameBytesMax)) + "'");
}

}  // namespace

void Zone::Append(const Stretch& stretch) {
  if (stretch.begin >= stretch.end) return;
  if (!stretches_.empty() && stretches_.back().offset_us == stretch.offset_us) {
    stretches_.back().end = stretch.end;  // only the name of the zone changed
  } else {
    stretches_.push_back(stretch);
    local_end_max_.push_back(local_end_max_.empty() ? kTimeMin - kDayUs : local_end_max_.back());
  }
  local_end_max_.back() =
      std::max(local_end_max_.back(), stretches_.back().end + stretches_.back().offset_us);
}

Result<std::unique_ptr<Zone>> Zone::Load(const std::string& name) {
  auto zone = std::make_unique<Zone>();
  if (name == "UTC") {  // needs no tzdata
    zone->Append({});
    return zone;
  }
  constexpr TimeUs kFirst = kTimeMin / kSecondUs, kLast = kTimeMax / kSecondUs;
  try {
    const date::time_zone* tz = date::locate_zone(name);
    TimeUs at = kFirst;
    for (std::size_t i = 0; at < kLast && i < kTransitionsMax; ++i) {
      const date::sys_info info = tz->get_info(date::sys_seconds(std::chrono::seconds(at)));
      const TimeUs end = std::clamp<TimeUs>(info.end.time_since_epoch().count(), at, kLast);
      if (end == at) break;
      zone->Append(
          {at * kSecondUs, end * kSecondUs, static_cast<TimeUs>(info.offset.count()) * kSecondUs});
      at = end;
    }
    if (at < kLast) return Status::InvalidArgument("unreadable time zone data of '" + name + "'");
  } catch (const std::exception&) {
    return Unknown(name);
  }
  return zone;
}

Result<const Zone*> Zone::Find(std::string_view name) {
  if (name.empty() || name.size() > kZoneNameBytesMax) return Unknown(name);
  Cache& cache = SharedCache();
  std::lock_guard lock(cache.mutex);
  if (auto it = cache.zones.find(name); it != cache.zones.end()) return it->second.get();
  QUIPU_TRY_ASSIGN(std::unique_ptr<Zone> zone, Load(std::string(name)));
  const Zone* found = zone.get();
  cache.zones.emplace(std::string(name), std::move(zone));
  return found;
}

const Zone::Stretch& Zone::At(TimeUs t) const {
  if (stretches_.size() == 1) return stretches_.front();
  auto it = std::upper_bound(stretches_.begin(), stretches_.end(), t,
                             [](TimeUs v, const Stretch& s) { return v < s.begin; });
  return it == stretches_.begin() ? *it : *std::prev(it);
}

TimeUs Zone::FirstInstantOf(TimeUs local) const {
  auto it = std::upper_bound(local_end_max_.begin(), local_end_max_.end(), local);
  if (it == local_end_max_.end()) return kTimeMax;
  const Stretch& s = stretches_[static_cast<std::size_t>(it - local_end_max_.begin())];
  return std::max(s.begin, local - s.offset_us);
}

}  // namespace quipu
