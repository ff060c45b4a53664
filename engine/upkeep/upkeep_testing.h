// A store in memory with segments of random rows, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/calendar.h"
#include "base/vfs_testing.h"
#include "store/store.h"
#include "store/store_testing.h"

namespace quipu {

class UpkeepTest : public testing::Test {
 protected:
  UpkeepTest() { options_.create_if_missing = true; }

  void Open() {
    if (store_) QUIPU_CHECK(store_->Close().ok());
    store_.reset();
    order_ = std::make_unique<OrderCheckingVfs>(&fault_);
    StoreEnvironment environment;
    environment.vfs = order_.get();
    environment.clock = &clock_;
    environment.random_seed = 3;
    environment.open_kv = [this](const std::string&) { return disk_.Open(); };
    auto store = Store::Open("/u", options_, environment);
    ASSERT_TRUE(store) << store.error().ToString();
    store_ = *std::move(store);
    ++opened_;
    maker_ = std::make_unique<RowMaker>(&store_->catalogue(),
                                        "open" + std::to_string(opened_) + "-", seed_ + opened_);
  }
  void Commit(std::size_t rows, int months = 1) {
    CommitRequest request;
    request.rows = maker_->Make(rows, months);
    request.extra = maker_->TakeNames();
    const auto done = store_->Commit(std::move(request));
    ASSERT_TRUE(done) << done.error().ToString();
  }
  /// Hot rows to segments, one a month.
  void Seal() {
    const ViewPtr view = store_->view();
    std::vector<const RowBatch*> batches;
    std::map<MonthIndex, std::vector<RowRef>> months;
    for (const HotBatchPtr& b : view->hot) {
      for (std::uint32_t i = 0; i < b->rows.size(); ++i) {
        months[MonthOf(b->rows.times[i])].push_back(
            {static_cast<std::uint32_t>(batches.size()), i});
      }
      batches.push_back(&b->rows);
    }
    SegmentEdit edit;
    edit.sealed_through = view->as_of;
    for (const auto& [month, refs] : months) {
      const RowBatch rows = Gather(batches, refs);
      std::vector<RowRef> sorted;
      for (const std::uint32_t row : SegmentOrder(rows)) sorted.push_back({0, row});
      const RowBatch* const source = &rows;
      auto id = store_->ReserveSegmentIds(1);
      ASSERT_TRUE(id);
      auto writer =
          SegmentWriter::Create(store_->vfs(), store_->segments_folder(),
                                {store_->store_id(), *id, month, view->sealed_seq + 1, view->as_of},
                                &store_->catalogue());
      ASSERT_TRUE(writer) << writer.error().ToString();
      ASSERT_TRUE((*writer)->Append(Gather({&source, 1}, sorted)).ok());
      auto meta = (*writer)->Finish();
      ASSERT_TRUE(meta) << meta.error().ToString();
      edit.add.push_back(*meta);
    }
    const Status installed = store_->Install(edit);
    ASSERT_TRUE(installed.ok()) << installed.ToString();
  }
  void SealedCommit(std::size_t rows, int months = 1) {
    Commit(rows, months);
    Seal();
  }
  /// All rows as text, sorted: what a merge must not change.
  std::vector<std::string> AllRows() {
    std::vector<std::string> texts;
    const ViewPtr view = store_->view();
    for (const SegmentPtr& s : view->segments) {
      auto rows = s->ReadRows(0, s->rows());
      EXPECT_TRUE(rows) << rows.error().ToString();
      if (!rows) continue;
      for (std::string& t : RowTexts(*rows, store_->catalogue())) texts.push_back(std::move(t));
    }
    for (const HotBatchPtr& b : view->hot) {
      for (std::string& t : RowTexts(b->rows, store_->catalogue())) texts.push_back(std::move(t));
    }
    std::sort(texts.begin(), texts.end());
    return texts;
  }
  std::vector<std::uint64_t> SegmentIds() const {
    std::vector<std::uint64_t> ids;
    for (const SegmentPtr& s : store_->view()->segments) ids.push_back(s->meta().spec.segment_id);
    return ids;
  }
  std::vector<std::string> Files() {
    auto names = memory_.List("/u/segments");
    EXPECT_TRUE(names);
    return names ? *names : std::vector<std::string>();
  }

  const std::uint64_t seed_ = TestSeed();
  Options options_;
  MemoryVfs memory_;
  FaultVfs fault_{&memory_};
  std::unique_ptr<OrderCheckingVfs> order_;
  MemoryKvDisk disk_;
  ManualClock clock_{0};
  std::uint64_t opened_ = 0;
  std::unique_ptr<Store> store_;
  std::unique_ptr<RowMaker> maker_;
};

}  // namespace quipu
