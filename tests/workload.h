// Random usage for the tests that cross layers: facts with the shapes that matter (one whale with
// thousands of rows in an hour, many tiny customers, DST days, negative and huge numbers, absent
// values) and random questions about them. Everything is a function of the seed.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "quipu/query.h"
#include "tests/oracle.h"

namespace quipu {

class Workload {
 public:
  explicit Workload(std::uint64_t seed) : random_(seed) {}

  /// One event that has every dimension and measure, so that later questions may name any.
  Fact Founder();
  /// A new event of anyone, at any time of the trace.
  Fact NewFact();
  /// `n` new events of the whale within one hour.
  std::vector<Fact> Burst(std::size_t n);
  /// The fact with something changed that is not its identity.
  Fact Contradict(Fact fact);
  /// The fact made invalid.
  Fact Spoil(Fact fact);

  /// A random question. It is never ordered by a column that may be approximate, unless `loose`.
  QuerySpec Question(bool loose = false);
  EventQuery EventQuestion();
  /// Its rules may contradict themselves.
  RetentionPolicy AnyPolicy();
  ArchiveRequest AnyArchive();

  Random& random() { return random_; }
  [[nodiscard]] std::uint64_t Below(std::uint64_t n) { return random_.Below(n); }
  [[nodiscard]] bool Chance(int percent) {
    return random_.Below(100) < static_cast<std::uint64_t>(percent);
  }

 private:
  TimeUs AnyTime();
  Decimal AnyNumber();
  std::string AnyCustomer();
  std::string AnyService();
  void Dress(Fact* fact);
  std::string AnyAggregate();
  Filter AnyFilter();
  void AskForTime(QuerySpec* spec);
  void AskForOrder(QuerySpec* spec, bool loose);

  Random random_;
  std::uint64_t next_id_ = 0;
};

}  // namespace quipu
