#include "codec/derived.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "codec/test_vectors.h"

namespace quipu {
namespace {

using Values = std::vector<std::int64_t>;

std::int64_t Below(Random& random, std::uint64_t n) {
  return static_cast<std::int64_t>(random.Below(n));
}

// Encodes; what comes out must decode to the costs. Returns the bytes, or nothing.
std::string RoundTrip(const Values& quantities, int quantity_scale, const Values& costs,
                      int cost_scale) {
  std::string body = "x";
  const bool held = EncodeDerived(quantities, quantity_scale, costs, cost_scale, &body);
  body.erase(0, 1);
  if (!held) {
    EXPECT_EQ(body, "");
    return body;
  }
  const std::vector<std::uint8_t> exact(body.begin(), body.end());
  Bytes in = exact;
  Values back(costs.size(), 77);
  const Status decoded = DecodeDerived(&in, quantities, quantity_scale, cost_scale, back);
  EXPECT_TRUE(decoded.ok()) << decoded.ToString();
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(back, costs);
  return body;
}

TEST(DerivedTest, TheExampleOfTheHeader) {
  EXPECT_EQ(RoundTrip({1'500'000, 250'000}, 6, {3000, 500}, 7), std::string("\x01\x04\x04\x00", 4));
}

TEST(DerivedTest, OnePriceRoundedTakesAFewBytes) {
  Random random(11);
  for (const int cost_scale : {9, 10}) {
    Values quantities, costs;
    for (int i = 0; i < 1024; ++i) {
      quantities.push_back(Below(random, 3'000'000'000));  // at 6 places, times 0.0001
      costs.push_back(cost_scale == 10 ? quantities.back() : (quantities.back() + 5) / 10);
    }
    EXPECT_EQ(RoundTrip(quantities, 6, costs, cost_scale).size(), 4u);
  }
}

TEST(DerivedTest, NegativeQuantitiesRoundAwayFromZero) {
  EXPECT_EQ(RoundTrip({-15, 15, -25, 25, 1000, 1000}, 1, {-2, 2, -3, 3, 100, 100}, 0).size(), 4u);
}

TEST(DerivedTest, SeveralPricesAndExceptions) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  const std::int64_t prices[] = {12'345, 7, 0, 250'000, -3};  // at 6 places
  for (int round = 0; round < 200; ++round) {
    const std::size_t n = 200 + random.Below(825);
    Values quantities, costs;
    for (std::size_t i = 0; i < n; ++i) {
      quantities.push_back(1000 + Below(random, 1'000'000));  // at 3 places
      const std::int64_t price = prices[i * 5 / n];
      costs.push_back(random.Below(50) == 0 ? Below(random, 1'000'000'000)
                                            : quantities.back() * price);
    }
    const std::string body = RoundTrip(quantities, 3, costs, 9);
    EXPECT_FALSE(body.empty());
    EXPECT_LT(body.size(), n);
  }
}

TEST(DerivedTest, UnrelatedColumnsAreRefused) {
  Random random(12);
  Values quantities, costs;
  for (int i = 0; i < 1024; ++i) {
    quantities.push_back(Below(random, 1'000'000));
    costs.push_back(Below(random, 1'000'000'000));
  }
  EXPECT_EQ(RoundTrip(quantities, 3, costs, 6), "");
}

TEST(DerivedTest, AnythingAtAllComesBackOrIsRefused) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::size_t held = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::size_t n = 1 + random.Below(round % 10 == 0 ? 1024 : 20);
    const Values quantities = MakeShape(round % kShapes, n, random);
    Values costs = MakeShape(static_cast<int>(random.Below(kShapes)), n, random);
    const auto price = static_cast<std::uint64_t>(random.Below(1000));
    for (std::size_t i = 0; i < n && round % 2 == 0; ++i)
      costs[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(quantities[i]) * price);
    const int quantity_scale = static_cast<int>(random.Below(19));
    const int cost_scale = round % 4 == 0 ? quantity_scale : static_cast<int>(random.Below(19));
    held += RoundTrip(quantities, quantity_scale, costs, cost_scale).empty() ? 0u : 1u;
  }
  EXPECT_GT(held, 500u);
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min(),
                         kMax = std::numeric_limits<std::int64_t>::max();
  RoundTrip({kMin, kMax, 0, 1, -1}, 18, {kMax, kMin, 5, 1, -1}, 0);
  RoundTrip({kMin, kMin}, 0, {kMin, kMin}, 18);
  RoundTrip({kMin, kMax}, 18, {kMin, kMax}, 18);
}

TEST(DerivedTest, DamageIsRefusedOrGivesSomething) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Values quantities, costs;
  for (int i = 0; i < 300; ++i) {
    quantities.push_back(1 + Below(random, 1'000'000));
    costs.push_back(i % 40 == 39 ? Below(random, 1'000'000)
                                 : quantities.back() * (i < 150 ? 3 : 8));
  }
  std::string body;
  ASSERT_TRUE(EncodeDerived(quantities, 2, costs, 4, &body));
  std::size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::uint8_t> damaged(body.begin(), body.end());
    for (std::uint64_t hits = 1 + random.Below(3); hits > 0; --hits)
      damaged[random.Below(damaged.size())] = static_cast<std::uint8_t>(random.Next());
    if (random.Below(4) == 0) damaged.resize(random.Below(damaged.size() + 1));
    damaged.shrink_to_fit();
    Bytes in = damaged;
    Values back(quantities.size());
    const Status s = DecodeDerived(&in, quantities, static_cast<int>(random.Below(19)),
                                   static_cast<int>(random.Below(19)), back);
    if (s.ok()) continue;
    ASSERT_EQ(s.code(), StatusCode::kCorruption);
    ++refused;
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace quipu
