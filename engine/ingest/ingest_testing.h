// A store with a committer, in memory, for the tests of this folder: write order checked, time by hand, faults on command.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "ingest/committer.h"
#include "ingest/sealer.h"

namespace quipu {

/// Stops who passes while it is closed.
class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_open_; });
  }
  void Close() { Set(false); }
  void Open() { Set(true); }

 private:
  void Set(bool is_open) {
    const std::lock_guard lock(mutex_);
    is_open_ = is_open;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = true;
};

/// Passes everything on and counts; writes pass a gate.
class CountingKv final : public KvStore {
 public:
  CountingKv(std::unique_ptr<KvStore> below, std::atomic<int>* synced, Gate* gate)
      : below_(std::move(below)), synced_(synced), gate_(gate) {}
  Status Write(const KvBatch& batch, bool sync) override {
    gate_->Pass();
    Status status = below_->Write(batch, sync);
    if (sync && status.ok()) ++*synced_;
    return status;
  }
  Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const override {
    return below_->Get(space, key);
  }
  Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const override {
    return below_->Scan(space, from, visit);
  }
  Status Purge() override { return below_->Purge(); }
  Status ReleaseOldFiles() override { return below_->ReleaseOldFiles(); }
  Status Close() override { return below_->Close(); }

 private:
  std::unique_ptr<KvStore> below_;
  std::atomic<int>* synced_;
  Gate* gate_;
};

class IngestTest : public testing::Test {
 protected:
  IngestTest() { options_.create_if_missing = true; }
  ~IngestTest() override { Close(); }

  Status TryOpen() {
    Close();
    order_ = std::make_unique<OrderCheckingVfs>(&fault_);
    StoreEnvironment environment;
    environment.vfs = order_.get();
    environment.clock = &clock_;
    environment.random_seed = 5;
    environment.open_kv = [this](const std::string&) -> Result<std::unique_ptr<KvStore>> {
      auto below = disk_.Open();
      if (!below) return below.error();
      return std::unique_ptr<KvStore>(
          std::make_unique<CountingKv>(*std::move(below), &synced_, &gate_));
    };
    auto store = Store::Open("/s", options_, environment);
    if (!store) return store.error();
    store_ = *std::move(store);
    committer_ = std::make_unique<Committer>(store_.get(), 99);
    return {};
  }
  void Open() {
    const Status s = TryOpen();
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  void Close() {
    committer_.reset();
    if (store_) (void)store_->Close();
    store_.reset();
  }

  /// Everything stored so far is gone.
  void NewDisks() {
    Close();
    std::destroy_at(&memory_);
    std::construct_at(&memory_);
    std::destroy_at(&disk_);
    std::construct_at(&disk_);
  }

  static Event MakeEvent(std::string_view id, std::int64_t tokens = 1) {
    Event e;
    e.id = id;
    e.customer = "acme";
    e.service = "api";
    e.time = kNow - kHourUs;
    e.measures = {{"tokens", Decimal(tokens)}};
    return e;
  }
  static EventBatch BatchOf(const std::vector<Event>& events) {
    EventBatch batch;
    for (const Event& e : events) batch.Add(e);
    return batch;
  }
  static EventBatch Stamped(const std::string& producer, std::uint64_t epoch,
                            std::uint64_t sequence, std::string_view id) {
    EventBatch batch = BatchOf({MakeEvent(id)});
    batch.producer = ProducerStamp{producer, epoch, sequence};
    return batch;
  }
  Result<IngestReply> Ingest(const EventBatch& batch) { return committer_->SubmitAndWait(batch); }
  Result<IngestReply> Ingest(const std::vector<Event>& events) { return Ingest(BatchOf(events)); }
  std::vector<Outcome> Outcomes(const std::vector<Event>& events) {
    auto reply = Ingest(events);
    EXPECT_TRUE(reply) << reply.error().ToString();
    return reply ? reply->outcomes : std::vector<Outcome>();
  }

  /// Holds the committer until `body` has queued what it likes: those batches become one group.
  template <class Body>
  void WhileHeld(Body&& body) {
    std::promise<void> held;
    std::promise<void> release;
    auto released = release.get_future().share();
    ASSERT_TRUE(committer_
                    ->Submit(BatchOf({MakeEvent("plug-" + std::to_string(++plugs_))}),
                             [&held, released](const Result<IngestReply>&) {
                               held.set_value();
                               released.wait();
                             })
                    .ok());
    held.get_future().wait();
    body();
    release.set_value();
  }
  /// The batches as one group; replies in order.
  std::vector<Result<IngestReply>> IngestTogether(std::vector<EventBatch> batches) {
    std::vector<std::future<Result<IngestReply>>> futures;
    WhileHeld([&] {
      for (EventBatch& batch : batches) {
        auto promise = std::make_shared<std::promise<Result<IngestReply>>>();
        futures.push_back(promise->get_future());
        EXPECT_TRUE(
            committer_
                ->Submit(std::move(batch),
                         [promise](Result<IngestReply> r) { promise->set_value(std::move(r)); })
                .ok());
      }
    });
    std::vector<Result<IngestReply>> replies;
    for (auto& f : futures) replies.push_back(f.get());
    return replies;
  }

  /// "customer/source/id" of everything that is visible, plugs left out.
  std::multiset<std::string> StoredIds() const {
    std::multiset<std::string> ids;
    const ViewPtr view = store_->view();
    const auto add = [&](const RowBatch& rows) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string customer(store_->catalogue().Customer(rows.customers[i]));
        const std::string id = rows.IdText(i, customer);
        if (id.starts_with("plug-")) continue;
        ids.insert(customer + "/" + std::string(rows.sources.Text(i)) + "/" + id);
      }
    };
    for (const SegmentPtr& s : view->segments) {
      auto rows = s->ReadRows(0, s->rows());
      EXPECT_TRUE(rows) << rows.error().ToString();
      if (rows) add(*rows);
    }
    for (const HotBatchPtr& b : view->hot) add(b->rows);
    return ids;
  }

  static constexpr TimeUs kNow = 1'773'144'000 * kSecondUs;  // 2026-03-10T12:00:00Z
  Options options_;
  ManualClock clock_{kNow};
  MemoryVfs memory_;
  FaultVfs fault_{&memory_};
  MemoryKvDisk disk_;
  std::atomic<int> synced_{0};
  Gate gate_;
  int plugs_ = 0;
  std::unique_ptr<OrderCheckingVfs> order_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Committer> committer_;
};

}  // namespace quipu
