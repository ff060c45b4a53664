// The executor against a loop over the events: random rows and questions, in every layout, with and without summaries and helpers.
#include "query/aggregator.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/clock.h"
#include "query/query_testing.h"

namespace quipu {
namespace {

struct Row {
  TimeUs time = 0;
  std::string customer, service;
  std::optional<std::string> a, b;
  std::optional<Decimal> m;
};

std::string OfThem(const char* stem, std::uint64_t number) { return stem + std::to_string(number); }

Row RandomRow(Random* random) {
  Row row;
  constexpr TimeUs kSpan = 50 * kDayUs;
  // Some times repeat; two months.
  row.time = 1771563600 * kSecondUs + static_cast<TimeUs>(random->Below(2) == 0
                                                              ? random->Below(kSpan)
                                                              : random->Below(500) * (kSpan / 500));
  // Whales and many small ones.
  row.customer = OfThem("c", random->Below(3) == 0 ? random->Below(300) : random->Below(3));
  row.service = OfThem("s", random->Below(3));
  if (random->Below(10) != 0) row.a = OfThem("a", random->Below(4));
  if (random->Below(5) != 0) row.b = OfThem("b", random->Below(random->Below(2) == 0 ? 6 : 400));
  const std::uint64_t kind = random->Below(10);
  if (kind == 0) return row;
  const auto value = static_cast<std::int64_t>(random->Below(100'000)) - 20'000;
  row.m = kind == 1   ? Decimal(Int128{value} * 1'000'000'000'000'000'000, 5)  // wide
          : kind == 2 ? Decimal(value)
                      : Decimal(value, static_cast<int>(1 + random->Below(3)));
  return row;
}

/// A question, and the plain way to answer it.
struct Asked {
  QuerySpec spec;
  std::optional<std::string> a_is, a_is_not, b_starts, service_is;
  std::optional<Decimal> m_below;
  bool counts_only = false;

  [[nodiscard]] bool Wants(const Row& r) const {
    if ((spec.from && r.time < *spec.from) || (spec.to && r.time >= *spec.to)) return false;
    if (!spec.customers.empty() &&
        std::count(spec.customers.begin(), spec.customers.end(), r.customer) == 0)
      return false;
    if (a_is && r.a != a_is) return false;
    if (a_is_not && r.a == a_is_not) return false;
    if (b_starts && !(r.b && r.b->starts_with(*b_starts))) return false;
    if (service_is && r.service != *service_is) return false;
    return !m_below || (r.m && *r.m < *m_below);
  }
  [[nodiscard]] std::string KeyOf(const Row& r) const {
    std::string key;
    if (spec.window.unit == WindowUnit::kDay) key += FormatTime(FloorTo(r.time, kDayUs)) + " ";
    for (const std::string& name : spec.group_by) {
      const auto text = name == "customer"  ? std::optional(r.customer)
                        : name == "service" ? std::optional(r.service)
                        : name == "a"       ? r.a
                                            : r.b;
      key += text.value_or("-") + " ";
    }
    return key;
  }
};

Asked RandomQuestion(Random* random) {
  Asked q;
  Query query;
  q.counts_only = random->Below(3) == 0;
  query
      .Select(q.counts_only ? "count"
                            : "count, count(m), sum(m), min(m), max(m), p50(m), distinct(b), "
                              "distinct(customer)")
      .Exact();
  for (const char* name : {"customer", "service", "a", "b"}) {
    if (random->Below(3) == 0) query.GroupBy(name);
  }
  if (random->Below(3) == 0) query.Every("day");
  if (random->Below(4) == 0) query.Customer("c1").Customer("c77").Customer("c200");
  if (random->Below(4) == 0) query.Where("a=" + *(q.a_is = "a2"));
  if (random->Below(6) == 0) query.Where("a!=" + *(q.a_is_not = "a1"));
  if (random->Below(4) == 0) query.Where("b^=" + *(q.b_starts = "b1"));
  if (random->Below(6) == 0) query.Where("service=" + *(q.service_is = "s1"));
  if (random->Below(4) == 0) {
    q.m_below = Decimal(static_cast<std::int64_t>(random->Below(200'000)) - 50'000, 2);
    query.Where("m<" + q.m_below->ToString());
  }
  EXPECT_TRUE(query.status().ok()) << query.status().ToString();
  q.spec = query.spec();
  q.spec.memory_bytes_max = 1ull << 30;
  // Whole hours, and others; from the first of two months into the second, or within one.
  const TimeUs unit = random->Below(2) == 0 ? kHourUs : kHourUs / 2;
  const TimeUs start = 1771563600 * kSecondUs;
  const auto some = [&] { return start + static_cast<TimeUs>(random->Below(1200)) * unit; };
  if (random->Below(2) == 0) q.spec.from = some();
  if (random->Below(2) == 0) q.spec.to = std::max(some(), q.spec.from.value_or(0)) + unit;
  return q;
}

struct Totals {
  std::uint64_t rows = 0;
  std::vector<Decimal> values;
  std::set<std::string> b, customers;
  [[nodiscard]] std::string Text(bool counts_only) const {
    if (counts_only) return std::to_string(rows);
    std::string text = std::to_string(rows) + " " + std::to_string(values.size());
    if (values.empty()) return text + " - - - - " + Distincts();
    std::vector<Decimal> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    Decimal sum;
    for (const Decimal& v : sorted) sum = *Decimal::Add(sum, v);
    return text + " " + sum.ToString() + " " + sorted.front().ToString() + " " +
           sorted.back().ToString() + " " + sorted[(sorted.size() + 1) / 2 - 1].ToString() + " " +
           Distincts();
  }
  [[nodiscard]] std::string Distincts() const {
    return std::to_string(b.size()) + " " + std::to_string(customers.size());
  }
};

std::string PlainAnswer(const Asked& q, const std::vector<Row>& rows) {
  std::map<std::string, Totals> groups;
  if (q.spec.group_by.empty() && q.spec.window.unit == WindowUnit::kNone) groups[""];
  for (const Row& r : rows) {
    if (!q.Wants(r)) continue;
    Totals& t = groups[q.KeyOf(r)];
    ++t.rows;
    if (r.m) t.values.push_back(*r.m);
    if (r.b) t.b.insert(*r.b);
    t.customers.insert(r.customer);
  }
  std::string text;
  for (const auto& [key, totals] : groups) text += key + totals.Text(q.counts_only) + "\n";
  return text;
}

/// Lines sorted: a map of texts orders them otherwise than an answer does ("c1 " and "c10 ").
std::string Sorted(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::sort(lines.begin(), lines.end());
  std::string sorted;
  for (const std::string& line : lines) sorted += line + "\n";
  return sorted;
}

class AggregatorTest : public QueryTest {
 protected:
  void PutRow(const Row& r) {
    Event e;
    e.time = r.time;
    e.customer = r.customer;
    e.service = r.service;
    if (r.a) e.dimensions.push_back({"a", *r.a});
    if (r.b) e.dimensions.push_back({"b", *r.b});
    if (r.m) e.measures.push_back({"m", *r.m});
    Put(e);
  }
};

TEST_F(AggregatorTest, AgreesWithALoop) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  QueryResources resources(4);
  std::vector<Row> rows;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 2500; ++i) {
      rows.push_back(RandomRow(&random));
      PutRow(rows.back());
      if (i % 500 == 499) Commit();
    }
    if (round < 3) Seal();
    if (round == 2) Merge();
    for (int k = 0; k < 25; ++k) {
      Asked q = RandomQuestion(&random);
      const std::string truth = Sorted(PlainAnswer(q, rows));
      std::string first;
      for (const std::uint32_t threads : {1u, 4u}) {
        for (const bool raw_only : {false, true}) {
          q.spec.threads = threads;
          q.spec.raw_only = raw_only;
          const auto answer = RunQuery(*store_->view(), store_->catalogue(), q.spec, &resources);
          ASSERT_TRUE(answer) << answer.error().ToString();
          const std::string text = Text(answer);
          ASSERT_EQ(Sorted(text), truth) << "round " << round << ", question " << k;
          if (first.empty()) first = text;
          ASSERT_EQ(text, first);  // also the order
        }
      }
    }
  }
}

TEST_F(AggregatorTest, ManySlotsAndManyTablesOfThem) {
  // 70 x 70 x 2 codes are too many for a table by window; every row's group is another one.
  for (int i = 0; i < 70; ++i) {
    for (int k = 0; k < 70; ++k) {
      Put("2026-03-0" + std::to_string(1 + i % 3), "c", 1,
          {{"a", OfThem("a", static_cast<std::uint64_t>(i))},
           {"b", OfThem("b", static_cast<std::uint64_t>(k))}});
    }
  }
  Commit();
  Seal();
  const auto by_day =
      TryAsk(Query().Select("count").Every("day").GroupBy("a,b").OrderBy("-count").spec());
  ASSERT_TRUE(by_day);
  EXPECT_EQ(by_day->rows(), 70u * 70u);
  EXPECT_EQ(by_day->columns[3].integers.front(), 1);
  EXPECT_EQ(Ask(Query().Select("count").GroupBy("a").OrderBy("a").Limit(2)), "a0 70\na1 70\n");
}

}  // namespace
}  // namespace quipu
