// What the model test knows of the freezes of a store: which there are, and what some questions were answered in the moment of each. They must be answered the same to
// the byte for as long as the freeze is there, unless an erasure or a policy took events out of it (then they are forgotten here, and the oracle alone says
// what is right).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quipu/database.h"
#include "tests/oracle.h"
#include "tests/workload.h"

namespace quipu {

class FreezeBook {
 public:
  /// Asks some questions, then freezes. Fails the test that is running if something is wrong, like all here. Rows of a detached folder may be those of an erased customer:
  /// then numbers of events are not compared.
  void Freeze(Database* db, const Oracle& oracle, bool is_detached, Workload* work);
  void Drop(Database* db, Workload* work);
  /// All that were acknowledged are there, and answer what they did.
  void Check(const Database& db, const Oracle& oracle, bool is_detached);
  /// Lets a question be of an earlier state, or of what has come since one, or both; a freeze mostly. `last` is the last commit; `*through` becomes that which the answer is
  /// as of. Returns what it is about, nothing = all.
  std::optional<Oracle> ChooseState(const Oracle& oracle, std::uint64_t last, Workload* work,
                                    QuerySpec* spec, std::uint64_t* through) const;
  /// Names one of them, if there is one.
  bool Choose(Workload* work, AsOf* state, std::uint64_t* commit) const;

  [[nodiscard]] int reproduced() const { return reproduced_; }

 private:
  struct Frozen {
    std::string name;
    std::uint64_t commit = 0;
    std::vector<std::pair<QuerySpec, std::string>> answers{};
  };
  void Reproduce(const Database& db, const std::string& freeze, const Oracle& then, QuerySpec spec,
                 const std::string& text);

  std::vector<Frozen> frozen_;
  int made_ = 0, reproduced_ = 0;
};

/// Whether there is an answer; fails the test that is running if there must or must not be one.
bool IsReached(Reach reach, const Status& status);

/// The answer was refused for its size, and so was that from raw rows. A failure unless it would have been filled with more rows than groups_max.
bool IsTooLarge(const QuerySpec& spec, const OracleAnswer& expected, const Status& status,
                const Status& raw_status);
/// True if the question was refused because of the states that it names, and rightly: a commit that merges have passed over (a freeze never is), or two in
/// the wrong order.
bool IsStateRefused(const QuerySpec& spec, const Status& status);

}  // namespace quipu
