#include "segment/page_cache.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace quipu {
namespace {

PagePtr PageOf(std::size_t bytes, char fill = 'x') {
  return std::make_shared<const std::string>(bytes, fill);
}

TEST(PageCache, FindsWhatWasInserted) {
  PageCache cache(1 << 20);
  EXPECT_EQ(cache.Find(1, 64), nullptr);
  const PagePtr page = PageOf(100);
  EXPECT_EQ(cache.Insert(1, 64, page), page);
  EXPECT_EQ(cache.Find(1, 64), page);
  EXPECT_EQ(cache.Find(1, 65), nullptr);
  EXPECT_EQ(cache.Find(2, 64), nullptr);
}

TEST(PageCache, TheFirstInsertWins) {
  PageCache cache(1 << 20);
  const PagePtr first = PageOf(100, 'a');
  cache.Insert(1, 0, first);
  EXPECT_EQ(cache.Insert(1, 0, PageOf(100, 'b')), first);
}

TEST(PageCache, NeverExceedsItsBound) {
  constexpr std::uint64_t kBound = 1 << 20;
  PageCache cache(kBound);
  std::uint64_t most = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    cache.Insert(i % 5, i * 1000, PageOf(500 + i % 4096));
    most = std::max(most, cache.bytes());
    ASSERT_LE(cache.bytes(), kBound);
  }
  EXPECT_GT(most, kBound / 2);
}

TEST(PageCache, TheLeastRecentlyUsedGoesFirst) {
  PageCache cache(8 * 64 * 1024);
  const PagePtr hot = PageOf(1000);
  cache.Insert(1, 0, hot);
  for (std::uint64_t i = 1; i < 5000; ++i) {
    cache.Insert(1, i, PageOf(1000));
    ASSERT_EQ(cache.Find(1, 0), hot) << i;
  }
  EXPECT_EQ(cache.Find(1, 1), nullptr);
  EXPECT_NE(cache.Find(1, 4999), nullptr);
}

TEST(PageCache, APageBeyondAShardPassesThrough) {
  PageCache cache(8 * 1024);
  const PagePtr page = PageOf(1024);
  EXPECT_EQ(cache.Insert(1, 0, page), page);
  EXPECT_EQ(cache.Find(1, 0), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
  PageCache none(0);
  none.Insert(1, 0, PageOf(0));
  EXPECT_EQ(none.bytes(), 0u);
}

TEST(PageCache, ForgetsOneSegment) {
  PageCache cache(1 << 20);
  for (std::uint64_t i = 0; i < 100; ++i) {
    cache.Insert(1, i, PageOf(100));
    cache.Insert(2, i, PageOf(100));
  }
  const std::uint64_t before = cache.bytes();
  cache.Forget(1);
  EXPECT_EQ(cache.bytes(), before / 2);
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(cache.Find(1, i), nullptr);
    EXPECT_NE(cache.Find(2, i), nullptr);
  }
}

TEST(PageCache, ServesSeveralThreads) {
  constexpr std::uint64_t kBound = 256 << 10;
  PageCache cache(kBound);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (std::uint64_t i = 0; i < 5000; ++i) {
        const std::uint64_t offset = (i * 7 + t) % 300;
        PagePtr page = cache.Find(1, offset);
        if (page == nullptr) page = cache.Insert(1, offset, PageOf(1000 + offset));
        ASSERT_EQ(page->size(), 1000 + offset);
        if (i % 1000 == 999) cache.Forget(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.bytes(), kBound);
}

}  // namespace
}  // namespace quipu
