#include "quipu/as_of.h"

#include <gtest/gtest.h>

#include "quipu/query.h"

namespace quipu {
namespace {

TEST(AsOf, DigitsAreACommitAndTheRestIsAFreeze) {
  EXPECT_EQ(*AsOf::Parse("17")->commit, 17u);
  EXPECT_TRUE(AsOf::Parse("17")->freeze.empty());
  EXPECT_EQ(*AsOf::Parse("0")->commit, 0u);
  EXPECT_EQ(AsOf::Parse("2026-03")->freeze, "2026-03");
  EXPECT_FALSE(AsOf::Parse("2026-03")->commit);
  EXPECT_FALSE(AsOf::Parse("18446744073709551616"));  // 2^64
  EXPECT_TRUE(AsOf().IsNow());
  EXPECT_FALSE(AsOf{.commit = 0}.IsNow());
  EXPECT_EQ(AsOf{.commit = 3}.ToString(), "commit 3");
  EXPECT_EQ(AsOf{.freeze = "a"}.ToString(), "freeze 'a'");
  EXPECT_EQ(AsOf().ToString(), "now");
}

TEST(AsOf, NamesOfFreezesArePlainAndNeverACommitsNumber) {
  for (const char* good : {"2026-03", "a", "invoice/2026-03:final", "v1.2_x"})
    EXPECT_TRUE(CheckFreezeName(good).ok()) << good;
  const std::string longest(kFreezeNameBytesMax, 'x');
  EXPECT_TRUE(CheckFreezeName(longest).ok());
  for (const std::string& bad :
       {std::string(), longest + "x", std::string("202603"), std::string("a b"), std::string("ä"),
        std::string("a\n"), std::string("a'b"), std::string(1, '\0')})
    EXPECT_EQ(CheckFreezeName(bad).code(), StatusCode::kInvalidArgument) << bad;
}

TEST(AsOf, TheBuilderTellsTheFirstMistake) {
  const Query good = Query().Select("count").AsOf("2026-03").Since("12").CompareAsOf("x");
  EXPECT_TRUE(good.status().ok());
  EXPECT_EQ(good.spec().as_of.freeze, "2026-03");
  EXPECT_EQ(*good.spec().since.commit, 12u);
  EXPECT_EQ(good.spec().compare_as_of.freeze, "x");
  EXPECT_EQ(Query().AsOf("a b").status().message().substr(0, 5), "as of");
  EXPECT_FALSE(Query().Since("").status().ok());
}

}  // namespace
}  // namespace quipu
