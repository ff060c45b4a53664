#include "segment/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/test_seed.h"

namespace quipu {
namespace {

struct Row {
  CustomerOrdinal customer;
  ServiceOrdinal service;
  friend auto operator<=>(const Row&, const Row&) = default;
};

std::vector<Row> SomeRows(std::mt19937_64& random, std::size_t n) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < n; ++i) {
    const bool large = random() % 8 == 0;
    rows.push_back({static_cast<CustomerOrdinal>(large ? random() % 0xFFFFFFFF : random() % 50),
                    static_cast<ServiceOrdinal>(random() % 5)});
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

Directory DirectoryOf(const std::vector<Row>& rows, std::mt19937_64& random) {
  Directory directory;
  for (std::size_t i = 0; i < rows.size();) {
    std::size_t n = 1;
    while (i + n < rows.size() && rows[i + n] == rows[i] && random() % 4 != 0) ++n;
    directory.Append(rows[i].customer, rows[i].service, static_cast<std::uint32_t>(n));
    i += n;
  }
  return directory;
}

TEST(Directory, AgreesWithTheRows) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 30; ++round) {
    const std::vector<Row> rows = SomeRows(random, random() % 3000);
    std::string bytes;
    DirectoryOf(rows, random).EncodeTo(&bytes);
    const Result<Directory> directory = Directory::Decode(AsBytes(bytes), rows.size());
    ASSERT_TRUE(directory) << directory.error().ToString();
    ASSERT_EQ(directory->rows(), rows.size());
    std::map<CustomerOrdinal, std::uint32_t> rows_of;
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
      ++rows_of[rows[i].customer];
      const auto& run = directory->RunOf(i);
      ASSERT_EQ((Row{run.customer, run.service}), rows[i]);
      ASSERT_TRUE(run.first_row <= i && i < run.first_row + run.rows);
    }
    for (const auto& [customer, count] : rows_of) {
      std::uint32_t found = 0;
      for (const auto& run : directory->Find(customer)) found += run.rows;
      ASSERT_EQ(found, count);
    }
    EXPECT_EQ(directory->customers(), rows_of.size());
    EXPECT_TRUE(directory->Find(0xFFFFFFFF).empty());
  }
}

TEST(Directory, CountsCustomersAndMergesRuns) {
  Directory directory;
  directory.Append(1, 0, 10);
  directory.Append(1, 0, 5);
  directory.Append(1, 3, 1);
  directory.Append(9, 0, 2);
  directory.Append(9, 0, 0);
  EXPECT_EQ(directory.customers(), 2u);
  const std::vector<quipu::Run> expected = {{1, 0, 0, 15}, {1, 3, 15, 1}, {9, 0, 16, 2}};
  EXPECT_EQ(std::vector<quipu::Run>(directory.runs().begin(), directory.runs().end()), expected);
  EXPECT_EQ(directory.Find(1).size(), 2u);
  EXPECT_EQ(directory.Find(2).size(), 0u);
}

TEST(Directory, KnowsServicesThatDoNotBelong) {
  Directory directory;
  directory.Append(1, 2, 10);
  directory.Append(1, 7, 5);
  directory.Append(4, 0, 1);
  directory.Append(4, 7, 1);
  using Services = std::vector<ServiceOrdinal>;
  EXPECT_TRUE(directory.HasNoServiceBut(Services{0, 2, 7}));
  EXPECT_TRUE(directory.HasNoServiceBut(Services{0, 1, 2, 7, 9}));
  EXPECT_FALSE(directory.HasNoServiceBut(Services{0, 2}));
  EXPECT_FALSE(directory.HasNoServiceBut(Services{2, 7}));
  EXPECT_FALSE(directory.HasNoServiceBut(Services{0, 7}));
  EXPECT_FALSE(directory.HasNoServiceBut(Services{}));
  EXPECT_TRUE(Directory().HasNoServiceBut(Services{}));
}

TEST(Directory, TakesFewBytes) {
  Directory directory;
  std::mt19937_64 random(1);
  for (std::uint32_t c = 0; c < 10'000; ++c) {
    for (std::uint32_t s = 0; s < 6; ++s)
      directory.Append(c, s, static_cast<std::uint32_t>(1 + random() % 100));
  }
  std::string bytes;
  directory.EncodeTo(&bytes);
  EXPECT_LT(bytes.size(), 3 * directory.runs().size());
}

TEST(Directory, DamageIsRefusedOrHarmless) {
  std::mt19937_64 random(2);
  const std::vector<Row> rows = SomeRows(random, 2000);
  std::string bytes;
  DirectoryOf(rows, random).EncodeTo(&bytes);
  EXPECT_FALSE(Directory::Decode(AsBytes(bytes), rows.size() - 1));
  EXPECT_FALSE(Directory::Decode(AsBytes(bytes), rows.size() + 1));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    ASSERT_FALSE(Directory::Decode(AsBytes(bytes).first(n), rows.size())) << n;
  }
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string damaged = bytes;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    const Result<Directory> directory = Directory::Decode(AsBytes(damaged), rows.size());
    if (!directory) {
      ASSERT_EQ(directory.error().code(), StatusCode::kCorruption);
    } else {
      ASSERT_EQ(directory->rows(), rows.size());
    }
  }
}

TEST(Directory, AHugeCountIsRefusedBeforeItIsAllocated) {
  std::string bytes;
  ByteWriter w(&bytes);
  w.Varint(0xFFFFFFFF);
  w.U64(0);
  EXPECT_EQ(Directory::Decode(AsBytes(bytes), 0xFFFFFFFF).error().code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace quipu
