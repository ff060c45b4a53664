// What the stores of the corruption test hold, and what they must say.
#pragma once

#include <string>
#include <vector>

#include "quipu/database.h"
#include "tests/oracle.h"

namespace quipu {

/// How a store came to be.
struct Recipe {
  std::string name;
  std::size_t merged, sealed, hot;  // events, in this order
  bool killed;                      // else closed
  bool settled = false;             // before the hot events came
  [[nodiscard]] std::size_t events() const { return merged + sealed + hot; }
};

// What happens to a settled store.

inline constexpr const char* kErased = "c5";
inline constexpr const char* kExpiring = "storage";
/// Both months are closed and their ids are not needed any more.
TimeUs SettledNow();
RetentionPolicy SettledPolicy();

/// A question and the truth about it.
struct Question {
  std::string name;
  QuerySpec spec;
  OracleAnswer expected;
};

/// What a store of the first `sent` facts must say.
struct Truth {
  Oracle oracle;
  std::size_t sent = 0;
  std::vector<Question> questions;
  EventQuery paging;
  std::vector<const Fact*> events;    // in the order of paging
  std::vector<std::size_t> repeated;  // facts that are duplicates if sent again
};

/// Event `index`; ids have all forms.
Fact MakeFact(std::size_t index);
/// The truth about the store of a recipe after its first `events` events.
void LearnTruth(const Recipe& recipe, std::size_t events, Truth* truth);

}  // namespace quipu
