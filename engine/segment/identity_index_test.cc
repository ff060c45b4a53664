#include "segment/identity_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/test_seed.h"

namespace quipu {
namespace {

std::vector<IdentityEntry> SomeEntries(std::mt19937_64& random, std::size_t n, std::uint64_t mask) {
  std::vector<IdentityEntry> entries;
  for (std::size_t i = 0; i < n; ++i)
    entries.push_back({random() & mask, static_cast<std::uint32_t>(random())});
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  return entries;
}

TEST(IdentityChunk, ComesBack) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const std::size_t n : {1, 2, 3, 63, 64, 65, 1023, 1024}) {
    for (const std::uint64_t mask : {~0ull, 0xFFull}) {
      const std::vector<IdentityEntry> entries = SomeEntries(random, n, mask);
      std::string bytes;
      EncodeIdentityChunk(entries, &bytes);
      const auto back = DecodeIdentityChunk(AsBytes(bytes), entries.size());
      ASSERT_TRUE(back) << back.error().ToString();
      ASSERT_EQ(*back, entries);
    }
  }
}

TEST(IdentityChunk, HoldsTheWholeRangeOfHashes) {
  const std::vector<IdentityEntry> entries = {{0, 7}, {~0ull, 0}, {~0ull, 0xFFFFFFFF}};
  std::string bytes;
  EncodeIdentityChunk(entries, &bytes);
  EXPECT_EQ(*DecodeIdentityChunk(AsBytes(bytes), 3), entries);
}

TEST(IdentityChunk, DamageIsRefusedOrSorted) {
  std::mt19937_64 random(3);
  const std::vector<IdentityEntry> entries = SomeEntries(random, 300, ~0ull);
  std::string bytes;
  EncodeIdentityChunk(entries, &bytes);
  EXPECT_FALSE(DecodeIdentityChunk(AsBytes(bytes), 0));
  EXPECT_FALSE(DecodeIdentityChunk(AsBytes(bytes), kIdentityChunkEntries + 1));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    ASSERT_FALSE(DecodeIdentityChunk(AsBytes(bytes).first(n), entries.size())) << n;
  }
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string damaged = bytes;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    const auto back = DecodeIdentityChunk(AsBytes(damaged), entries.size());
    if (!back) {
      ASSERT_EQ(back.error().code(), StatusCode::kCorruption);
    } else {
      ASSERT_TRUE(std::is_sorted(back->begin(), back->end()));
    }
  }
}

TEST(IdentityFilter, KnowsItsKeysAndFewOthers) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const std::size_t keys : {100, 10'000, 300'000}) {
    IdentityFilter filter(keys);
    EXPECT_LE(filter.bytes(), keys * 11 / 8 + 64);
    std::vector<std::uint64_t> hashes(keys);
    for (std::uint64_t& hash : hashes) filter.Add(hash = random());
    std::string bytes;
    filter.EncodeTo(&bytes);
    const Result<IdentityFilter> back = IdentityFilter::Decode(AsBytes(bytes));
    ASSERT_TRUE(back) << back.error().ToString();
    for (const std::uint64_t hash : hashes) ASSERT_TRUE(back->MayContain(hash));
    int suspected = 0;
    constexpr int kProbes = 100'000;
    for (int i = 0; i < kProbes; ++i) suspected += back->MayContain(random()) ? 1 : 0;
    // About 0.9 % on average; the bounds leave room for chance, and five blocks for a hundred keys cannot be even.
    EXPECT_LT(suspected, keys > 1000 ? kProbes / 80 : kProbes / 20) << keys;
  }
}

TEST(IdentityFilter, EmptyAndDamaged) {
  EXPECT_FALSE(IdentityFilter().MayContain(5));
  EXPECT_FALSE(IdentityFilter(0).MayContain(5));
  std::string bytes;
  IdentityFilter(1000).EncodeTo(&bytes);
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(IdentityFilter::Decode(AsBytes(bytes).first(n)));
  EXPECT_FALSE(IdentityFilter::Decode(AsBytes(bytes + "x")));
  EXPECT_FALSE(IdentityFilter::Decode(AsBytes(std::string(4, '\0'))));
}

}  // namespace
}  // namespace quipu
