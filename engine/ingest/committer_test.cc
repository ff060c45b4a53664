#include "ingest/committer.h"

#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <thread>
#include <utility>

#include "ingest/ingest_testing.h"

namespace quipu {
namespace {

constexpr Outcome kA = Outcome::kAccepted;
constexpr Outcome kD = Outcome::kDuplicate;

class CommitterTest : public IngestTest {};

void ExpectCode(const Result<IngestReply>& reply, StatusCode code, std::string_view text) {
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), code) << reply.error().ToString();
  EXPECT_NE(reply.error().message().find(text), std::string_view::npos) << reply.error().ToString();
}

TEST_F(CommitterTest, GeneratesIds) {
  Open();
  const auto reply = Ingest({MakeEvent(""), MakeEvent("mine"), MakeEvent("")});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->seq, 1u);
  ASSERT_EQ(reply->generated_ids.size(), 2u);
  EXPECT_EQ(reply->generated_ids[0].index, 0u);
  EXPECT_EQ(reply->generated_ids[1].index, 2u);
  const auto ids = StoredIds();
  for (const GeneratedId& g : reply->generated_ids) {
    ASSERT_EQ(g.id.size(), 36u);
    EXPECT_EQ(g.id[14], '7');
    EXPECT_TRUE(ids.contains("acme//" + g.id));
  }
  EXPECT_EQ(ids.size(), 3u);
}

TEST_F(CommitterTest, RefusesBatchesThatAreNone) {
  Open();
  ExpectCode(Ingest(EventBatch()), StatusCode::kInvalidArgument, "no events");
  EventBatch large;
  for (std::size_t i = 0; i <= kBatchEventsMax; ++i) large.Add(MakeEvent(""));
  ExpectCode(Ingest(large), StatusCode::kInvalidArgument, "too large");
}

TEST_F(CommitterTest, ABatchIsAllOrNothingUnlessPartial) {
  Open();
  Event bad = MakeEvent("bad");
  bad.customer = "";
  EventBatch batch = BatchOf({MakeEvent("a"), bad, MakeEvent("b"), bad, bad, bad});
  ExpectCode(Ingest(batch), StatusCode::kInvalidArgument, "event 1: customer is empty");
  ExpectCode(Ingest(batch), StatusCode::kInvalidArgument, "and 1 more");
  EXPECT_TRUE(StoredIds().empty());
  EXPECT_EQ(store_->view()->as_of, 0u);
  batch.partial = true;
  const auto reply = Ingest(batch);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->Count(Outcome::kInvalid), 4u);
  EXPECT_EQ(reply->outcomes[0], kA);
  EXPECT_EQ(reply->outcomes[2], kA);
  ASSERT_EQ(reply->problems.size(), 4u);
  EXPECT_EQ(reply->problems[1].index, 3u);
  EXPECT_EQ(StoredIds(), (std::multiset<std::string>{"acme//a", "acme//b"}));
  EventBatch nothing = BatchOf({bad});
  nothing.partial = true;
  const auto none = Ingest(nothing);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->seq, 0u);
}

