#include "segment/row_spans.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/test_seed.h"

namespace quipu {
namespace {

TEST(RowSpans, GroupsAsAMapDoes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  RowSpans grouped;
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t keys_end = 1 + (random() >> (32 + random() % 32));
    std::vector<std::uint32_t> keys(random() % 300);
    std::map<std::uint32_t, std::vector<std::uint32_t>> expected;
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
      keys[i] = static_cast<std::uint32_t>(random() % keys_end);
      expected[keys[i]].push_back(i);
    }
    grouped.Group(keys, keys_end);
    ASSERT_EQ(grouped.spans().size(), expected.size());
    ASSERT_EQ(grouped.rows().size(), keys.size());
    auto span = grouped.spans().begin();
    for (const auto& [key, rows] : expected) {
      ASSERT_EQ(span->key, key);
      const auto found = grouped.rows().subspan(span->first, span->count);
      ASSERT_EQ(std::vector(found.begin(), found.end()), rows);
      ++span;
    }
  }
}

}  // namespace
}  // namespace quipu
