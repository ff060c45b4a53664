#include "segment/identity_cache.h"

#include <gtest/gtest.h>

namespace quipu {
namespace {

IdentityPrefixPtr SomePrefix() {
  std::vector<IdentityEntry> entries(1000);
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].key.high = i << 54;
  const IdentityShape shape(entries.size());
  std::string page;
  EncodeIdentityPrefix(entries, shape, &page);
  auto prefix = std::make_shared<IdentityPrefix>(shape);
  EXPECT_TRUE(prefix->AddPage(0, entries.size(), AsBytes(page)).ok());
  prefix->Seal();
  return prefix;
}

TEST(IdentityCache, TheLeastRecentlyAskedGoesFirst) {
  const std::uint64_t one = SomePrefix()->bytes();
  IdentityCache cache(one * 5 / 2);
  cache.Insert(1, SomePrefix());
  cache.Insert(2, SomePrefix());
  EXPECT_EQ(cache.bytes(), 2 * one);
  EXPECT_NE(cache.Find(1), nullptr);
  cache.Insert(3, SomePrefix());
  EXPECT_EQ(cache.bytes(), 2 * one);
  EXPECT_EQ(cache.Find(2), nullptr);
  EXPECT_NE(cache.Find(1), nullptr);
  EXPECT_NE(cache.Find(3), nullptr);
  cache.Insert(3, SomePrefix());  // again: not twice
  EXPECT_EQ(cache.bytes(), 2 * one);
  cache.Forget(1);
  cache.Forget(7);
  EXPECT_EQ(cache.bytes(), one);
  EXPECT_EQ(cache.Find(1), nullptr);
}

TEST(IdentityCache, WhatDoesNotFitIsNotKept) {
  IdentityCache cache(SomePrefix()->bytes() - 1);
  const IdentityPrefixPtr prefix = SomePrefix();
  cache.Insert(1, prefix);
  EXPECT_EQ(cache.Find(1), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace quipu
