#include "store/view_as_of.h"

#include <gtest/gtest.h>

#include "store/hot_tier.h"
#include "store/store_fixture_testing.h"

namespace quipu {
namespace {

/// A store whose rows are remembered by their commit.
class ViewAsOfTest : public StoreTest {
 protected:
  void CommitRows(std::size_t rows) {
    CommitRequest request;
    request.rows = maker_->Make(rows);
    request.extra = maker_->TakeNames();
    const std::vector<std::string> texts = RowTexts(request.rows, store_->catalogue());
    const auto done = store_->Commit(std::move(request));
    ASSERT_TRUE(done);
    by_commit_[done->seq] = texts;
  }
  /// Two neighbours of one month and epoch become one, if there are any.
  void MergeSome(Random* random) {
    const ViewPtr view = store_->view();
    std::map<std::pair<MonthIndex, std::uint64_t>, std::vector<SegmentPtr>> groups;
    for (const SegmentPtr& s : view->segments)
      groups[{s->meta().spec.month, EpochOf(*view->freezes, s->meta().spec.seq_first)}].push_back(
          s);
    for (auto& [key, segments] : groups) {
      if (segments.size() < 2 || random->Below(2) == 0) continue;
      SegmentEdit edit;
      std::vector<RowBatch> rows;
      std::uint64_t first = ~0ull, last = 0;
      for (std::size_t i = 0; i < 2; ++i) {
        const SegmentMeta& meta = segments[i]->meta();
        rows.push_back(*segments[i]->ReadRows(0, segments[i]->rows()));
        edit.remove.push_back(meta.spec.segment_id);
        first = std::min(first, meta.spec.seq_first);
        last = std::max(last, meta.spec.seq_last);
      }
      edit.add = WriteSegments({&rows[0], &rows[1]}, first, last);
      const Status merged = store_->Install(edit);
      ASSERT_TRUE(merged.ok()) << merged.ToString();
    }
  }
  void SealThrough(std::uint64_t seq) {
    const ViewPtr view = store_->view();
    seq = std::min(seq, view->as_of);
    auto through = *view;
    DropHotAfter(seq, &through.hot);
    if (through.hot.empty()) return;
    std::vector<const RowBatch*> batches;
    for (const HotBatchPtr& b : through.hot) batches.push_back(&b->rows);
    SegmentEdit edit;
    edit.add = WriteSegments(batches, view->sealed_seq + 1, seq);
    edit.sealed_through = seq;
    ASSERT_TRUE(store_->Install(edit).ok());
  }
  [[nodiscard]] std::multiset<std::string> TruthOf(std::uint64_t after,
                                                   std::uint64_t through) const {
    std::multiset<std::string> truth;
    for (const auto& [seq, texts] : by_commit_) {
      if (seq > after && seq <= through) truth.insert(texts.begin(), texts.end());
    }
    return truth;
  }
  /// By looking at every segment.
  [[nodiscard]] bool MayAsk(std::uint64_t seq) const {
    const ViewPtr view = store_->view();
    return std::none_of(view->segments.begin(), view->segments.end(), [&](const SegmentPtr& s) {
      return s->meta().spec.seq_first <= seq && seq < s->meta().spec.seq_last;
    });
  }
  void CheckRefusal(std::uint64_t seq, const Status& error) const {
    ASSERT_EQ(error.code(), StatusCode::kOutOfRange) << error.ToString();
    std::uint64_t below = seq, above = seq;
    while (!MayAsk(below)) --below;
    while (!MayAsk(above)) ++above;
    const std::string nearest =
        "commits " + std::to_string(below) + " and " + std::to_string(above);
    ASSERT_NE(error.message().find(nearest), std::string_view::npos)
        << error.ToString() << ", expected " << nearest;
  }
  void CheckPart(const View& part, std::uint64_t after, std::uint64_t through) {
    ASSERT_TRUE(RowsOf(part) == TruthOf(after, through)) << after << " to " << through;
    Totals totals;
    for (const SegmentPtr& s : part.segments) totals.Add(s->meta().totals);
    for (const HotBatchPtr& b : part.hot) {
      ASSERT_TRUE(b->totals == TotalsOf(b->rows));
      ASSERT_FALSE(b->rows.empty());
      totals.Add(b->totals);
    }
    ASSERT_TRUE(totals == part.totals) << after << " to " << through;
    ASSERT_EQ(part.as_of, through);
    if (!part.hot.empty()) {
      ASSERT_EQ(part.hot.back()->commit_ends.size(),
                part.hot.back()->seq_last - part.hot.back()->seq_first + 1);
    }
  }
  void CheckEveryState(Random* random) {
    const ViewPtr view = store_->view();
    for (std::uint64_t seq = 0; seq <= view->as_of; ++seq) {
      const auto state = FindState(*view, {.commit = seq});
      if (!MayAsk(seq)) {
        ASSERT_NO_FATAL_FAILURE(CheckRefusal(seq, state.error()));
        continue;
      }
      ASSERT_TRUE(state) << state.error().ToString();
      ASSERT_NO_FATAL_FAILURE(CheckPart(*PartOf(*view, &*state, nullptr), 0, seq));
      ASSERT_NO_FATAL_FAILURE(CheckPart(*PartOf(*view, nullptr, &*state), seq, view->as_of));
      const std::uint64_t other = random->Below(seq + 1);
      const auto since = FindState(*view, {.commit = other});
      if (since) {
        ASSERT_NO_FATAL_FAILURE(CheckPart(*PartOf(*view, &*state, &*since), other, seq));
      }
    }
    EXPECT_EQ(FindState(*view, {.commit = view->as_of + 1}).error().code(),
              StatusCode::kOutOfRange);
  }
  void CheckFreezes() {
    const ViewPtr view = store_->view();
    for (const FrozenPtr& f : *view->freezes) {
      const auto state = FindState(*view, {.freeze = f->record.name});
      ASSERT_TRUE(state) << state.error().ToString();
      ASSERT_NO_FATAL_FAILURE(CheckPart(*PartOf(*view, &*state, nullptr), 0, state->seq));
    }
  }

