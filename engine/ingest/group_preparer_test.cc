// What is prepared while another commit is being written.
#include "ingest/group_preparer.h"

#include <chrono>
#include <deque>
#include <thread>

#include "ingest/ingest_testing.h"

namespace quipu {
namespace {

constexpr Outcome kA = Outcome::kAccepted;
constexpr Outcome kD = Outcome::kDuplicate;
constexpr Outcome kC = Outcome::kConflict;
using Want = std::vector<Outcome>;
using Reply = std::future<Result<IngestReply>>;

class UnderWayTest : public IngestTest {
 protected:
  UnderWayTest() { options_.commit_bytes_max = 1024; }

  Reply Send(EventBatch batch) {
    auto promise = std::make_shared<std::promise<Result<IngestReply>>>();
    Reply reply = promise->get_future();
    const Status queued = committer_->Submit(
        std::move(batch), [promise](Result<IngestReply> r) { promise->set_value(std::move(r)); });
    EXPECT_TRUE(queued.ok()) << queued.ToString();
    return reply;
  }
  static EventBatch With(EventBatch batch, std::uint64_t sequence) {
    batch.producer = ProducerStamp{"p", 1, sequence};
    return batch;
  }
  Event OfCustomer(const std::string& customer, std::string_view id) {
    customers_.push_back(customer);
    Event e = MakeEvent(id);
    e.customer = customers_.back();
    return e;
  }
  /// A group of these batches is handed to the writing thread, which stands before the closed gate.
  std::vector<Reply> StartWriting(std::vector<EventBatch> batches) {
    std::vector<Reply> replies;
    WhileHeld([&] {
      gate_.Close();
      for (EventBatch& batch : batches) replies.push_back(Send(std::move(batch)));
      Send(BatchOf({OfCustomer("first", "start")}));
    });
    EXPECT_TRUE(WaitUntilPrepared("first"));
    return replies;
  }
  /// Until a batch with that new customer is prepared.
  bool WaitUntilPrepared(const std::string& customer) const {
    for (int i = 0; i < 5000; ++i) {
      if (store_->catalogue().Find(NameKind::kCustomer, customer)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  std::deque<std::string> customers_;
};

TEST_F(UnderWayTest, ABatchIsComparedWithWhatIsBeingWrittenAndWithWhatIsPrepared) {
  Open();
  auto replies = StartWriting(
      {With(BatchOf({MakeEvent("a", 1), MakeEvent("b", 1)}), 1), BatchOf({MakeEvent("c")})});
  replies.push_back(
      Send(With(BatchOf({MakeEvent("a", 1), MakeEvent("b", 2), OfCustomer("second", "d")}), 2)));
  ASSERT_TRUE(WaitUntilPrepared("second"));
  // Two are under way by now; these must wait for the hand-over.
  replies.push_back(Send(With(BatchOf({MakeEvent("e"), OfCustomer("second", "d")}), 3)));
  replies.push_back(
      Send(With(BatchOf({MakeEvent("a", 1), MakeEvent("b", 2), OfCustomer("second", "d")}), 2)));
  replies.push_back(Send(BatchOf({MakeEvent("e"), MakeEvent("c")})));
  EXPECT_EQ(store_->view()->as_of, 1u) << "the plug";
  EXPECT_EQ(replies[0].wait_for(std::chrono::milliseconds(5)), std::future_status::timeout);
  gate_.Open();
  std::vector<IngestReply> got;
  for (Reply& reply : replies) {
    auto answer = reply.get();
    ASSERT_TRUE(answer) << answer.error().ToString();
    got.push_back(*std::move(answer));
  }
  EXPECT_EQ(got[0].outcomes, (Want{kA, kA}));
  EXPECT_EQ(got[1].outcomes, Want{kA});
  EXPECT_EQ(got[2].outcomes, (Want{kD, kC, kA}));
  EXPECT_EQ(got[3].outcomes, (Want{kA, kD}));
  EXPECT_EQ(got[4].outcomes, (Want{kD, kC, kA}));
  EXPECT_TRUE(got[4].replayed);
  EXPECT_EQ(got[5].outcomes, (Want{kD, kD}));
  EXPECT_EQ(got[0].seq, 2u);
  EXPECT_EQ(got[2].seq, 3u);
  EXPECT_EQ(got[4].seq, 3u);
  const std::multiset<std::string> want = {"acme//a",   "acme//b", "acme//c",
                                           "second//d", "acme//e", "first//start"};
  EXPECT_EQ(StoredIds(), want);
  Open();  // names and totals are in order
  EXPECT_EQ(StoredIds(), want);
}

/// What is answered must not depend on which batches share a commit.
TEST_F(UnderWayTest, ARepeatOfAStampedLateEventInTheSameCommitIsKnown) {
  options_.late_bound_us = kHourUs / 2;  // events are dated an hour ago
  Open();
  auto replies = StartWriting({With(BatchOf({MakeEvent("a", 1)}), 1),
                               BatchOf({MakeEvent("a", 1), MakeEvent("a", 2), MakeEvent("b", 1)})});
  gate_.Open();
  const auto stamped = replies[0].get();
  const auto again = replies[1].get();
  ASSERT_TRUE(stamped && again);
  EXPECT_EQ(stamped->outcomes, Want{kA});
  EXPECT_EQ(again->outcomes, (Want{kD, kC, Outcome::kTooLate}));
}

TEST_F(UnderWayTest, AFailedWriteIsTheAnswerToAllThatIsPrepared) {
  for (const bool applied : {false, true}) {
    SCOPED_TRACE(applied);
    NewDisks();
    Open();
    auto replies = StartWriting(
        {BatchOf({MakeEvent("a"), MakeEvent("b")}), With(BatchOf({MakeEvent("c")}), 1)});
    replies.push_back(Send(With(BatchOf({MakeEvent("d"), OfCustomer("second", "e")}), 2)));
    ASSERT_TRUE(WaitUntilPrepared("second"));
    replies.push_back(Send(BatchOf({MakeEvent("a"), MakeEvent("c"), MakeEvent("d")})));
    replies.push_back(Send(With(BatchOf({MakeEvent("c")}), 1)));  // a replay of what fails
    disk_.FailNthWrite(1, applied);
    gate_.Open();
    for (Reply& reply : replies) {
      const auto answer = reply.get();
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code(), StatusCode::kIoError) << answer.error().ToString();
    }
    Open();
    EXPECT_EQ(StoredIds().size(), applied ? 4u : 0u);
    EXPECT_EQ(Outcomes({MakeEvent("a"), OfCustomer("second", "e")}), (Want{applied ? kD : kA, kA}));
    const auto again = Ingest(With(BatchOf({MakeEvent("c")}), 1));
    ASSERT_TRUE(again) << again.error().ToString();
    EXPECT_EQ(again->replayed, applied);
    EXPECT_EQ(again->outcomes, Want{kA});
  }
}

TEST_F(UnderWayTest, TasksWaitUntilNothingIs) {
  Open();
  auto replies =
      StartWriting({BatchOf({MakeEvent("a"), MakeEvent("b")}), BatchOf({MakeEvent("c")})});
  std::atomic<bool> has_run = false;
  std::uint64_t as_of = 0;
  std::thread asks([&] {
    EXPECT_TRUE(committer_
                    ->RunBetweenCommits([&](KvBatch*) {
                      as_of = store_->view()->as_of;
                      has_run = true;
                      return Status();
                    })
                    .ok());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(has_run);
  gate_.Open();
  asks.join();
  for (Reply& reply : replies) ASSERT_TRUE(reply.get());
  EXPECT_GE(as_of, 2u);
  EXPECT_TRUE(Ingest({MakeEvent("d")}));
}

TEST_F(UnderWayTest, RandomRepeatsOfManyCallersAreCountedOnce) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  options_.commit_bytes_max = 4'096;
  Open();
  constexpr std::uint64_t kThreads = 3, kBatches = 150, kIds = 900;
  std::atomic<std::size_t> accepted = 0, answered = 0;
  std::vector<std::thread> callers;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    callers.emplace_back([&, t] {
      Random random(seed + t);
      for (std::uint64_t b = 1; b <= kBatches; ++b) {
        std::vector<std::string> ids;
        for (std::uint64_t i = 0; i < 1 + random.Below(12); ++i)
          ids.push_back("id-" + std::to_string(random.Below(kIds)));
        EventBatch batch;
        for (const std::string& id : ids) batch.Add(MakeEvent(id));
        batch.producer = ProducerStamp{"p" + std::to_string(t), 1, b};
        const auto done = [&](const Result<IngestReply>& reply) {
          ASSERT_TRUE(reply) << reply.error().ToString();
          EXPECT_EQ(reply->Count(kC), 0u);
          accepted += reply->Count(kA);
          ++answered;
        };
        ASSERT_TRUE(committer_->Submit(std::move(batch), done).ok());
        if (t == 0 && random.Below(40) == 0 && !SealHotRows(store_.get()).ok()) FAIL();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  ASSERT_TRUE(committer_->Stop().ok());
  EXPECT_EQ(answered, kThreads * kBatches);
  const std::multiset<std::string> stored = StoredIds();
  EXPECT_EQ(stored.size(), accepted);
  EXPECT_EQ(std::set<std::string>(stored.begin(), stored.end()).size(), accepted);
  Open();
  EXPECT_EQ(StoredIds(), stored);
}

}  // namespace
}  // namespace quipu