TEST_F(CommitterTest, TheFutureBound) {
  options_.future_bound_us = kMinuteUs;
  Open();
  Event e = MakeEvent("x");
  e.time = kNow + kMinuteUs;
  ExpectCode(Ingest({e}), StatusCode::kInvalidArgument, "future");
  e.time = kNow + kMinuteUs - 1;
  EXPECT_TRUE(Ingest({e}));
  for (const std::int64_t unbounded :
       {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    options_.future_bound_us = unbounded;
    Open();
    const std::string id = "y" + std::to_string(unbounded);
    Event late = MakeEvent(id);
    late.time = kTimeMax - 1;
    const auto reply = Ingest({late});
    EXPECT_TRUE(reply) << reply.error().ToString();
  }
}

TEST_F(CommitterTest, AGroupIsOneCommit) {
  Open();
  const auto replies =
      IngestTogether({BatchOf({MakeEvent("a")}), BatchOf({MakeEvent("a"), MakeEvent("b")}),
                      BatchOf({MakeEvent("b")})});
  for (const auto& r : replies) ASSERT_TRUE(r);
  EXPECT_EQ(replies[0]->seq, 2u);  // 1 is the plug's
  EXPECT_EQ(replies[1]->seq, 2u);
  EXPECT_EQ(replies[2]->seq, 0u);
  EXPECT_EQ(replies[1]->outcomes, (std::vector<Outcome>{kD, kA}));
  EXPECT_EQ(replies[2]->outcomes, std::vector<Outcome>{kD});
  EXPECT_EQ(store_->view()->as_of, 2u);
}

TEST_F(CommitterTest, ABadBatchDoesNotHarmItsGroup) {
  Open();
  Event bad = MakeEvent("a");
  bad.quantity = Decimal(static_cast<Int128>(10'000'000'000) * 10'000'000'000, 0);
  const auto replies =
      IngestTogether({BatchOf({MakeEvent("b"), bad}), BatchOf({MakeEvent("b"), MakeEvent("a")})});
  ExpectCode(replies[0], StatusCode::kInvalidArgument, "quantity");
  ASSERT_TRUE(replies[1]);
  EXPECT_EQ(replies[1]->outcomes, (std::vector<Outcome>{kA, kA}));
}

TEST_F(CommitterTest, ABatchWhoseNamesDoNotFitIsRefusedByItself) {
  Open();
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < kServicesMax - 1; ++i)
    names.push_back("service-" + std::to_string(i));
  EventBatch many;
  for (const std::string& name : names) {
    Event e = MakeEvent(name);
    e.service = name;
    many.Add(e);
  }
  ASSERT_TRUE(Ingest(many));
  Event one = MakeEvent("p");
  one.service = "one";
  Event two = MakeEvent("q");
  two.service = "two";
  Event old_name = MakeEvent("r");
  old_name.service = "service-7";
  // The plug's "api" took the last place.
  const auto replies = IngestTogether({BatchOf({old_name, one, two}), BatchOf({old_name})});
  ExpectCode(replies[0], StatusCode::kExhausted, "more than 65536 services");
  ASSERT_TRUE(replies[1]) << replies[1].error().ToString();
  EXPECT_EQ(replies[1]->outcomes, std::vector<Outcome>{kA});
  Open();
  EXPECT_EQ(StoredIds().size(), names.size() + 1);
}

TEST_F(CommitterTest, OtherEventsUnderAUsedSequenceAreAConflict) {
  Open();
  EventBatch first = BatchOf({MakeEvent("a"), MakeEvent("b")});
  first.producer = ProducerStamp{"p", 0, 1};
  ASSERT_TRUE(Ingest(first));
  EventBatch other = BatchOf({MakeEvent("a"), MakeEvent("c")});
  other.producer = first.producer;
  ExpectCode(Ingest(other), StatusCode::kConflict, "other content");
  EXPECT_EQ(StoredIds().size(), 2u);
  Open();
  ExpectCode(Ingest(other), StatusCode::kConflict, "other content");
  const auto again = Ingest(first);
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_TRUE(again->replayed);
}

TEST_F(CommitterTest, AReplayIsAnsweredFromTheStoredReply) {
  Open();
  EventBatch first = BatchOf({MakeEvent(""), MakeEvent("a"), MakeEvent("a")});
  first.producer = ProducerStamp{"p", 0, 1};
  const auto reply = Ingest(first);
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->replayed);
  const auto expect_replay = [&] {
    const auto again = Ingest(first);
    ASSERT_TRUE(again) << again.error().ToString();
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->seq, reply->seq);
    EXPECT_EQ(again->outcomes, reply->outcomes);
    ASSERT_EQ(again->generated_ids.size(), 1u);
    EXPECT_EQ(again->generated_ids[0].id, reply->generated_ids[0].id);
    EXPECT_EQ(StoredIds().size(), 2u);
  };
  expect_replay();
  Open();
  expect_replay();
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  Open();
  expect_replay();
}

