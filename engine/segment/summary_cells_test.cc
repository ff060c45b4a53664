#include "segment/summary_cells.h"

#include <gtest/gtest.h>

#include <random>

#include "base/test_seed.h"

namespace quipu {
namespace {

TEST(SummaryCells, AServiceHasAsManyPlacesAsItUsesMeasures) {
  ServiceCells service;
  EXPECT_EQ(service.PlaceOf(990), 0u);
  EXPECT_EQ(service.PlaceOf(7), 1u);
  EXPECT_EQ(service.PlaceOf(990), 0u);
  EXPECT_EQ(service.slots, (std::vector<std::size_t>{990, 7}));
  service.days.resize(1);
  bool is_new = false;
  service.DayOf(3).At(service.PlaceOf(7)).Hour(3, &is_new).Add(1, 0);
  EXPECT_TRUE(is_new);
  EXPECT_EQ(service.DayOf(3).measures.size(), 2u) << "not 991";
}

TEST(SummaryCells, AnHourOfADayHasStatisticsAndABinOfItsOwn) {
  DayMeasure day;
  bool is_new = false;
  for (const std::uint32_t hour : {23u, 0u, 7u, 23u}) {
    day.Hour(hour, &is_new).Add(hour, 0);
    day.Bin(hour).Add(Int128{hour}, 0);
  }
  EXPECT_FALSE(is_new);
  EXPECT_EQ(day.Find(1), nullptr);
  for (const std::uint32_t hour : {0u, 7u, 23u}) {
    ASSERT_EQ(day.Find(hour)->count, hour == 23 ? 2u : 1u);
    ASSERT_EQ(day.Bin(hour).Settled().count(), day.Find(hour)->count);
    ASSERT_TRUE(day.Find(hour)->max == AtSumScale(hour, 0));
  }
  EXPECT_TRUE(day.has_bins());
  day.DropBins();
  EXPECT_FALSE(day.has_bins());
}

TEST(SummaryCells, WhatACellCountsForOnlyGrowsAndIsAboutWhatItHolds) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const std::uint64_t range : {1ull, 1000ull, 1ull << 40}) {
    MeasureCell cell;
    std::uint64_t before = CountedBytes(cell.stats);
    EXPECT_EQ(before, 0u);
    for (std::uint64_t n = 1; n <= 3 * kQuantileExactMax; ++n) {
      const auto value = static_cast<std::int64_t>(random() % range);
      cell.stats.Add(value, 6);
      cell.values.Add({&value, 1}, 6);
      const std::uint64_t counted = CountedBytes(cell.stats);
      ASSERT_GE(counted, before) << n;
      before = counted;
      ASSERT_LE(sizeof cell + cell.values.bytes(), 2 * counted) << range << " " << n;
    }
  }
}

TEST(SummaryCells, ABinHoldsTheSketchOfItsValues) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    ValueBin bin;
    QuantileSketch expected;
    for (std::uint64_t parts = 1 + random() % 8; parts > 0; --parts) {
      const int scale = static_cast<int>(random() % 3) * 4;
      std::vector<std::int64_t> mantissas(random() % (round < 25 ? 100 : 1500));
      for (std::int64_t& m : mantissas) m = static_cast<std::int64_t>(random() % 2001) - 1000;
      for (const std::int64_t m : mantissas) expected.Add(m, scale);
      ValueBin other;
      ValueBin& to = random() % 2 == 0 ? bin : other;
      to.Add(mantissas, scale);
      if (random() % 2 == 0) {
        to.Add(Int128{7}, scale);
        expected.Add(7, scale);
      }
      bin.Absorb(&other);
    }
    ASSERT_TRUE(bin.Settled() == expected) << "round " << round;
  }
}

}  // namespace
}  // namespace quipu
