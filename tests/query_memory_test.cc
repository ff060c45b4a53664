// Memory of queries: what is stated is kept, but for what is known not to be counted (docs/OPERATIONS.md, Memory). Resident memory is measured, not
// what the engine believes it uses.
//
// The store has a million customers with one event each, so that "by customer" is a million groups. The high-water mark of the process is set
// back before each question (/proc/self/clear_refs) and read after it. Nothing here depends on how fast anything is: a query is answered
// rightly, or ends in the error that the bound states, and in either case memory keeps to the bound.
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>

#include <atomic>
#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "quipu/database.h"

namespace quipu {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGroups = 1'000'000;
/// What a query may need besides its working memory: stacks, pages on their way through the cache, what the allocator holds back.
constexpr std::uint64_t kSlackBytes = 24 * kMiB;
/// What is not counted as working memory, for each group: arrays of groups are there twice for the moment in which they grow.
constexpr std::uint64_t kUncountedBytesPerGroup = 50;
constexpr std::uint64_t kCacheBytes = 16 * kMiB;

std::uint64_t StatusBytes(const std::string& name) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, name.size() + 1, name + ":") == 0)
      return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

/// By how much resident memory exceeded what it was at the start, at most.
class HighWater {
 public:
  HighWater() {
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";  // VmHWM starts over
    before_ = StatusBytes("VmRSS");
  }
  [[nodiscard]] std::uint64_t Bytes() const {
    const std::uint64_t most = StatusBytes("VmHWM");
    return most > before_ ? most - before_ : 0;
  }

 private:
  std::uint64_t before_;
};

/// Of an answer: it is the caller's, not working memory.
std::uint64_t BytesOf(const ResultSet& answer) {
  std::uint64_t bytes = 0;
  for (const ResultColumn& column : answer.columns) {
    for (const std::string& text : column.strings)
      bytes += sizeof text + (text.capacity() > 15 ? text.capacity() + 17 : 0);
    bytes += column.times.capacity() * sizeof(TimeUs) +
             column.integers.capacity() * sizeof(std::int64_t) +
             column.decimals.capacity() * sizeof(Decimal) + column.present.capacity();
  }
  return bytes;
}

class QueryMemoryTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    mallopt(M_ARENA_MAX, 2);  // docs/OPERATIONS.md, Memory
    std::string pattern = (std::filesystem::temp_directory_path() / "quipu-memory-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    Open(1024 * kMiB);
    for (std::uint64_t first = 0; first < kGroups; first += 10'000) {
      EventBatch batch;
      for (std::uint64_t c = first; c < first + 10'000; ++c) {
        const std::string name = Customer(c);
        batch.Add({.id = name, .time = kTime, .customer = name, .service = "api"});
      }
      const auto reply = db_->Ingest(batch);
      ASSERT_TRUE(reply) << reply.error().ToString();
    }
    ASSERT_TRUE(db_->Seal().ok());
  }
  static void TearDownTestSuite() {
    db_.reset();
    std::filesystem::remove_all(folder_);
  }

  static std::string Customer(std::uint64_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "customer-%07llu", static_cast<unsigned long long>(number));
    return text;
  }

  /// Anew, with that bound for all queries together; what opening and the first reading need is there afterwards.
  static void Open(std::uint64_t query_memory_bytes_max) {
    db_.reset();
    Options options;
    options.create_if_missing = true;
    options.cache_bytes = kCacheBytes;
    options.query_threads = 2;
    options.query_memory_bytes_max = query_memory_bytes_max;
    auto db = Database::Open(folder_ + "/store", options);
    ASSERT_TRUE(db) << db.error().ToString();
    db_.emplace(*std::move(db));
    const auto warm = db_->Query(ByCustomer().Limit(1));
  }

  static Query ByCustomer() { return Query().Select("count, sum(quantity)").GroupBy("customer"); }

  static void ExpectAMillionRows(const ResultSet& answer) {
    ASSERT_EQ(answer.rows(), kGroups);
    for (std::uint64_t row = 0; row < kGroups; row += 99'999) {
      EXPECT_EQ(answer.columns[0].Text(row), Customer(row));
      EXPECT_EQ(answer.columns[1].Text(row), "1");
      EXPECT_EQ(answer.columns[2].Text(row), "1");
    }
  }

  static constexpr TimeUs kTime = 1'772'323'200 * kSecondUs;  // 2026-03-01
  static inline std::string folder_;
  static inline std::optional<Database> db_;
};

