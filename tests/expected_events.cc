#include "tests/expected_events.h"

namespace quipu {

ExpectedEvents::ExpectedEvents(const Oracle& oracle, const EventQuery& query) : oracle_(oracle) {
  for (const Fact* f : oracle.Events(query)) {
    if (f->has_lost_id) {
      nameless_.emplace(std::pair(f->time, f->customer), f);
    } else {
      named_.insert(f->identity);
    }
  }
}

std::string ExpectedEvents::Take(const StoredEvent& event) {
  if (!event.id.empty()) {
    const Fact* const fact = oracle_.Find(event.customer, event.source, event.id);
    if (fact == nullptr) return "nobody sent " + event.id;
    named_.erase(fact->identity);
    return Difference(event, *fact);
  }
  StoredEvent named = event;
  const auto [begin, end] = nameless_.equal_range({event.time, event.customer});
  for (auto it = begin; it != end; ++it) {
    named.id = it->second->id;
    named.source = it->second->source;
    if (!Difference(named, *it->second).empty()) continue;
    nameless_.erase(it);
    return "";
  }
  return "an event without id at " + FormatTime(event.time) + " of " + event.customer;
}

std::string WrongFind(const Database& db, const Oracle& oracle, const Fact& asked) {
  if (asked.invalid) return "";
  const auto found = db.FindEvent(asked.customer, asked.source, asked.id);
  const Fact* const known = oracle.Find(asked.customer, asked.source, asked.id);
  if (known != nullptr && known->HasId())
    return found ? Difference(found->event, *known) : found.error().ToString();
  if (found) return "an event is found that is not there: " + asked.id;
  const StatusCode code = found.error().code();
  const bool is_right =
      code == StatusCode::kOutOfRange || (known == nullptr && code == StatusCode::kNotFound);
  return is_right ? "" : found.error().ToString();
}

EventPlace ExpectedEvents::PlaceOf(const StoredEvent& event) const {
  const Fact* const fact =
      event.id.empty() ? nullptr : oracle_.Find(event.customer, event.source, event.id);
  return {event.time, fact == nullptr ? Hash128{} : fact->identity};
}

}  // namespace quipu
