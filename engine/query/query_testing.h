// A store in memory whose events are given one by one, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/calendar.h"
#include "base/check.h"
#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "query/answer.h"
#include "quipu/event.h"
#include "store/store.h"

namespace quipu {

class QueryTest : public testing::Test {
 protected:
  QueryTest() { Open(); }

  void Open() {
    if (store_) QUIPU_CHECK(store_->Close().ok());
    store_.reset();
    Options options;
    options.create_if_missing = true;
    StoreEnvironment environment;
    environment.vfs = &vfs_;
    environment.clock = &clock_;
    environment.random_seed = 3;
    environment.open_kv = [this](const std::string&) { return disk_.Open(); };
    auto store = Store::Open("/q", options, environment);
    QUIPU_CHECK(store.has_value());
    store_ = *std::move(store);
  }

  /// Adds a row to the next commit. An empty id makes one.
  void Put(const Event& e) {
    const std::string id = e.id.empty() ? "e" + std::to_string(++made_) : std::string(e.id);
    builder_.BeginRow(Intern(NameKind::kCustomer, e.customer),
                      Intern(NameKind::kService, e.service), *e.time,
                      MakeIdentity(e.customer, e.source, id), id, e.source);
    builder_.AddMeasure(kQuantityColumn, e.quantity);
    if (e.cost) builder_.AddMeasure(kCostColumn, *e.cost);
    for (const Measure& m : e.measures)
      builder_.AddMeasure(Intern(NameKind::kMeasure, m.name), m.value);
    for (const Dimension& d : e.dimensions)
      builder_.AddDimension(Intern(NameKind::kDimension, d.name), d.value);
  }
  void Put(std::string_view time, std::string_view customer, const Decimal& m,
           std::vector<Dimension> dimensions = {}) {
    Event e;
    e.time = At(time);
    e.customer = customer;
    e.service = "api";
    e.measures = {{"m", m}};
    e.dimensions = std::move(dimensions);
    Put(e);
  }
  void Commit() {
    CommitRequest request;
    request.rows = builder_.Finish();
    request.extra = std::exchange(names_, {});
    const auto done = store_->Commit(std::move(request));
    ASSERT_TRUE(done) << done.error().ToString();
  }

  /// Every hot row into one segment a month.
  void Seal() {
    const ViewPtr view = store_->view();
    if (view->hot.empty()) return;
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
    for (const auto& [month, refs] : months)
      edit.add.push_back(Write(month, view->sealed_seq + 1, view->as_of, Gather(batches, refs)));
    ASSERT_TRUE(store_->Install(edit).ok());
  }
  /// All segments of each month into one.
  void Merge() {
    const ViewPtr view = store_->view();
    std::map<MonthIndex, SegmentEdit> edits;
    std::map<MonthIndex, std::vector<RowBatch>> rows;
    std::uint64_t first = view->as_of, last = 0;
    for (const SegmentPtr& s : view->segments) {
      first = std::min(first, s->meta().spec.seq_first);
      last = std::max(last, s->meta().spec.seq_last);
      edits[s->meta().spec.month].remove.push_back(s->meta().spec.segment_id);
      auto read = s->ReadRows(0, s->rows());
      QUIPU_CHECK(read.has_value());
      rows[s->meta().spec.month].push_back(*std::move(read));
    }
    for (auto& [month, edit] : edits) {
      std::vector<const RowBatch*> batches;
      std::vector<RowRef> refs;
      for (const RowBatch& b : rows[month]) {
        for (std::uint32_t i = 0; i < b.size(); ++i)
          refs.push_back({static_cast<std::uint32_t>(batches.size()), i});
        batches.push_back(&b);
      }
      edit.add.push_back(Write(month, first, last, Gather(batches, refs)));
      ASSERT_TRUE(store_->Install(edit).ok());
    }
  }

  Result<ResultSet> TryAsk(const QuerySpec& spec) {
    return RunQuery(*store_->view(), store_->catalogue(), spec);
  }
  /// The answer as text, a line a row; asked with and without summaries.
  std::string Ask(const Query& query) {
    EXPECT_TRUE(query.status().ok()) << query.status().ToString();
    QuerySpec spec = query.spec();
    const std::string text = Text(TryAsk(spec));
    spec.raw_only = true;
    EXPECT_EQ(Text(TryAsk(spec)), text);
    return text;
  }
  Status ErrorOf(const Query& query) {
    EXPECT_TRUE(query.status().ok()) << query.status().ToString();
    return TryAsk(query.spec()).error();
  }
  static std::string Text(const Result<ResultSet>& answer) {
    if (!answer) return answer.error().ToString();
    std::string text;
    for (std::size_t r = 0; r < answer->rows(); ++r) {
      for (std::size_t c = 0; c < answer->columns.size(); ++c) {
        const ResultColumn& column = answer->columns[c];
        text += (c > 0 ? " " : "") + (column.IsPresent(r) ? column.Text(r) : std::string("-"));
      }
      text += "\n";
    }
    return text;
  }
  static TimeUs At(std::string_view time) {
    const auto parsed = ParseTime(time);
    QUIPU_CHECK(parsed.has_value());
    return parsed->time_us;
  }

  std::unique_ptr<Store> store_;

 private:
  std::uint32_t Intern(NameKind kind, std::string_view name) {
    auto ordinal = store_->catalogue().Intern(kind, name, &names_);
    QUIPU_CHECK(ordinal.has_value());
    return *ordinal;
  }
  SegmentMeta Write(MonthIndex month, std::uint64_t seq_first, std::uint64_t seq_last,
                    const RowBatch& rows) {
    auto id = store_->ReserveSegmentIds(1);
    QUIPU_CHECK(id.has_value());
    auto writer = SegmentWriter::Create(store_->vfs(), store_->segments_folder(),
                                        {store_->store_id(), *id, month, seq_first, seq_last},
                                        &store_->catalogue());
    QUIPU_CHECK(writer.has_value());
    std::vector<RowRef> sorted;
    for (const std::uint32_t row : SegmentOrder(rows)) sorted.push_back({0, row});
    const RowBatch* const source = &rows;
    QUIPU_CHECK((*writer)->Append(Gather({&source, 1}, sorted)).ok());
    auto meta = (*writer)->Finish();
    QUIPU_CHECK(meta.has_value());
    return *meta;
  }

  MemoryVfs memory_;
  OrderCheckingVfs vfs_{&memory_};
  MemoryKvDisk disk_;
  ManualClock clock_{0};
  RowBatchBuilder builder_;
  KvBatch names_;
  std::uint64_t made_ = 0;
};

}  // namespace quipu
