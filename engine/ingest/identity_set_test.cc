#include "ingest/identity_set.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/clock.h"
#include "base/test_seed.h"

namespace quipu {
namespace {

std::multiset<std::uint64_t> RowsOf(const IdentitySet& set, std::uint64_t hash) {
  std::multiset<std::uint64_t> rows;
  EXPECT_FALSE(set.Find(hash, [&](std::uint64_t row) {
    rows.insert(row);
    return false;
  }));
  return rows;
}

TEST(IdentitySetTest, EmptyFindsNothing) {
  const IdentitySet set;
  EXPECT_TRUE(RowsOf(set, 0).empty());
  EXPECT_EQ(set.bytes(), 0u);
}

TEST(IdentitySetTest, StopsWhenTheVisitorSaysSo) {
  IdentitySet set;
  set.Insert(7ull << 32, 1);
  set.Insert(7ull << 32, 2);
  int visits = 0;
  EXPECT_TRUE(set.Find(7ull << 32, [&](std::uint64_t) { return ++visits == 1; }));
  EXPECT_EQ(visits, 1);
}

TEST(IdentitySetTest, AgreesWithAMultimap) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  IdentitySet set;
  std::multimap<std::uint64_t, std::uint64_t> truth;
  std::uint64_t next_row = 0;
  std::uint64_t first_live = 0;
  // Few distinct hashes, all in few slots, zero and the highest among them: long runs, across the table's end, and true collisions.
  const auto hash = [&] {
    const std::uint64_t upper = random.Below(2) == 0 ? random.Below(400) : ~random.Below(50);
    return upper << 32 | random.Below(2);
  };
  const auto key = [](std::uint64_t h) { return std::max<std::uint64_t>(h >> 32, 1); };
  for (int step = 0; step < 60'000; ++step) {
    const std::uint64_t what = random.Below(100);
    if (what < 60) {
      const std::uint64_t h = hash();
      set.Insert(h, next_row);
      truth.emplace(key(h), next_row++);
    } else if (what < 61) {
      const std::uint64_t to = first_live + random.Below(next_row - first_live + 1);
      set.Forget(random.Below(5) == 0 ? to / 2 : to);  // never goes back
      first_live = to;
      set.Forget(to);
      std::erase_if(truth, [&](const auto& entry) { return entry.second < first_live; });
    } else {
      const std::uint64_t h = hash();
      std::multiset<std::uint64_t> want;
      const auto [from, to] = truth.equal_range(key(h));
      for (auto it = from; it != to; ++it) want.insert(it->second);
      ASSERT_EQ(RowsOf(set, h), want) << "hash " << h << " step " << step;
    }
  }
  EXPECT_GT(next_row, 30'000u);
  // Stale entries are dropped: the table is sized by the living.
  EXPECT_LE(set.bytes(), 16u * 8 * std::max<std::size_t>(1024, truth.size() + 4096));
}

TEST(IdentitySetTest, ReservesOnceForMany) {
  IdentitySet set;
  const auto hash = [](std::uint64_t i) { return i * 0x9E3779B97F4A7C15u; };
  set.Insert(hash(7), 1);
  set.Reserve(10'000);
  const std::size_t bytes = set.bytes();
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    set.Prefetch(hash(i));
    set.Insert(hash(i), 100 + i);
  }
  EXPECT_EQ(set.bytes(), bytes);
  EXPECT_EQ(RowsOf(set, hash(7)), (std::multiset<std::uint64_t>{1, 107}));
}

TEST(IdentitySetTest, DoesNotGrowWithRowsThatCameAndWent) {
  IdentitySet set;
  Random random(3);
  for (std::uint64_t row = 0; row < 500'000; ++row) {
    set.Insert(random.Next(), row);
    if (row % 500 == 499) set.Forget(row + 1);
  }
  EXPECT_LE(set.bytes(), 16u * 8192);
}

}  // namespace
}  // namespace quipu
