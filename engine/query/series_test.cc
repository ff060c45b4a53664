#include "query/series.h"

#include <gtest/gtest.h>

#include <map>

#include "base/test_seed.h"
#include "query/query_testing.h"

namespace quipu {
namespace {

class SeriesTest : public QueryTest {};

TEST_F(SeriesTest, OrderedAsAMapOfTheirTextsIs) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Catalogue catalogue;
  QuerySpec spec;
  BoundQuery query;
  query.spec = &spec;
  query.group_by.resize(3);  // dimensions
  for (const std::uint64_t distinct : {3u, 40u, 5000u}) {
    Groups groups(query);
    using Texts = std::vector<std::optional<std::string>>;
    std::map<Texts, std::vector<std::uint32_t>> expected;
    for (int i = 0; i < 1000; ++i) {
      std::vector<std::uint32_t> key = {static_cast<std::uint32_t>(random.Below(2)), 0, 0, 0};
      Texts texts;
      for (std::size_t f = 0; f < 3; ++f) {
        const std::uint64_t v = random.Below(distinct);
        if (v == 0) {
          texts.emplace_back();
          continue;
        }
        // Equal in front, of different length, some with a zero byte or beyond ASCII.
        std::string text = "common prefix " + std::string(v % 5, static_cast<char>(v % 3 * 100)) +
                           std::to_string(v * 7919 % 100);
        if (v == 1) text.clear();
        key[f + 1] = groups.strings().Intern(text);
        texts.emplace_back(std::move(text));
      }
      const auto g = groups.Find(key);
      ASSERT_TRUE(g);
      expected[texts].push_back(*g);
    }
    const SeriesOrder order = OrderSeries(query, catalogue, groups);
    ASSERT_EQ(order.group_of.size(), expected.size());
    std::uint32_t series = 0;
    for (const auto& [texts, of_series] : expected) {
      for (const std::uint32_t g : of_series) ASSERT_EQ(order.series_of[g], series);
      for (std::size_t f = 0; f < 3; ++f)
        EXPECT_EQ(GroupText(query, catalogue, groups, order.group_of[series], f), texts[f]);
      ++series;
    }
    for (int i = 0; i < 1000; ++i) {
      const auto a = static_cast<std::uint32_t>(random.Below(groups.size()));
      const auto b = static_cast<std::uint32_t>(random.Below(groups.size()));
      int compared = 0;
      for (std::size_t f = 0; f < 3 && compared == 0; ++f)
        compared = CompareGroupTexts(query, catalogue, groups, f, a, b);
      const std::uint32_t x = order.series_of[a], y = order.series_of[b];
      EXPECT_EQ(compared, x < y ? -1 : x > y ? 1 : 0);
    }
  }
}

}  // namespace
}  // namespace quipu
