#include "import/running_id.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace quipu::import {
namespace {

std::vector<std::string> Ids(const std::vector<std::string>& lines) {
  RunningId id;
  std::vector<std::string> ids;
  for (const std::string& line : lines) {
    id.Add(line);
    const RunningId::Text hex = RunningId::Hex(id.value());
    ids.emplace_back(hex.data(), hex.size());
  }
  return ids;
}

TEST(RunningId, GrownFileKeepsTheIdsOfItsBeginning) {
  const auto before = Ids({"a", "b"});
  const auto after = Ids({"a", "b", "c"});
  EXPECT_EQ(after[0], before[0]);
  EXPECT_EQ(after[1], before[1]);
}

TEST(RunningId, EqualLinesAndEveryChangeBeforeGiveOtherIds) {
  const auto same = Ids({"a", "a", "a", "a"});
  EXPECT_EQ(std::set<std::string>(same.begin(), same.end()).size(), 4u);
  EXPECT_NE(Ids({"x", "b"})[1], Ids({"y", "b"})[1]);
  EXPECT_NE(Ids({"a", "", "b"})[2], Ids({"a", "b"})[1]);
  EXPECT_NE(Ids({"ab", "c"})[1], Ids({"a", "bc"})[1]);
}

TEST(RunningId, LengthOfACutLineCounts) {
  RunningId one, two;
  one.Add("abc", 10);
  two.Add("abc", 11);
  EXPECT_NE(one.value(), two.value());
}

// Stored ids depend on this function: if these values change, importing a file again counts it twice.
TEST(RunningId, GoldenValues) {
  EXPECT_EQ(Ids({"", "hello", "hello"}),
            (std::vector<std::string>{"b6838413cba941a3c2e24a33b5ce86af",
                                      "1116289cbd26b2a50b2b31c733cf5fc9",
                                      "bfef3c7f649296c1d1c81846e26f944d"}));
}

}  // namespace
}  // namespace quipu::import
