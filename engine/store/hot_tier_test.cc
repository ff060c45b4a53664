#include "store/hot_tier.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/store_testing.h"

namespace quipu {
namespace {

/// A commit list kept the simple way, beside the hot list.
struct Twin {
  explicit Twin(std::uint64_t seed) : random(seed), maker(&catalogue, "e", seed) {}

  void Commit(std::size_t rows) {
    ++seq;
    if (rows == 0) return;  // such commits have no hot batch
    RowBatch batch = maker.Make(rows);
    for (const std::string& text : RowTexts(batch, catalogue)) truth.emplace_back(seq, text);
    Totals totals = TotalsOf(batch);
    AppendHot(MakeHotBatch(seq, next_row, 1, std::move(batch), std::move(totals)), &view.hot);
    next_row += rows;
  }
  void ExpectEqual() const {
    std::vector<std::string> found, expected;
    Totals totals;
    std::uint64_t row = truth.empty() ? next_row : next_row - truth.size();
    for (const HotBatchPtr& batch : view.hot) {
      ASSERT_EQ(batch->first_row, row);
      row += batch->rows.size();
      ASSERT_EQ(batch->commit_ends.size(), batch->seq_last - batch->seq_first + 1);
      ASSERT_EQ(batch->commit_ends.back(), batch->rows.size());
      ASSERT_TRUE(batch->totals == TotalsOf(batch->rows));
      ASSERT_EQ(batch->time_min,
                *std::min_element(batch->rows.times.begin(), batch->rows.times.end()));
      ASSERT_EQ(batch->time_max,
                *std::max_element(batch->rows.times.begin(), batch->rows.times.end()));
      for (std::string& text : RowTexts(batch->rows, catalogue)) found.push_back(std::move(text));
    }
    for (const auto& [s, text] : truth) expected.push_back(text);
    ASSERT_EQ(found, expected);
    ASSERT_EQ(view.hot_rows(), truth.size());
  }

