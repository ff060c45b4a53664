#include "upkeep/verify.h"

#include "upkeep/upkeep_testing.h"

namespace quipu {
namespace {

class VerifyTest : public UpkeepTest {
 protected:
  VerifyReport Verify() {
    auto report = VerifyStore(*store_, {});
    EXPECT_TRUE(report) << report.error().ToString();
    return report ? *report : VerifyReport();
  }
  std::uint64_t SizeOf(const std::string& path) {
    auto file = memory_.OpenForRead(path);
    EXPECT_TRUE(file);
    return file ? (*file)->size() : 0;
  }
};

TEST_F(VerifyTest, ASoundStore) {
  Open();
  EXPECT_TRUE(Verify().problems.empty());
  SealedCommit(300, 3);
  Commit(50);
  Commit(7);
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.problems.empty())
      << report.problems[0].place << ": " << report.problems[0].message;
  EXPECT_EQ(report.segments, 3u);
  EXPECT_EQ(report.rows, 357u);
  EXPECT_GT(report.pages, 10u);
  EXPECT_GT(report.cells, 3u);
  std::uint64_t bytes = 0;
  for (const std::string& name : Files()) bytes += SizeOf("/u/segments/" + name);
  EXPECT_EQ(report.bytes, bytes);
}

TEST_F(VerifyTest, EveryByteOfASegmentMatters) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  Random random(seed_);
  Open();
  SealedCommit(400);
  const std::string name = Files()[0];
  const std::string path = "/u/segments/" + name;
  const std::uint64_t size = SizeOf(path);
  for (std::uint64_t at = random.Below(5); at < size; at += 1 + random.Below(size / 150)) {
    const int bit = static_cast<int>(random.Below(8));
    ASSERT_TRUE(memory_.FlipBit(path, at, bit).ok());
    const VerifyReport report = Verify();
    ASSERT_FALSE(report.problems.empty()) << "byte " << at << " of " << size << " bit " << bit;
    EXPECT_NE(report.problems[0].place.find(name), std::string::npos) << report.problems[0].place;
    ASSERT_TRUE(memory_.FlipBit(path, at, bit).ok());
  }
  EXPECT_TRUE(Verify().problems.empty());
}

TEST_F(VerifyTest, AMissingAndATruncatedFile) {
  Open();
  SealedCommit(100, 2);
  const auto names = Files();
  ASSERT_EQ(names.size(), 2u);
  ASSERT_TRUE(memory_.Unlink("/u/segments/" + names[1]).ok());
  const VerifyReport missing = Verify();
  ASSERT_FALSE(missing.problems.empty());
  bool said = false;
  for (const VerifyProblem& p : missing.problems)
    said |= p.place.ends_with(names[1]) && p.message.find("gone") != std::string::npos;
  EXPECT_TRUE(said);
  ASSERT_TRUE(memory_.Truncate("/u/segments/" + names[0], 200).ok());
  said = false;
  for (const VerifyProblem& p : Verify().problems) said |= p.place.ends_with(names[0]);
  EXPECT_TRUE(said);
}

TEST_F(VerifyTest, ProgressIsToldAndMayStop) {
  Open();
  SealedCommit(90, 3);
  Commit(10);
  std::vector<std::uint64_t> done;
  const auto report = VerifyStore(*store_, [&](std::uint64_t rows, std::uint64_t total) {
    EXPECT_EQ(total, 100u);
    done.push_back(rows);
    return true;
  });
  ASSERT_TRUE(report);
  ASSERT_EQ(done.size(), 3u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), 90u);
  const auto stopped = VerifyStore(*store_, [](std::uint64_t, std::uint64_t) { return false; });
  EXPECT_EQ(stopped.error().code(), StatusCode::kCancelled);
}

TEST_F(VerifyTest, AFolderThatCannotBeListedIsAnError) {
  Open();
  SealedCommit(10);
  fault_.FailNth(1, FaultVfs::Fault::kError, /*persistent=*/true, /*reads=*/true);
  EXPECT_FALSE(VerifyStore(*store_, {}));
  fault_.Heal();
}

}  // namespace
}  // namespace quipu