TEST_F(CommitterTest, SequencesGapsAndEpochs) {
  Open();
  ExpectCode(Ingest(Stamped("p", 0, 2, "x")), StatusCode::kConflict, "gap after 0");
  ExpectCode(Ingest(Stamped("", 0, 1, "x")), StatusCode::kInvalidArgument, "producer needs an id");
  ExpectCode(Ingest(Stamped("p", 0, 0, "x")), StatusCode::kInvalidArgument, "sequences from 1");
  for (std::uint64_t s = 1; s <= 7; ++s)
    ASSERT_TRUE(Ingest(Stamped("p", 0, s, "e" + std::to_string(s))));
  ExpectCode(Ingest(Stamped("p", 0, 9, "x")), StatusCode::kConflict, "gap after 7");
  ExpectCode(Ingest(Stamped("p", 0, 2, "e2")), StatusCode::kConflict,
             "older than the stored replies");
  const auto third = Ingest(Stamped("p", 0, 3, "e3"));
  ASSERT_TRUE(third);
  EXPECT_TRUE(third->replayed);
  ExpectCode(Ingest(Stamped("p", 4, 8, "x")), StatusCode::kConflict,
             "new epoch starts at sequence 1");
  ASSERT_TRUE(Ingest(Stamped("p", 4, 1, "x")));
  ExpectCode(Ingest(Stamped("p", 0, 8, "y")), StatusCode::kConflict, "fenced by epoch 4");
  ExpectCode(Ingest(Stamped("p", 4, 3, "y")), StatusCode::kConflict, "gap after 1");
  Open();
  ExpectCode(Ingest(Stamped("p", 3, 1, "y")), StatusCode::kConflict, "fenced by epoch 4");
  ASSERT_TRUE(Ingest(Stamped("p", 4, 2, "y")));
  ASSERT_TRUE(Ingest(Stamped("other", 0, 1, "y")));  // a duplicate; its producer moves on
  const auto replay = Ingest(Stamped("other", 0, 1, "y"));
  ASSERT_TRUE(replay);
  EXPECT_TRUE(replay->replayed);
  EXPECT_EQ(replay->outcomes, std::vector<Outcome>{kD});
}

TEST_F(CommitterTest, ManyBatchesOfAProducerInOneGroup) {
  Open();
  std::vector<EventBatch> batches;
  for (std::uint64_t s = 1; s <= 8; ++s)
    batches.push_back(Stamped("p", 1, s, "e" + std::to_string(s)));
  batches.push_back(Stamped("p", 1, 10, "gap"));
  batches.push_back(Stamped("p", 1, 8, "e8"));  // a retry that overtook the reply
  batches.push_back(Stamped("p", 1, 1, "e1"));
  const auto replies = IngestTogether(std::move(batches));
  for (std::size_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(replies[i]) << replies[i].error().ToString();
    EXPECT_EQ(replies[i]->seq, 2u);
  }
  ExpectCode(replies[8], StatusCode::kConflict, "gap after 8");
  for (const std::size_t i : {9, 10}) {
    ASSERT_TRUE(replies[i]) << replies[i].error().ToString();
    EXPECT_TRUE(replies[i]->replayed);
    EXPECT_EQ(replies[i]->seq, 2u);
    EXPECT_EQ(replies[i]->outcomes, std::vector<Outcome>{kA});
  }
  EXPECT_EQ(StoredIds().size(), 8u);
  Open();
  EXPECT_TRUE(Ingest(Stamped("p", 1, 9, "e9")));
}

TEST_F(CommitterTest, RefusedBatchesLeaveNoTraceOfTheirProducer) {
  Open();
  Event bad = MakeEvent("bad");
  bad.service = "";
  EventBatch invalid = BatchOf({bad});
  invalid.producer = ProducerStamp{"q", 9, 1};
  const auto replies = IngestTogether(
      {Stamped("p", 7, 3, "x"), invalid, Stamped("p", 2, 1, "a"), Stamped("r", 0, 1, "b")});
  ExpectCode(replies[0], StatusCode::kConflict, "sequence 1");
  ExpectCode(replies[1], StatusCode::kInvalidArgument, "service");
  ASSERT_TRUE(replies[2]) << replies[2].error().ToString();  // not fenced by the refused epoch 7
  ASSERT_TRUE(replies[3]);
  Open();
  EXPECT_TRUE(Ingest(Stamped("q", 3, 1, "c")));  // not fenced by the refused epoch 9
}

TEST_F(CommitterTest, ANewEpochInTheSameGroupKeepsNoOldReplies) {
  Open();
  for (std::uint64_t s = 1; s <= 2; ++s)
    ASSERT_TRUE(Ingest(Stamped("p", 1, s, "old" + std::to_string(s))));
  const auto replies = IngestTogether({Stamped("p", 1, 3, "old3"), Stamped("p", 2, 1, "new1")});
  ASSERT_TRUE(replies[0]);
  ASSERT_TRUE(replies[1]);
  ASSERT_TRUE(Ingest(Stamped("p", 2, 2, "new2")));
  const auto third =
      Ingest(Stamped("p", 2, 3, "old1"));  // a duplicate: the reply of epoch 1 would say accepted
  ASSERT_TRUE(third);
  const auto replay = Ingest(Stamped("p", 2, 3, "old1"));
  ASSERT_TRUE(replay);
  EXPECT_TRUE(replay->replayed);
  EXPECT_EQ(replay->outcomes, std::vector<Outcome>{kD});
}

