// The oracle's side of retention and archive.
#include <algorithm>

#include "base/calendar.h"
#include "tests/oracle.h"

namespace quipu {
namespace {

bool HavePassed(const Fact& fact, std::uint32_t days, TimeUs now) {
  return days != 0 && MonthStart(MonthOf(fact.time) + 1) + TimeUs{days} * kDayUs <= now;
}

bool WindowHasPassed(const Fact& fact, TimeUs now, std::int64_t identity_window_us) {
  return MonthStart(MonthOf(fact.time) + 1) + identity_window_us <= now;
}

/// Can summaries by customer, service and UTC day answer it?
bool DaysAreEnough(const QuerySpec& spec) {
  if (spec.raw_only || !spec.filters.empty()) return false;
  for (const std::string& name : spec.group_by)
    if (name != "customer" && name != "service") return false;
  for (const Aggregate& a : spec.select) {
    if (a.function != Function::kCount && a.function != Function::kSum &&
        a.function != Function::kAvg && a.function != Function::kMin &&
        a.function != Function::kMax)
      return false;
  }
  if ((spec.from && FloorTo(*spec.from, kDayUs) != *spec.from) ||
      (spec.to && FloorTo(*spec.to, kDayUs) != *spec.to))
    return false;
  return spec.window.unit == WindowUnit::kNone ||
         (spec.window.zone == "UTC" && spec.window.unit != WindowUnit::kHour &&
          spec.window.unit != WindowUnit::kMinute);
}

}  // namespace

const RetentionRule* Oracle::RuleFor(const RetentionPolicy& policy, const Fact& fact) const {
  const auto known = classes_.find(fact.customer);
  const std::string customer_class = known == classes_.end() ? "" : known->second;
  for (const RetentionRule& rule : policy.rules) {
    if (!rule.service.empty() && rule.service != fact.service) continue;
    if (!rule.customer_class.empty() && rule.customer_class != customer_class) continue;
    return &rule;
  }
  return nullptr;
}

void Oracle::Retain(const RetentionPolicy& policy, TimeUs now, std::int64_t identity_window_us,
                    bool can_archive) {
  for (auto it = facts_.begin(); it != facts_.end();) {
    const bool stays = Stays(policy, now, identity_window_us, can_archive, &it->second);
    if (!stays || it->second.is_summarised || it->second.has_lost_id)
      forgotten_.insert(PlaceOf(it->second));
    it = stays ? std::next(it) : facts_.erase(it);
  }
  // Which class an erased customer is still in nobody says: what any rule for the service may do, may have been done.
  for (Fact& ghost : ghosts_) {
    for (RetentionRule rule : policy.rules) {
      rule.customer_class.clear();
      RetentionPolicy alone{{rule}, policy.archive_keeps_ids};
      Fact after = ghost;
      if (!Stays(alone, now, identity_window_us, can_archive, &after) || !after.HasId())
        perhaps_forgotten_.insert(PlaceOf(ghost));
      ghost.is_archived = ghost.is_archived || after.is_archived;
    }
  }
}

std::pair<int, std::string> Oracle::PlaceOf(const Fact& fact) {
  return {MonthOf(fact.time), fact.service};
}

Oracle::Lateness Oracle::LatenessOf(const Fact& fact) const {
  const MonthIndex month = MonthOf(fact.time);
  if (forgotten_.contains(PlaceOf(fact)) || detached_.contains(month)) return Lateness::kTooLate;
  return perhaps_forgotten_.contains(PlaceOf(fact)) || perhaps_detached_.contains(month)
             ? Lateness::kPerhaps
             : Lateness::kInTime;
}

bool Oracle::Stays(const RetentionPolicy& policy, TimeUs now, std::int64_t identity_window_us,
                   bool can_archive, Fact* fact) const {
  const RetentionRule* const rule = RuleFor(policy, *fact);
  if (rule == nullptr || fact->is_detached) return true;
  const bool is_gone = HavePassed(*fact, rule->delete_after_days, now);
  const bool summaries_go = HavePassed(*fact, rule->keep_summaries_days, now);
  if (fact->is_summarised) return !is_gone && !summaries_go;
  if (WindowHasPassed(*fact, now, identity_window_us)) {
    if (is_gone) return false;
    if (HavePassed(*fact, rule->keep_raw_days, now)) {
      fact->is_summarised = true;
      fact->is_archived = false;
      return !summaries_go;
    }
  }
  // While the folder is detached, what is due for it waits.
  if (!can_archive || !HavePassed(*fact, rule->archive_after_days, now)) return true;
  fact->is_archived = true;
  if (!policy.archive_keeps_ids && WindowHasPassed(*fact, now, identity_window_us))
    fact->has_lost_id = true;
  return true;
}

void Oracle::Archive(const ArchiveRequest& request, TimeUs now, std::int64_t identity_window_us) {
  const auto archive = [&](Fact* fact) {
    if (fact->is_summarised || fact->is_archived ||
        MonthStart(MonthOf(fact->time) + 1) > request.before)
      return false;
    fact->is_archived = true;
    fact->has_lost_id = request.drop_ids && WindowHasPassed(*fact, now, identity_window_us);
    return fact->has_lost_id;
  };
  for (auto& [key, fact] : facts_)
    if (archive(&fact)) forgotten_.insert(PlaceOf(fact));
  for (Fact& ghost : ghosts_)
    if (archive(&ghost)) perhaps_forgotten_.insert(PlaceOf(ghost));
}

void Oracle::Detach() {
  is_detached_ = true;
  for (auto& [key, fact] : facts_) {
    fact.is_detached = fact.is_archived;
    if (fact.is_detached) detached_.insert(MonthOf(fact.time));
  }
  for (Fact& ghost : ghosts_) {
    ghost.is_detached = ghost.is_archived;
    if (ghost.is_detached) perhaps_detached_.insert(MonthOf(ghost.time));
  }
}

void Oracle::Attach() {
  is_detached_ = false;
  detached_.clear();
  perhaps_detached_.clear();
  for (auto& [key, fact] : facts_) fact.is_detached = false;
  for (Fact& ghost : ghosts_) ghost.is_detached = false;
}

bool Oracle::MayDetach(TimeUs now, std::int64_t identity_window_us) const {
  return std::all_of(facts_.begin(), facts_.end(), [&](const auto& entry) {
    return !entry.second.is_archived || WindowHasPassed(entry.second, now, identity_window_us);
  });
}

Oracle Oracle::Part(std::uint64_t after, std::uint64_t through) const {
  Oracle part;
  for (const auto& entry : facts_) {
    if (entry.second.seq > after && entry.second.seq <= through)
      part.facts_.insert(part.facts_.end(), entry);
  }
  part.has_erased_ = has_erased_;
  part.is_detached_ = is_detached_;
  part.classes_ = classes_;
  part.measures_ = measures_;
  return part;
}

bool Oracle::IsWhole() const {
  return std::none_of(facts_.begin(), facts_.end(), [](const auto& entry) {
    return entry.second.is_detached || entry.second.is_summarised;
  });
}

Reach Oracle::ReachOf(EventQuery scope, bool days_are_enough) const {
  const bool hides_erased = has_erased_ && is_detached_;
  if (IsWhole()) return hides_erased ? Reach::kEither : Reach::kAnswer;
  // Customers and services are known of summaries, too.
  std::erase_if(scope.filters,
                [](const Filter& f) { return f.column != "customer" && f.column != "service"; });
  bool lacks_rows = false;
  for (const Fact* fact : Events(scope)) {
    if (fact->is_detached) return Reach::kError;
    lacks_rows = lacks_rows || fact->is_summarised;
  }
  if (lacks_rows && !days_are_enough) return Reach::kError;
  // Summaries are known by their days, and detached segments by their times alone.
  const bool is_near =
      hides_erased || !days_are_enough ||
      std::any_of(facts_.begin(), facts_.end(), [](auto& e) { return e.second.is_detached; });
  return is_near ? Reach::kEither : Reach::kAnswer;
}

Reach Oracle::ReachOf(const EventQuery& query) const { return ReachOf(query, false); }

Reach Oracle::ReachOf(const QuerySpec& spec) const {
  EventQuery scope;
  scope.customers = spec.customers;
  scope.services = spec.services;
  scope.from = spec.from;
  scope.to = spec.to;
  scope.filters = spec.filters;
  if (DaysAreEnough(spec)) return ReachOf(scope, true);
  const auto is_name = [](const std::string& column) {
    return column == "customer" || column == "service";
  };
  const bool needs_rows = spec.raw_only ||
                          !std::all_of(spec.group_by.begin(), spec.group_by.end(), is_name) ||
                          !std::all_of(spec.filters.begin(), spec.filters.end(),
                                       [&](const Filter& f) { return is_name(f.column); });
  const Reach reach = ReachOf(scope, !needs_rows);
  // Hours of all customers, sketches, and days at the edges of other zones may be enough, or not.
  return !needs_rows && reach == Reach::kAnswer && !IsWhole() ? Reach::kEither : reach;
}

}  // namespace quipu
