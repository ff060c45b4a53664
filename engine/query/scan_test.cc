// Unsealed rows of one customer are taken by whole runs or found by the indexes of hot batches or by looking through them, those of several row by row; all
// must find the same.
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
  // Some have runs of neighbours, some a row here and there, one a single row, and no row count is a multiple of a vector's. The first commits are too
  // large to be merged and lie apart in time, so that some ranges cut none of their runs.
  std::vector<Row> rows;
  for (int commit = 0; commit < 9; ++commit) {
    const TimeUs begin = kStart + commit * 1000 * kSecondUs;
    for (std::uint64_t left = commit < 5 ? 5000 + random.Below(3000) : 1 + random.Below(2500);
         left > 0;) {
      const std::size_t customer = random.Below(3) == 0 ? 0 : 1 + random.Below(300);
      for (std::uint64_t n = std::min(left, 1 + random.Below(customer == 0 ? 200 : 2)); n > 0;
           --n, --left) {
        rows.push_back({customer, begin + static_cast<TimeUs>(random.Below(1000)) * kSecondUs,
                        static_cast<std::int64_t>(random.Below(1000))});
        Event e;
        const std::string name = "c" + std::to_string(customer);
        e.time = rows.back().time;
        e.customer = name;
        e.service = random.Below(2) == 0 ? "api" : "storage";
        e.measures = {{"m", rows.back().m}};
        // Not everywhere; in one commit too large for sums of 64 bits, in another for the column.
        if (random.Below(3) > 0) {
          const Int128 large = commit == 1 ? Int128{1} << 62 : commit == 2 ? Int128{1} << 70 : 1;
          e.measures.push_back({"w", Decimal(large + static_cast<Int128>(random.Below(9)), 3)});
        }
        Put(e);
      }
    }
    Commit();
  }
  Event late;  // of a customer with nothing in the asked ranges, so that two can be asked about
  late.time = kStart + 1'000'000 * kSecondUs;
  late.customer = "somebody else";
  late.service = "api";
  Put(late);
  Commit();
  for (const std::size_t customer :
       {std::size_t{0}, rows.front().customer, rows.back().customer, 1 + random.Below(300)}) {
    for (const auto& [from_s, to_s] :
         {std::pair{0, 9000}, {100, 9000}, {1000, 4000}, {100, 400}, {2500, 3500}}) {
      const TimeUs from = kStart + from_s * kSecondUs, to = kStart + to_s * kSecondUs;
      std::int64_t count = 0, sum = 0;
      for (const Row& row : rows) {
        if (row.customer != customer || row.time < from || row.time >= to) continue;
        ++count;
        sum += row.m;
      }
      QuerySpec spec =
          Query().Select("count, sum(m)").Customer("c" + std::to_string(customer)).spec();
      spec.from = from;
      spec.to = to;
      const auto one = TryAsk(spec);
      if (!one) {  // a customer without any event
        EXPECT_EQ(count, 0) << one.error().ToString();
        continue;
      }
      const std::string expected =
          std::to_string(count) + " " + (count > 0 ? std::to_string(sum) : "-") + "\n";
      EXPECT_EQ(Text(one), expected) << "c" << customer;
      const QuerySpec others[] = {
          Query().Select("first(m), latest(m), p50(m)").GroupBy("service").Every("minute").spec(),
          Query().Select("p50(m), distinct(service), min(w)").Every("minute").spec(),
          Query().Select("count, sum(m), avg(w), p50(w)").GroupBy("service").Every("hour").spec(),
          Query().Select("count(w), sum(w), p99(m)").GroupBy("service").Service("api").spec()};
      for (QuerySpec other : others) {
        other.customers = spec.customers;
        other.from = spec.from;
        other.to = spec.to;
        // The last large batches are looked through a few times; then they have an index, too.
        const std::string once = Text(TryAsk(other)), again = Text(TryAsk(other));
        EXPECT_EQ(once, again);
        other.customers.push_back("somebody else");
        EXPECT_EQ(Text(TryAsk(other)), once) << "c" << customer << " of " << from_s << ".." << to_s;
      }
      spec.customers.push_back("somebody else");
      EXPECT_EQ(Text(TryAsk(spec)), expected) << "c" << customer;
    }
  }
  std::size_t indexes = 0;
  for (const HotBatchPtr& batch : store_->view()->hot)
    indexes += batch->made_index.peek() != nullptr ? 1 : 0;
  EXPECT_EQ(indexes, 5u) << "of the large ones";
}

}  // namespace
}  // namespace quipu
