#include "query/bind.h"

#include "query/query_testing.h"

namespace quipu {
namespace {

class BindTest : public QueryTest {
 protected:
  void Fill() {
    Put("2026-03-10T06:00", "acme", 5, {{"region", "eu"}, {"both", "x"}});
    Event e;
    e.time = At("2026-03-12T00:00");
    e.customer = "zeta";
    e.service = "batch";
    e.measures = {{"both", 2}};
    Put(e);
    Commit();
  }
  Result<BoundQuery> BindIt(const QuerySpec& spec) {
    return Bind(*store_->view(), store_->catalogue(), spec);
  }
  void ExpectInvalid(const Query& query, const std::vector<std::string>& texts) {
    ASSERT_TRUE(query.status().ok());
    const Status status = BindIt(query.spec()).error();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    for (const std::string& text : texts) {
      EXPECT_NE(status.message().find(text), std::string_view::npos)
          << text << " is not in: " << status.ToString();
    }
  }
};

TEST_F(BindTest, ErrorsNameWhatIsKnown) {
  Fill();
  ExpectInvalid(Query().Select("sum(tokns)"), {"measure 'tokns'", "quantity, cost, m, both"});
  ExpectInvalid(Query().Select("count").GroupBy("regoin"), {"dimension 'regoin'", "region, both"});
  ExpectInvalid(Query().Select("count").Where("regoin=eu"), {"dimension 'regoin'"});
  ExpectInvalid(Query().Select("count").Where("tokns>=1"), {"measure 'tokns'"});
  ExpectInvalid(Query().Select("distinct(regoin)"), {"dimension 'regoin'"});
}

TEST_F(BindTest, MistakesInTheQuestion) {
  Fill();
  ExpectInvalid(Query(), {"nothing selected"});
  ExpectInvalid(Query().Select("count").Between("2026-03-12", "2026-03-11"),
                {"2026-03-12T00:00:00Z) is after to (2026-03-11"});
  ExpectInvalid(Query().Select("count").GroupBy("region,region"), {"'region' twice"});
  ExpectInvalid(Query().Select("count").GroupBy("m"), {"'m' is a measure"});
  ExpectInvalid(Query().Select("count").GroupBy("quantity"), {"'quantity' is a measure"});
  ExpectInvalid(Query().Select("distinct(m)"), {"'m' is a measure", "distinct counts values of"});
  ExpectInvalid(Query().Select("count").Every("day", "Mars/Base"), {"Mars/Base"});
  ExpectInvalid(Query().Select("count").Where("m^=1"), {"has no prefix"});
  ExpectInvalid(Query().Select("count").Where("region>5"), {"'region' is a dimension"});
  ExpectInvalid(Query().Select("count").Where("m=abc"), {"filter on measure 'm'"});
  QuerySpec spec = Query().Select("count").spec();
  spec.filters = {{"region", FilterOp::kEqual, {"a", "b"}}};
  EXPECT_EQ(BindIt(spec).error().code(), StatusCode::kInvalidArgument);
  spec.filters = {{"region", FilterOp::kIn, {}}};
  EXPECT_EQ(BindIt(spec).error().code(), StatusCode::kInvalidArgument);
  spec.filters.clear();
  spec.select = {{Function::kQuantile, "m", 0, Derived::kNone, "p0(m)"}};
  EXPECT_EQ(BindIt(spec).error().code(), StatusCode::kInvalidArgument);
  spec.select = {{Function::kSum, "", 0, Derived::kNone, "sum"}};
  EXPECT_EQ(BindIt(spec).error().code(), StatusCode::kInvalidArgument);
  spec.select = {{Function::kDistinct, "", 0, Derived::kNone, "distinct"}};
  EXPECT_EQ(BindIt(spec).error().code(), StatusCode::kInvalidArgument);
}

TEST_F(BindTest, AnEmptyStoreAnswersEveryName) {
  EXPECT_EQ(Ask(Query().Select("count, sum(anything), distinct(thing)").Where("some=1")),
            "0 - 0\n");
  EXPECT_EQ(Ask(Query().Select("count").GroupBy("thing")), "");
}

TEST_F(BindTest, TheRangeIsCutToTheDataAndUnknownScopesAreEmpty) {
  Fill();
  const QuerySpec all = Query().Select("count").Every("day").spec();
  auto bound = BindIt(all);
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->from, At("2026-03-10T06:00"));
  EXPECT_EQ(bound->to, At("2026-03-12T00:00") + 1);
  EXPECT_EQ(bound->windows,
            (std::vector<TimeUs>{At("2026-03-10"), At("2026-03-11"), At("2026-03-12")}));
  EXPECT_EQ(bound->WindowOf(bound->from), 0u);
  EXPECT_EQ(bound->WindowOf(At("2026-03-11") - 1), 0u);
  EXPECT_EQ(bound->WindowOf(At("2026-03-11")), 1u);
  EXPECT_EQ(bound->WindowEnd(2), At("2026-03-13"));
  EXPECT_FALSE(bound->empty);
  const QuerySpec nobody = Query().Select("count").Customer("nobody").spec();
  EXPECT_TRUE(BindIt(nobody)->empty);
  const QuerySpec nothing = Query().Select("count").Service("nothing").spec();
  EXPECT_TRUE(BindIt(nothing)->empty);
  const QuerySpec later = Query().Select("count").From("2027-01-01").spec();
  EXPECT_TRUE(BindIt(later)->empty);
  QuerySpec tight = all;
  tight.groups_max = 2;
  EXPECT_EQ(BindIt(tight).error().code(), StatusCode::kExhausted);
}

TEST_F(BindTest, WhenCellsMayAnswer) {
  Fill();
  const auto allowed = [&](const Query& q) {
    EXPECT_TRUE(q.status().ok());
    const auto bound = BindIt(q.spec());
    EXPECT_TRUE(bound) << bound.error().ToString();
    return bound && bound->cells_allowed;
  };
  EXPECT_TRUE(
      allowed(Query()
                  .Select("count, sum(m), avg(m), min(m), max(m), p99(m), distinct(customer)")
                  .GroupBy("customer,service")));
  EXPECT_TRUE(allowed(Query().Select("count").Every("hour", "Asia/Kathmandu")));
  EXPECT_FALSE(allowed(Query().Select("count").Every("minute")));
  EXPECT_FALSE(allowed(Query().Select("count").Where("region=eu")));
  EXPECT_FALSE(allowed(Query().Select("count").GroupBy("region")));
  EXPECT_FALSE(allowed(Query().Select("first(m)")));
  EXPECT_FALSE(allowed(Query().Select("latest(m)")));
  EXPECT_FALSE(allowed(Query().Select("distinct(service)")));
  EXPECT_FALSE(allowed(Query().Select("p50(m)").Exact()));
  EXPECT_FALSE(allowed(Query().Select("distinct(customer)").Exact()));
  EXPECT_TRUE(allowed(Query().Select("sum(m)").Exact()));
}

TEST_F(BindTest, ANameThatIsMeasureAndDimension) {
  Fill();
  EXPECT_EQ(Ask(Query().Select("sum(both)").GroupBy("both")), "- 2\nx -\n");
  EXPECT_EQ(Ask(Query().Select("count").Where("both=x")), "1\n");
  EXPECT_EQ(Ask(Query().Select("count").Where("both>=2")), "1\n");
}

TEST_F(BindTest, FilterOperators) {
  for (const std::string_view v : {"", "a", "ab", "b"})
    Put("2026-03-10", "c", static_cast<std::int64_t>(v.size()), {{"d", v}});
  Event e;
  e.time = At("2026-03-10");
  e.customer = "other";
  e.service = "s";
  Put(e);  // neither d nor m
  Commit();
  const auto count = [&](std::string_view filter) {
    return Ask(Query().Select("count").Where(filter));
  };
  for (int tier = 0; tier < 2; ++tier) {
    EXPECT_EQ(count("d=a"), "1\n");
    EXPECT_EQ(count("d!=a"), "4\n");  // absent differs
    EXPECT_EQ(count("d in a,b,zz"), "2\n");
    EXPECT_EQ(count("d^=a"), "2\n");
    EXPECT_EQ(count("m=1.0"), "2\n");
    EXPECT_EQ(count("m!=1"), "3\n");
    EXPECT_EQ(count("m<1"), "1\n");
    EXPECT_EQ(count("m<=1"), "3\n");
    EXPECT_EQ(count("m>0"), "3\n");
    EXPECT_EQ(count("m>=2"), "1\n");
    EXPECT_EQ(count("m in 0,2"), "2\n");
    EXPECT_EQ(count("customer!=c"), "1\n");
    EXPECT_EQ(count("customer^=oth"), "1\n");
    EXPECT_EQ(count("service=api"), "4\n");
    Seal();
  }
}

}  // namespace
}  // namespace quipu
