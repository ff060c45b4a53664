// The index of a hot batch against sorting and picking row by row.
#include "store/hot_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "sketch/exact_sum.h"
#include "store/store_testing.h"

namespace quipu {
namespace {

TEST(HotIndex, GivesEachCustomersRowsByServiceAndTime) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, 1 + random.Below(3000)}) {
    Catalogue catalogue;
    const RowBatch batch = RowMaker(&catalogue, "e", random.Next()).Make(size);
    const HotIndex index(batch);
    std::vector<std::uint32_t> sorted(size);
    std::iota(sorted.begin(), sorted.end(), 0u);
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::tuple(batch.customers[a], batch.services[a], batch.times[a]) <
             std::tuple(batch.customers[b], batch.services[b], batch.times[b]);
    });
    ASSERT_EQ(index.rows(), sorted);
    for (std::size_t place = 0; place < size; ++place)
      EXPECT_EQ(index.times()[place], batch.times[sorted[place]]);
    for (std::size_t c = 0; c < batch.measures.size(); ++c) {
      const DecimalColumn& column = index.Measure(c);
      for (std::size_t place = 0; place < size; ++place) {
        const std::size_t row = sorted[place];
        ASSERT_EQ(column.IsPresent(place), batch.measures[c].IsPresent(row));
        if (column.IsPresent(place)) {
          ASSERT_EQ(column.Value(place), batch.measures[c].Value(row));
        }
      }
    }
    for (std::size_t c = 0; c < batch.dimensions.size(); ++c) {
      for (std::size_t place = 0; place < size; ++place)
        ASSERT_EQ(index.Codes(c)[place], batch.dimensions[c].codes[sorted[place]]);
    }
  }
}

TEST(HotIndex, RunsAreThoseOfOneCustomer) {
  Catalogue catalogue;
  const RowBatch batch = RowMaker(&catalogue, "e", 1).Make(500);
  const HotIndex index(batch);
  const std::set<CustomerOrdinal> customers(batch.customers.begin(), batch.customers.end());
  std::size_t covered = 0;
  for (const CustomerOrdinal customer : customers) {
    for (const HotIndex::Run& run : index.RunsOf(customer)) {
      const std::uint32_t end = (&run + 1)->first;
      EXPECT_EQ(run.first, covered);  // one behind the other
      ASSERT_GT(end, run.first);
      for (std::uint32_t place = run.first; place < end; ++place) {
        EXPECT_EQ(batch.customers[index.rows()[place]], customer);
        EXPECT_EQ(batch.services[index.rows()[place]], run.service);
      }
      covered = end;
    }
  }
  EXPECT_EQ(covered, index.size());
  EXPECT_TRUE(index.RunsOf(*customers.rbegin() + 1).empty());
}

TEST(HotIndex, RunsHaveTheirBoundsAndSums) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Catalogue catalogue;
  const RowBatch batch = RowMaker(&catalogue, "e", random.Next()).Make(1 + random.Below(3000));
  const HotIndex index(batch);
  for (const CustomerOrdinal customer : batch.customers) {
    for (const HotIndex::Run& run : index.RunsOf(customer)) {
      const std::uint32_t end = (&run + 1)->first;
      EXPECT_EQ(run.min, index.times()[run.first]);
      EXPECT_EQ(run.max, index.times()[end - 1]);
      for (const DecimalColumn& column : batch.measures) {
        const HotIndex::RunSums& sums = index.Sums(index.FindMeasure(column.id));
        if (column.is_wide()) {
          ASSERT_TRUE(sums.sums.empty());
          continue;
        }
        HotIndex::Sum expected;
        for (std::uint32_t place = run.first; place < end; ++place) {
          const std::uint32_t row = index.rows()[place];
          if (!column.IsPresent(row)) continue;
          expected.sum += column.narrow[row];
          ++expected.count;
        }
        const HotIndex::Sum& found = sums.sums[index.NumberOf(run)];
        ASSERT_EQ(found.sum, expected.sum);
        ASSERT_EQ(found.count, expected.count);
        ASSERT_EQ(sums.scale, column.scale);
      }
    }
  }
  EXPECT_EQ(index.FindMeasure(9999), HotIndex::kNoColumn);
}

TEST(HotIndex, RunsHaveTheCodesOfTheirValues) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Catalogue catalogue;
  const RowBatch batch = RowMaker(&catalogue, "e", random.Next()).Make(1 + random.Below(3000));
  const HotIndex index(batch);
  std::size_t values = 0;
  for (std::size_t c = 0; c < batch.measures.size(); ++c) {
    const DecimalColumn& column = batch.measures[c];
    const HotIndex::RunCodes& coded = index.CodesOfRuns(c);
    ASSERT_EQ(coded.codes.size(), batch.size());
    for (const CustomerOrdinal customer : batch.customers) {
      for (const HotIndex::Run& run : index.RunsOf(customer)) {
        QuantileSketch expected;
        for (std::uint32_t place = run.first; place < (&run + 1)->first; ++place) {
          const std::uint32_t row = index.rows()[place];
          if (!column.IsPresent(row)) {
            ASSERT_EQ(coded.codes[place], QuantileSketch::kNoCode);
            continue;
          }
          expected.Add(column.Mantissa(row), column.scale);
          const std::int32_t bucket =
              QuantileSketch::BucketOf(AtSumScale(column.Mantissa(row), column.scale));
          ASSERT_EQ(coded.codes[place], QuantileSketch::CodeOf(bucket));
          ++values;
        }
        const QuantileSketch::Bounds& found = coded.bounds[index.NumberOf(run)];
        ASSERT_EQ(found.count, expected.count());
        if (found.count == 0) continue;
        ASSERT_EQ(found.scale, expected.bounds().scale);
        ASSERT_TRUE(found.min == expected.bounds().min && found.max == expected.bounds().max);
      }
    }
  }
  EXPECT_GT(values, 0u);
}

TEST(HotIndex, SumsThatDoNotFitAreNotKept) {
  Catalogue catalogue;
  RowBatch batch = RowMaker(&catalogue, "e", 1).Make(100);
  batch.customers.assign(100, 1);
  batch.services.assign(100, 1);
  DecimalColumn& column = batch.measures.front();
  column.present.clear();
  column.wide.clear();
  column.narrow.assign(100, std::numeric_limits<std::int64_t>::max() / 100);
  EXPECT_EQ(HotIndex(batch).Sums(0).sums.size(), 1u);
  column.narrow.assign(100, std::numeric_limits<std::int64_t>::max() / 99 + 1);
  EXPECT_TRUE(HotIndex(batch).Sums(0).sums.empty());
}

}  // namespace
}  // namespace quipu
