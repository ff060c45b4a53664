#include <gtest/gtest.h>

#include "base/test_seed.h"
#include "quipu/query.h"

namespace quipu {
namespace {

struct AggregateCase {
  const char* text;
  Function function;
  const char* column;
  std::uint32_t ppm = 0;
  Derived derived = Derived::kNone;
};

TEST(AggregateText, EveryForm) {
  const AggregateCase kCases[] = {
      {"count", Function::kCount, ""},
      {"count(ms)", Function::kCount, "ms"},
      {"sum(quantity)", Function::kSum, "quantity"},
      {"avg( ms )", Function::kAvg, "ms"},
      {"min(a.b-c)", Function::kMin, "a.b-c"},
      {"max(ms)", Function::kMax, "ms"},
      {"first(ms)", Function::kFirst, "ms"},
      {"latest(ms)", Function::kLatest, "ms"},
      {"distinct(customer)", Function::kDistinct, "customer"},
      {"median(ms)", Function::kQuantile, "ms", 500'000},
      {"p50(ms)", Function::kQuantile, "ms", 500'000},
      {"p99.9(ms)", Function::kQuantile, "ms", 999'000},
      {"p99.9999(ms)", Function::kQuantile, "ms", 999'999},
      {"p0.0001(ms)", Function::kQuantile, "ms", 1},
      {"p100(ms)", Function::kQuantile, "ms", 1'000'000},
      {"quantile(ms,0.999)", Function::kQuantile, "ms", 999'000},
      {"quantile(a,b , 1)", Function::kQuantile, "a,b", 1'000'000},
      {"change(sum(cost))", Function::kSum, "cost", 0, Derived::kChange},
      {"change_percent( p95(ms) )", Function::kQuantile, "ms", 950'000, Derived::kChangePercent},
      {"change(count)", Function::kCount, "", 0, Derived::kChange},
  };
  for (const AggregateCase& c : kCases) {
    const Result<Aggregate> a = Aggregate::Parse(std::string("  ") + c.text + "\t");
    ASSERT_TRUE(a.has_value()) << a.error().ToString();
    EXPECT_EQ(a->function, c.function) << c.text;
    EXPECT_EQ(a->column, c.column) << c.text;
    EXPECT_EQ(a->quantile_ppm, c.ppm) << c.text;
    EXPECT_EQ(a->derived, c.derived) << c.text;
    EXPECT_EQ(a->name, c.text);
  }
}

TEST(AggregateText, WhatFormsAndFunctionsTake) {
  const auto parse = [](const char* text) {
    const Result<Aggregate> a = Aggregate::Parse(text);
    EXPECT_TRUE(a.has_value()) << text << ": " << a.error().ToString();
    return a ? *a : Aggregate{};
  };
  EXPECT_EQ(parse("change(count, month)").ago, Ago::kMonth);
  EXPECT_EQ(parse("change_percent(quantile(ms, 0.5), week)").ago, Ago::kWeek);
  EXPECT_EQ(parse("change_percent(quantile(ms, 0.5), week)").quantile_ppm, 500'000u);
  EXPECT_EQ(parse("moving_avg(sum(cost),7)").windows, 7u);
  EXPECT_EQ(parse("peak(count, hour)").peak_unit, WindowUnit::kHour);
  EXPECT_EQ(parse("peak_time(max(ms), day)").peak_unit, WindowUnit::kDay);
  EXPECT_EQ(parse("growth_percent(sum(cost))").derived, Derived::kGrowthPercent);
  const Aggregate level = parse("share(time_weighted_sum(gb, bucket, region))");
  EXPECT_EQ(level.function, Function::kTimeWeightedSum);
  EXPECT_EQ(level.derived, Derived::kShare);
  EXPECT_EQ(level.column, "gb");
  EXPECT_EQ(level.level_by, (std::vector<std::string>{"bucket", "region"}));
  EXPECT_EQ(parse("max_concurrency(duration_ms)").unit_us, 1000);
  EXPECT_EQ(parse("avg_concurrency(took, min)").unit_us, kMinuteUs);
  EXPECT_EQ(parse("max_concurrency(build_h)").unit_us, kHourUs);
  for (const char* text :
       {"change(count, year)", "moving_avg(count)", "moving_avg(count, 1)",
        "moving_avg(count, 7.5)", "moving_avg(count, 10001)", "peak(count)", "peak(count, week)",
        "rate(count, hour)", "share(rate(count))", "rate()", "max_concurrency(took)",
        "max_concurrency(took, days)", "time_weighted_sum(gb, )", "time_weighted_sum()"}) {
    EXPECT_EQ(Aggregate::Parse(text).error().code(), StatusCode::kInvalidArgument) << text;
  }
}

TEST(AggregateText, Mistakes) {
  const std::string long_name(257, 'n');
  for (const std::string& text : std::vector<std::string>{"",
                                                          "sum",
                                                          "sum()",
                                                          "sum( )",
                                                          "sum(ms",
                                                          "sum(ms)x",
                                                          "total(ms)",
                                                          "Sum(ms)",
                                                          "count()",
                                                          "p0(ms)",
                                                          "p101(ms)",
                                                          "p99.99999(ms)",
                                                          "p-1(ms)",
                                                          "p(ms)",
                                                          "p99",
                                                          "p1e1x(ms)",
                                                          "quantile(ms)",
                                                          "quantile(ms,0)",
                                                          "quantile(ms,1.1)",
                                                          "quantile(ms,0.0000001)",
                                                          "quantile(,0.5)",
                                                          "quantile(ms,)",
                                                          "change()",
                                                          "change",
                                                          "change(change(count))",
                                                          "change(sum)",
                                                          "(ms)",
                                                          "median",
                                                          "sum(" + long_name + ")"}) {
    const Result<Aggregate> a = Aggregate::Parse(text);
    EXPECT_EQ(a.error().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(a.error().message().find("allowed are count"), std::string::npos) << text;
  }
}

TEST(FilterText, EveryForm) {
  struct Case {
    const char* text;
    const char* column;
    FilterOp op;
    std::vector<std::string> values;
  };
  const Case kCases[] = {
      {"status=500", "status", FilterOp::kEqual, {"500"}},
      {" status = 500 ", "status", FilterOp::kEqual, {"500"}},
      {"status!=500", "status", FilterOp::kNotEqual, {"500"}},
      {"path^=/api", "path", FilterOp::kPrefix, {"/api"}},
      {"ms<1", "ms", FilterOp::kLess, {"1"}},
      {"ms <= 1.5", "ms", FilterOp::kLessEqual, {"1.5"}},
      {"ms>-1", "ms", FilterOp::kGreater, {"-1"}},
      {"duration_ms>=100", "duration_ms", FilterOp::kGreaterEqual, {"100"}},
      {"status in 500,502", "status", FilterOp::kIn, {"500", "502"}},
      {"status in (500, 502 )", "status", FilterOp::kIn, {"500", "502"}},
      {"status in(500)", "status", FilterOp::kIn, {"500"}},
      {"region=", "region", FilterOp::kEqual, {""}},
      {"url=a=b&c<d", "url", FilterOp::kEqual, {"a=b&c<d"}},
      {"inside=in line", "inside", FilterOp::kEqual, {"in line"}},
      {"main in x", "main", FilterOp::kIn, {"x"}},
      {"path=<none>", "path", FilterOp::kEqual, {"<none>"}},
      {"two words=x", "two words", FilterOp::kEqual, {"x"}},
  };
  for (const Case& c : kCases) {
    const Result<Filter> f = Filter::Parse(c.text);
    ASSERT_TRUE(f.has_value()) << f.error().ToString();
    EXPECT_EQ(f->column, c.column) << c.text;
    EXPECT_EQ(f->op, c.op) << c.text;
    EXPECT_EQ(f->values, c.values) << c.text;
  }
}

TEST(FilterText, Mistakes) {
  for (const char* text :
       {"", "status", "=500", " != x", "status==500", "ms>abc", "ms<", "ms<>5", "status in",
        "status in ()", "status in a,,b", "status in a,", "in a", "status!500", "status^500"}) {
    const Result<Filter> f = Filter::Parse(text);
    EXPECT_EQ(f.error().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(f.error().message().find("allowed are name=value"), std::string::npos) << text;
  }
}

TEST(QueryBuilder, BuildsTheSpec) {
  Query q;
  q.Select("count, sum(quantity), quantile(ms,0.5), change(p99(ms))")
      .Customer("acme")
      .Service("api")
      .Between("2026-03-01", "2026-04-01T00:00:00+01:00")
      .Every("day", "Europe/Berlin")
      .GroupBy("endpoint, status")
      .Where("status=500")
      .Where("ms>1")
      .OrderBy("-count")
      .OrderBy("endpoint")
      .Limit(5)
      .Fill()
      .Exact();
  ASSERT_TRUE(q.status().ok()) << q.status().ToString();
  const QuerySpec& s = q.spec();
  ASSERT_EQ(s.select.size(), 4u);
  EXPECT_EQ(s.select[2].column, "ms");
  EXPECT_EQ(s.select[3].name, "change(p99(ms))");
  EXPECT_EQ(s.customers, std::vector<std::string>{"acme"});
  EXPECT_EQ(s.services, std::vector<std::string>{"api"});
  EXPECT_EQ(FormatTime(*s.from), "2026-03-01T00:00:00Z");
  EXPECT_EQ(FormatTime(*s.to), "2026-03-31T23:00:00Z");
  EXPECT_EQ(s.window.unit, WindowUnit::kDay);
  EXPECT_EQ(s.window.zone, "Europe/Berlin");
  EXPECT_EQ(s.group_by, (std::vector<std::string>{"endpoint", "status"}));
  ASSERT_EQ(s.filters.size(), 2u);
  ASSERT_EQ(s.order_by.size(), 2u);
  EXPECT_EQ(s.order_by[0].column, "count");
  EXPECT_TRUE(s.order_by[0].descending);
  EXPECT_FALSE(s.order_by[1].descending);
  EXPECT_EQ(s.limit, 5u);
  EXPECT_TRUE(s.fill);
  EXPECT_TRUE(s.exact);
}

TEST(QueryBuilder, KeepsTheFirstMistake) {
  Query q;
  q.From("yesterday").Every("fortnight").Select("sum");
  EXPECT_EQ(q.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(q.status().message().substr(0, 5), "from:");
  EXPECT_NE(Query().Every("fortnight").status().message().find("minute, hour"), std::string::npos);
  EXPECT_FALSE(Query().Select("").status().ok());
  EXPECT_FALSE(Query().Select("count,,count").status().ok());
  EXPECT_FALSE(Query().GroupBy("a,,b").status().ok());
  EXPECT_FALSE(Query().OrderBy("-").status().ok());
  EXPECT_FALSE(Query().Customer("").status().ok());
  EXPECT_FALSE(Query().Service("").status().ok());
  EXPECT_FALSE(Query().Where("x").status().ok());
  EXPECT_FALSE(Query().To("2026-02-30").status().ok());
}

TEST(QueryText, SurvivesAnyText) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  constexpr std::string_view kPieces[] = {
      "count", "sum", "p99.9", "quantile", "change", "(",  ")",   ",",    " in ",
      "=",     "<",   "^=",    "!",        " ",      "ms", "0.5", "\xFF", ""};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::uint64_t n = random.Below(8); n > 0; --n)
      text += kPieces[random.Below(std::size(kPieces))];
    if (const Result<Aggregate> a = Aggregate::Parse(text)) {
      ASSERT_EQ(a->column.empty() && a->function != Function::kCount, false) << text;
      ASSERT_EQ(a->quantile_ppm > 0, a->function == Function::kQuantile) << text;
      ASSERT_LE(a->quantile_ppm, 1'000'000u);
    }
    if (const Result<Filter> f = Filter::Parse(text)) {
      ASSERT_FALSE(f->column.empty()) << text;
      ASSERT_FALSE(f->values.empty()) << text;
    }
  }
}

}  // namespace
}  // namespace quipu