TEST_F(CommitterTest, NamesOfRefusedRowsAreNotLost) {
  Open();
  ASSERT_TRUE(Ingest({MakeEvent("a")}));
  Event conflict = MakeEvent("a");
  conflict.dimensions = {{"only-in-a-conflict", "v"}};
  ASSERT_TRUE(Ingest({conflict}));  // nothing to commit, but a name is interned
  EXPECT_EQ(store_->view()->as_of, 1u);
  Event b = MakeEvent("b");
  b.dimensions = {{"second", "v"}};
  ASSERT_TRUE(Ingest({b}));
  Open();  // a gap among the names would be corruption
  EXPECT_EQ(store_->catalogue().Find(NameKind::kDimension, "only-in-a-conflict"), 0u);
  EXPECT_EQ(store_->catalogue().Find(NameKind::kDimension, "second"), 1u);
  EXPECT_EQ(StoredIds().size(), 2u);
}

#ifdef __linux__
TEST_F(CommitterTest, GivesWayAsFarAsWasSaid) {
  const auto nice = [] { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); };
  constexpr std::pair<std::uint32_t, int> kAsked[] = {{0, 0}, {7, 7}, {4'000'000'000, 19}};
  for (const auto& [asked, expected] : kAsked) {
    options_.ingest_nice = asked;
    Open();
    std::promise<int> answered;
    ASSERT_TRUE(committer_
                    ->Submit(BatchOf({MakeEvent("")}),
                             [&](const Result<IngestReply>&) { answered.set_value(nice()); })
                    .ok());
    EXPECT_EQ(answered.get_future().get(), std::max(nice(), expected));
  }
}
#endif

TEST_F(CommitterTest, AFullQueueIsExhaustedAfterTheWait) {
  options_.queue_bytes_max = 1;
  options_.ingest_wait_ms_max = 50;
  Open();
  std::promise<Result<IngestReply>> queued;
  WhileHeld([&] {
    // Larger than the whole queue, but alone in it.
    ASSERT_TRUE(committer_
                    ->Submit(BatchOf({MakeEvent("a")}),
                             [&](Result<IngestReply> r) { queued.set_value(std::move(r)); })
                    .ok());
    std::thread time([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      clock_.Advance(51'000);
    });
    const Status refused =
        committer_->Submit(BatchOf({MakeEvent("b")}), [](const Result<IngestReply>&) { FAIL(); });
    time.join();
    EXPECT_EQ(refused.code(), StatusCode::kExhausted) << refused.ToString();
    EXPECT_NE(refused.message().find("committing has not kept up for 50 ms"),
              std::string_view::npos);
  });
  EXPECT_TRUE(queued.get_future().get());
  EXPECT_TRUE(Ingest({MakeEvent("b")}));
}

TEST_F(CommitterTest, AFullHotTierIsExhaustedAfterTheWait) {
  options_.hot_bytes_max = 1;
  options_.ingest_wait_ms_max = 0;
  Open();
  ASSERT_TRUE(Ingest({MakeEvent("a")}));
  ExpectCode(Ingest({MakeEvent("b")}), StatusCode::kExhausted, "sealing has not kept up");
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  EXPECT_TRUE(Ingest({MakeEvent("b")}));
}

TEST_F(CommitterTest, SealingLetsWaitersIn) {
  options_.hot_bytes_max = 1;
  Open();
  ASSERT_TRUE(Ingest({MakeEvent("a")}));
  std::thread waiter([&] { EXPECT_TRUE(Ingest({MakeEvent("b")})); });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  waiter.join();
}

TEST_F(CommitterTest, AFailedWriteStopsTheStoreAndReopeningIsSound) {
  for (const bool applied : {false, true}) {
    SCOPED_TRACE(applied);
    Open();
    const std::string tag = applied ? "t" : "f";
    const std::string before = tag + "1", lost = tag + "2", later = tag + "3";
    ASSERT_TRUE(Ingest({MakeEvent(before)}));
    disk_.FailNthWrite(2, applied);  // the first is the plug's
    const auto replies = IngestTogether({BatchOf({MakeEvent(lost)}), BatchOf({MakeEvent(later)})});
    for (const auto& r : replies)
      ExpectCode(r, StatusCode::kIoError, "may or may not have happened");
    ExpectCode(Ingest({MakeEvent("x")}), StatusCode::kIoError, "reopen the store");
    EXPECT_EQ(SealHotRows(store_.get()).code(), StatusCode::kIoError);
    Open();
    EXPECT_EQ(StoredIds().count("acme//" + lost), applied ? 1u : 0u);
    EXPECT_EQ(Outcomes({MakeEvent(lost), MakeEvent(later), MakeEvent(before)}),
              (std::vector<Outcome>{applied ? kD : kA, applied ? kD : kA, kD}));
    EXPECT_EQ(StoredIds().count("acme//" + lost), 1u);
  }
}

TEST_F(CommitterTest, StopAnswersEverything) {
  Open();
  std::atomic<int> answered = 0;
  std::thread stopper;
  WhileHeld([&] {
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(committer_
                      ->Submit(BatchOf({MakeEvent("e" + std::to_string(i))}),
                               [&](const Result<IngestReply>& r) {
                                 EXPECT_TRUE(r);
                                 ++answered;
                               })
                      .ok());
    }
    stopper = std::thread([&] { EXPECT_TRUE(committer_->Stop().ok()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  stopper.join();
  EXPECT_EQ(answered, 50);
  ExpectCode(Ingest({MakeEvent("late")}), StatusCode::kCancelled, "being closed");
  EXPECT_EQ(StoredIds().size(), 50u);
}

TEST_F(CommitterTest, ManyThreads) {
  options_.queue_bytes_max = 20'000;
  Open();
  constexpr int kThreads = 4;
  constexpr int kBatches = 60;
  std::atomic<int> accepted = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int b = 0; b < kBatches; ++b) {
        // Each event is sent by two threads.
        std::vector<std::string> ids;
        for (int i = 0; i < 5; ++i)
          ids.push_back(std::to_string(t / 2) + "-" + std::to_string(b * 5 + i));
        std::vector<Event> events;
        for (const std::string& id : ids) events.push_back(MakeEvent(id));
        const auto reply = Ingest(events);
        ASSERT_TRUE(reply) << reply.error().ToString();
        EXPECT_EQ(reply->Count(kA) + reply->Count(kD), 5u);
        accepted += static_cast<int>(reply->Count(kA));
      }
    });
  }
  std::thread sealer([&] {
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(SealHotRows(store_.get()).ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  for (std::thread& t : threads) t.join();
  sealer.join();
  EXPECT_EQ(accepted, kThreads / 2 * kBatches * 5);
  EXPECT_EQ(StoredIds().size(), static_cast<std::size_t>(accepted.load()));
  Open();
  EXPECT_EQ(StoredIds().size(), static_cast<std::size_t>(accepted.load()));
}

TEST_F(CommitterTest, IntervalModeSyncsInTimeAndAtStop) {
  options_.durability = Durability::kInterval;
  options_.sync_interval_ms = 2;
  Open();
  const int before = synced_;
  ASSERT_TRUE(Ingest({MakeEvent("a")}));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(synced_, before);  // by the clock that counts, no time has passed
  clock_.Advance(2'000);
  for (int i = 0; i < 5000 && synced_ == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(synced_, before + 1);
  ASSERT_TRUE(Ingest({MakeEvent("b")}));
  EXPECT_EQ(synced_, before + 1);
  ASSERT_TRUE(committer_->Stop().ok());
  EXPECT_EQ(synced_, before + 2);
  Random random(1);
  disk_.PowerCut(random);
  Open();
  EXPECT_EQ(StoredIds().size(), 2u);
}

TEST_F(CommitterTest, AFailedIntervalSyncIsReportedByStop) {
  options_.durability = Durability::kInterval;
  options_.sync_interval_ms = 1;
  Open();
  ASSERT_TRUE(Ingest({MakeEvent("a")}));
  disk_.FailNthWrite(1, false);
  clock_.Advance(kSecondUs);
  for (int i = 0; i < 5000 && store_->write_error().ok(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(committer_->Stop().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace quipu
