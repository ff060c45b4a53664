#include "ingest/sealer.h"

#include "base/calendar.h"
#include "ingest/ingest_testing.h"

namespace quipu {
namespace {

class SealerTest : public IngestTest {
 protected:
  /// `n` events over 5 months and 7 customers, in batches.
  void IngestMany(int n) {
    for (int at = 0; at < n;) {
      EventBatch batch;
      for (int i = 0; i < 500 && at < n; ++i, ++at) {
        const std::string id = "id-" + std::to_string(at);
        const std::string customer = "customer-" + std::to_string(at % 7);
        Event e = MakeEvent(id, at);
        e.customer = customer;
        e.service = at % 3 == 0 ? "api" : "batch";
        e.time = kNow - (at * 37 % 150) * kDayUs - at % 1000;
        batch.Add(e);
      }
      const auto reply = Ingest(batch);
      ASSERT_TRUE(reply) << reply.error().ToString();
      ASSERT_EQ(reply->Count(Outcome::kAccepted), batch.size());
    }
  }
  std::vector<std::string> Files(const std::string& folder) {
    auto names = memory_.List("/s/" + folder);
    return names ? *names : std::vector<std::string>();
  }
};

TEST_F(SealerTest, NothingToDo) {
  Open();
  EXPECT_TRUE(SealHotRows(store_.get()).ok());
  EXPECT_TRUE(store_->view()->segments.empty());
  ASSERT_TRUE(Ingest({MakeEvent("a")}));
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  const ViewPtr view = store_->view();
  EXPECT_TRUE(SealHotRows(store_.get()).ok());
  EXPECT_EQ(store_->view(), view);
}

TEST_F(SealerTest, OneSortedSegmentAMonth) {
  Open();
  IngestMany(3000);
  const auto ids = StoredIds();
  const Totals totals = store_->view()->totals;
  std::map<MonthIndex, std::uint64_t> months;
  for (const HotBatchPtr& b : store_->view()->hot) {
    for (const TimeUs t : b->rows.times) ++months[MonthOf(t)];
  }
  ASSERT_GE(months.size(), 5u);
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  const ViewPtr view = store_->view();
  EXPECT_TRUE(view->hot.empty());
  EXPECT_EQ(view->sealed_seq, view->as_of);
  EXPECT_EQ(view->totals, totals);
  ASSERT_EQ(view->segments.size(), months.size());
  for (const SegmentPtr& s : view->segments) {
    EXPECT_EQ(s->rows(), months[s->meta().spec.month]);
    EXPECT_EQ(s->meta().spec.seq_first, 1u);
    EXPECT_EQ(s->meta().spec.seq_last, view->as_of);
    const auto rows = s->ReadRows(0, s->rows());
    ASSERT_TRUE(rows);
    for (std::size_t i = 0; i < rows->size(); ++i) {
      ASSERT_EQ(MonthOf(rows->times[i]), s->meta().spec.month);
      ASSERT_TRUE(i == 0 || SegmentOrderLess(*rows, i - 1, *rows, i));
    }
  }
  EXPECT_EQ(StoredIds(), ids);
  Open();
  EXPECT_EQ(StoredIds(), ids);
  EXPECT_EQ(store_->view()->totals, totals);
}

TEST_F(SealerTest, SeveralRowGroups) {
  Open();
  EventBatch batch;
  for (int round = 0; round < 3; ++round) {
    batch.Clear();
    for (int i = 0; i < 40'000; ++i)
      batch.Add(MakeEvent("r" + std::to_string(round) + "-" + std::to_string(i)));
    ASSERT_TRUE(Ingest(batch));
  }
  ASSERT_TRUE(SealHotRows(store_.get()).ok());
  ASSERT_EQ(store_->view()->segments.size(), 1u);
  EXPECT_EQ(store_->view()->segments[0]->rows(), 120'000u);
  SegmentVerifyReport report;
  EXPECT_TRUE(store_->view()->segments[0]->Verify(&report).ok());
  EXPECT_TRUE(report.problems.empty());
}

TEST_F(SealerTest, AFaultAtAnyStepLosesNothing) {
  for (const FaultVfs::Fault fault : {FaultVfs::Fault::kError, FaultVfs::Fault::kTornWrite}) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE("fault at call " + std::to_string(n));
      fault_.Heal();
      NewDisks();
      Open();
      IngestMany(60);
      const auto ids = StoredIds();
      fault_.FailNth(n, fault);
      const Status sealed = SealHotRows(store_.get());
      const bool fired = fault_.fired();
      fault_.Heal();
      EXPECT_EQ(StoredIds(), ids);
      if (!sealed.ok()) {
        EXPECT_TRUE(fired);
        EXPECT_TRUE(store_->view()->segments.empty());
        EXPECT_LE(
            Files("segments").size(),
            1u);  // what was finished is removed again; the fault may have left the one it hit
        EXPECT_TRUE(SealHotRows(store_.get()).ok());  // the store itself is fine
        EXPECT_EQ(StoredIds(), ids);
      }
      Open();
      EXPECT_EQ(StoredIds(), ids);
      ASSERT_TRUE(Ingest({MakeEvent("after")}));
      Close();
      if (!fired) {
        EXPECT_GT(n, 20u);  // the loop has gone through every step
        break;
      }
    }
  }
}

TEST_F(SealerTest, AFailedInstallWriteLeavesASoundStore) {
  for (const bool applied : {false, true}) {
    SCOPED_TRACE(applied);
    NewDisks();
    Open();
    IngestMany(60);
    const auto ids = StoredIds();
    disk_.FailNthWrite(2, applied);  // 1 = the segment ids, 2 = the manifest
    EXPECT_EQ(SealHotRows(store_.get()).code(), StatusCode::kIoError);
    Open();
    EXPECT_EQ(StoredIds(), ids);
    EXPECT_EQ(store_->view()->segments.empty(), !applied);
    Close();
  }
}

}  // namespace
}  // namespace quipu
