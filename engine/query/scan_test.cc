// Unsealed rows of one customer are found by the index of a large batch and by looking through a small one, those of several row by row; all must find the same.
#include "query/scan.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

class ScanTest : public QueryTest {};

TEST_F(ScanTest, UnsealedRowsOfOneCustomerAreAllFound) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  constexpr TimeUs kStart = 1'772'323'200 * kSecondUs;  // 2026-03-01
  struct Row {
    std::size_t customer;
    TimeUs time;
    std::int64_t m;
  };
  // Some have runs of neighbours, some a row here and there, one a single row, and no row count is a multiple of a vector's.
  std::vector<Row> rows;
  for (int commit = 0; commit < 6; ++commit) {
    // One is large enough for an index, the others are looked through (4,096 rows, scan.cc).
    for (std::uint64_t left = commit == 2 ? 5000 + random.Below(3000) : 1 + random.Below(2500);
         left > 0;) {
      const std::size_t customer = random.Below(3) == 0 ? 0 : 1 + random.Below(300);
      for (std::uint64_t n = std::min(left, 1 + random.Below(customer == 0 ? 200 : 2)); n > 0;
           --n, --left) {
        rows.push_back({customer, kStart + static_cast<TimeUs>(random.Below(1000)) * kSecondUs,
                        static_cast<std::int64_t>(random.Below(1000))});
        Event e;
        const std::string name = "c" + std::to_string(customer);
        e.time = rows.back().time;
        e.customer = name;
        e.service = random.Below(2) == 0 ? "api" : "storage";
        e.measures = {{"m", rows.back().m}};
        Put(e);
      }
    }
    Commit();
  }
  for (const std::size_t customer :
       {std::size_t{0}, rows.front().customer, rows.back().customer, 1 + random.Below(300)}) {
    for (const TimeUs to : {kStart + 1000 * kSecondUs, kStart + 400 * kSecondUs}) {
      std::int64_t count = 0, sum = 0;
      for (const Row& row : rows) {
        if (row.customer != customer || row.time < kStart + 100 * kSecondUs || row.time >= to)
          continue;
        ++count;
        sum += row.m;
      }
      QuerySpec spec =
          Query().Select("count, sum(m)").Customer("c" + std::to_string(customer)).spec();
      spec.from = kStart + 100 * kSecondUs;
      spec.to = to;
      const auto one = TryAsk(spec);
      if (!one) {  // a customer without any event
        EXPECT_EQ(count, 0) << one.error().ToString();
        continue;
      }
      const std::string expected =
          std::to_string(count) + " " + (count > 0 ? std::to_string(sum) : "-") + "\n";
      EXPECT_EQ(Text(one), expected) << "c" << customer;
      QuerySpec more = Query()
                           .Select("first(m), latest(m), p50(m), distinct(service)")
                           .GroupBy("service")
                           .Every("minute")
                           .spec();  // with what asks where rows stand, and without
      more.customers = spec.customers;
      more.from = spec.from;
      more.to = spec.to;
      QuerySpec less = more;
      less.select.erase(less.select.begin(), less.select.begin() + 2);
      const std::string more_of_one = Text(TryAsk(more)), less_of_one = Text(TryAsk(less));
      for (QuerySpec* const s : {&spec, &more, &less}) s->customers.push_back("somebody else");
      EXPECT_EQ(Text(TryAsk(spec)), expected) << "c" << customer;
      EXPECT_EQ(Text(TryAsk(more)), more_of_one) << "c" << customer;
      EXPECT_EQ(Text(TryAsk(less)), less_of_one) << "c" << customer;
    }
  }
}

}  // namespace
}  // namespace quipu
