#include "store/forgotten_ids.h"

#include <gtest/gtest.h>

#include "store/lifecycle_records.h"
#include "store/manifest.h"

namespace quipu {
namespace {

TEST(ForgottenIdsTest, TheWorkedExample) {
  constexpr ServiceOrdinal kTraces = 3, kApi = 0;
  const MonthIndex january = MonthOf(1'767'225'600 * kSecondUs);
  const ForgottenIds forgotten({{january, {kTraces}}}, {});
  EXPECT_EQ(forgotten.end(), MonthStart(january + 1));
  EXPECT_TRUE(forgotten.Covers(MonthStart(january), kTraces));
  EXPECT_FALSE(forgotten.Covers(MonthStart(january), kApi));
  EXPECT_EQ(ForgottenIds().end(), kTimeMin);
}

TEST(ForgottenIdsTest, RecordsComeBackAsTheyWere) {
  for (const MonthIndex month : {-700, -1, 0, 672}) {
    for (const std::set<ServiceOrdinal>& services :
         {std::set<ServiceOrdinal>{}, {0}, {0, 7, 65'535}}) {
      ForgottenMonths back;
      const Status read =
          DecodeForgotten(MakeForgottenKey(month), EncodeForgotten(month, services), &back);
      ASSERT_TRUE(read.ok()) << read.ToString();
      EXPECT_EQ(back, (ForgottenMonths{{month, services}}));
    }
  }
}

TEST(ForgottenIdsTest, DamagedRecordsAreRefused) {
  const std::string key = MakeForgottenKey(672);
  const std::string sound = EncodeForgotten(672, {1, 2, 900});
  ForgottenMonths out;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string damaged = sound;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_EQ(DecodeForgotten(key, damaged, &out).code(), StatusCode::kCorruption) << i;
    EXPECT_EQ(DecodeForgotten(key, sound.substr(0, i), &out).code(), StatusCode::kCorruption) << i;
  }
  EXPECT_EQ(DecodeForgotten(MakeForgottenKey(673), sound, &out).code(), StatusCode::kCorruption);
  // Sound checksums over nonsense: too many services announced, one twice, one that cannot be.
  const auto with = [&](const std::string& payload) {
    return DecodeForgotten(key, SealValue(key, payload), &out).code();
  };
  using namespace std::string_literals;
  EXPECT_EQ(with("\x01\x7f"s), StatusCode::kCorruption);
  EXPECT_EQ(with("\x01\x02\x01\0\0\0\x01\0\0\0"s), StatusCode::kCorruption);
  EXPECT_EQ(with("\x01\x01\0\0\x01\0"s), StatusCode::kCorruption);
  EXPECT_EQ(with("\x02\x00"s), StatusCode::kUnsupported);
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace quipu