  std::map<std::uint64_t, std::vector<std::string>> by_commit_;
};

TEST_F(ViewAsOfTest, PartsAreTheRowsOfTheirCommitsWhateverWasSealedAndMerged) {
  Random random(seed_);
  Open();
  int frozen = 0;
  for (int step = 0; step < 60; ++step) {
    const ViewPtr view = store_->view();
    switch (random.Below(6)) {
      case 0:
        ASSERT_NO_FATAL_FAILURE(
            SealThrough(view->sealed_seq + 1 + random.Below(view->as_of - view->sealed_seq + 1)));
        break;
      case 1:
        ASSERT_NO_FATAL_FAILURE(MergeSome(&random));
        break;
      case 2:
        if (random.Below(2) == 0 && store_->Freeze("f" + std::to_string(frozen))) ++frozen;
        break;
      default:
        ASSERT_NO_FATAL_FAILURE(CommitRows(random.Below(4) == 0 ? 0 : random.Below(30)));
    }
    if (random.Below(10) == 0) {
      ASSERT_NO_FATAL_FAILURE(Open());
    }
    if (step % 6 == 5) {
      ASSERT_NO_FATAL_FAILURE(CheckEveryState(&random));
    }
    ASSERT_NO_FATAL_FAILURE(CheckFreezes());
  }
  EXPECT_GT(frozen, 0);
}

TEST_F(ViewAsOfTest, StatesAreNamedOnceAndMustBeThere) {
  Open();
  ASSERT_NO_FATAL_FAILURE(CommitRows(10));
  Seal();
  ASSERT_TRUE(store_->Freeze("march"));
  const ViewPtr view = store_->view();
  EXPECT_EQ(FindState(*view, {.commit = 1, .freeze = "march"}).error().code(),
            StatusCode::kInvalidArgument);
  const Status unknown = FindState(*view, {.freeze = "april"}).error();
  EXPECT_EQ(unknown.code(), StatusCode::kNotFound);
  EXPECT_NE(unknown.message().find("the newest is 'march'"), std::string_view::npos);
  EXPECT_EQ(FindState(*view, {.freeze = "march"})->seq, 1u);
}

}  // namespace
}  // namespace quipu
