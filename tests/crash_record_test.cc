// The judge of the crash tests must be able to say "wrong": one small story for each thing that it is to notice, beside the same story told right.
#include "tests/crash_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace quipu {
namespace {

class CrashRecordTest : public testing::Test {
 protected:
  void Start(Loss loss) {
    record_.StartStore(loss);
    record_.StartChild();
  }
  void Hear(std::initializer_list<const char*> lines) {
    for (const char* line : lines) ASSERT_EQ(record_.Hear(line), "");
  }
  /// A look that finds `there` of stream 0, in a string of 0 and 1, and nothing of stream 1, and commits up to `as_of`.
  std::string LookAt(const std::string& there, std::uint64_t as_of = 100) {
    std::vector<std::vector<bool>> seen(2);
    for (const char c : there) seen[0].push_back(c == '1');
    seen[1].resize(record_.sent(1));
    return record_.Compare(seen, as_of);
  }
  /// A look that finds all or nothing of stream 1.
  std::string LookAtStamped(bool is_there) {
    return record_.Compare({{}, std::vector<bool>(record_.sent(1), is_there)}, 100);
  }

  CrashRecord record_;
};

TEST_F(CrashRecordTest, WhatWasAcknowledgedMustBeThere) {
  Start(Loss::kNothing);
  Hear({"S 0 0 3", "A 0 0 3 000 1", "S 0 3 2"});
  EXPECT_NE(LookAt("11011").find("acknowledged event 0-2 is lost"), std::string::npos);
  Start(Loss::kNothing);
  Hear({"S 0 0 3", "A 0 0 3 000 1"});
  EXPECT_EQ(LookAt("111"), "");
}

TEST_F(CrashRecordTest, ABatchInFlightIsWhole) {
  Start(Loss::kNothing);
  Hear({"S 0 0 3"});
  EXPECT_NE(LookAt("110").find("half a batch"), std::string::npos);
  for (const char* there : {"111", "000"}) {
    Start(Loss::kNothing);
    Hear({"S 0 0 3"});
    EXPECT_EQ(LookAt(there), "");
  }
}

TEST_F(CrashRecordTest, AnAnswerFitsWhatIsKnown) {
  Start(Loss::kNothing);
  Hear({"S 0 0 1", "A 0 0 1 0 1", "T 0 0 1"});
  EXPECT_NE(record_.Hear("A 0 0 1 0 2"), "") << "accepted twice";
  Hear({"S 0 1 1"});
  EXPECT_NE(record_.Hear("A 0 1 1 1 0"), "") << "a duplicate of nothing";
  EXPECT_NE(record_.Hear("E something"), "");
}

TEST_F(CrashRecordTest, AnErasureHidesAllOrNothing) {
  // Customer 0 has events 0 and 40 of stream 0.
  const std::string all(41, '1');
  std::string half = all, none = all;
  half[0] = none[0] = none[40] = '0';
  const auto tell = [&](bool is_acknowledged) {
    Start(Loss::kNothing);
    const std::string answer = "A 0 0 41 " + std::string(41, '0') + " 1";
    Hear({"S 0 0 41", answer.c_str(), "X 0"});
    if (is_acknowledged) Hear({"Y 0"});
  };
  tell(false);
  EXPECT_NE(LookAt(half).find("half an erasure"), std::string::npos);
  tell(false);
  EXPECT_EQ(LookAt(all), "");
  tell(false);
  EXPECT_EQ(LookAt(none), "");
  tell(true);
  EXPECT_EQ(LookAt(none), "");
  tell(true);
  EXPECT_NE(LookAt(all).find("is there, which was never sent, is erased"), std::string::npos);
}

TEST_F(CrashRecordTest, AFreezeIsThereAndAnswersWhatItDid) {
  const auto tell = [&](bool is_acknowledged) {
    Start(Loss::kNothing);
    Hear({"S 0 0 1", "A 0 0 1 0 7", "F f1"});
    if (is_acknowledged) Hear({"G f1 7 123"});
  };
  tell(true);
  EXPECT_NE(record_.CompareFreezes({}).find("acknowledged freeze f1 is lost"), std::string::npos);
  tell(true);
  EXPECT_NE(record_.CompareFreezes({{"f1", "124"}}).find("answers something else"),
            std::string::npos);
  tell(true);
  EXPECT_NE(record_.CompareFreezes({{"f1", "123"}, {"f2", "-"}}).find("never made"),
            std::string::npos);
  tell(true);
  EXPECT_EQ(record_.CompareFreezes({{"f1", "-"}}), "") << "altered, and it says so";
  tell(true);
  EXPECT_EQ(record_.CompareFreezes({{"f1", "123"}}), "");
  EXPECT_NE(record_.CompareFreezes({{"f1", "124"}}), "") << "what was seen is known";
  tell(false);
  EXPECT_EQ(record_.CompareFreezes({}), "");
  tell(false);
  EXPECT_EQ(record_.CompareFreezes({{"f1", "99"}}), "");
  EXPECT_NE(record_.CompareFreezes({}), "");
  tell(false);
  EXPECT_NE(record_.Hear("G f1 6 123"), "") << "it lacks commit 7";
  tell(true);
  Hear({"Q f1"});
  EXPECT_EQ(record_.CompareFreezes({{"f1", "123"}}), "") << "it was about to be dropped";
  Hear({"Q f1", "Z f1"});
  EXPECT_NE(record_.CompareFreezes({{"f1", "123"}}), "");
}

TEST_F(CrashRecordTest, InIntervalModeOnlyASuffixMayBeLost) {
  const auto tell = [&] {
    Start(Loss::kSuffix);
    Hear({"S 0 0 1", "A 0 0 1 0 1", "S 0 1 1", "A 0 1 1 0 2", "S 0 2 1"});
  };
  const std::vector<std::string> right = {"000", "100", "110", "111"};  // by the last commit
  for (int there = 0; there < 8; ++there) {
    const std::string look = {there & 4 ? '1' : '0', there & 2 ? '1' : '0', there & 1 ? '1' : '0'};
    for (std::uint64_t as_of = 0; as_of < right.size(); ++as_of) {
      tell();
      // Commit 3 need not be the batch in flight.
      const bool is_right = look == right[as_of] || (as_of == 3 && look == "110");
      EXPECT_EQ(LookAt(look, as_of).empty(), is_right) << look << " up to " << as_of;
    }
  }
}

TEST_F(CrashRecordTest, NorWhatWasThereBeforeOrWasSealed) {
  Start(Loss::kSuffix);
  Hear({"S 0 0 1", "A 0 0 1 0 1", "L", "D"});
  EXPECT_NE(LookAt("0", 0).find("was sealed"), std::string::npos);
  Start(Loss::kSuffix);
  Hear({"S 0 0 1", "A 0 0 1 0 1"});
  EXPECT_EQ(LookAt("1", 1), "");
  record_.StartChild();
  EXPECT_NE(LookAt("0", 0).find("is lost"), std::string::npos);
}

TEST_F(CrashRecordTest, LostStampedBatchesAreSentAgain) {
  const std::string answer = " 50 " + std::string(50, '0');
  const std::string first = "A 1 0" + answer + " 1", second = "A 1 50" + answer + " 2";
  Start(Loss::kSuffix);
  Hear({"S 1 0 50", first.c_str(), "S 1 50 50", second.c_str()});
  std::vector<bool> there(100);
  std::fill_n(there.begin(), 50, true);
  EXPECT_EQ(record_.Compare({{}, there}, 1), "");
  EXPECT_EQ(record_.next(1), 50u);
  record_.StartChild();
  Hear({"S 1 50 50"});
  EXPECT_NE(record_.Hear("R 1 50" + answer + " 2"), "");
}

TEST_F(CrashRecordTest, WhatIsNotThereIsNoReplay) {
  Start(Loss::kNothing);
  const std::string replay = "R 1 0 50 " + std::string(50, '0') + " 1";
  Hear({"S 1 0 50"});
  ASSERT_EQ(LookAtStamped(false), "");
  record_.StartChild();
  Hear({"S 1 0 50"});
  EXPECT_NE(record_.Hear(replay).find("was called a replay, but it is not stored"),
            std::string::npos);
  Start(Loss::kNothing);
  Hear({"S 1 0 50"});
  ASSERT_EQ(LookAtStamped(true), "");
  record_.StartChild();
  Hear({"S 1 0 50", replay.c_str()});
}

TEST_F(CrashRecordTest, AnErasureDoesNotUnsayThatABatchWasStored) {
  Start(Loss::kNothing);
  Hear({"S 1 0 50"});
  ASSERT_EQ(LookAtStamped(true), "") << "stored, and cut short before the answer";
  record_.StartChild();
  for (std::size_t i = 0; i < 5; ++i) {
    const std::string customer = std::to_string(CrashCustomer(1, i));
    Hear({("X " + customer).c_str(), ("Y " + customer).c_str()});
  }
  Hear({"S 1 0 50"});
  ASSERT_EQ(LookAtStamped(false), "") << "a replay, cut short again";
  record_.StartChild();
  const std::string replay = "R 1 0 50 " + std::string(50, '0') + " 1";
  Hear({"S 1 0 50", replay.c_str()});
}

/// Neither of a customer that was erased before anybody saw its events, while the batch was under way.
TEST_F(CrashRecordTest, ABatchIsKnownToBeStoredByAnyOfItsEvents) {
  Start(Loss::kNothing);
  Hear({"S 1 0 50"});
  const std::size_t erased = CrashCustomer(1, 0);
  Hear({("X " + std::to_string(erased)).c_str(), ("Y " + std::to_string(erased)).c_str()});
  std::vector<bool> seen(50);
  for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = CrashCustomer(1, i) != erased;
  ASSERT_EQ(record_.Compare({{}, seen}, 100), "") << "stored, then erased in part, then cut short";
  record_.StartChild();
  Hear({"S 1 0 50"});
  ASSERT_EQ(record_.Compare({{}, seen}, 100), "") << "a replay, cut short";
  record_.StartChild();
  const std::string replay = "R 1 0 50 " + std::string(50, '0') + " 1";
  Hear({"S 1 0 50", replay.c_str()});
}

TEST_F(CrashRecordTest, WhatWasSaidWithoutADiskCountsForNothing) {
  for (const char* there : {"111", "110", "101", "100"}) {
    Start(Loss::kNothing);
    Hear({"S 0 0 1", "A 0 0 1 0 1"});
    record_.PowerIsCut();
    Hear({"S 0 1 2", "A 0 1 2 00 2", "E the disk is gone"});
    EXPECT_EQ(LookAt(there), "") << there;
    EXPECT_EQ(record_.next(0), 1u) << "it is sent again";
  }
  record_.StartChild();
  EXPECT_NE(record_.Hear("E the disk is there"), "");
}

}  // namespace
}  // namespace quipu
