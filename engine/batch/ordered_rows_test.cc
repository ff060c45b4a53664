#include "batch/ordered_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/clock.h"
#include "base/test_seed.h"

namespace quipu {
namespace {

// A row as a tuple; the number says when it came.
using Plain = std::tuple<CustomerOrdinal, ServiceOrdinal, TimeUs, std::int64_t>;

struct Source {
  std::vector<RowBatch> batches;
  std::vector<RowRef> refs;  // of the rows that are wanted, in order of arrival
  std::vector<Plain> truth;  // likewise
};

Source RandomSource(Random& random, std::size_t rows, std::uint64_t customers) {
  Source source;
  std::int64_t number = 0;
  while (source.truth.size() < rows) {
    RowBatchBuilder builder;
    const std::uint64_t n = 1 + random.Below(30'000);
    const auto batch = static_cast<std::uint32_t>(source.batches.size());
    for (std::uint32_t row = 0; row < n; ++row, ++number) {
      const auto customer = static_cast<CustomerOrdinal>(random.Below(customers));
      const auto service = static_cast<ServiceOrdinal>(random.Below(3));
      const auto time = static_cast<TimeUs>(random.Below(1000));
      builder.BeginRow(customer, service, time, Identity{}, "", "");
      builder.AddMeasure(kQuantityColumn, Decimal(number, 0));
      if (random.Below(10) == 0) continue;  // not wanted
      source.refs.push_back({batch, row});
      source.truth.push_back({customer, service, time, number});
    }
    source.batches.push_back(builder.Finish());
  }
  return source;
}

TEST(OrderedRows, AreAllRowsInSegmentOrderAndThoseThatAreEqualInOrderOfArrival) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const std::size_t rows : {1u, 1000u, 65'536u, 65'537u, 200'000u}) {
    Source source = RandomSource(random, rows, 1 + random.Below(500));
    std::stable_sort(source.truth.begin(), source.truth.end(), [](const Plain& a, const Plain& b) {
      return std::tuple(std::get<0>(a), std::get<1>(a), std::get<2>(a)) <
             std::tuple(std::get<0>(b), std::get<1>(b), std::get<2>(b));
    });
    std::vector<const RowBatch*> batches;
    for (const RowBatch& batch : source.batches) batches.push_back(&batch);
    OrderedRows ordered(batches, source.refs);
    source.batches.clear();  // they are not needed any more
    std::vector<Plain> got;
    while (ordered.left() > 0) {
      const RowBatch some =
          ordered.Take(std::min<std::size_t>(ordered.left(), 1 + random.Below(70'000)));
      for (std::size_t i = 0; i < some.size(); ++i)
        got.push_back({some.customers[i], some.services[i], some.times[i],
                       some.FindMeasure(kQuantityColumn)->narrow[i]});
    }
    ASSERT_EQ(got, source.truth);
  }
}

}  // namespace
}  // namespace quipu
