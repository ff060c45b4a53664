// The fixture of the store's tests: a store over a file system and a key-value disk in memory, beside a list of the rows it must hold.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/calendar.h"
#include "base/vfs_testing.h"
#include "store/store.h"
#include "store/store_testing.h"

namespace quipu {

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    options_.create_if_missing = true;
    options_.log = [this](LogLevel, const std::string& line) {
      const std::lock_guard lock(log_mutex_);
      log_ += line + "\n";
    };
    environment_.vfs = &vfs_;
    environment_.clock = &clock_;
    environment_.random_seed = 17;
    environment_.open_kv = [this](const std::string&) { return disk_.Open(); };
  }
  Status TryOpen() {
    store_.reset();
    auto opened = Store::Open(folder_, options_, environment_);
    if (!opened) return opened.error();
    store_ = *std::move(opened);
    ++opened_;
    maker_ = std::make_unique<RowMaker>(&store_->catalogue(), "e" + std::to_string(opened_) + "-",
                                        seed_ + opened_);
    return {};
  }
  void Open() {
    const Status s = TryOpen();
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  Result<CommitResult> TryCommit(std::size_t rows, bool sync = true) {
    CommitRequest request;
    request.rows = maker_->Make(rows);
    request.extra = maker_->TakeNames();
    request.sync = sync;
    const std::vector<std::string> texts = RowTexts(request.rows, store_->catalogue());
    Result<CommitResult> done = store_->Commit(std::move(request));
    (done ? truth_ : unknown_).insert(texts.begin(), texts.end());
    return done;
  }
  std::uint64_t Commit(std::size_t rows) {
    const auto done = TryCommit(rows);
    EXPECT_TRUE(done) << done.error().ToString();
    return done ? done->seq : 0;
  }
  /// Writes the given rows as one segment a month.
  std::vector<SegmentMeta> WriteSegments(const std::vector<const RowBatch*>& batches,
                                         std::uint64_t seq_first, std::uint64_t seq_last) {
    std::map<MonthIndex, std::vector<RowRef>> months;
    for (std::uint32_t b = 0; b < batches.size(); ++b) {
      for (std::uint32_t i = 0; i < batches[b]->size(); ++i)
        months[MonthOf(batches[b]->times[i])].push_back({b, i});
    }
    auto id = store_->ReserveSegmentIds(months.size());
    EXPECT_TRUE(id) << id.error().ToString();
    std::vector<SegmentMeta> metas;
    for (const auto& [month, refs] : months) {
      const RowBatch rows = Gather(batches, refs);
      std::vector<RowRef> sorted;
      for (const std::uint32_t row : SegmentOrder(rows)) sorted.push_back({0, row});
      const RowBatch* const source = &rows;
      auto writer = SegmentWriter::Create(store_->vfs(), store_->segments_folder(),
                                          {store_->store_id(), (*id)++, month, seq_first, seq_last},
                                          &store_->catalogue());
      EXPECT_TRUE(writer) << writer.error().ToString();
      EXPECT_TRUE((*writer)->Append(Gather({&source, 1}, sorted)).ok());
      auto meta = (*writer)->Finish();
      EXPECT_TRUE(meta) << meta.error().ToString();
      metas.push_back(*meta);
    }
    return metas;
  }
  SegmentEdit MakeSeal(const View& view) {
    std::vector<const RowBatch*> batches;
    for (const HotBatchPtr& b : view.hot) batches.push_back(&b->rows);
    SegmentEdit edit;
    edit.add = WriteSegments(batches, view.sealed_seq + 1, view.as_of);
    edit.sealed_through = view.as_of;
    return edit;
  }
  void Seal() {
    const Status s = store_->Install(MakeSeal(*store_->view()));
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  SegmentEdit MakeMergeOfAll() {
    const ViewPtr view = store_->view();
    SegmentEdit edit;
    std::vector<RowBatch> rows;
    for (const SegmentPtr& s : view->segments) {
      auto read = s->ReadRows(0, s->rows());
      EXPECT_TRUE(read) << read.error().ToString();
      rows.push_back(*std::move(read));
      edit.remove.push_back(s->meta().spec.segment_id);
    }
    std::vector<const RowBatch*> batches;
    for (const RowBatch& b : rows) batches.push_back(&b);
    edit.add = WriteSegments(batches, 1, view->sealed_seq);
    return edit;
  }
  std::multiset<std::string> RowsOf(const View& view) {
    std::multiset<std::string> rows;
    const auto add = [&](const RowBatch& batch) {
      for (std::string& text : RowTexts(batch, store_->catalogue())) rows.insert(std::move(text));
    };
    for (const SegmentPtr& s : view.segments) {
      auto read = s->ReadRows(0, s->rows());
      EXPECT_TRUE(read) << read.error().ToString();
      if (read) add(*read);
    }
    for (const HotBatchPtr& b : view.hot) add(b->rows);
    return rows;
  }
  void ExpectTruth() {
    const ViewPtr view = store_->view();
    ASSERT_TRUE(RowsOf(*view) == truth_)
        << RowsOf(*view).size() << " rows, expected " << truth_.size();
    ASSERT_EQ(view->totals.rows, truth_.size());
  }
  std::vector<std::string> Files(const std::string& folder) {
    auto names = vfs_.List(JoinPath(folder_, folder));
    return names ? *names : std::vector<std::string>{"?"};
  }
  void PutRaw(KvSpace space, const std::string& key, const std::string& value) {
    auto kv = disk_.Open();
    ASSERT_TRUE(kv);
    KvBatch batch;
    batch.Put(space, key, value);
    ASSERT_TRUE((*kv)->Write(batch, true).ok());
  }
  void DeleteRaw(KvSpace space, const std::string& key) {
    auto kv = disk_.Open();
    ASSERT_TRUE(kv);
    KvBatch batch;
    batch.Delete(space, key);
    ASSERT_TRUE((*kv)->Write(batch, true).ok());
  }

  const std::uint64_t seed_ = TestSeed();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "QUIPU_SEED=" + std::to_string(seed_)};
  std::string folder_ = "/store", log_;
  MemoryVfs memory_;
  OrderCheckingVfs vfs_{&memory_};
  MemoryKvDisk disk_;
  ManualClock clock_{1'767'225'600 * kSecondUs};
  Options options_;
  StoreEnvironment environment_;
  std::uint64_t opened_ = 0;
  std::mutex log_mutex_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<RowMaker> maker_;
  std::multiset<std::string> truth_, unknown_;
};

}  // namespace quipu
