// The events that pages must bring, each once, by name or, where their ids were dropped, by content.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "tests/oracle.h"

namespace quipu {

/// Where an event stands in the order of pages.
using EventPlace = std::tuple<TimeUs, Hash128>;

class ExpectedEvents {
 public:
  /// What the oracle knows now; it must live as long.
  ExpectedEvents(const Oracle& oracle, const EventQuery& query);
  /// Takes an event of a page off the list; returns "" or what is wrong with it. One that came after the list was made is right, too.
  [[nodiscard]] std::string Take(const StoredEvent& event);
  /// Without an id nobody knows more than its time.
  [[nodiscard]] EventPlace PlaceOf(const StoredEvent& event) const;
  [[nodiscard]] std::size_t size() const { return named_.size() + nameless_.size(); }
  [[nodiscard]] std::size_t nameless() const { return nameless_.size(); }

 private:
  const Oracle& oracle_;
  std::set<Hash128> named_;
  std::multimap<std::pair<TimeUs, std::string>, const Fact*> nameless_;  // by time and customer
};

/// Asks the store for the event by its identity; "" or what is wrong with the answer.
[[nodiscard]] std::string WrongFind(const Database& db, const Oracle& oracle, const Fact& asked);

}  // namespace quipu
