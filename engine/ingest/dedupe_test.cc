#include "ingest/dedupe.h"

#include "ingest/ingest_testing.h"

namespace quipu {
namespace {

constexpr Outcome kA = Outcome::kAccepted;
constexpr Outcome kD = Outcome::kDuplicate;
constexpr Outcome kC = Outcome::kConflict;
using Want = std::vector<Outcome>;

class DedupeTest : public IngestTest {};

TEST_F(DedupeTest, TheWorkedExample) {
  Open();
  EXPECT_EQ(Outcomes({MakeEvent("req-1", 5)}), Want{kA});
  EXPECT_EQ(Outcomes({MakeEvent("req-1", 5), MakeEvent("req-1", 6), MakeEvent("req-2"),
                      MakeEvent("req-2")}),
            (Want{kD, kC, kA, kD}));
  EXPECT_EQ(StoredIds(), (std::multiset<std::string>{"acme//req-1", "acme//req-2"}));
}

TEST_F(DedupeTest, TheSameAnswersFromEveryTier) {
  Open();
  EXPECT_EQ(Outcomes({MakeEvent("a", 1), MakeEvent("b", 2), MakeEvent("c", 3)}),
            (Want{kA, kA, kA}));
  const std::vector<Event> again = {MakeEvent("a", 1), MakeEvent("b", 9), MakeEvent("c", 3)};
  const auto check = [&](const char* where) {
    SCOPED_TRACE(where);
    EXPECT_EQ(Outcomes(again), (Want{kD, kC, kD}));
    EXPECT_EQ(StoredIds().size(), 3u);
  };
  check("hot");
  Open();
  check("hot, reopened");
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  check("sealed");
  Open();
  check("sealed, reopened");
  EXPECT_EQ(Outcomes({MakeEvent("d")}), Want{kA});  // hot rows beside segments
  EXPECT_EQ(Outcomes({MakeEvent("d"), MakeEvent("a", 1), MakeEvent("a", 2)}), (Want{kD, kD, kC}));
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  EXPECT_EQ(Outcomes({MakeEvent("d"), MakeEvent("a", 1), MakeEvent("e")}), (Want{kD, kD, kA}));
}

TEST_F(DedupeTest, IdentityIsCustomerSourceAndId) {
  Open();
  Event base = MakeEvent("x");
  Event other_customer = base;
  other_customer.customer = "zeta";
  Event other_source = base;
  other_source.source = "eu";
  Event other_service = base;  // content, not identity
  other_service.service = "batch";
  EXPECT_EQ(Outcomes({base, other_customer, other_source, other_service}), (Want{kA, kA, kA, kC}));
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  EXPECT_EQ(Outcomes({base, other_customer, other_source, other_service}), (Want{kD, kD, kD, kC}));
}

TEST_F(DedupeTest, ContentIsComparedByValue) {
  Open();
  Event e = MakeEvent("x");
  e.quantity = Decimal(15, 1);
  e.dimensions = {{"region", ""}};
  ASSERT_EQ(Outcomes({e}), Want{kA});
  Event same = e;
  same.quantity = *Decimal::Parse("1.500");
  Event no_region = e;
  no_region.dimensions.clear();
  Event costs_nothing = e;
  costs_nothing.cost = Decimal(0);
  Event other_time = e;
  other_time.time = *e.time + 1;
  const std::vector<Event> again = {same, no_region, costs_nothing, other_time};
  EXPECT_EQ(Outcomes(again), (Want{kD, kC, kC, kC}));
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  EXPECT_EQ(Outcomes(again), (Want{kD, kC, kC, kC}));
}

TEST_F(DedupeTest, AnEventWithoutTimeMayBeSentAgain) {
  Open();
  Event e = MakeEvent("x");
  e.time.reset();
  ASSERT_EQ(Outcomes({e, e}), (Want{kA, kD}));
  clock_.Advance(40 * kDayUs);  // another month
  EXPECT_EQ(Outcomes({e}), Want{kD});
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  clock_.Advance(kDayUs);
  EXPECT_EQ(Outcomes({e}), Want{kD});
  Event other = e;
  other.measures[0].value = 2;
  EXPECT_EQ(Outcomes({other}), Want{kC});
  Event timed = e;
  timed.time = kNow;
  EXPECT_EQ(Outcomes({timed}), Want{kD});  // the very time that it was given
  timed.time = kNow + 1;
  EXPECT_EQ(Outcomes({timed}), Want{kC});
}

TEST_F(DedupeTest, RandomRepeatsAreCountedOnce) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Open();
  std::map<std::string, std::int64_t> truth;
  for (int round = 0; round < 120; ++round) {
    std::vector<std::string> ids;
    for (std::uint64_t i = 0; i < 1 + random.Below(60); ++i)
      ids.push_back("id-" + std::to_string(random.Below(1500)));
    std::vector<Event> events;
    Want want;
    for (const std::string& id : ids) {
      const auto tokens = static_cast<std::int64_t>(random.Below(2));
      events.push_back(MakeEvent(id, tokens));
      events.back().time = kNow - static_cast<TimeUs>(std::hash<std::string>()(id) % 90) * kDayUs;
      const auto [it, is_new] = truth.try_emplace(id, tokens);
      want.push_back(is_new ? kA : it->second == tokens ? kD : kC);
    }
    ASSERT_EQ(Outcomes(events), want) << "round " << round;
    const std::uint64_t what = random.Below(12);
    if (what == 0) Open();
    if (what == 1) {
      ASSERT_TRUE(SealHotRows(store_.get()).ok());
    }
  }
  EXPECT_EQ(StoredIds().size(), truth.size());
}

TEST_F(DedupeTest, ADamagedSegmentStopsTheBatchInsteadOfCountingTwice) {
  Open();
  ASSERT_EQ(Outcomes({MakeEvent("a")}), Want{kA});
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  Open();  // nothing cached
  auto names = memory_.List("/s/segments");
  ASSERT_TRUE(names);
  ASSERT_EQ(names->size(), 1u);
  const std::string path = "/s/segments/" + names->front();
  auto file = memory_.OpenForRead(path);
  const std::uint64_t size = (*file)->size();
  for (std::uint64_t at = 64; at + 600 < size; at += 7)
    ASSERT_TRUE(memory_.FlipBit(path, at, 3).ok());
  const auto reply = Ingest({MakeEvent("a")});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), StatusCode::kCorruption) << reply.error().ToString();
}

}  // namespace
}  // namespace quipu