  Random random;
  Catalogue catalogue;
  RowMaker maker;
  View view;
  std::vector<std::pair<std::uint64_t, std::string>> truth;
  std::uint64_t seq = 0, next_row = 100;
};

TEST(HotTier, AnyTraceOfCommitsAndDropsKeepsEveryRowInOrder) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Twin twin(seed);
  for (int step = 0; step < 400; ++step) {
    twin.Commit(twin.random.Below(4) == 0 ? twin.random.Below(60) : twin.random.Below(3));
    if (twin.random.Below(20) == 0) {
      const std::uint64_t through =
          twin.seq - twin.random.Below(std::min<std::uint64_t>(twin.seq, 30));
      Totals dropped;
      for (const HotBatchPtr& b : twin.view.hot) dropped.Add(b->totals);
      const Totals expected = HotTotalsThrough(twin.view.hot, through);
      DropHotThrough(through, &twin.view.hot);
      Totals kept = expected;
      for (const HotBatchPtr& b : twin.view.hot) kept.Add(b->totals);
      ASSERT_TRUE(kept == dropped) << "what is dropped and what stays must add up";
      std::erase_if(twin.truth, [&](const auto& row) { return row.first <= through; });
    }
    if (step % 10 == 0) {
      ASSERT_NO_FATAL_FAILURE(twin.ExpectEqual());
    }
    ASSERT_LE(twin.view.hot.size(), 7u * 6u);
  }
  ASSERT_NO_FATAL_FAILURE(twin.ExpectEqual());
}

TEST(HotTier, FindHotRowFindsEveryRow) {
  Twin twin(5);
  for (int i = 0; i < 50; ++i) twin.Commit(1 + static_cast<std::size_t>(i) % 5);
  for (std::size_t i = 0; i < twin.truth.size(); ++i) {
    const RowRef ref = twin.view.FindHotRow(100 + i);
    ASSERT_EQ(RowText(twin.view.hot[ref.batch]->rows, ref.row, twin.catalogue),
              twin.truth[i].second);
  }
}

TEST(HotTier, TheListStaysShortAndNoMergeIsTooLarge) {
  Twin twin(6);
  for (int i = 0; i < 150; ++i) {
    twin.Commit(1000);
    std::size_t small = 0;
    for (const HotBatchPtr& b : twin.view.hot) {
      ASSERT_LE(b->rows.size(), kHotBatchRowsMax);
      if (b->rows.size() <= kHotBatchRowsMax / 2) ++small;
    }
    ASSERT_LE(small, 7u) << "after " << i + 1 << " commits";
  }
  Twin example(7);
  for (int i = 0; i < 20; ++i) example.Commit(1000);
  EXPECT_EQ(example.view.hot.size(), 6u) << "the example in hot_tier.h";
}

/// Which hot batches have an index: "+-" for yes and no.
std::string Indexed(const std::vector<HotBatchPtr>& hot) {
  std::string text;
  for (const HotBatchPtr& batch : hot) text += batch->made_index.peek() != nullptr ? '+' : '-';
  return text;
}

TEST(HotTier, IndexesAreMadeByQuestionsAndWhileTheseComeByTheCommitter) {
  Twin twin(8);
  std::vector<HotBatchPtr>& hot = twin.view.hot;
  for (int i = 0; i < 4; ++i) {
    twin.Commit(5000);
    PrepareIndexes(hot);
  }
  for (const std::size_t rows : {100, 700, 5000, 900}) twin.Commit(rows);
  PrepareIndexes(hot);
  ASSERT_EQ(Indexed(hot), "--------") << "nobody has asked";
  EXPECT_EQ(SettledBatches(hot), 7u);

  const auto ask = [&] {
    std::string with;
    for (std::size_t b = 0; b < hot.size(); ++b)
      with += IndexToAsk(hot, b, SettledBatches(hot)) != nullptr ? '+' : '-';
    return with;
  };
  for (std::uint32_t look = 0; look < kLooksMax; ++look)
    EXPECT_EQ(ask(), "++++----") << "the last two of the settled ones are looked through";
  EXPECT_EQ(ask(), "++++-++-") << "of 100 rows none is made, and the last may be merged";

  twin.Commit(6000);
  EXPECT_EQ(Indexed(hot), "++++-++--");
  PrepareIndexes(hot);
  EXPECT_EQ(Indexed(hot), "++++-++++") << "the one before the large one is settled now";
  std::size_t made = 9;
  while (hot.back()->made_index.peek() != nullptr && made < 100) {
    twin.Commit(4097);
    PrepareIndexes(hot);
    ++made;
  }
  EXPECT_EQ(made, 7 + kPreparedBatches) << "nobody asks any more";
}

TEST(HotTier, AnIndexIsPreparedLikeTheLastOneThatWasAsked) {
  Twin twin(9);
  std::vector<HotBatchPtr>& hot = twin.view.hot;
  for (int i = 0; i < 3; ++i) twin.Commit(5000);
  const HotIndex* const asked = IndexToAsk(hot, 0, 3);
  ASSERT_NE(asked, nullptr);
  const HotIndex::RunSums& sums = asked->Sums(asked->FindMeasure(kQuantityColumn));
  ASSERT_FALSE(sums.sums.empty());
  PrepareIndexes(hot);
  ASSERT_NE(hot[2]->made_index.peek(), nullptr);
  const HotIndex& prepared = *hot[2]->made_index.peek();
  const std::size_t column = prepared.FindMeasure(kQuantityColumn);
  EXPECT_TRUE(prepared.has_sums(column));
  EXPECT_FALSE(prepared.has_sums(prepared.FindMeasure(kCostColumn)));
  EXPECT_FALSE(prepared.was_asked());
}

TEST(HotTier, NobodyWaitsForAnIndexThatIsBeingMade) {
  Twin twin(9);
  std::vector<HotBatchPtr>& hot = twin.view.hot;
  for (int i = 0; i < 4; ++i) twin.Commit(5000);
  const HotIndex* meanwhile = IndexToAsk(hot, 1, 4);
  ASSERT_NE(meanwhile, nullptr);
  hot[0]->made_index.Ensure([&] {
    std::thread([&] { meanwhile = IndexToAsk(hot, 0, 4); }).join();
    return std::make_unique<HotIndex>(hot[0]->rows);
  });
  EXPECT_EQ(meanwhile, nullptr) << "the batch is looked through";
  EXPECT_EQ(IndexToAsk(hot, 0, 4), hot[0]->made_index.peek());
}

}  // namespace
}  // namespace quipu
