#include "base/event_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/test_seed.h"

namespace quipu {
namespace {

/// Events of any shape whose strings live as long as this object.
class RandomEvents {
 public:
  explicit RandomEvents(std::uint64_t seed) : random_(seed) {}

  Event Make() {
    Event e;
    e.id = Word(40, 1'000);
    e.source = Word(10, 2);
    e.customer = Word(20, 30);
    e.service = Word(18, 4);
    if (random_.Below(3) > 0) e.time = static_cast<TimeUs>(random_.Next());
    e.quantity = Number();
    if (random_.Below(2) == 0) e.cost = Number();
    // Often the same names in the same order, sometimes others, sometimes one twice.
    const std::uint64_t dimensions = random_.Below(6), measures = random_.Below(4);
    const bool usual = random_.Below(4) > 0;
    for (std::uint64_t d = 0; d < dimensions; ++d) {
      e.dimensions.push_back({usual ? Keep("d" + std::to_string(d)) : Word(3, 3), Word(70, 20)});
    }
    for (std::uint64_t m = 0; m < measures; ++m) {
      e.measures.push_back({usual ? Keep("m" + std::to_string(m)) : Word(3, 3), Number()});
    }
    return e;
  }

 private:
  std::string_view Keep(std::string text) { return texts_.emplace_back(std::move(text)); }
  std::string_view Word(std::uint64_t length_max, std::uint64_t distinct) {
    const std::uint64_t which = random_.Below(distinct);
    const std::uint64_t length = which * 7 % (length_max + 1);
    std::string text(length, static_cast<char>('a' + which % 26));
    if (length > 1) text.back() = static_cast<char>('0' + which / 26 % 10);
    return Keep(std::move(text));
  }
  Decimal Number() {
    const auto small = static_cast<std::int64_t>(random_.Next() >> random_.Below(64));
    if (random_.Below(5) > 0) return Decimal(small, static_cast<int>(random_.Below(19)));
    return Decimal(Int128{small} << random_.Below(63), static_cast<int>(random_.Below(19)));
  }
  Random random_;
  std::deque<std::string> texts_;
};

void ExpectSame(const Event& a, const Event& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.source, b.source);
  EXPECT_EQ(a.customer, b.customer);
  EXPECT_EQ(a.service, b.service);
  EXPECT_EQ(a.time, b.time);
  EXPECT_EQ(a.quantity, b.quantity);
  EXPECT_EQ(a.cost, b.cost);
  ASSERT_EQ(a.dimensions.size(), b.dimensions.size());
  for (std::size_t i = 0; i < a.dimensions.size(); ++i) {
    EXPECT_EQ(a.dimensions[i].name, b.dimensions[i].name);
    EXPECT_EQ(a.dimensions[i].value, b.dimensions[i].value);
  }
  ASSERT_EQ(a.measures.size(), b.measures.size());
  for (std::size_t i = 0; i < a.measures.size(); ++i) {
    EXPECT_EQ(a.measures[i].name, b.measures[i].name);
    EXPECT_EQ(a.measures[i].value, b.measures[i].value);
  }
}

TEST(EventRows, AnyEventsComeBackAndNoTextStandsTwice) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  RandomEvents source(seed);
  EventRows rows;
  for (int round = 0; round < 3; ++round) {
    rows.Clear();
    std::vector<Event> events;
    for (int i = 0; i < 1'500; ++i) {
      events.push_back(source.Make());
      rows.Add(events.back());
    }
    ASSERT_EQ(rows.rows().size(), events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      ASSERT_NO_FATAL_FAILURE(ExpectSame(rows.At(i), events[i])) << i;
    }
    std::set<std::pair<EventRows::Role, std::string_view>> distinct;
    for (std::size_t e = 0; e < rows.entries().size(); ++e) {
      EXPECT_TRUE(distinct.emplace(rows.entries()[e].role, rows.EntryText(e)).second) << e;
    }
  }
}

TEST(EventRows, UsualEventsShareOneShapeAndTheExampleOfTheHeaderHolds) {
  EventRows rows;
  Event e;
  e.id = "r-1";
  e.customer = "acme";
  e.service = "api";
  e.dimensions = {{"region", "eu"}};
  e.measures = {{"ms", 41}};
  for (int i = 0; i < 10; ++i) rows.Add(e);
  EXPECT_EQ(rows.shapes().size(), 1u);
  EXPECT_EQ(rows.entries().size(), 6u);
  e.service = "db";
  e.cost = 3;
  for (int i = 0; i < 10; ++i) {
    rows.Add(e);
    std::swap(e.service, e.customer);  // roles are told apart
  }
  EXPECT_EQ(rows.shapes().size(), 2u);
  EXPECT_EQ(rows.entries().size(), 9u);
}

TEST(EventRows, ClearKeepsNoMoreThanAFewMegabytes) {
  EventRows rows;
  const std::string big(20u << 20, 'x');
  Event e;
  e.id = big;
  rows.Add(e);
  rows.Clear();
  EXPECT_EQ(rows.bytes(), 0u);
  EXPECT_LT(rows.text().size(), 1u << 20);
  EXPECT_TRUE(rows.rows().empty());
}

}  // namespace
}  // namespace quipu
