#include "query/groups.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

TEST(InternerTest, NumbersFromOne) {
  Interner strings;
  EXPECT_EQ(strings.Intern("a"), 1u);
  EXPECT_EQ(strings.Intern(""), 2u);
  EXPECT_EQ(strings.Intern("a"), 1u);
  for (int i = 0; i < 1000; ++i) strings.Intern("string number " + std::to_string(i));
  EXPECT_EQ(strings[1], "a");
  EXPECT_EQ(strings[2], "");
  EXPECT_EQ(strings[3], "string number 0");
  EXPECT_GT(strings.bytes(), 1000u * 15);
}

TEST(EndsTest, TheOrderOfAddingDoesNotMatter) {
  std::vector<Ends::End> ends;
  for (const TimeUs t : {5, 3, 9, 3, 9}) {
    const Hash128 identity{static_cast<std::uint64_t>(ends.size() * 7 % 5), 1};
    ends.push_back({t, {}, static_cast<Int128>(ends.size()), identity});
  }
  std::sort(ends.begin(), ends.end(),
            [](const auto& a, const auto& b) { return a.value < b.value; });
  QuerySpec spec;
  BoundQuery query;
  query.spec = &spec;
  query.measures.resize(1);
  query.measures[0].ends = true;
  const std::vector<std::uint32_t> key = {0};
  do {
    Groups groups(query);
    const auto g = groups.Find(key);
    ASSERT_TRUE(g);
    for (const Ends::End& e : ends) groups.AddEnd(*g, 0, e);
    ASSERT_TRUE(groups.SettleTies().ok());
    const Ends& all = groups.ends(*g, 0);
    ASSERT_EQ(all.first.size(), 1u);
    ASSERT_EQ(all.latest.size(), 1u);
    ASSERT_TRUE(all.first[0].value == 3);   // time 3: identities 2 (value 1) and 1 (value 3)
    ASSERT_TRUE(all.latest[0].value == 2);  // time 9: identities 4 (value 2) and 3 (value 4)
  } while (std::next_permutation(ends.begin(), ends.end(),
                                 [](const auto& a, const auto& b) { return a.value < b.value; }));
}

TEST(GroupsTest, AgreesWithAMap) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  QuerySpec spec;
  BoundQuery query;
  query.spec = &spec;
  query.group_by.resize(2);
  Groups groups(query);
  std::map<std::vector<std::uint32_t>, std::pair<std::uint32_t, std::uint64_t>> truth;
  for (int i = 0; i < 100'000; ++i) {
    const std::vector<std::uint32_t> key = {static_cast<std::uint32_t>(random.Below(30)),
                                            static_cast<std::uint32_t>(random.Below(30)),
                                            static_cast<std::uint32_t>(random.Below(20)) << 16};
    const auto g = groups.Find(key);
    ASSERT_TRUE(g);
    auto [it, is_new] = truth.try_emplace(key, *g, 0);
    ASSERT_EQ(it->second.first, *g);
    ASSERT_TRUE(!is_new || *g + 1 == groups.size());
    ++it->second.second;
    ++groups.rows(*g);
  }
  ASSERT_EQ(groups.size(), truth.size());
  for (const auto& [key, value] : truth) {
    EXPECT_EQ(groups.rows(value.first), value.second);
    EXPECT_TRUE(std::equal(key.begin(), key.end(), groups.key(value.first).begin()));
  }
}

}  // namespace
}  // namespace quipu