TEST_F(QueryMemoryTest, AMillionGroupsKeepToTheBoundOfTheQueryOrAreRefused) {
  Open(4096 * kMiB);
  bool answered = false;
  for (const std::uint64_t bound : {1 * kMiB, 64 * kMiB, 128 * kMiB, 256 * kMiB, 512 * kMiB}) {
    Query query = ByCustomer();
    query.spec().memory_bytes_max = bound;
    const HighWater high_water;
    const auto answer = db_->Query(query);
    const std::uint64_t used = high_water.Bytes();
    const std::uint64_t theirs = answer ? BytesOf(*answer) : 0;
    std::printf("bound %5llu MiB: %s, resident +%llu MiB, of which the answer is %llu MiB\n",
                static_cast<unsigned long long>(bound / kMiB), answer ? "answered" : "refused",
                static_cast<unsigned long long>(used / kMiB),
                static_cast<unsigned long long>(theirs / kMiB));
    EXPECT_LE(used, bound + theirs + kGroups * kUncountedBytesPerGroup + kSlackBytes)
        << "bound " << bound;
    if (answer) {
      answered = true;
      ExpectAMillionRows(*answer);
      continue;
    }
    EXPECT_FALSE(answered) << "refused with more memory than it was answered with";
    EXPECT_EQ(answer.error().code(), StatusCode::kExhausted);
    EXPECT_NE(answer.error().message().find(std::to_string(bound)), std::string::npos);
    EXPECT_NE(answer.error().message().find("memory_bytes_max"), std::string::npos);
  }
  EXPECT_TRUE(answered);
}

TEST_F(QueryMemoryTest, OneGroupTooManyIsRefused) {
  Open(4096 * kMiB);
  Query query = ByCustomer();
  query.spec().groups_max = kGroups - 1;
  const auto refused = db_->Query(query);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), StatusCode::kExhausted);
  EXPECT_NE(refused.error().message().find("999999"), std::string::npos)
      << refused.error().ToString();
  query.spec().groups_max = kGroups;
  query.spec().memory_bytes_max = 2048 * kMiB;
  const auto answer = db_->Query(query);
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->rows(), kGroups);
}

TEST_F(QueryMemoryTest, ThirtyTwoAtOnceKeepToTheTotal) {
  constexpr int kQueries = 32;
  constexpr std::uint64_t kTotal = 512 * kMiB;
  Open(kTotal);
  Query query = ByCustomer();
  query.OrderBy("-customer").Limit(3);
  query.spec().memory_bytes_max = kTotal;
  std::barrier start(kQueries);
  std::atomic<int> answered{0}, refused{0};
  const auto ask = [&] {
    start.arrive_and_wait();
    {
      const auto answer = db_->Query(query);
      if (answer) {
        ++answered;
        ASSERT_EQ(answer->rows(), 3u);
        EXPECT_EQ(answer->columns[0].Text(0), Customer(kGroups - 1));
        EXPECT_EQ(answer->columns[1].Text(2), "1");
      } else {
        ++refused;
        EXPECT_EQ(answer.error().code(), StatusCode::kExhausted);
        EXPECT_NE(answer.error().message().find(std::to_string(kTotal)), std::string::npos);
      }
    }
  };
  const HighWater high_water;
  std::vector<std::thread> callers;
  for (int i = 0; i < kQueries; ++i) callers.emplace_back(ask);
  for (std::thread& caller : callers) caller.join();
  const std::uint64_t used = high_water.Bytes();
  std::printf("32 at once under %llu MiB: %d answered, %d refused, resident +%llu MiB\n",
              static_cast<unsigned long long>(kTotal / kMiB), answered.load(), refused.load(),
              static_cast<unsigned long long>(used / kMiB));
  EXPECT_EQ(answered + refused, kQueries);
  EXPECT_LE(used, kTotal + kTotal / 2 + kSlackBytes + kQueries * kMiB);
  // All of it was given back: the same question is answered when it is alone.
  const auto alone = db_->Query(query);
  EXPECT_TRUE(alone) << alone.error().ToString();
}

}  // namespace
}  // namespace quipu
